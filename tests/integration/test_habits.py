"""The habits of devices, counted on real databases: by the service, on the page, by REST and at the terminal."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from broker.services import habits, reconciling, stuck
from broker.services.device_registry import DeviceDirectory
from broker.store.database import Database
from broker.store.devices import QueryRecord, SeenDevice, queried, seen
from tests.integration.mpps_peer import NOW, Peer, new_context
from tests.integration.web_client import device_staff
from tests.support.exams import create, final, reason, reference

#: what CT2 did: an exam each hour, which ends as said; its end by its own clock
DID = [
    ("COMPLETED", "0941"), ("COMPLETED", "1001"), ("COMPLETED", "0951"), ("COMPLETED", "0900"),
    ("DISCONTINUED", "0940"), (None, ""), (None, ""), ("IN PROGRESS", ""),
]  # fmt: skip


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield _lived(Peer(new_context(opened), "CT2"))
    opened.close()


def _lived(peer: Peer) -> Peer:
    """Eight exams of CT2, one of CT3 long ago, and US1, which only asks for its list."""
    for number, (ends, at) in enumerate(DID, 1):
        now = NOW + timedelta(hours=number)
        _at(peer, now)
        peer.order(str(number))
        uid = f"1.9.{number}"
        peer.create(uid, create([reference(str(number) if number < 8 else "999")]))
        if ends is not None:
            more = reason("110501") if ends == "DISCONTINUED" else {}
            ended = {"PerformedProcedureStepEndTime": at} if at else {}
            peer.set(uid, final(ends, **more, **ended) if at else {"PerformedProcedureStepStatus": ends})
    _at(peer, NOW - timedelta(days=40))
    Peer(peer.context, "CT3").create("1.9.99")
    asked = NOW + timedelta(hours=2)
    steps = [reconciling.steps_of(peer.context, f"A{n}")[0].step_key for n in (1, 2, 3)]
    records = [
        QueryRecord(asked, "US1", "10.0.0.9", {}, 0, 2, 3, steps[:2]),
        QueryRecord(asked + timedelta(hours=1), "US1", "10.0.0.9", {}, 0, 2, 3, steps[:2]),
        QueryRecord(asked, "CT2", "10.0.0.7", {}, 0, 3, 3, steps),
    ]  # fmt: skip
    peer.context.database.write(lambda c: queried(c, records))
    peer.context.database.write(lambda c: seen(c, [SeenDevice("US1", "10.0.0.9", True, NOW, NOW)]))
    _at(peer, NOW + timedelta(hours=9, minutes=30))
    return peer


def _at(peer: Peer, now: datetime) -> None:
    peer.context = replace(peer.context, clock=lambda: now)
    peer.__post_init__()


def test_what_a_device_does_with_its_exams(peer: Peer) -> None:
    found = habits.of_device(peer.context, "CT2")
    assert (found.started, found.completed, found.discontinued) == (8, 4, 1)
    assert (found.running, found.left_open) == (2, 1), "the site waits for three hours"
    assert (found.linked, found.unscheduled) == (7, 1)
    assert found.median_seconds == 20 * 60, "10, 20 and 30 minutes; one ended before it began"
    assert (found.queries, found.steps_given, found.steps_reported) == (1, 3, 3)
    assert found.words[0] == "completes 67 % of what it starts"
    assert habits.of_device(peer.context, "NOBODY").words == ()


def test_only_the_days_that_are_asked_for(peer: Peer) -> None:
    assert habits.of_device(peer.context, "CT3").started == 0
    assert habits.of_device(peer.context, "CT3", days=60).started == 1
    assert [h.calling_ae_title for h in habits.everybody(peer.context)] == ["CT2", "US1"]
    assert [h.calling_ae_title for h in habits.everybody(peer.context, 60)] == ["CT2", "CT3", "US1"]


async def test_on_the_pages_and_by_rest(peer: Peer) -> None:
    async with device_staff(peer.context, DeviceDirectory(peer.context)) as (client, _):
        page = (await client.get("/devices/US1")).text
        assert "fetches its list but never reports" in page
        listed = (await client.get("/habits?days=60")).text
        assert "completes 67 % of what it starts" in listed
        assert 'href="/devices/CT3?days=60"' in listed
        one = (await client.get("/api/v1/habits?device=CT2&days=30")).json()["devices"][0]
        assert (one["ae_title"], one["started"], one["median_seconds"]) == ("CT2", 8, 1200)
        assert one["completes"] == pytest.approx(4 / 6)
        assert len((await client.get("/api/v1/habits")).json()["devices"]) == 2
        for wrong in ("/habits?days=0", "/devices/CT2?days=x", "/api/v1/habits?days=4000"):
            assert (await client.get(wrong)).status_code == 422


def test_nothing_is_counted_by_reading_whole_tables(sqlite_url: str) -> None:
    opened = Database(sqlite_url)
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(opened.engine, "before_cursor_execute", note)
    context = new_context(opened)
    Peer(context).create()
    asked.clear()
    habits.of_device(context, "CT1")
    stuck.listed(context)
    event.remove(opened.engine, "before_cursor_execute", note)
    with opened.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                steps = [row[3] for row in plan if "stuck" not in row[3] and "ix_worklist_item_started" not in row[3]]
                scanned = [step for step in steps if step.startswith("SCAN")]
                assert scanned == [], statement
    assert len(asked) > 4
    opened.close()
