"""Acknowledgements: which one is wanted, writing it, reading one.

Owns: MSH/MSA/ERR of answers in every version. Must not: decide whether a message is accepted (the caller does), nor
build with hl7apy: an answer is written in microseconds. Sources: HL7 2.5.1 sections 2.9, 2.15.5 and 2.15.8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hl7.control_ids import new_control_id
from hl7.delimiters import Delimiters
from hl7.elements import Field
from hl7.errors import AckCode, Hl7Error, Location, UnreadableMessage
from hl7.escapes import Escapes
from hl7.header import Header
from hl7.message import Message, Segment
from hl7.parsing import parse

_ACCEPT_LEVEL = {AckCode.AA: AckCode.CA, AckCode.AE: AckCode.CE, AckCode.AR: AckCode.CR}
_CONDITIONS = ("AL", "NE", "ER", "SU")
_VERSION = re.compile(r"2\.\d(\.\d)?")
_NEWEST = "2.9"
_TEXT_LENGTH = 80
"""MSA-3 is an ST of 80 characters up to 2.6."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sender wants to hear: the accept level in enhanced mode, the application level in either."""

    original: bool
    accept: AckCode | None
    """enhanced mode: the code at accept level, None for no answer there"""
    application: AckCode | None
    """the code at application level, None for no answer there"""

    @property
    def immediate(self) -> AckCode | None:
        """The code to answer on the connection now.

        There is one answer for each message. Who wants no accept acknowledgement waits for the application's.
        """
        return self.accept or self.application


def wanted(message: Message | Header, outcome: AckCode) -> Wanted:
    """Which acknowledgements MSH-15 and MSH-16 ask for when processing ended with `outcome` (AA, AE or AR).

    The accept level carries the outcome: a message is answered when it has been processed, and a CA for what was
    refused would be the last its sender hears of it.
    """
    header = message if isinstance(message, Header) else Header.of(message)
    # what is not in the table asks for nothing in particular: its sender must not wait for ever
    accept_condition, application_condition = (
        condition if condition in _CONDITIONS else ""
        for condition in (header.accept_condition, header.application_condition)
    )
    if not accept_condition and not application_condition:
        return Wanted(True, None, outcome)
    application = outcome if _asked(application_condition, outcome) else None
    accept = _ACCEPT_LEVEL[outcome]
    return Wanted(False, accept if _asked(accept_condition, accept) else None, application)


def _asked(condition: str, outcome: AckCode) -> bool:
    """Table 0155: AL always, NE never, ER on error or reject, SU on success; empty beside a valued one is NE."""
    return condition in ("AL", "SU" if outcome.accepted else "ER")


def acknowledge(
    message: Message | Header,
    code: AckCode,
    *,
    errors: Sequence[Hl7Error] = (),
    text: str = "",
    control_id: str | None = None,
    now: datetime | None = None,
) -> bytes:
    """Write the acknowledgement of a message, in its own delimiters, version and character set.

    `text` (MSA-3) is the first error's when not given. `errors` become ERR: ERR-1 up to 2.4, ERR-2 to 8 from 2.5 on.
    `now` must be aware; it is the present when not given.
    """
    header = message if isinstance(message, Header) else Header.of(message)
    escapes = Escapes(header.delimiters)
    version = _answered_version(header.version)
    separator = header.delimiters.field
    shown = text or (errors[0].text if errors else "")
    acknowledgement = ["MSA", code.value, header.control_id]
    if shown:
        acknowledgement.append(escapes.escape(shown[:_TEXT_LENGTH]))
    segments = [_header_segment(header, version, control_id or new_control_id(), now or datetime.now(UTC))]
    segments.append(separator.join(acknowledgement))
    segments += _error_segments(errors, escapes, version)
    return ("\r".join(segments) + "\r").encode(header.codec, errors="replace")


def _header_segment(header: Header, version: str, control_id: str, now: datetime) -> str:
    """MSH with sender and receiver exchanged; processing id and character set as received."""
    component = header.delimiters.component
    kind = ["ACK"]
    if version >= "2.2" and header.trigger:
        kind.append(header.trigger)
        if version >= "2.4":
            kind.append("ACK")
    fields = [
        "MSH",
        header.delimiters.encoding_characters,
        *(header.raw(number) for number in (5, 6, 3, 4)),
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        component.join(kind),
        control_id,
        header.raw(11) or "P",
        version,
        *("" for _ in range(13, 18)),
        header.raw(18),
    ]
    while not fields[-1]:
        fields.pop()
    return header.delimiters.field.join(fields)


