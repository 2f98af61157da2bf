"""Where a mapping looks: the segments of one order group or step, and the pieces of them that a source names.

Owns: sources, their conditions, and finding what they name, with the place for traces and errors.
Must not: convert values (see ``conversions``) or decide which source wins (see ``mapping``).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from hl7.elements import NULL, Element, Presence, Repetition
from hl7.errors import Location
from hl7.message import Message, Segment, Segments
from hl7.paths import Path, parse_path

_WHERE = re.compile(r"(?P<path>\S+)\s+(?P<test>in|not in|present|absent)(?:\s+\[(?P<values>[^\]]*)\])?")


@dataclass(frozen=True, slots=True)
class Condition:
    """``PATH in [a, b]``, ``PATH not in [a, b]``, ``PATH present`` or ``PATH absent``; text compares without case."""

    path: Path
    test: str
    values: frozenset[str] = frozenset()

    def holds(self, texts: Iterable[str]) -> bool:
        """Whether the values found at ``path`` satisfy it."""
        found = {text.casefold() for text in texts if text}
        match self.test:
            case "in":
                return bool(found & self.values)
            case "not in":
                return not found & self.values
            case "present":
                return bool(found)
            case _:
                return not found


def parse_condition(text: str) -> Condition:
    """Read a condition.  Raises ValueError that says what is expected."""
    match = _WHERE.fullmatch(text.strip())
    if match is None or (match["values"] is None) != (match["test"] in ("present", "absent")):
        raise ValueError(f"{text!r} is no condition: write PATH in [a, b], PATH not in [], PATH present or PATH absent")
    values = frozenset(v.strip().casefold() for v in (match["values"] or "").split(",")) - {""}
    return Condition(parse_path(match["path"]), match["test"], values)


@dataclass(frozen=True, slots=True)
class Source:
    """One place to take a value from, or a constant ``value`` (then ``path`` is None).

    ``after`` keeps only segments that follow a segment of that name (comments belong to what they stand after).  A
    ``weak`` source is believed less than the catalogue.  ``unit`` is the field of the same segment with the unit.
    """

    path: Path | None
    value: str = ""
    where: Condition | None = None
    after: str = ""
    weak: bool = False
    unit: int = 0

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else "constant"


@dataclass(slots=True, eq=False)  # not frozen: dozens are made for every message, and freezing doubles their cost
class Piece:
    """One place that a source path names: a repetition, and the component or subcomponent it starts at."""

    segment: Segment
    repetition: Repetition
    path: Path
    occurrence: int
    number: int
    #: an explicit null, or a value
    presence: Presence
    unit: str = ""

    @property
    def element(self) -> Element:
        """The repetition, or the component that the path names."""
        if self.path.component is None:
            return self.repetition
        return self.repetition.component(self.path.component)

    @property
    def text(self) -> str:
        """The text at the path; all below it with its separators when the path says so."""
        return self.element.whole_text if self.path.whole else self.part(1)

    def part(self, number: int) -> str:
        """The text ``number - 1`` places after the one the path names: its own level decides what a place is."""
        component, subcomponent = self.path.component, self.path.subcomponent
        if component is None:
            return self.repetition.part(number)
        if subcomponent is None:
            return self.repetition.part(component + number - 1)
        return self.repetition.component(component).subcomponent(subcomponent + number - 1)

    def phrase(self, number: int = 1) -> str:
        """As ``part``, for human text: a component of it keeps the subcomponent separators that its sender forgot to
        escape, as in ``chest & abdomen``."""
        component, subcomponent = self.path.component or 1, self.path.subcomponent
        if subcomponent is not None or self.path.whole:
            return self.text if number == 1 else self.part(number)
        return self.repetition.component(component + number - 1).whole_text

    @property
    def location(self) -> Location:
        """The place in the message, for errors."""
        return _location(self.path, self.occurrence, self.number)

    @property
    def place(self) -> str:
        """The location as text, for traces."""
        return _place(self.path, self.occurrence, self.number)


# bounded: the places that messages of every sender name again and again
@lru_cache(4096)
def _location(path: Path, occurrence: int, number: int) -> Location:
    repetition = number if number > 1 else None
    return Location(path.segment, occurrence, path.field, repetition, path.component, path.subcomponent)


@lru_cache(4096)
def _place(path: Path, occurrence: int, number: int) -> str:
    return str(_location(path, occurrence, number))


class Index:
    """What is known of a message's segments from their order: occurrence by name, and what comments stand after."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.occurrence: dict[int, int] = {}
        self.parent: dict[int, str] = {}
        counts: dict[str, int] = {}
        last = ""
        for segment in message:
            counts[segment.name] = counts.get(segment.name, 0) + 1
            self.occurrence[segment.line] = counts[segment.name]
            self.parent[segment.line] = last
            if segment.name != "NTE":
                last = segment.name


