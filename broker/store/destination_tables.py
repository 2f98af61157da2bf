"""The tables of destinations beside their outbox: how each is doing, and those that people added.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Column, Integer, Table, Text, text

from broker.store.schema import Json, metadata, text_column
from broker.store.types import UtcDateTime

# how the last deliveries went; a row appears with the first one, or with the first alarm
destination_condition = Table(
    "destination_condition",
    metadata,
    Column("destination", Text, primary_key=True),
    Column("succeeded_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    # of the last failure, in the receiver's words
    text_column("words"),
    # how often in a row it did not answer at all, and when it is tried again; 0 and NULL when it answers
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", UtcDateTime),
    # what waits is older than the site wants, and the log was told
    Column("late_since", UtcDateTime),
)

# what people added on the pages or by program, as it would stand under [[destinations]]; never a secret, only the
# names of environment variables that hold one
added_destination = Table(
    "added_destination",
    metadata,
    Column("name", Text, primary_key=True),
    Column("settings", Json, nullable=False),
    text_column("changed_by"),
    Column("changed_at", UtcDateTime, nullable=False),
)
