"""The tables of the device registry: who was accepted, where devices come from, what was odd about them.

Part of the one schema of ``tables``; kept apart because only the registry reads them.
"""

from sqlalchemy import Column, Integer, String, Table

from broker.store.schema import Json, metadata, text_column
from broker.store.types import UtcDateTime

# every address an AE title came from
device_address = Table(
    "device_address",
    metadata,
    Column("ae_title", String(16), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("first_seen_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
)

# what people decided about a device: it is accepted, with these settings
device_registration = Table(
    "device_registration",
    metadata,
    Column("ae_title", String(16), primary_key=True),
    Column("settings", Json, nullable=False),
    text_column("registered_by"),
    Column("registered_at", UtcDateTime, nullable=False),
)

# what was odd about a device: one row per kind and text, counted up
device_warning = Table(
    "device_warning",
    metadata,
    Column("ae_title", String(16), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("text", String(255), primary_key=True),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
)
