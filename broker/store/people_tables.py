"""The tables of people and programs: who may sign in to the pages, by which link, for how long; tokens of programs.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Boolean, Column, Index, String, Table, text

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

api_token = Table(
    "api_token",
    metadata,
    key(),
    Column("name", String(64), nullable=False),
    Column("token_digest", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    # the device that the token acts as; empty: none
    Column("ae_title", String(16), nullable=False, server_default=text("''")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    # a name stands for one token at a time; revoked ones stay, because the history names them
    Index(
        "ix_api_token_name_in_force", "name", unique=True,
        sqlite_where=text("revoked_at IS NULL"), postgresql_where=text("revoked_at IS NULL"),
    ),
)  # fmt: skip
