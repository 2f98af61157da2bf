"""Migrations and models agree, on both databases, forwards and backwards."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from broker.store import migrate, name_index
from broker.store.tables import metadata


def test_migrations_build_what_the_models_say(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    present, newest = migrate.revision(empty_database_url)
    assert present == newest
    engine = create_engine(empty_database_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_of_the_models}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def _is_of_the_models(name: str | None, kind: str, _: object) -> bool:
    """Not the index of name pieces, which depends on what the database can do."""
    return not (name or "").startswith(name_index.TABLE if kind == "table" else name_index.INDEX) or (
        name in metadata.tables
    )


def test_upgrading_twice_changes_nothing(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    migrate.upgrade(empty_database_url)
    assert migrate.revision(empty_database_url)[0] is not None


def test_an_empty_database_has_no_revision(empty_database_url: str) -> None:
    assert migrate.revision(empty_database_url)[0] is None


def test_every_migration_can_be_taken_back(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    with migrate.connected(empty_database_url) as connection:
        command.downgrade(migrate.configuration(connection), "base")
    engine = create_engine(empty_database_url)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()
