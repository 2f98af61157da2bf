"""The list of procedure codes that the catalogue lacks, fed by live messages.

A code leaves the list by being listed in the catalogue: whoever shows the list says which codes are known now.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from broker.services.context import Context
from broker.store import unmapped as store
from broker.store.database import Connection
from broker.store.unmapped import CodeSeen, UnmappedCode

__all__ = ["CodeSeen", "Listed", "UnmappedCode", "find", "note"]

#: whether the catalogue has a code under a scheme
Listed = Callable[[str, str], bool]


def note(connection: Connection, sender: str, seen: Sequence[CodeSeen], at: datetime) -> None:
    """Count the codes of one message, in the transaction that applies it."""
    for one in dict.fromkeys(seen):
        store.note(connection, sender, one, at)


def find(context: Context, listed: Listed) -> list[UnmappedCode]:
    """The codes that are still missing; those the catalogue has by now are forgotten."""
    found = context.database.read(store.find)
    settled = [one.key for one in found if listed(one.code, one.scheme)]
    if settled:
        context.database.write(lambda connection: store.forget(connection, settled))
    return [one for one in found if one.key not in settled]
