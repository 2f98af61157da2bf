"""Outgoing messages: values in, escaped and encoded bytes out, checked against hl7apy's dictionaries.

Owns: the builder. Must not: know what a notification says. The text is written here and not by hl7apy, whose writer
spoils escapes it does not know (`\\.br\\` becomes `\\E\\.br\\E\\`) and takes 10 ms a message where this takes 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from hl7.charset import ASCII, find
from hl7.control_ids import new_control_id
from hl7.delimiters import STANDARD
from hl7.errors import ContentError, Location
from hl7.escapes import Escapes
from hl7.validation import VERSIONS, field_definitions, is_known_segment, structure_name

_ESCAPES = Escapes()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The repetitions of a field."""

    values: Sequence[RepetitionValue]


Leaf = str | int | None
"""Text (it is escaped here), a number, or nothing. `hl7.elements.NULL` deletes at the receiver."""
ComponentValue = Leaf | tuple[Leaf, ...]
"""A leaf or its subcomponents."""
RepetitionValue = Leaf | tuple[ComponentValue, ...]
"""A leaf or its components."""
FieldValue = RepetitionValue | Repeated
Fields = Mapping[int, FieldValue] | Sequence[FieldValue]
"""Values by HL7 field number, or in order from field 1."""


class MessageBuilder:
    """One outgoing message: give it the header, add segments in order, take the bytes.

    MSH-9.3 is written from 2.3.1 on when `structure` is given, or from 2.4 on by the version's own table. Errors:
    ValueError for what is wrong with the program or its settings: version, character set, segments a version lacks.
    """

    def __init__(
        self,
        message_type: str,
        trigger: str,
        *,
        version: str = "2.3.1",
        structure: str | None = None,
        charset: str = "",
        control_id: str | None = None,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"{version!r} is none of the HL7 versions {', '.join(VERSIONS)}")
        row = find(charset) if charset else ASCII
        if row is None:
            raise ValueError(f"{charset!r} is no character set this program knows: use a name of HL7 table 0211")
        self.version = version
        self.control_id = control_id or new_control_id()
        self._codec = row.codec
        known = structure_name(message_type, trigger, version)
        written = structure or (known if version >= "2.4" else "")
        self._header: dict[int, FieldValue] = {
            9: (message_type, trigger, written) if written else (message_type, trigger),
            10: self.control_id,
            11: "P",
            12: version,
            18: row.hl7_name if row is not ASCII else None,
        }
        self._segments: list[str] = []

    def header(
        self,
        *,
        sending_application: RepetitionValue = None,
        sending_facility: RepetitionValue = None,
        receiving_application: RepetitionValue = None,
        receiving_facility: RepetitionValue = None,
        timestamp: datetime | None = None,
        processing_id: str = "P",
        fields: Mapping[int, FieldValue] | None = None,
    ) -> MessageBuilder:
        """Fill MSH-3 to 7 and 11, and any further fields by number. `timestamp` is the present in UTC by default."""
        moment = timestamp or datetime.now(UTC)
        self._header |= {
            3: sending_application,
            4: sending_facility,
            5: receiving_application,
            6: receiving_facility,
            7: moment.strftime("%Y%m%d%H%M%S%z"),
            11: processing_id,
            **(fields or {}),
        }
        return self

    def segment(self, name: str, fields: Fields) -> MessageBuilder:
        """Add one segment. Z segments are free; others, and their fields, must exist in the version."""
        numbered = dict(fields) if isinstance(fields, Mapping) else dict(enumerate(fields, 1))
        if not name.startswith("Z"):
            self._check(name, numbered)
        self._segments.append(_segment_text(name, numbered))
        return self

    def _check(self, name: str, fields: Mapping[int, FieldValue]) -> None:
        if not is_known_segment(name, self.version):
            raise ValueError(f"HL7 {self.version} has no segment {name}")
        last = _last_field(name, self.version)
        if max(fields, default=1) > last or min(fields, default=1) < 1:
            raise ValueError(f"{name} of HL7 {self.version} has fields 1 to {last}")

    def to_bytes(self) -> bytes:
        """The message. Errors: ContentError when its text does not fit the character set."""
        if 7 not in self._header:
            self.header()
        written = "\r".join([_segment_text("MSH", self._header), *self._segments, ""])
        try:
            return written.encode(self._codec)
        except UnicodeEncodeError as error:
            place = Location(_segment_at(written, error.start))
            text = "the text does not fit the character set of this destination: choose UNICODE UTF-8"
            raise ContentError(text, location=place) from None


@lru_cache(maxsize=256)
def _last_field(segment: str, version: str) -> int:
    return max(field_definitions(segment, version))


def _segment_at(written: str, position: int) -> str:
    return written[:position].rpartition("\r")[2][:3] or written[:3]


def _segment_text(name: str, fields: Mapping[int, FieldValue]) -> str:
    if name == "MSH":
        start = f"MSH{STANDARD.field}{STANDARD.encoding_characters}"
        texts = [_field_text(fields.get(number)) for number in range(3, max(fields) + 1)]
        return STANDARD.field.join([start, *texts]).rstrip(STANDARD.field)
    texts = [_field_text(fields.get(number)) for number in range(1, max(fields, default=0) + 1)]
    return STANDARD.field.join([name, *texts]).rstrip(STANDARD.field)


def _field_text(value: FieldValue) -> str:
    if value is None:
        return ""
    if isinstance(value, Repeated):
        return STANDARD.repetition.join(_repetition_text(item) for item in value.values)
    return _repetition_text(value)


def _repetition_text(value: RepetitionValue) -> str:
    if isinstance(value, tuple):
        return STANDARD.component.join(_component_text(item) for item in value).rstrip(STANDARD.component)
    return _leaf_text(value)


def _component_text(value: ComponentValue) -> str:
    if isinstance(value, tuple):
        return STANDARD.subcomponent.join(_leaf_text(item) for item in value).rstrip(STANDARD.subcomponent)
    return _leaf_text(value)


def _leaf_text(value: Leaf) -> str:
    return "" if value is None else _ESCAPES.escape(str(value))
