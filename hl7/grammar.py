"""Message structures as a grammar of segments, and walking a message along it.

Owns: `Slot` and the walk. Must not: know where structures come from (hl7.validation makes them from hl7apy's tables).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a structure: a segment (no `parts`) or a group; `most` of None means any number."""

    name: str
    least: int
    most: int | None
    parts: tuple[Slot, ...] = ()
    choice: bool = False
    """a group of which exactly one part stands"""

    @property
    def is_group(self) -> bool:
        """True for a group."""
        return bool(self.parts)

    def names(self) -> set[str]:
        """The segments that may stand anywhere in this slot."""
        return {self.name} if not self.is_group else {name for part in self.parts for name in part.names()}

    def begins_with(self, name: str) -> bool:
        """True when a segment of that name can be the first of this slot."""
        if not self.is_group:
            return self.name == name
        for part in self.parts:
            if part.begins_with(name):
                return True
            if part.least and not self.choice:
                return False
        return False


@dataclass(frozen=True, slots=True)
class Missing:
    """A required segment or group that does not stand before segment `position` (counted from 0)."""

    name: str
    position: int


@dataclass(frozen=True, slots=True)
class Misplaced:
    """The first segment that fits nowhere in the order; what follows it was not looked at."""

    position: int


def walk(structure: Slot, names: Sequence[str]) -> list[Missing | Misplaced]:
    """Follow the structure greedily over segment names that all occur in it, and say where they part."""
    walker = _Walker(names)
    walker.group(structure)
    if walker.position < len(names):
        walker.problems.append(Misplaced(walker.position))
    return walker.problems


class _Walker:
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.position = 0
        self.problems: list[Missing | Misplaced] = []

    def _fits(self, slot: Slot) -> bool:
        return self.position < len(self._names) and slot.begins_with(self._names[self.position])

    def group(self, group: Slot) -> None:
        """Walk the parts of a group that has begun."""
        if group.choice:
            for part in group.parts:
                if self._fits(part):
                    self._repeat(part)
                    return
            self.problems.append(Missing(" or ".join(part.name for part in group.parts), self.position))
            return
        for part in group.parts:
            self._repeat(part)

    def _repeat(self, slot: Slot) -> None:
        count = 0
        while (slot.most is None or count < slot.most) and self._fits(slot):
            if slot.is_group:
                self.group(slot)
            else:
                self.position += 1
            count += 1
        if count < slot.least:
            self.problems.append(Missing(slot.name, self.position))
