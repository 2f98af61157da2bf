"""An index of all pieces of patient names of open items, where the database can have one.

SQLite: an FTS5 table of trigrams beside ``worklist_item``, kept by triggers.  PostgreSQL: a pg_trgm index.  Both are
left out where FTS5 or pg_trgm is missing: queries are answered all the same, by looking at every open item.  Only
queries without a date or an identifier need it, and what it finds is looked at again by the conditions themselves.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

#: the FTS5 table; its row ids are ``worklist_item.step_id``
TABLE = "worklist_item_name"
#: the pg_trgm index
INDEX = "ix_worklist_item_name_pieces"
#: pieces shorter than this are not indexed
SHORTEST = 3

_CREATE = """
CREATE VIRTUAL TABLE worklist_item_name USING fts5(
    patient_name_folded, content='worklist_item', content_rowid='step_id', tokenize='trigram case_sensitive 1')
"""
_FILL = """
INSERT INTO worklist_item_name(rowid, patient_name_folded)
SELECT step_id, patient_name_folded FROM worklist_item WHERE open
"""
_PUT = "INSERT INTO worklist_item_name(rowid, patient_name_folded) VALUES (new.step_id, new.patient_name_folded);"
_TAKE = """
INSERT INTO worklist_item_name(worklist_item_name, rowid, patient_name_folded)
VALUES ('delete', old.step_id, old.patient_name_folded);
"""
_CHANGED = "(old.open IS NOT new.open OR old.patient_name_folded IS NOT new.patient_name_folded)"
#: what stood in the index is taken out before the row changes, because FTS5 asks for it
_TRIGGERS = {
    "worklist_item_name_new": f"AFTER INSERT ON worklist_item WHEN new.open BEGIN {_PUT} END",
    "worklist_item_name_gone": f"AFTER DELETE ON worklist_item WHEN old.open BEGIN {_TAKE} END",
    "worklist_item_name_before": f"BEFORE UPDATE ON worklist_item WHEN old.open AND {_CHANGED} BEGIN {_TAKE} END",
    "worklist_item_name_after": f"AFTER UPDATE ON worklist_item WHEN new.open AND {_CHANGED} BEGIN {_PUT} END",
}


def prepare(connection: Connection) -> bool:
    """Create and fill the index if this database can have it and has it not; answers whether it is there now."""
    if connection.dialect.name == "sqlite":
        return _prepare_sqlite(connection)
    return _prepare_postgres(connection)


def remove(connection: Connection) -> None:
    """Drop it."""
    if connection.dialect.name == "sqlite":
        _drop_triggers(connection)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {TABLE}")
    else:
        connection.exec_driver_sql(f"DROP INDEX IF EXISTS {INDEX}")


def is_there(connection: Connection) -> bool:
    """Whether queries can use it."""
    if connection.dialect.name == "sqlite":
        return len(_triggers(connection)) == len(_TRIGGERS)
    found = connection.execute(text("SELECT to_regclass(:name)"), {"name": INDEX}).scalar_one()
    return found is not None


def _prepare_sqlite(connection: Connection) -> bool:
    if not _has_fts5(connection):
        _drop_triggers(connection)  # a database that came from elsewhere: without FTS5 they would fail each write
        return False
    if is_there(connection):
        return True
    remove(connection)
    connection.exec_driver_sql(_CREATE)
    connection.exec_driver_sql(_FILL)
    for name, definition in _TRIGGERS.items():
        connection.exec_driver_sql(f"CREATE TRIGGER {name} {definition}")
    return True


def _has_fts5(connection: Connection) -> bool:
    """FTS5 with trigrams: SQLite 3.34 and later, when built with it."""
    try:
        connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.fts5_probe USING fts5(a, tokenize='trigram')")
    except DBAPIError:
        return False
    connection.exec_driver_sql("DROP TABLE temp.fts5_probe")
    return True


def _triggers(connection: Connection) -> list[str]:
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
    return [name for name in found if name in _TRIGGERS]


def _drop_triggers(connection: Connection) -> None:
    for name in _triggers(connection):
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


def _prepare_postgres(connection: Connection) -> bool:
    if is_there(connection):
        return True
    if not _has_pg_trgm(connection):
        return False
    connection.exec_driver_sql(
        f"CREATE INDEX {INDEX} ON worklist_item USING gin (patient_name_folded gin_trgm_ops) WHERE open"
    )
    return True


def _has_pg_trgm(connection: Connection) -> bool:
    """A trusted extension since PostgreSQL 13: whoever may create in the database may create it."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except DBAPIError:
        return False
    return True
