"""The outbox on real databases: enqueued with the fact, claimed in order, settled once, looked after by people."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Identifier, Patient, Source
from broker.domain.notifications import NotificationState, Outcome, Verdict
from broker.services import delivering, outbox
from broker.services.context import Context
from broker.services.delivering import Claimant, Settlement
from broker.services.history import About, record
from broker.store import events, orders, patients
from broker.store.database import Database
from tests.peers.orders import START, Clock, happen, make_context, place

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
ANNA = Actor(Source.PERSON, "anna")
ONE = Claimant("one/ris", timedelta(seconds=60))
TWO = Claimant("two/ris", timedelta(seconds=60))
GOOD = Outcome(Verdict.DELIVERED, "AA", b"MSA|AA", summary={"answer": "AA", "order_status": "IP"})


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, "ris", "pacs", clock=Clock())
    database.close()


def later(context: Context, seconds: float) -> None:
    assert isinstance(context.clock, Clock)
    context.clock.now += timedelta(seconds=seconds)


def settle(context: Context, entry, outcome: Outcome, claimant: Claimant = ONE, delay: float = 5) -> None:
    delivering.settle(context, claimant, [Settlement(entry, outcome, 12, timedelta(seconds=delay))])


def test_a_fact_is_enqueued_once_for_each_destination_that_wants_it(context: Context) -> None:
    key = place(context, 1)
    happen(context, key, STARTED, FactKind.STEP_STATUS)

    entries = outbox.list_notifications(context)

    assert sorted((e.destination, e.kind, e.subject) for e in entries) == [
        ("pacs", STARTED, f"order:{key}"),
        ("ris", STARTED, f"order:{key}"),
    ]
    assert len({e.message_id for e in entries}) == 2
    assert all(len(e.message_id) <= 20 for e in entries)


def test_nothing_is_enqueued_when_the_transaction_fails(context: Context) -> None:
    key = place(context, 1)

    def failing(connection):
        record(connection, context, ANNA, About(request_key=key), [Fact(STARTED)], START)
        raise Refusal(Reason.WRONG_STATE, "no")

    with pytest.raises(Refusal):
        context.database.write(failing)
    assert outbox.list_notifications(context) == []


def test_the_payload_keeps_the_fact_as_it_was(context: Context) -> None:
    key = place(context, 1)
    happen(context, key, STARTED)

    def rename(connection) -> None:
        patient_key = orders.load(connection, key).patient_key
        renamed = Patient((Identifier("4711-1", "HOSP"),), {"PatientName": "OTHER^NAME"}, patient_key)
        patients.save(connection, renamed, START)

    context.database.write(rename)
    payload: Mapping[str, Any] = outbox.list_notifications(context)[0].payload
    assert payload["patient"]["name"] == "MEIER^EVA^^DR"
    assert payload["order"]["placer"] == {"value": "P1", "issuer": "HIS"}
    assert payload["procedures"][0]["steps"][0]["scheduled_procedure_step_id"] == "SPS1"
    assert payload["occurred_at"] == START.isoformat()


def test_only_the_head_of_each_order_is_claimed(context: Context) -> None:
    first, second = place(context, 1), place(context, 2)
    happen(context, first, STARTED, COMPLETED)
    happen(context, second, STARTED)

    claimed = delivering.claim(context, "ris", ONE, 16)

    assert [(e.request_key, e.kind) for e in claimed] == [(first, STARTED), (second, STARTED)]
    settle(context, claimed[0], GOOD)
    assert [(e.request_key, e.kind) for e in delivering.claim(context, "ris", ONE, 16)] == [(first, COMPLETED)]


def test_a_lease_keeps_others_away_until_it_ends(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    assert len(delivering.claim(context, "ris", ONE, 16)) == 1
    assert delivering.claim(context, "ris", TWO, 16) == []
    later(context, 61)
    assert len(delivering.claim(context, "ris", TWO, 16)) == 1


def test_own_leases_are_given_back_at_start_and_only_those(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    assert delivering.claim(context, "ris", ONE, 16)
    delivering.release(context, TWO)
    assert delivering.claim(context, "ris", TWO, 16) == []
    delivering.release(context, ONE)
    assert len(delivering.claim(context, "ris", TWO, 16)) == 1


def test_a_retry_waits_its_delay_with_the_same_message_id(context: Context) -> None:
    happen(context, place(context, 1), STARTED, COMPLETED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    settle(context, entry, Outcome(Verdict.RETRY, "AE | later please", b"MSA|AE"), delay=5)
    assert delivering.claim(context, "ris", ONE, 16) == []
    later(context, 5)
    (again,) = delivering.claim(context, "ris", ONE, 16)
    assert (again.message_id, again.attempts, again.last_error) == (entry.message_id, 1, "AE | later please")
    (attempt,) = outbox.attempts(context, entry.key)
    assert (attempt.result, attempt.detail, attempt.answer) == ("failed", "AE | later please", b"MSA|AE")


def test_a_parked_head_blocks_its_own_order_only(context: Context) -> None:
    first, second = place(context, 1), place(context, 2)
    happen(context, first, STARTED, COMPLETED)
    happen(context, second, STARTED)
    claimed = delivering.claim(context, "ris", ONE, 16)
    settle(context, claimed[0], Outcome(Verdict.PARK, "AR | no such order"))
    settle(context, claimed[1], GOOD)
    later(context, 1000)
    assert delivering.claim(context, "ris", ONE, 16) == []
    (backlog,) = [b for b in outbox.backlogs(context) if b.destination == "ris"]
    assert (backlog.pending, backlog.parked, backlog.delivered) == (1, 1, 1)
    assert backlog.oldest_waiting == START


@pytest.mark.parametrize(
    ("outcome", "kind", "expected"),
    [
        (GOOD, FactKind.NOTIFICATION_DELIVERED, {"answer": "AA", "order_status": "IP", "attempts": 1}),
        (Outcome(Verdict.PARK, "AR"), FactKind.NOTIFICATION_PARKED, {"destination": "ris", "milliseconds": 12}),
    ],
)
def test_what_became_of_it_is_history_and_notifies_nobody(context: Context, outcome, kind, expected) -> None:
    key = place(context, 1)
    happen(context, key, STARTED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    settle(context, entry, outcome)
    *_, last = context.database.read(lambda c: events.of_request(c, key))
    assert (last.kind, last.actor) == (kind, Actor(Source.DESTINATION, "ris"))
    assert expected.items() <= dict(last.data).items()
    assert len(outbox.list_notifications(context)) == 2


def test_delivered_counts_even_after_the_lease_was_lost_and_is_recorded_once(context: Context) -> None:
    key = place(context, 1)
    happen(context, key, STARTED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    later(context, 61)
    (same,) = delivering.claim(context, "ris", TWO, 16)
    settle(context, entry, GOOD, ONE)
    settle(context, same, Outcome(Verdict.RETRY, "no answer"), TWO)
    settle(context, same, GOOD, TWO)
    kinds = [e.kind for e in context.database.read(lambda c: events.of_request(c, key))]
    assert kinds.count(FactKind.NOTIFICATION_DELIVERED) == 1
    (told,) = outbox.list_notifications(context, outbox.Filter("ris"))
    assert told.state is NotificationState.DELIVERED


def test_a_failure_reported_without_the_lease_changes_nothing(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    later(context, 61)
    assert delivering.claim(context, "ris", TWO, 16)
    settle(context, entry, Outcome(Verdict.PARK, "AR"), ONE)
    (told,) = outbox.list_notifications(context, outbox.Filter("ris"))
    assert (told.state, told.attempts) == (NotificationState.PENDING, 0)


def test_people_retry_park_and_skip(context: Context) -> None:
    first = place(context, 1)
    happen(context, first, STARTED, COMPLETED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    settle(context, entry, Outcome(Verdict.PARK, "AR"))

    outbox.retry(context, entry.key, ANNA)
    assert [e.key for e in delivering.claim(context, "ris", ONE, 16)] == [entry.key]
    outbox.park(context, entry.key, ANNA)
    assert delivering.claim(context, "ris", TWO, 16) == []
    outbox.skip(context, entry.key, ANNA)
    assert [e.kind for e in delivering.claim(context, "ris", TWO, 16)] == [COMPLETED]
    said = [(a.result, a.detail) for a in outbox.attempts(context, entry.key)]
    assert said == [("refused", "AR"), ("retried", "by anna"), ("parked", "by anna"), ("skipped", "by anna")]


@pytest.mark.parametrize("act", [outbox.retry, outbox.park, outbox.skip])
def test_settled_and_unknown_entries_are_refused(context: Context, act) -> None:
    happen(context, place(context, 1), STARTED)
    (entry,) = delivering.claim(context, "ris", ONE, 16)
    settle(context, entry, GOOD)
    with pytest.raises(Refusal, match="is delivered") as refused:
        act(context, entry.key, ANNA)
    assert refused.value.reason is Reason.WRONG_STATE
    with pytest.raises(Refusal, match="no notification 999") as refused:
        act(context, 999, ANNA)
    assert refused.value.reason is Reason.UNKNOWN_KEY


def test_all_parked_entries_of_a_destination_are_retried(context: Context) -> None:
    for number in (1, 2, 3):
        happen(context, place(context, number), STARTED)
    for entry in delivering.claim(context, "ris", ONE, 16)[:2]:
        settle(context, entry, Outcome(Verdict.PARK, "AR"))
    assert outbox.retry_parked(context, "ris", ANNA) == 2
    assert outbox.retry_parked(context, "ris", ANNA) == 0


def test_the_list_is_filtered_and_newest_first(context: Context) -> None:
    first, second = place(context, 1), place(context, 2)
    happen(context, first, STARTED)
    happen(context, second, STARTED)
    listed = outbox.list_notifications(context, outbox.Filter("pacs"))
    assert [e.request_key for e in listed] == [second, first]
    assert len(outbox.list_notifications(context, outbox.Filter(limit=3))) == 3
    assert outbox.list_notifications(context, outbox.Filter(state=NotificationState.PARKED)) == []
    assert {e.request_key for e in outbox.list_notifications(context, outbox.Filter(request_key=first))} == {first}


def test_pages_go_through_all_entries_a_window_at_a_time(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_WINDOW", 4)
    for number in range(1, 7):
        happen(context, place(context, number), STARTED)
    for wanted, count in ((outbox.Filter("ris", limit=2), 6), (outbox.Filter("nobody", limit=2), 0)):
        seen, older = [], None
        for _ in range(12):
            page = outbox.list_page(context, replace(wanted, before=older))
            seen += [entry.key for entry in page.entries]
            older = page.older
            if older is None:
                break
        assert older is None
        assert (len(seen), seen) == (count, sorted(set(seen), reverse=True))
    parked = outbox.list_page(context, outbox.Filter(state=NotificationState.PARKED, limit=2))
    assert parked == outbox.Page([], None)


@pytest.mark.postgres
def test_entries_of_one_order_are_numbered_as_they_are_committed(postgres_url: str) -> None:
    """Two transactions on one order at once: the second waits, so the lower number is never committed later."""
    database = Database(postgres_url)
    context = make_context(database, "ris")
    key = place(context, 1)
    first_inside, go_on = threading.Event(), threading.Event()

    def slow(connection) -> None:
        record(connection, context, ANNA, About(request_key=key), [Fact(STARTED)], START)
        first_inside.set()
        go_on.wait(10)

    one = threading.Thread(target=context.database.write, args=(slow,))
    one.start()
    assert first_inside.wait(10)
    two = threading.Thread(target=happen, args=(context, key, COMPLETED))
    two.start()
    two.join(0.3)
    assert two.is_alive(), "the second transaction did not wait for the first"
    go_on.set()
    one.join(10)
    two.join(10)
    kinds = [e.kind for e in reversed(outbox.list_notifications(context))]
    database.close()
    assert kinds == [STARTED, COMPLETED]
