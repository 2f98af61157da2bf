"""Bytes to `Message`: separators, delimiters, character set, limits; tolerant, and saying what it tolerated.

Owns: every rule between received bytes and readable text. Must not: judge content or drop segments it does not know.
Raises only Hl7Error, whose texts hold no content. Sources: HL7 2.5.1 sections 2.5 to 2.7 and 2.15.9.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hl7 import decoding
from hl7.delimiters import Delimiters
from hl7.errors import ContentError, Location, UnreadableMessage
from hl7.escapes import Escapes
from hl7.message import Message, Segment

_BOM = b"\xef\xbb\xbf"
_JUNK = bytes(range(0x21))
"""Control bytes and blanks before MSH and after the last segment mean nothing."""
_SEGMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9]{2}")
_TEXT_SEGMENTS = ("NTE", "OBX")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may hold; more is refused before it costs memory."""

    segments: int = 20_000
    repetitions: int = 5_000
    """per segment, all its fields together"""


_DEFAULT_LIMITS = Limits()


def parse(
    raw: bytes,
    *,
    charset_override: str | None = None,
    charset_fallback: str | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> Message:
    """Take a message apart.

    `charset_override` (a name of table 0211 or alias) replaces MSH-18; `charset_fallback` is used where MSH-18 is
    empty or wrong. Errors: UnreadableMessage when this is no HL7 v2 message or exceeds `limits`; ContentError (102)
    when its text cannot be decoded, (103) when MSH-18 names a set that is not supported.
    """
    body = raw.removeprefix(_BOM).strip(_JUNK)
    if body[:3] != b"MSH":
        text = "this is a batch, not a message" if body[:3] in (b"FHS", b"BHS") else "a message begins with MSH"
        raise UnreadableMessage(text, location=Location("MSH"))
    warnings: list[str] = []
    delimiters = Delimiters.read(body[:12].decode("latin_1"))
    charset = decoding.choose(body, delimiters, charset_override, charset_fallback, warnings)
    escapes = Escapes(delimiters, charset)
    lines = _lines(charset.decode(body), delimiters, warnings)
    if len(lines) > limits.segments:
        raise UnreadableMessage(f"the message has more than {limits.segments} segments", error_code="102")
    segments = tuple(Segment(line, escapes, number) for number, line in enumerate(lines, 1))
    _check(segments, delimiters, limits)
    return Message(segments, escapes, raw=raw, warnings=warnings)


def _lines(text: str, delimiters: Delimiters, warnings: list[str]) -> list[str]:
    """The segments, with CR, LF or CR LF between them.

    A line that cannot be a segment is the rest of a broken text when NTE or OBX stands before it; otherwise it is left
    out. Both are said in `warnings`.
    """
    lines: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\r").replace("\n", "\r").split("\r"), 1):
        if _SEGMENT_ID.match(line) and line[3:4] in ("", delimiters.field):
            lines.append(line)
        elif not line.strip():
            continue
        elif lines[-1][:3] in _TEXT_SEGMENTS:
            lines[-1] += "\n" + line
            warnings.append(f"line {number} was read as the rest of the text before it: it begins with no segment id")
        else:
            warnings.append(f"line {number} was left out: it begins with no segment id")
    return lines


def _check(segments: tuple[Segment, ...], delimiters: Delimiters, limits: Limits) -> None:
    for segment in segments:
        if segment.name == "MSH" and segment.line > 1:
            raise UnreadableMessage("a second MSH stands in one message", location=Location("MSH", 2))
        if delimiters.repetition and segment.raw.count(delimiters.repetition) >= limits.repetitions:
            occurrence = sum(other.name == segment.name for other in segments[: segment.line])
            place = Location(segment.name, occurrence)
            raise ContentError(f"the segment has more than {limits.repetitions} repetitions", location=place)
