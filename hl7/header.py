"""The header of a message alone: what an acknowledgement needs, also when the rest cannot be read.

Owns: reading MSH from raw bytes without decoding the message. Must not: judge it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hl7.delimiters import STANDARD, Delimiters
from hl7.errors import Location, UnreadableMessage
from hl7.message import Message

_RAW_CODEC = "latin_1"


@dataclass(frozen=True, slots=True)
class Header:
    """MSH. `fields` are the raw fields by HL7 number (0 is the id); `codec` turns them back into the bytes received."""

    delimiters: Delimiters = STANDARD
    codec: str = "ascii"
    fields: tuple[str, ...] = field(default=("MSH",), repr=False)

    @classmethod
    def of(cls, message: Message) -> Header:
        """The header of a parsed message."""
        return cls(message.delimiters, message.charset.codec, tuple(message.header.fields))

    def raw(self, number: int) -> str:
        """One raw field, "" when missing."""
        return self.fields[number] if number < len(self.fields) else ""

    def part(self, number: int, component: int = 1) -> str:
        """The text of one component of a field, with blanks around it removed but not unescaped."""
        separator = self.delimiters.component
        pieces = self.raw(number).split(separator) if separator else [self.raw(number)]
        return pieces[component - 1].strip() if component <= len(pieces) else ""

    @property
    def control_id(self) -> str:
        """MSH-10, exactly as received."""
        return self.raw(10)

    @property
    def message_type(self) -> str:
        """MSH-9.1."""
        return self.part(9, 1)

    @property
    def trigger(self) -> str:
        """MSH-9.2."""
        return self.part(9, 2)

    @property
    def version(self) -> str:
        """MSH-12.1."""
        return self.part(12)

    @property
    def accept_condition(self) -> str:
        """MSH-15: AL, NE, ER, SU or empty."""
        return self.part(15).upper()

    @property
    def application_condition(self) -> str:
        """MSH-16: AL, NE, ER, SU or empty."""
        return self.part(16).upper()


def read_header(raw: bytes) -> Header:
    """Read MSH from bytes that may be unreadable otherwise; non-ASCII bytes are carried through unchanged.

    Errors: UnreadableMessage when there is no MSH or its delimiters make no sense; then nothing can be answered.
    """
    start = raw.find(b"MSH")
    if start < 0 or raw[:start].strip(b"\xef\xbb\xbf \t\r\n\x00"):
        raise UnreadableMessage("a message begins with MSH", location=Location("MSH"))
    line = raw[start:].replace(b"\n", b"\r").split(b"\r", 1)[0].decode(_RAW_CODEC)
    delimiters = Delimiters.read(line[:12])
    fields = line.split(delimiters.field)
    return Header(delimiters, _RAW_CODEC, (fields[0], delimiters.field, *fields[1:]))
