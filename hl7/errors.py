"""The one tree of HL7 errors: each knows its acknowledgement code, its HL7 error code and its place in the message.

Owns: acknowledgement codes (table 0008), error codes (table 0357) and error locations (data type ERL).
Must not: carry patient data. Texts name fields, rules and remedies, never the values found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AckCode(StrEnum):
    """Acknowledgement code, HL7 table 0008: application level (A.) and accept level (C.)."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"

    @property
    def accepted(self) -> bool:
        """True for AA and CA."""
        return self in (AckCode.AA, AckCode.CA)


ERROR_NAMES: dict[str, str] = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""HL7 table 0357, message error condition codes."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a message, counted from 1 as in HL7 (2.5.1, data type ERL)."""

    segment: str
    occurrence: int = 1
    field: int | None = None
    repetition: int | None = None
    component: int | None = None
    subcomponent: int | None = None

    def erl(self, separator: str = "^") -> str:
        """The ERL text of ERR-2, e.g. ``PID^1^3``; HL7 wants the repetition written when a component is named."""
        repetition = self.repetition
        if repetition is None and self.component is not None:
            repetition = 1
        parts = [self.segment, self.occurrence, self.field, repetition, self.component, self.subcomponent]
        while parts[-1] is None:
            parts.pop()
        return separator.join("" if part is None else str(part) for part in parts)

    def __str__(self) -> str:
        """The form people use and `parse_path` reads: ``PID-3.1``, ``OBR[2]-4``, ``PID-3[2].1``."""
        text = self.segment if self.occurrence == 1 else f"{self.segment}[{self.occurrence}]"
        if self.field is None:
            return text
        text += f"-{self.field}"
        if self.repetition not in (None, 1):
            text += f"[{self.repetition}]"
        if self.component is not None:
            text += f".{self.component}"
            if self.subcomponent is not None:
                text += f".{self.subcomponent}"
        return text


class Hl7Error(Exception):
    """A reason to refuse a message.

    `text` is for the user who reads MSA-3 or ERR-8: it names the rule and the remedy and holds no patient data.
    """

    default_ack_code = AckCode.AE
    default_error_code = "207"

    def __init__(
        self,
        text: str,
        *,
        error_code: str | None = None,
        location: Location | None = None,
        ack_code: AckCode | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.error_code = error_code or self.default_error_code
        self.location = location
        self.ack_code = ack_code or self.default_ack_code

    @property
    def error_name(self) -> str:
        """The name of `error_code` in table 0357."""
        return ERROR_NAMES.get(self.error_code, "Application error")

    def __str__(self) -> str:
        return f"{self.location}: {self.text}" if self.location else self.text


class FramingKind(StrEnum):
    """What is wrong with the bytes around or inside MLLP frames."""

    JUNK = "junk"
    """bytes outside any frame; skipped"""
    UNFINISHED = "unfinished"
    """a frame that never ended, because another began or the connection closed; dropped"""
    TOO_LARGE = "too large"
    """a frame above the size limit; the connection must be closed"""


class FramingError(Hl7Error):
    """The byte stream breaks the MLLP rules. Nothing can be answered; only `TOO_LARGE` ends the connection."""

    default_ack_code = AckCode.AR

    def __init__(self, kind: FramingKind, byte_count: int, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.byte_count = byte_count


class UnreadableMessage(Hl7Error):
    """The bytes are no HL7 v2 message we can take apart (AR)."""

    default_ack_code = AckCode.AR
    default_error_code = "100"


class UnsupportedMessage(Hl7Error):
    """Readable, but its type, event, processing id or version (200, 201, 202, 203) is not for us (AR)."""

    default_ack_code = AckCode.AR
    default_error_code = "200"


class ContentError(Hl7Error):
    """Readable and for us, but its content is wrong (AE; 100 to 103, 204, 205)."""

    default_error_code = "102"


class TransientError(Hl7Error):
    """Nothing wrong with the message: we cannot process it now (AR; 206 or 207). The sender should repeat it."""

    default_ack_code = AckCode.AR
    default_error_code = "207"
