"""The tables of people: who may sign in to the pages, by which link, and for how long.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Boolean, Column, String, Table

from broker.store.schema import key, metadata, refers
from broker.store.types import UtcDateTime

app_user = Table(
    "app_user",
    metadata,
    key(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_digest", String(64), primary_key=True),
    refers("user_id", "app_user"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

web_session = Table(
    "web_session",
    metadata,
    Column("token_digest", String(64), primary_key=True),
    refers("user_id", "app_user"),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
