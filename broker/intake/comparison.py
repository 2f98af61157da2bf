"""Two messages compared field by field, by place: the nth segment of a name with the nth of the other message.

Owns: that comparison.  Must not: judge which is right.
"""

from dataclasses import dataclass

from broker.services.examination import Description, FieldView


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs; ``before`` or ``after`` is empty where the message does not have it."""

    place: str
    name: str
    before: str
    after: str


def differences(one: Description, other: Description) -> list[Difference]:
    """Every field that differs, in the order of the first message, then what only the second has."""
    ours, theirs = _fields(one), _fields(other)
    found = []
    for place in dict.fromkeys((*ours, *theirs)):
        before, after = ours.get(place), theirs.get(place)
        texts = (before.text if before else "", after.text if after else "")
        if texts[0] != texts[1]:
            known = before or after
            found.append(Difference(place, known.name if known else "", *texts))
    return found


def _fields(description: Description) -> dict[str, FieldView]:
    return {field.place: field for segment in description.segments for field in segment.fields}
