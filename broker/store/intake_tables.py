"""Tables of what intake must remember beside orders and patients: merges, appointments, early cancellations,
unknown codes.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Column, Integer, Table, Text, UniqueConstraint

from broker.store.schema import Json as _Json
from broker.store.schema import key as _key
from broker.store.schema import metadata
from broker.store.schema import refers as _refers
from broker.store.schema import text_column as _text
from broker.store.types import UtcDateTime

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

# procedure codes that orders named and the catalogue does not have; newest spelling and consequence win
unmapped_code = Table(
    "unmapped_code",
    metadata,
    _key(),
    _text("sender"),
    _text("code"),
    _text("scheme"),
    _text("meaning"),
    # what the message said itself; empty: the item is kept from devices
    _text("modality"),
    Column("messages", Integer, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    UniqueConstraint("sender", "code", "scheme"),
)
