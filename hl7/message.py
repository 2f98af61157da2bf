"""Messages taken apart: `Message` (a whole message), `Segments` (any run of its segments), `Segment`.

Owns: read access by path and by number, flat: HL7 groups are for the caller to make with `scope`.
Must not: parse bytes (hl7.parsing), judge content (hl7.validation) or change anything: all of it is read-only.

Splitting happens when a part is asked for, so a message of which little is read costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from hl7.charset import MessageCharset
from hl7.delimiters import STANDARD, Delimiters
from hl7.elements import (
    NULL,
    Component,
    Element,
    Field,
    LiteralField,
    Presence,
    Repetition,
    leaf_text,
    pick,
    presence_of,
)
from hl7.escapes import Escapes
from hl7.paths import Path, parse_path

__all__ = [
    "STANDARD", "Component", "Delimiters", "Element", "Escapes", "Field", "Message", "Path", "Presence", "Repetition",
    "Segment", "Segments", "parse_path",
]  # fmt: skip

_HEADERS = ("MSH", "FHS", "BHS")


class Segment:
    """One segment. `name` is its upper-case id; `line` counts from 1 in the message; `raw` is its text as sent."""

    __slots__ = ("_escapes", "_fields", "_repetitions", "_said", "line", "name", "raw")

    def __init__(self, raw: str, escapes: Escapes, line: int = 0) -> None:
        self.raw = raw
        self.name = raw[:3].upper()
        self.line = line
        self._escapes = escapes
        self._fields: list[str] | None = None
        self._repetitions: dict[int, tuple[Repetition, ...]] = {}
        self._said: frozenset[tuple[str, int]] | None = None

    def __repr__(self) -> str:
        return f"<Segment {self.name} line {self.line}>"

    @property
    def fields(self) -> list[str]:
        """The raw fields; index n is field n (0 is the segment id, and MSH-1 is the separator itself)."""
        if self._fields is None:
            separator = self._escapes.delimiters.field
            self._fields = self.raw.split(separator)
            if self.name in _HEADERS:
                self._fields.insert(1, separator)
        return self._fields

    @property
    def said(self) -> frozenset[tuple[str, int]]:
        """The fields that are not empty, as (segment name, number)."""
        if self._said is None:
            self._said = frozenset((self.name, number) for number, raw in enumerate(self.fields) if raw)
        return self._said

    def field(self, number: int) -> Field:
        """One field, empty when missing."""
        fields = self.fields
        raw = fields[number] if 0 < number < len(fields) else ""
        literal = number <= 2 and self.name in _HEADERS
        return LiteralField(raw, self._escapes) if literal else Field(raw, self._escapes)

    def repetitions(self, number: int) -> tuple[Repetition, ...]:
        """All repetitions of a field, none when it is empty; the same objects each time."""
        known = self._repetitions.get(number)
        if known is None:
            known = self._repetitions[number] = self.field(number).repetitions
        return known

    def text(self, number: int) -> str:
        """The first primitive of a field; "" when absent or null."""
        return self.field(number).text

    def find(self, path: Path) -> Iterator[str]:
        """The raw pieces `path` names in this segment (whatever segment it names): none, one, or one a repetition."""
        fields = self.fields
        if path.field >= len(fields):
            return
        raw = fields[path.field]
        if path.field <= 2 and self.name in _HEADERS:
            if _is_start(path):
                yield raw
            return
        delimiters = self._escapes.delimiters
        if path.repetition is None:
            for repetition in raw.split(delimiters.repetition) if delimiters.repetition else (raw,):
                yield _inside(repetition, path, delimiters)
        elif raw.strip(" ") == NULL:
            yield NULL  # the whole field is null, and so is every part of it
        else:
            yield _inside(pick(raw, delimiters.repetition, path.repetition), path, delimiters)


def _is_start(path: Path) -> bool:
    return path.repetition in (None, 1) and path.component in (None, 1) and path.subcomponent in (None, 1)


def _inside(repetition: str, path: Path, delimiters: Delimiters) -> str:
    """The raw piece of one repetition; a path that stops early keeps all below it (see `_first_leaf`)."""
    if path.component is None or repetition.strip(" ") == NULL:
        return repetition
    component = pick(repetition, delimiters.component, path.component)
    if path.subcomponent is None or component.strip(" ") == NULL:
        return component
    return pick(component, delimiters.subcomponent, path.subcomponent)


class Segments(Sequence[Segment]):
    """A run of segments with access by path. Paths may be given as text or, quicker, as a parsed `Path`."""

    __slots__ = ("_by_name", "_escapes", "_segments")

    def __init__(self, segments: Iterable[Segment], escapes: Escapes) -> None:
        self._segments = tuple(segments)
        self._escapes = escapes
        by_name: dict[str, list[Segment]] = {}
        for segment in self._segments:
            by_name.setdefault(segment.name, []).append(segment)
        self._by_name = {name: tuple(found) for name, found in by_name.items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' '.join(segment.name for segment in self._segments[:40])}>"

    def __len__(self) -> int:
        return len(self._segments)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> Segments: ...
    def __getitem__(self, index: int | slice) -> Segment | Segments:
        return self.scope(self._segments[index]) if isinstance(index, slice) else self._segments[index]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def of(self, name: str) -> tuple[Segment, ...]:
        """All segments of that name, in order."""
        return self._by_name.get(name, ())

    def first(self, name: str) -> Segment | None:
        """The first segment of that name."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def scope(self, segments: Iterable[Segment]) -> Segments:
        """The same access over some of the segments, such as one order group with its PID and PV1."""
        return Segments(segments, self._escapes)

    def values(self, path: Path | str) -> tuple[str, ...]:
        """Every value the path names, unescaped and stripped; absent and null ones are left out."""
        wanted = parse_path(path) if isinstance(path, str) else path
        texts = (self._leaf(raw, wanted) for raw in self._find(wanted))
        return tuple(text for text in texts if text)

    def text(self, path: Path | str, default: str = "") -> str:
        """The first value the path names; "" when it is null there, `default` when nothing is said."""
        wanted = parse_path(path) if isinstance(path, str) else path
        is_null = False
        for raw in self._find(wanted):
            if raw and (text := self._leaf(raw, wanted)):
                return text
            is_null = is_null or raw.strip(" ") == NULL
        return "" if is_null else default

    def state(self, path: Path | str) -> Presence:
        """Whether the message is silent about the path, deletes it, or gives a value (over all that it names)."""
        wanted = parse_path(path) if isinstance(path, str) else path
        found = {presence_of(raw, self._escapes) for raw in self._find(wanted)}
        if Presence.VALUE in found or (found and _is_literal(wanted)):
            return Presence.VALUE
        return Presence.NULL if Presence.NULL in found else Presence.ABSENT

    def _find(self, path: Path) -> Iterator[str]:
        segments = self._by_name.get(path.segment, ())
        if path.occurrence is None:
            for segment in segments:
                yield from segment.find(path)
        elif path.occurrence <= len(segments):
            yield from segments[path.occurrence - 1].find(path)

    def _leaf(self, raw: str, path: Path) -> str:
        if _is_literal(path):
            return raw
        delimiters = self._escapes.delimiters
        if not path.whole:
            if path.component is None:
                raw = pick(raw, delimiters.component, 1)
            if path.subcomponent is None:
                raw = pick(raw, delimiters.subcomponent, 1)
        return leaf_text(raw, self._escapes)


