"""What every table is made of: the metadata with its naming rules, and the columns they share."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Key = BigInteger().with_variant(Integer, "sqlite")
Json = JSON().with_variant(JSONB, "postgresql")


def key() -> Column[int]:
    """The surrogate key ``id``."""
    return Column("id", Key, primary_key=True, autoincrement=True)


def refers(name: str, target: str, *, nullable: bool = False, index: bool = True) -> Column[int]:
    """A foreign key to ``target.id``."""
    return Column(name, Key, ForeignKey(f"{target}.id"), nullable=nullable, index=index)


def text_column(name: str, *, nullable: bool = False, index: bool = False) -> Column[str]:
    """Text that is empty unless given, or NULL where ``nullable``."""
    return Column(name, Text, nullable=nullable, index=index, server_default=None if nullable else text("''"))
