"""Queries recorded beside their answers: all of them while they are few, each once when a device repeats itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from broker.services.context import Context
from broker.services.devices import DeviceLog, QueryRecord
from broker.store.database import Database
from broker.store.devices import recent_queries
from broker.store.tables import step_query
from tests.peers.orders import make_context
from tests.support.worklist import Item, fill

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    database.write(lambda c: fill(c, [Item()]))
    yield make_context(database)
    database.close()


def record(number: int, modality: str = "CT") -> QueryRecord:
    at = NOW + timedelta(milliseconds=number)
    return QueryRecord(at, "CT1", "10.0.0.7", {"Modality": modality}, 0, 1, number, step_keys=(1,))


def kept(context: Context, records: list[QueryRecord]) -> tuple[list[tuple[datetime, object]], int]:
    """What is kept of the queries, oldest first, and how often the step was given."""
    log = DeviceLog(context)
    log.stop()  # its thread writes at moments of its own
    for one in records:
        log.queried(one)
    log.flush()
    found = context.database.read(lambda c: recent_queries(c, "CT1", 1000))
    given = context.database.read(lambda c: c.execute(select(step_query.c.times)).scalar_one())
    return [(q.at, q.keys["Modality"]) for q in reversed(found)], given


def test_every_query_is_kept(context: Context) -> None:
    records = [record(number) for number in range(20)]
    assert kept(context, records) == ([(r.at, "CT") for r in records], 20)


def test_a_device_that_repeats_itself_many_times_a_second_is_recorded_once_for_each_query(context: Context) -> None:
    log_of_a_moment = [record(number, "MR" if number == 500 else "CT") for number in range(1000)]
    found, given = kept(context, log_of_a_moment)
    assert found == [(log_of_a_moment[500].at, "MR"), (log_of_a_moment[-1].at, "CT")], "the newest of each"
    assert given == 1000, "each of them counts"


def test_different_queries_are_all_kept_however_many_come_at_once(context: Context) -> None:
    records = [record(number, f"M{number}") for number in range(450)]
    assert kept(context, records) == ([(r.at, f"M{n}") for n, r in enumerate(records)], 450)
