"""The five (2.7: six) delimiters of a message, as its own MSH-1 and MSH-2 state them.

Owns: reading and checking them. Must not: split or unescape anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import punctuation

from hl7.errors import Location, UnreadableMessage


@dataclass(frozen=True, slots=True)
class Delimiters:
    """HL7 2.5.1 section 2.5.4. An empty string means: this message does not use that delimiter."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """The text of MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @classmethod
    def read(cls, header: str) -> Delimiters:
        """Take the delimiters from the start of an MSH, FHS or BHS segment.

        Errors: UnreadableMessage when MSH-1 or MSH-2 is missing or two delimiters are the same.
        """
        place = Location(header[:3], 1, 2)
        if len(header) < 5:
            raise UnreadableMessage("the header ends before its encoding characters", location=place)
        separator = header[3]
        encoding = header[4:].split(separator, 1)[0].rstrip(" ")
        characters = separator + encoding
        if not 1 <= len(encoding) <= 5:
            raise UnreadableMessage("write 1 to 5 encoding characters, usually ^~\\&", location=place)
        distinct = len(set(characters)) == len(characters)
        if not distinct or any(character not in punctuation for character in characters):
            raise UnreadableMessage("delimiters must differ from each other and be ASCII signs", location=place)
        return cls(separator, *encoding, *[""] * (5 - len(encoding)))


STANDARD = Delimiters()
"""The delimiters HL7 recommends and nearly everyone uses."""