def _is_literal(path: Path) -> bool:
    """True for MSH-1 and MSH-2, which hold the delimiters themselves."""
    return path.field <= 2 and path.segment in _HEADERS


class Message(Segments):
    """A whole message with its header read. `raw` are the bytes as received; `warnings` say what was tolerated."""

    __slots__ = ("charset", "delimiters", "raw", "warnings")

    def __init__(
        self,
        segments: Iterable[Segment],
        escapes: Escapes,
        *,
        raw: bytes = b"",
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(segments, escapes)
        self.delimiters: Delimiters = escapes.delimiters
        self.charset: MessageCharset = escapes.charset
        self.raw = raw
        self.warnings = tuple(warnings)

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return self._segments[0]

    @property
    def sending_application(self) -> str:
        """MSH-3: namespace, else universal id."""
        return self._hierarchic_designator(3)

    @property
    def sending_facility(self) -> str:
        """MSH-4."""
        return self._hierarchic_designator(4)

    @property
    def receiving_application(self) -> str:
        """MSH-5."""
        return self._hierarchic_designator(5)

    @property
    def receiving_facility(self) -> str:
        """MSH-6."""
        return self._hierarchic_designator(6)

    @property
    def timestamp(self) -> str:
        """MSH-7 as sent; `hl7.datatypes.parse_dtm` reads it."""
        return self.header.text(7)

    @property
    def message_type(self) -> str:
        """MSH-9.1, such as ORM."""
        return self.header.field(9).part(1)

    @property
    def trigger(self) -> str:
        """MSH-9.2, such as O01."""
        return self.header.field(9).part(2)

    @property
    def structure(self) -> str:
        """MSH-9.3 as sent, often empty; `hl7.validation.structure_name` knows what belongs there."""
        return self.header.field(9).part(3)

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.text(10)

    @property
    def processing_id(self) -> str:
        """MSH-11.1: P production, T training, D debugging."""
        return self.header.text(11)

    @property
    def version(self) -> str:
        """MSH-12.1."""
        return self.header.text(12)

    @property
    def accept_acknowledgement(self) -> str:
        """MSH-15: AL, NE, ER, SU or empty."""
        return self.header.text(15)

    @property
    def application_acknowledgement(self) -> str:
        """MSH-16: AL, NE, ER, SU or empty."""
        return self.header.text(16)

    def _hierarchic_designator(self, field: int) -> str:
        found = self.header.field(field)
        return found.part(1) or found.part(2)
