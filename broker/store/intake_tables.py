"""Tables of what intake must remember beside orders and patients: merges, appointments, early cancellations.

Part of the one schema in ``tables``; kept apart because only intake reads them.
"""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from broker.store.tables import metadata
from broker.store.types import UtcDateTime

_Key = BigInteger().with_variant(Integer, "sqlite")
_Json = JSON().with_variant(JSONB, "postgresql")


def _key() -> Column[int]:
    return Column("id", _Key, primary_key=True, autoincrement=True)


def _refers(name: str, target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    return Column(name, _Key, ForeignKey(f"{target}.id"), nullable=nullable, index=index)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


# every merge, with what moved, so that it can be undone
patient_merge = Table(
    "patient_merge",
    metadata,
    _key(),
    _refers("prior_id", "patient"),
    _refers("survivor_id", "patient"),
    _refers("journal_id", "journal_entry", nullable=True, index=False),
    # {"orders": [[order, visit before], ...], "visits": [visit, ...]} by database key
    Column("moved", _Json, nullable=False),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("undone_at", UtcDateTime),
)

# numbers under which appointments (SIU) name an order
appointment = Table(
    "appointment",
    metadata,
    _key(),
    _refers("request_id", "imaging_service_request"),
    _text("number"),
    _text("scope"),
    UniqueConstraint("number", "scope", "request_id", name="uq_appointment_number"),
)

# cancellations that came before their order (intake.unknown_cancel = "accept")
early_cancellation = Table(
    "early_cancellation",
    metadata,
    _key(),
    Column("number", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("occurred_at", UtcDateTime),
    _refers("journal_id", "journal_entry", nullable=True, index=False),
    UniqueConstraint("number", "scope", name="uq_early_cancellation_number"),
)
