"""How a message's changes meet stored attributes: absent leaves, None deletes, a value replaces."""

from broker.domain.attributes import Attributes, Value
from broker.domain.model import Changes, ProcedureChange, StepChange


def merge(stored: Attributes, changes: Changes) -> dict[str, Value]:
    """The attributes after ``changes``; a sequence or multi-valued attribute is replaced whole."""
    merged = dict(stored)
    for keyword, value in changes.items():
        if value is None:
            merged.pop(keyword, None)
        else:
            merged[keyword] = value
    return merged


def merge_filled(
    stored: Attributes, change: ProcedureChange | StepChange, *, recoded: bool = False
) -> dict[str, Value]:
    """As ``merge``, with what the message leaves open filled in.

    What follows from the procedure code replaces stored values only when that code changed (``recoded``).
    """
    if recoded:
        return merge({**change.defaults, **stored, **change.derived}, change.attributes)
    return merge({**change.defaults, **change.derived, **stored}, change.attributes)


def difference(before: Attributes, after: Attributes) -> dict[str, tuple[Value | None, Value | None]]:
    """What changed: keyword to (before, after)."""
    return {
        k: (before.get(k), after.get(k)) for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)
    }
