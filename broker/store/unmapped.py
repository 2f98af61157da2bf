"""Procedure codes that messages named and the catalogue does not have.

Owns: rows of ``unmapped_code``.  Must not: know the catalogue or commit.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from broker.store.intake_tables import unmapped_code as unmapped


@dataclass(frozen=True, slots=True)
class CodeSeen:
    """A procedure code in a message; ``modality`` is what the message said itself (empty: kept from devices)."""

    code: str
    scheme: str
    meaning: str
    modality: str


@dataclass(frozen=True, slots=True)
class UnmappedCode:
    """One code of one sender with how often and when it came."""

    key: int
    sender: str
    code: str
    scheme: str
    meaning: str
    modality: str
    messages: int
    first_seen_at: datetime
    last_seen_at: datetime


_AGAIN = (
    update(unmapped)
    .where(
        unmapped.c.sender == bindparam("of"), unmapped.c.code == bindparam("seen"),
        unmapped.c.scheme == bindparam("under"),
    )
    .values(
        messages=unmapped.c.messages + 1, last_seen_at=bindparam("at"), meaning=bindparam("says"),
        modality=bindparam("makes"),
    )
)  # fmt: skip


def note(connection: Connection, sender: str, seen: CodeSeen, at: datetime) -> None:
    """Count one more message with this code."""
    values = {
        "of": sender, "seen": seen.code, "under": seen.scheme, "at": at, "says": seen.meaning, "makes": seen.modality,
    }  # fmt: skip
    if connection.execute(_AGAIN, values).rowcount:
        return
    row = {
        "sender": sender, "code": seen.code, "scheme": seen.scheme, "meaning": seen.meaning,
        "modality": seen.modality, "messages": 1, "first_seen_at": at, "last_seen_at": at,
    }  # fmt: skip
    connection.execute(insert(unmapped), row)


def find(connection: Connection) -> list[UnmappedCode]:
    """All of them, those that keep items from devices first, then the most frequent."""
    order = (unmapped.c.modality != "", unmapped.c.messages.desc(), unmapped.c.code, unmapped.c.sender)
    return [UnmappedCode(*row) for row in connection.execute(select(unmapped).order_by(*order))]


def forget(connection: Connection, keys: list[int]) -> None:
    """Remove rows by key."""
    connection.execute(delete(unmapped).where(unmapped.c.id.in_(keys)))
