"""How a message's changes meet stored attributes: absent leaves, None deletes, a value replaces."""

from enum import Enum

from broker.domain.attributes import Attributes, Value
from broker.domain.model import Changes, ProcedureChange, StepChange
from broker.domain.stating import DEFAULTED, DERIVED, Ledger


class Recoding(Enum):
    """What a change says about the procedure code, from which other values follow."""

    #: none, or the one that is stored
    SAME = "same"
    #: the first one
    LEARNED = "learned"
    #: another one
    CHANGED = "changed"
    #: one that was replaced since
    OUTDATED = "outdated"


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
    stored: Attributes,
    change: ProcedureChange | StepChange,
    path: str,
    ledger: Ledger,
    recoding: Recoding = Recoding.SAME,
) -> dict[str, Value]:
    """As ``merge``, with what the message leaves open filled in, and newer statements kept.

    What follows from the procedure code replaces stored values only when that code changed.
    """
    merged = ledger.merge(path, stored, change.attributes, keep_filled=recoding is Recoding.OUTDATED)
    open_values = {k: v for k, v in change.derived.items() if change.attributes.get(k) is None}
    if recoding is Recoding.CHANGED:
        for keyword in open_values.keys() & stored.keys() - change.attributes.keys():
            ledger.fill(path + keyword, DERIVED)
    over: tuple[str, ...] = ()
    if recoding in (Recoding.LEARNED, Recoding.CHANGED):
        over = (DEFAULTED, DERIVED)
    elif recoding is Recoding.SAME:
        over = (DEFAULTED,)
    ledger.fill_in(path, merged, open_values, DERIVED, over=over)
    ledger.fill_in(path, merged, change.defaults, DEFAULTED)
    return merged


def difference(before: Attributes, after: Attributes) -> dict[str, tuple[Value | None, Value | None]]:
    """What changed: keyword to (before, after)."""
    return {
        k: (before.get(k), after.get(k)) for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)
    }
