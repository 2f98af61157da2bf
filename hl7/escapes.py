r"""Escape sequences of HL7 text (2.5.1 section 2.7), both ways.

Owns: ``\F\ \S\ \T\ \R\ \E\ \P\ \Xhh\ \.br\ \Cxxyy\ \Mxxyyzz\`` and friends.
Must not: split anything. Unescape after splitting, exactly once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from hl7 import iso2022
from hl7.charset import PLAIN, MessageCharset
from hl7.delimiters import STANDARD, Delimiters

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SET_SWITCH = re.compile(r"C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?")
_COUNTED = re.compile(r"(sp|sk|in|ti)\s*[+-]?(\d{0,4})")
_DROPPED = frozenset({"H", "N", ".fi", ".nf", ".in", ".ti", ".sk", ".ce"})
_MOST_LINES = 100
"""An escape may ask for any number of blank lines; no text needs more than this."""


@dataclass(frozen=True, slots=True)
class Escapes:
    """Escaping and unescaping with the delimiters and character set of one message."""

    delimiters: Delimiters = STANDARD
    charset: MessageCharset = PLAIN

    def unescape(self, raw: str) -> str:
        r"""The text a leaf stands for. ``\.br\`` becomes a line feed; the unknown or unterminated stays as it is."""
        escape = self.delimiters.escape
        if not escape or escape not in raw:
            return raw
        pieces: list[str] = []
        switches: list[int] = []
        position = 0
        while (start := raw.find(escape, position)) >= 0 and (end := raw.find(escape, start + 1)) >= 0:
            pieces.append(raw[position:start])
            body = raw[start + 1 : end]
            if _SET_SWITCH.fullmatch(body):
                switches.append(len(pieces))
                pieces.append("\x1b" + bytes.fromhex(body[1:]).decode("latin_1"))
            elif (meaning := self._meaning(body)) is not None:
                pieces.append(meaning)
            else:
                # not an escape: keep the first character and look again, the second may begin a real one
                pieces.append(escape + body)
                position = end
                continue
            position = end + 1
        pieces.append(raw[position:])
        return self._switch_sets(pieces, switches) if switches else "".join(pieces)

    def _meaning(self, body: str) -> str | None:
        delimiters = self.delimiters
        letters = {
            "F": delimiters.field,
            "S": delimiters.component,
            "T": delimiters.subcomponent or "&",
            "R": delimiters.repetition or "~",
            "E": delimiters.escape,
            "P": delimiters.truncation or "#",
        }
        if body in letters:
            return letters[body]
        if body in _DROPPED or (body[:1] == "Z" and len(body) > 1):
            return ""
        if body[:1] == "X" and _HEX.fullmatch(body[1:]):
            return self._hexadecimal(body)
        return _formatting(body)

    def _hexadecimal(self, body: str) -> str | None:
        try:
            return self.charset.decode(bytes.fromhex(body[1:]))
        except UnicodeDecodeError:
            return None

    def _switch_sets(self, pieces: list[str], switches: list[int]) -> str:
        """Read the pieces between switches in their sets; switches to sets we do not know are dropped."""
        try:
            return iso2022.decode("".join(pieces).encode(self.charset.codec), self.charset.upper_half)
        except UnicodeError:
            return "".join(piece for number, piece in enumerate(pieces) if number not in switches)

    def escape(self, text: str) -> str:
        r"""Text made safe to stand in a leaf; line ends become ``\.br\``, other control characters ``\Xhh\``."""
        if text.isalnum():
            return text
        delimiters = self.delimiters
        if not delimiters.escape:
            reserved = delimiters.field + delimiters.encoding_characters
            return _UNSAFE.sub(" ", "".join(" " if character in reserved else character for character in text))
        safe = text.translate(_wrapped(delimiters)).replace("\r\n", "\n").replace("\r", "\n")
        return _UNSAFE.sub(lambda match: self._control(match[0]), safe)

    def _control(self, character: str) -> str:
        escape = self.delimiters.escape
        return f"{escape}.br{escape}" if character == "\n" else f"{escape}X{ord(character):02X}{escape}"


_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


@lru_cache(maxsize=64)
def _wrapped(delimiters: Delimiters) -> dict[int, str]:
    """The translation of delimiters into their escapes."""
    letters = (
        (delimiters.escape, "E"),
        (delimiters.field, "F"),
        (delimiters.component, "S"),
        (delimiters.subcomponent, "T"),
        (delimiters.repetition, "R"),
        (delimiters.truncation, "P"),
    )
    escape = delimiters.escape
    return {ord(character): f"{escape}{letter}{escape}" for character, letter in letters if character}


def _formatting(body: str) -> str | None:
    if body == ".br":
        return "\n"
    match = _COUNTED.fullmatch(body[1:]) if body[:1] == "." else None
    if match is None:
        return None
    count = min(int(match[2] or 1), _MOST_LINES)
    return "\n" * max(count, 1) if match[1] == "sp" else ""
