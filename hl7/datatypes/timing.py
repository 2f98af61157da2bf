"""TQ: timing and quantity of an order, ORC-7 and OBR-27 up to 2.5 (HL7 2.5.1 section 2.A.81).

Owns: its components. Must not: choose between them and TQ1, SCH or OBR-36; mappings do.
"""

from __future__ import annotations

from dataclasses import dataclass

from hl7.elements import Element


@dataclass(frozen=True, slots=True)
class TimingQuantity:
    """TQ. `start` and `end` are texts (read them with `parse_dtm`), so that a wrong one spoils only itself."""

    quantity: str = ""
    interval: str = ""
    duration: str = ""
    """a letter and a number: S seconds, M minutes, H hours, D days ..."""
    start: str = ""
    end: str = ""
    priority: str = ""
    """table 0485: S stat, A as soon as possible, R routine, P preoperative, C callback, T timing critical"""
    condition: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return any((self.quantity, self.interval, self.duration, self.start, self.end, self.priority, self.text))


def read_tq(element: Element) -> TimingQuantity | None:
    """Read a TQ."""
    return TimingQuantity(*(element.part(number) for number in range(1, 9))) or None
