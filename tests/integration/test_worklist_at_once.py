"""Answers from memory: only while the database holds what they say, whoever commits."""

from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import Connection, update

from broker.dicom import scu
from broker.dicom.datasets import IMPLICIT_LITTLE
from broker.dicom.messages import Association, Request
from broker.dicom.worklist import MODALITY_WORKLIST_FIND, WorklistConfig, WorklistHandler
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile, DeviceRegistry
from broker.services import device_registry
from broker.store.database import Database
from broker.store.tables import worklist_item
from tests.support.dicom import Provider, provider
from tests.support.wait import until
from tests.support.worklist import Item, fill, pydicom_bytes

KEYS = {"PatientName": "", SPS_SEQUENCE: [{"ScheduledProcedureStepID": "", "Modality": ""}]}


def set_open(connection: Connection, *, opened: bool) -> None:
    connection.execute(update(worklist_item).values(open=opened))


@pytest.fixture
def running(database_url: str) -> Iterator[Provider]:
    with provider(database_url, DeviceProfile("SHORT", limit=1)) as started:
        started.context.database.write(lambda c: fill(c, [Item(), Item()]))
        yield started


@pytest.fixture
def stranger(database_url: str) -> Iterator[Database]:
    """The same database, opened by somebody else, as another process has it."""
    database = Database(database_url)
    yield database
    database.close()


def test_a_commit_of_anybody_changes_the_data_version(sqlite_url: str) -> None:
    ours, theirs = Database(sqlite_url), Database(sqlite_url)
    try:
        before = ours.data_version
        assert before is not None
        assert ours.data_version == before
        theirs.write(lambda c: fill(c, [Item()]))
        foreign = ours.data_version
        ours.write(lambda c: c.execute(update(worklist_item).values(modality="MR")))
        assert len({before, foreign, ours.data_version}) == 3
    finally:
        theirs.close()
        ours.close()
    assert ours.data_version is None


def test_postgresql_is_always_asked(postgres_url: str) -> None:
    database = Database(postgres_url)
    assert database.data_version is None
    database.close()


def test_what_anybody_commits_is_in_the_next_answer(running: Provider, stranger: Database) -> None:
    """Also when the same question is asked over and over and its answer lies ready."""
    for number in range(20):
        opened = number % 2 == 1
        stranger.write(partial(set_open, opened=opened))
        for _ in range(3):
            assert len(scu.find(running.peer(), KEYS).items) == (2 if opened else 0)


def test_each_device_gets_its_own(running: Provider) -> None:
    for _ in range(3):
        assert [len(scu.find(running.peer(title), KEYS).items) for title in ("SHORT", "LONG")] == [1, 2]


def test_ready_answers_are_recorded_like_others(running: Provider) -> None:
    for _ in range(5):
        scu.find(running.peer("CT9"), KEYS)

    def recorded() -> bool:
        running.log.flush()
        return len(device_registry.recent_queries(running.context, "CT9")) == 5

    until(recorded, 10, "five queries are recorded")
    assert {(q.status, q.answers) for q in device_registry.recent_queries(running.context, "CT9")} == {(0, 2)}


def test_the_second_time_nothing_is_read(sqlite_url: str) -> None:
    with provider(sqlite_url) as running:
        running.context.database.write(lambda c: fill(c, [Item(), Item()]))
        handler = WorklistHandler(running.context, WorklistConfig(), DeviceRegistry(), running.log)
        sent = pydicom_bytes(KEYS, IMPLICIT_LITTLE)
        request = Request(
            Association("CT1", "BROKER", "127.0.0.1", 1), 1, MODALITY_WORKLIST_FIND, IMPLICIT_LITTLE, sent
        )

        def at_hand() -> bool:
            """The log of queries commits from time to time, after which the database is asked again."""
            asked = tuple(handler.find(request))
            ready = handler.find_at_once(request)
            assert ready in (None, asked)
            return ready is not None

        assert handler.find_at_once(request) is None
        until(at_hand, 10, "an answer is at hand")
