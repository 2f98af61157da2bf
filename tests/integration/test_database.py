"""Transactions: durable, isolated from a neighbour's failure, repeated on conflict."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import Connection, event, insert, make_url, select, update

from broker.domain.errors import Conflict, Unavailable
from broker.store import numbers
from broker.store.database import Database
from broker.store.tables import number_sequence
from tests.support.wait import until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def value(database: Database, name: str) -> int | None:
    query = select(number_sequence.c.value).where(number_sequence.c.name == name)
    return database.read(lambda c: c.execute(query).scalar())


def add(name: str) -> Callable[[Connection], object]:
    return lambda c: c.execute(insert(number_sequence), {"name": name, "value": 1})


def test_what_write_returned_is_there_for_another_database_object(database: Database) -> None:
    database.write(add("a"))
    other = Database(database.url)
    assert value(other, "a") == 1
    other.close()


def test_a_failing_use_case_leaves_nothing_and_disturbs_nobody(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(insert(number_sequence), {"name": "failed", "value": 1})
        raise KeyError("no")

    started = threading.Barrier(8)

    def run(number: int) -> str:
        started.wait()
        if number % 2:
            with pytest.raises(KeyError):
                database.write(fail)
            return "failed"
        database.write(add(f"n{number}"))
        return "done"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(run, range(8))) == ["done"] * 4 + ["failed"] * 4
    assert value(database, "failed") is None
    assert [value(database, f"n{i}") for i in (0, 2, 4, 6)] == [1, 1, 1, 1]


def test_numbers_are_never_given_twice(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: database.write(lambda c: numbers.next_number(c, "accession")), range(40)))
    assert sorted(given) == list(range(1, 41))


def test_a_conflict_is_tried_again(database: Database) -> None:
    tries = []

    def work(connection: Connection) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise Conflict("another writer was first")
        connection.execute(insert(number_sequence), {"name": "third", "value": len(tries)})
        return "done"

    assert database.write(work) == "done"
    assert value(database, "third") == 3


@pytest.fixture
def embedded(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    yield opened
    opened.close()


def test_reading_sees_one_snapshot(embedded: Database) -> None:
    database = embedded
    database.write(add("s"))
    change = update(number_sequence).values(value=99)

    def read_twice(connection: Connection) -> tuple[int | None, int | None]:
        query = select(number_sequence.c.value).where(number_sequence.c.name == "s")
        first = connection.execute(query).scalar()
        database.write(lambda c: c.execute(change))
        return first, connection.execute(query).scalar()

    assert database.read(read_twice) == (1, 1)


def test_commit_listeners_are_called(database: Database) -> None:
    called = threading.Event()
    database.on_commit(called.set)
    database.write(add("heard"))
    assert called.is_set()


def test_a_writing_use_case_cannot_start_another(embedded: Database) -> None:
    with pytest.raises(RuntimeError, match="wait for itself"):
        embedded.write(lambda _: embedded.write(add("inner")))


def test_a_closed_database_is_unavailable(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.close()
    with pytest.raises(Unavailable):
        database.write(add("late"))


def _end_connections(url: str) -> None:
    """As a restart of the server does; what the pool holds is then dead without knowing it."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as own:
        own.execute(f"SELECT pg_terminate_backend(pid) {others}")
        until(lambda: own.execute(f"SELECT count(*) {others}").fetchone() == (0,), 30, "the connections have ended")


def test_readers_are_served_while_writers_wait(database_url: str) -> None:
    database = Database(database_url, pool_size=2)
    gate, begun = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        begun.set()
        gate.wait(20)

    with ThreadPoolExecutor(9) as pool:
        writers = [pool.submit(database.write, wait) for _ in range(8)]
        begun.wait(10)
        try:
            assert pool.submit(value, database, "nothing").result(timeout=10) is None
        finally:
            gate.set()
        for writer in writers:
            writer.result(20)
    database.close()


@pytest.mark.postgres
def test_connections_that_ended_meanwhile_are_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.write(add("before"))
    _end_connections(postgres_url)
    database.write(add("after"))
    _end_connections(postgres_url)
    assert (value(database, "before"), value(database, "after")) == (1, 1)
    database.close()


@pytest.mark.postgres
def test_a_commit_without_answer_is_not_run_again(postgres_url: str) -> None:
    database = Database(postgres_url)
    runs = []

    def work(connection: Connection) -> None:
        runs.append(1)
        connection.execute(insert(number_sequence), {"name": "unsure", "value": 1})
        event.listen(connection, "commit", lambda _: _end_connections(postgres_url))

    with pytest.raises(Unavailable):
        database.write(work)
    assert runs == [1]
    database.close()


def test_an_unreachable_server_is_unavailable() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/none?connect_timeout=2")
    with pytest.raises(Unavailable):
        database.read(lambda c: c.execute(select(1)))
    with pytest.raises(Unavailable):
        database.write(lambda c: c.execute(select(1)))
    database.close()
