"""The parts of a segment: Field, Repetition, Component. Read-only, split on demand, never out of range.

Owns: counting as HL7 does (from 1), and telling absent, null and value apart.
Must not: know segments' meanings or data types (hl7.datatypes reads these parts into values).

What is missing is an empty element, not an error: `segment.field(99).component(3).text` is "".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

from hl7.escapes import Escapes

NULL = '""'
"""Two quotes: the sender deletes the stored value (HL7 2.5.1 section 2.5.3)."""


class Presence(Enum):
    """What a message says about a place."""

    ABSENT = "absent"
    """nothing: keep what is stored. Only blanks counts as nothing"""
    NULL = "null"
    """two quotes: delete what is stored"""
    VALUE = "value"


class Element(ABC):
    """What Field, Repetition and Component share. `raw` is the text as sent, still escaped."""

    __slots__ = ("_escapes", "raw")

    def __init__(self, raw: str, escapes: Escapes) -> None:
        self.raw = raw
        self._escapes = escapes

    def __repr__(self) -> str:
        # no content: elements end up in tracebacks, and their content is patient data
        return f"<{type(self).__name__} of {len(self.raw)} characters>"

    @property
    def presence(self) -> Presence:
        """ABSENT, NULL or VALUE, looking at everything below this element."""
        return presence_of(self.raw, self._escapes)

    @property
    def text(self) -> str:
        """The first primitive below this element, unescaped and stripped of blanks; "" when absent or null."""
        return self.part(1)

    @property
    def whole_text(self) -> str:
        """Everything below this element with its separators kept as text, for senders that do not escape."""
        return leaf_text(self.raw, self._escapes)

    @abstractmethod
    def part(self, number: int) -> str:
        """The text of the part with that number: component of a field, subcomponent of a component."""


class Component(Element):
    """One component; its parts are subcomponents."""

    __slots__ = ()

    @property
    def subcomponents(self) -> tuple[str, ...]:
        """The texts of all subcomponents."""
        return tuple(leaf_text(raw, self._escapes) for raw in split(self.raw, self._escapes.delimiters.subcomponent))

    def subcomponent(self, number: int) -> str:
        """The text of one subcomponent, "" when missing."""
        return leaf_text(pick(self.raw, self._escapes.delimiters.subcomponent, number), self._escapes)

    part = subcomponent


class Repetition(Element):
    """One repetition of a field; its parts are components. Split once, however many of them are asked for."""

    __slots__ = ("_pieces",)

    def __init__(self, raw: str, escapes: Escapes) -> None:
        self.raw = raw
        self._escapes = escapes
        self._pieces: list[str] | None = None

    @property
    def components(self) -> tuple[Component, ...]:
        """All components, none when the repetition is empty."""
        pieces = split(self.raw, self._escapes.delimiters.component)
        return tuple(Component(raw, self._escapes) for raw in pieces)

    def component(self, number: int) -> Component:
        """One component, empty when missing."""
        return Component(self._piece(number), self._escapes)

    def presence_at(self, number: int) -> Presence:
        """What the message says about one component."""
        return presence_of(self._piece(number), self._escapes)

    def part(self, number: int) -> str:
        """The text of one component."""
        raw = self._piece(number)
        return leaf_text(pick(raw, self._escapes.delimiters.subcomponent, 1), self._escapes) if raw else ""

    def _piece(self, number: int) -> str:
        pieces = self._pieces
        if pieces is None:
            pieces = self._pieces = split(self.raw, self._escapes.delimiters.component)
        return pieces[number - 1] if 0 < number <= len(pieces) else ""


class Field(Element):
    """One field; its parts are those of its first repetition."""

    __slots__ = ()

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """All repetitions, none when the field is empty."""
        pieces = split(self.raw, self._escapes.delimiters.repetition)
        return tuple(Repetition(raw, self._escapes) for raw in pieces)

    def repetition(self, number: int) -> Repetition:
        """One repetition, empty when missing."""
        return Repetition(pick(self.raw, self._escapes.delimiters.repetition, number), self._escapes)

    def component(self, number: int) -> Component:
        """One component of the first repetition."""
        return self.repetition(1).component(number)

    def part(self, number: int) -> str:
        """The text of one component of the first repetition."""
        delimiters = self._escapes.delimiters
        raw = pick(self.raw, delimiters.repetition, 1)
        raw = pick(pick(raw, delimiters.component, number), delimiters.subcomponent, 1)
        return leaf_text(raw, self._escapes) if raw else ""


class LiteralField(Field):
    """MSH-1 and MSH-2: the delimiters themselves, never split or unescaped."""

    __slots__ = ()

    @property
    def presence(self) -> Presence:
        """Always a value: without delimiters there is no message."""
        return Presence.VALUE

    @property
    def whole_text(self) -> str:
        """The delimiters."""
        return self.raw

    def part(self, number: int) -> str:
        """The field itself, or nothing."""
        return self.raw if number == 1 else ""

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """One, which is the field."""
        return (self.repetition(1),)

    def repetition(self, number: int) -> Repetition:
        """The field itself, or an empty one."""
        return _LiteralRepetition(self.raw if number == 1 else "", self._escapes)


class _LiteralRepetition(Repetition):
    __slots__ = ()

    @property
    def components(self) -> tuple[Component, ...]:
        return (self.component(1),)

    def component(self, number: int) -> Component:
        return _LiteralComponent(self.raw if number == 1 else "", self._escapes)

    def presence_at(self, number: int) -> Presence:
        return Presence.VALUE if number == 1 else Presence.ABSENT

    def part(self, number: int) -> str:
        return self.raw if number == 1 else ""


class _LiteralComponent(Component):
    __slots__ = ()

    @property
    def subcomponents(self) -> tuple[str, ...]:
        return (self.raw,)

    def subcomponent(self, number: int) -> str:
        return self.raw if number == 1 else ""

    part = subcomponent


def split(raw: str, delimiter: str) -> list[str]:
    """The pieces between delimiters; nothing gives no pieces, and a delimiter not in use never splits."""
    if not raw:
        return []
    return raw.split(delimiter) if delimiter else [raw]


def pick(raw: str, delimiter: str, number: int) -> str:
    """The piece with that number, counted from 1; "" when there is none."""
    if not delimiter or delimiter not in raw:
        return raw if number == 1 else ""
    pieces = raw.split(delimiter, number)
    return pieces[number - 1] if 0 < number <= len(pieces) else ""


def leaf_text(raw: str, escapes: Escapes) -> str:
    """The value of a leaf: blanks around it are no content (they are when escaped), null has none."""
    stripped = raw.strip(" ")
    if not stripped or stripped == NULL:
        return ""
    return escapes.unescape(stripped)


def presence_of(raw: str, escapes: Escapes) -> Presence:
    """What `raw`, whatever its level, says."""
    stripped = raw.strip()
    if not stripped:
        return Presence.ABSENT
    delimiters = escapes.delimiters
    first = stripped[0]
    if first != '"' and first not in (delimiters.repetition, delimiters.component, delimiters.subcomponent):
        return Presence.VALUE
    rest = raw
    for delimiter in (delimiters.repetition, delimiters.component, delimiters.subcomponent):
        if delimiter and delimiter in rest:
            rest = rest.replace(delimiter, " ")
    words = set(rest.split())
    if not words:
        return Presence.ABSENT
    return Presence.NULL if words == {NULL} else Presence.VALUE