class Scope:
    """The segments one order, procedure or step is read from; ``said`` are the fields that hold anything.

    ``rows`` are their raw fields by segment name, each with the segment's occurrence and what it stands after.
    """

    def __init__(self, index: Index, segments: Iterable[Segment]) -> None:
        self.index = index
        self.segments: Segments = index.message.scope(segments)
        self.rows: dict[str, list[tuple[list[str], int, str]]] = {}
        for segment in self.segments:
            row = (segment.fields, index.occurrence[segment.line], index.parent[segment.line])
            self.rows.setdefault(segment.name, []).append(row)
        self.said: frozenset[tuple[str, int]] = frozenset().union(*(segment.said for segment in self.segments))

    def pieces(self, source: Source) -> list[Piece]:
        """Every piece the path of ``source`` names, in order, that is not wholly absent."""
        path = source.path
        if path is None:
            return []
        segments = self.segments.of(path.segment)
        if not segments:
            return []
        if source.after or source.where is not None:
            segments = self._wanted(segments, source)
        if path.occurrence is not None:
            # a condition or neighbour already chose: the first that fits is meant
            segments = segments[path.occurrence - 1 : path.occurrence]
        found: list[Piece] = []
        number = path.field
        for segment in segments:
            fields = segment.fields
            if number < len(fields) and fields[number]:
                self._collect(found, segment, path, segment.text(source.unit) if source.unit else "")
        return found

    def holds(self, condition: Condition | None) -> bool:
        """Whether a condition holds somewhere in the scope."""
        return condition is None or condition.holds(self.segments.values(condition.path))

    def _wanted(self, segments: tuple[Segment, ...], source: Source) -> tuple[Segment, ...]:
        condition = source.where
        if source.after:
            segments = tuple(s for s in segments if self.index.parent[s.line] == source.after)
        if condition is not None:
            segments = tuple(s for s in segments if self._fits(s, condition))
        return segments

    def _fits(self, segment: Segment, condition: Condition) -> bool:
        if condition.path.segment != segment.name:
            return self.holds(condition)
        return condition.holds(self.index.message.scope((segment,)).values(condition.path))

    def _collect(self, found: list[Piece], segment: Segment, path: Path, unit: str) -> None:
        occurrence = self.index.occurrence[segment.line]
        repetitions, first = segment.repetitions(path.field), 1
        if path.repetition is not None:
            repetitions, first = repetitions[path.repetition - 1 : path.repetition], path.repetition
        for number, repetition in enumerate(repetitions, first):
            presence = _presence(repetition, path)
            if presence is not Presence.ABSENT:
                found.append(Piece(segment, repetition, path, occurrence, number, presence, unit))


def _presence(repetition: Repetition, path: Path) -> Presence:
    """Whether the path says nothing, null or a value there; a null field is null in every part."""
    if path.component is None or repetition.raw.strip(" ") == NULL:
        return repetition.presence
    return repetition.presence_at(path.component)
