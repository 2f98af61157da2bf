"""The index of pieces of names: kept with the items, used without changing an answer, left out where it cannot be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, delete, text, update
from sqlalchemy.engine import make_url

from broker.domain.names import fold_name
from broker.domain.query_keys import query_of
from broker.store import migrate, name_index
from broker.store import worklist as store
from broker.store.database import Database
from broker.store.tables import worklist_item, worklist_item_station
from tests.support.command import broker
from tests.support.worklist import Item, fill

NAMES = ["MÜLLER^EVA", "SCHMIDT^EVAMARIA", "Yamada^Tarou=山田太郎^x=やまだ^たろう", 'O"NEIL^JO']


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.write(lambda c: fill(c, [Item({"PatientName": name}) for name in NAMES]))
    yield opened
    opened.close()


def found(connection: Connection, key: str) -> list[int]:
    """By the index alone: nothing else looks at the rows."""
    sql = "SELECT rowid FROM worklist_item_name WHERE worklist_item_name MATCH :piece ORDER BY rowid"
    return list(connection.execute(text(sql), {"piece": f'"{key}"'}).scalars())


def answers(database: Database, key: str, *, use: bool) -> list[int]:
    reader = store.Reader(query_of({"PatientName": key}), sqlite=database.is_sqlite, name_index=use)
    return sorted(row.step_key for row in database.read(lambda c: reader.page(c, None, 50)).rows)


KEYS = {
    "*ulle*": [0], "*chm?dt*": [1], "*EVA": [0], "*eva*": [0, 1], "MULLER^EVA": [0], "schm*": [1], "*山田太*": [2],
    "=山田*": [2], "*NEIL^JO": [3], '*"NEI*': [3], "*^*": [0, 1, 2, 3], "*AB*": [], "*nobody*": [],
}  # fmt: skip


@pytest.mark.parametrize("use", [False, True])
def test_the_answer_is_the_same_with_the_index(database: Database, use: bool) -> None:
    if use and not database.is_sqlite:
        use = database.has_name_index  # PostgreSQL uses its index unasked
    assert {key: answers(database, key, use=use) for key in KEYS} == {
        key: [at + 1 for at in places] for key, places in KEYS.items()
    }


def test_what_many_names_hold_is_looked_for_without_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_HOLDING", text("SELECT 1000000"))
    assert answers(database, "*eva*", use=database.has_name_index) == [1, 2]


def test_it_follows_every_change_of_an_item(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    assert database.has_name_index
    item = worklist_item
    eva, other = item.c.step_id == 1, {"patient_name_folded": fold_name("BERNHARD^EVA")}

    def after(statement: object) -> tuple[list[int], list[int]]:
        def work(connection: Connection) -> tuple[list[int], list[int]]:
            connection.execute(statement)  # type: ignore[call-overload]
            return found(connection, "muller"), found(connection, "bernhard")

        return database.write(work)

    database.write(lambda c: fill(c, [Item({"PatientName": name}) for name in NAMES]))
    assert database.read(lambda c: found(c, "muller")) == [1]
    assert after(update(item).where(eva).values(other)) == ([], [1])
    assert after(update(item).where(eva).values(version=7, status="STARTED")) == ([], [1])
    assert after(update(item).where(eva).values(open=False)) == ([], [])
    assert after(update(item).where(eva).values(open=True, patient_name_folded="muller^eva")) == ([1], [])
    database.write(lambda c: c.execute(delete(worklist_item_station)))
    assert after(delete(item).where(eva)) == ([], [])
    database.close()


def test_without_fts5_nothing_depends_on_it_and_with_it_again_it_is_filled(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(name_index, "_has_fts5", lambda _: False)
        migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    assert not database.has_name_index
    database.write(lambda c: fill(c, [Item({"PatientName": NAMES[0]})]))
    assert answers(database, "*ulle*", use=database.has_name_index) == [1]
    database.close()
    migrate.upgrade(sqlite_url)
    database = Database(sqlite_url)
    assert (database.has_name_index, database.read(lambda c: found(c, "muller"))) == (True, [1])
    database.close()


@pytest.mark.postgres
def test_postgresql_finds_pieces_by_its_index(postgres_url: str) -> None:
    """By it alone: what the planner prefers depends on how much there is."""
    others = "SELECT indexname FROM pg_indexes WHERE tablename = 'worklist_item' AND indexdef LIKE '%WHERE %open'"
    explain = "EXPLAIN SELECT step_id FROM worklist_item WHERE open AND patient_name_folded LIKE '%ulle%'"
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        for name in set(connection.execute(text(others)).scalars()) - {name_index.INDEX}:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(connection.execute(text(explain)).scalars())
        connection.rollback()
    engine.dispose()
    assert name_index.INDEX in plan


@pytest.mark.postgres
def test_a_role_that_may_not_create_extensions_goes_without(empty_postgres_url: str, tmp_path: Path) -> None:
    """Tables may be made in a schema of its own; an extension may not."""
    role = "name_index_" + (make_url(empty_postgres_url).database or "")[-12:]
    engine = create_engine(empty_postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        connection.exec_driver_sql(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
        try:
            url = make_url(empty_postgres_url).set(username=role).render_as_string(hide_password=False)
            migrate.upgrade(url)
            limited = create_engine(url)
            with limited.connect() as theirs:
                assert not name_index.is_there(theirs)
            assert migrate.revision(url)[0] == migrate.revision(url)[1]
            said = broker("check", environment={"BROKER__DATABASE__URL": url, "BROKER__DATA_DIR": str(tmp_path)})
            assert "CREATE EXTENSION pg_trgm" in said
            limited.dispose()
        finally:
            connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE")
            connection.exec_driver_sql(f"DROP ROLE {role}")
    engine.dispose()