def _answered_version(version: str) -> str:
    """The sender's version where it is one, the newest we know where it is higher, 2.5.1 where there is none."""
    if _VERSION.fullmatch(version):
        return version
    return _NEWEST if re.match(r"[3-9]|2\.\d\d", version) else "2.5.1"


def _error_segments(errors: Sequence[Hl7Error], escapes: Escapes, version: str) -> list[str]:
    separator = escapes.delimiters.field
    if not errors:
        return []
    if version >= "2.5":
        return [separator.join(_error_fields(error, escapes)) for error in errors]
    repetition = escapes.delimiters.repetition
    locations = [_old_error(error, escapes) for error in errors]
    return [f"ERR{separator}{repetition.join(locations) if repetition else locations[0]}"]


def _old_error(error: Hl7Error, escapes: Escapes) -> str:
    """ELD: segment, occurrence, field, code (a CE in subcomponents)."""
    place = error.location or Location("")
    code = (error.error_code, escapes.escape(error.error_name), "HL70357")
    below = escapes.delimiters.subcomponent
    parts = [place.segment, str(place.occurrence) if place.segment else "", str(place.field or "")]
    return escapes.delimiters.component.join([*parts, below.join(code) if below else error.error_code])


def _error_fields(error: Hl7Error, escapes: Escapes) -> list[str]:
    """ERR-1 to ERR-8 of 2.5 and later."""
    component = escapes.delimiters.component
    place = error.location.erl(component) if error.location else ""
    code = component.join((error.error_code, escapes.escape(error.error_name), "HL70357"))
    return ["ERR", "", place, code, "E", "", "", "", escapes.escape(error.text)]


@dataclass(frozen=True, slots=True)
class ReportedError:
    """One error of a received acknowledgement. `location` is as sent, parts joined by ^."""

    code: str
    location: str = ""
    severity: str = "E"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A received acknowledgement: MSA-1, MSA-2, MSA-3 and what ERR says."""

    code: AckCode
    control_id: str
    text: str = ""
    errors: tuple[ReportedError, ...] = ()

    @property
    def accepted(self) -> bool:
        """True for AA and CA."""
        return self.code.accepted


def read_acknowledgement(raw: bytes) -> Acknowledgement:
    """Read an answer, of whatever message type carries it (ACK, ORR, ORI ...).

    Errors: UnreadableMessage when it has no MSA or an unknown code; ContentError when it cannot be decoded.
    """
    message = parse(raw, charset_fallback="8859/1")
    segment = message.first("MSA")
    if segment is None:
        raise UnreadableMessage("an answer needs an MSA segment", location=Location("MSA"))
    try:
        code = AckCode(segment.text(1).upper())
    except ValueError:
        place = Location("MSA", 1, 1)
        raise UnreadableMessage("MSA-1 is none of AA AE AR CA CE CR", error_code="103", location=place) from None
    errors = tuple(error for found in message.of("ERR") for error in _reported(found, message.delimiters))
    return Acknowledgement(code, segment.text(2), segment.text(3), errors)


def _reported(segment: Segment, delimiters: Delimiters) -> list[ReportedError]:
    old = [
        ReportedError(repetition.part(4), _place(repetition.whole_text, delimiters, 3))
        for repetition in segment.field(1).repetitions
        if repetition.part(1) or repetition.part(4)
    ]
    if not (segment.text(3) or segment.text(2) or segment.text(8)):
        return old
    place = _place(_first(segment.field(2)), delimiters, 6)
    return [*old, ReportedError(segment.text(3), place, segment.text(4) or "E", segment.text(8) or segment.text(7))]


def _first(field: Field) -> str:
    return field.repetition(1).whole_text


def _place(text: str, delimiters: Delimiters, parts: int) -> str:
    pieces = text.split(delimiters.component)[:parts] if delimiters.component else [text]
    return "^".join(pieces).rstrip("^")
