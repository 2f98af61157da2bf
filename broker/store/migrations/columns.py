"""Columns as the migrations spell them.  Frozen: a released migration must always build the same schema."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)


def key() -> "sa.Column[int]":
    """The surrogate key ``id``."""
    return sa.Column("id", KEY, primary_key=True, autoincrement=True)


def refers(name: str, table: str, target: str, *, nullable: bool = False) -> "sa.Column[int]":
    """A foreign key to ``target.id``."""
    return sa.Column(name, KEY, sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{name}"), nullable=nullable)


def text(name: str) -> "sa.Column[str]":
    """Text that is never NULL and empty unless given."""
    return sa.Column(name, sa.Text, nullable=False, server_default=sa.text("''"))
