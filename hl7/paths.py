"""Paths into a message, such as ``PID-5.1``: their syntax and nothing else.

Owns: the notation used in mappings, error texts and tests. Must not: read messages (see hl7.message).

    PID-5.1      component 1 of PID-5, first segment, first repetition     PID-5.1.1    its subcomponent 1
    OBR[2]-4.1   in the second OBR                                          NTE*-3       in every NTE
    PID-3[2].4   in the second repetition                                   PID-3*.1     in every repetition
    NTE-3.*      all of the field, its separators kept as text (for senders that do not escape)

A path that stops early means the first part below it: ``PID-3`` reads what ``PID-3.1.1`` reads (HL7 2.5.1 section
2.5.3: what was a simple value may become a composite whose first part has the old meaning).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SYNTAX = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<occurrence>\d+)\]|(?P<every_segment>\*))?"
    r"-(?P<field>\d+)(?:\[(?P<repetition>\d+)\]|(?P<every_repetition>\*))?"
    r"(?:\.(?P<component>\d+)(?:\.(?P<subcomponent>\d+))?)?(?P<whole>\.\*)?"
)


@dataclass(frozen=True, slots=True)
class Path:
    """A checked path. `occurrence` and `repetition` of None mean every one; other numbers count from 1."""

    segment: str
    field: int
    occurrence: int | None = 1
    repetition: int | None = 1
    component: int | None = None
    subcomponent: int | None = None
    whole: bool = False

    def __str__(self) -> str:
        text = self.segment + _counter(self.occurrence) + f"-{self.field}" + _counter(self.repetition)
        for number in (self.component, self.subcomponent):
            text += "" if number is None else f".{number}"
        return text + (".*" if self.whole else "")


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Read a path. Errors: ValueError that says what is expected."""
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no HL7 path: write SEGMENT-FIELD[.COMPONENT[.SUBCOMPONENT]], e.g. PID-5.1")
    if match["subcomponent"] and match["whole"]:
        raise ValueError(f"{text!r}: a subcomponent has no parts; leave the .* away")
    numbers = {key: int(match[key]) if match[key] else None for key in ("field", "component", "subcomponent")}
    occurrence = None if match["every_segment"] else int(match["occurrence"] or 1)
    repetition = None if match["every_repetition"] else int(match["repetition"] or 1)
    if 0 in (*numbers.values(), occurrence, repetition):
        raise ValueError(f"{text!r}: HL7 counts from 1")
    return Path(
        match["segment"],
        numbers["field"] or 1,
        occurrence,
        repetition,
        numbers["component"],
        numbers["subcomponent"],
        bool(match["whole"]),
    )


def _counter(number: int | None) -> str:
    if number is None:
        return "*"
    return "" if number == 1 else f"[{number}]"
