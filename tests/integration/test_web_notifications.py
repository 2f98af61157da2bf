"""The pages and the programming interface for destinations and notifications: state, queue, attempts, acts, alarms."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from broker.destination_desk import Desk
from broker.destination_list import DestinationList
from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import NotificationState, Outcome, Verdict
from broker.services import api_tokens, delivering, destinations, outbox
from broker.services.context import Context
from broker.services.delivering import Claimant, Settlement
from broker.services.people import Role
from broker.settings import Settings
from broker.store.database import Database
from broker.web.app import create_app
from broker.web.config import WebConfig
from tests.integration.web_client import BASE, sign_in
from tests.peers.orders import Clock, happen, make_context, place

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
ONE = Claimant("one/ris", timedelta(seconds=60))
ANNA = Actor(Source.PERSON, "anna")
AWAY = Outcome(Verdict.RETRY, "no answer: none within 30 s", reachable=False)
REFUSED = Outcome(Verdict.PARK, "AR | unknown order F1", b"MSH|^~\\&|RIS\rMSA|AR|1|unknown order F1\r")
GOOD = Outcome(Verdict.DELIVERED, "", b"MSH|^~\\&|RIS\rMSA|AA|1\r", summary={"answer": "AA"})


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, "ris", "pacs")
    database.close()


def clock(context: Context) -> Clock:
    assert isinstance(context.clock, Clock)
    return context.clock


def settle(context: Context, outcome: Outcome, failures: int = 0) -> int:
    """One delivery to ris; answers the key of its entry."""
    (entry, *others) = delivering.claim(context, "ris", ONE, 16)
    delivering.release(context, ONE, others)
    delivering.settle(context, ONE, [Settlement(entry, outcome, 12, timedelta(seconds=20), failures)])
    return entry.key


@asynccontextmanager
async def staff(context: Context, role: Role = Role.OPERATOR) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    settings = Settings.model_validate(
        {"destinations": [{"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 1, "profile": "omg-o19"}]}
    )
    app = create_app(WebConfig(), context, destinations=Desk(settings, context, DestinationList(settings, context)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client, await sign_in(client, context, role)


async def test_a_destination_that_does_not_answer_and_one_that_refuses_are_shown_in_its_words(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    settle(context, AWAY, failures=3)
    (ris, pacs) = destinations.statuses(context)
    assert (ris.standing, ris.condition.failures, ris.condition.words) == ("not answering", 3, AWAY.detail)
    assert ris.condition.retry_at == context.clock() + timedelta(seconds=20)
    assert (pacs.standing, pacs.waiting.pending) == ("sending", 1)
    async with staff(context, Role.VIEWER) as (client, _):
        page = (await client.get("/destinations")).text
        for words in ("Not answering", "3 times in a row, again at 08:00:20", AWAY.detail, "state=pending"):
            assert words in page
        assert "/pause" not in (await client.get("/destinations/ris")).text
        assert (await client.get("/destinations/nobody")).status_code == 404
    clock(context).now += timedelta(seconds=20)
    key = settle(context, REFUSED)
    ris = destinations.find(context, "ris")
    assert (ris.standing, ris.condition.failures, ris.waiting.parked) == ("sending", 0, 1)
    async with staff(context) as (client, _):
        page = (await client.get(f"/notifications/{key}")).text
    for words in ("AR | unknown order F1", "MSA|AR|1|unknown order F1", AWAY.detail, "Retry now", "Parked", "A1"):
        assert words in page


async def test_entries_are_retried_parked_skipped_and_resent_from_the_page(context: Context) -> None:
    happen(context, place(context, 1), STARTED, COMPLETED)
    key = settle(context, REFUSED)
    async with staff(context) as (client, token):
        form = {"csrf_token": token}

        async def act(name: str, key: int = key) -> NotificationState:
            answer = await client.post(f"/notifications/{key}/{name}", data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/notifications/{key}")
            return outbox.list_notifications(context, outbox.Filter("ris"))[-1].state

        assert await act("retry") is NotificationState.PENDING
        assert await act("park") is NotificationState.PARKED
        assert (await client.post("/destinations/ris/retry-parked", data=form)).status_code == 303
        assert settle(context, GOOD) == key
        refused = await client.post(f"/notifications/{key}/retry", data=form)
        assert refused.status_code == 422
        assert "is delivered; only pending and parked ones can be changed, any can be resent" in refused.text
        clock(context).now += timedelta(hours=2)
        assert await act("resend") is NotificationState.PENDING
        entry = outbox.find(context, key)
        assert entry is not None
        assert settle(context, GOOD) == key, "what is sent once more goes before the later ones of its order"
        again = outbox.find(context, key)
        assert again is not None
        assert (again.state, again.message_id) == (NotificationState.DELIVERED, entry.message_id)
        assert await act("skip", outbox.list_notifications(context, outbox.Filter("ris"))[0].key)
        said = [a.result for a in outbox.attempts(context, key)]
        assert said == ["refused", "retried", "parked", "retried", "delivered", "resent", "delivered"]
        assert "Skipped" in (await client.get("/notifications?destination=ris&state=skipped")).text
        assert (await client.get("/notifications?state=parked")).text.count('href="/notifications/') == 0
        every = (await client.get("/notifications?destination=&state=&order=")).text
        assert every.count('href="/notifications/') == 4
        assert (await client.get("/notifications?order=1&state=nonsense")).text.count('href="/notifications/') == 4
        assert "No notification fits" in (await client.get("/notifications?order=2")).text
        order = (await client.get("/orders/1")).text
        assert "Sent once more by hand: ris" in order


async def test_holding_and_letting_go(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    async with staff(context) as (client, token):
        form = {"csrf_token": token, "reason": "new server"}
        assert (await client.post("/destinations/ris/pause", data=form)).headers["location"] == "/destinations/ris"
        assert "by nina.frei: new server" in (await client.get("/destinations")).text
        await client.post("/destinations/ris/resume", data=form)
        await client.post("/destinations/ris/drain", data=form)
        assert destinations.find(context, "ris").standing == "draining"
        settle(context, GOOD)
        assert destinations.find(context, "ris").standing == "drained"
        unknown = await client.post("/destinations/nobody/pause", data=form)
        assert "known are: ris, pacs" in unknown.text


async def test_what_would_be_sent_is_shown_to_operators(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    (entry,) = outbox.list_notifications(context, outbox.Filter("ris"))
    (other,) = outbox.list_notifications(context, outbox.Filter("pacs"))
    async with staff(context) as (client, _):
        assert "OMG^O19^OMG_O19" in (await client.get(f"/notifications/{entry.key}/preview")).text
        wrong = await client.get(f"/notifications/{other.key}/preview")
        assert (wrong.status_code, "no destination &#39;pacs&#39;" in wrong.text) == (422, True)
    async with staff(context, Role.VIEWER) as (client, _):
        assert (await client.get(f"/notifications/{entry.key}/preview")).status_code == 403


@pytest.mark.parametrize("address", ["/notifications/1/skip", "/destinations/ris/pause"])
async def test_who_may_not(context: Context, address: str) -> None:
    happen(context, place(context, 1), STARTED)
    for role in (Role.VIEWER, Role.SCHEDULER, Role.INTEGRATION):
        async with staff(context, role) as (client, token):
            assert (await client.post(address, data={"csrf_token": token})).status_code == 403
            headers = {"X-CSRF-Token": token}
            assert (await client.post(f"/api/v1{address}", headers=headers, json={})).status_code == 403
    async with staff(context) as (client, _):
        assert (await client.post(address, data={})).status_code == 403
        assert (await client.post(f"/api/v1{address}", json={})).status_code == 403
    assert {e.state for e in outbox.list_notifications(context)} == {NotificationState.PENDING}
    assert destinations.find(context, "ris").hold is None


async def test_the_programming_interface(context: Context) -> None:
    happen(context, place(context, 1), STARTED)
    happen(context, place(context, 2), STARTED)
    key = settle(context, REFUSED)
    token = api_tokens.issue(context, "monitor", Role.OPERATOR)
    async with staff(context) as (client, _):
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {token}"
        listed = (await client.get("/api/v1/destinations")).json()["destinations"]
        assert [(d["name"], d["waiting"], d["parked"], d["last_failure"]) for d in listed] == [
            ("ris", 1, 1, REFUSED.detail), ("pacs", 2, 0, ""),
        ]  # fmt: skip
        held = await client.post("/api/v1/destinations/pacs/pause", json={"reason": "moving"})
        shown = held.json()["destination"]
        assert (shown["state"], shown["hold"]["by"]) == ("paused", "monitor")
        resumed = await client.post("/api/v1/destinations/pacs/resume", json={})
        assert resumed.json()["destination"]["hold"] is None
        assert (await client.post("/api/v1/destinations/pacs/skip-waiting", json={})).status_code == 409
        assert (await client.get("/api/v1/destinations/nobody")).status_code == 404
        parked = (await client.get("/api/v1/notifications?destination=ris&state=parked")).json()["notifications"]
        assert [(n["key"], n["order_key"], n["kind"]) for n in parked] == [(key, 1, "order.started")]
        one = (await client.get(f"/api/v1/notifications/{key}")).json()
        assert one["attempts"][0]["answer"].endswith("MSA|AR|1|unknown order F1")
        assert "OMG^O19" in (await client.get(f"/api/v1/notifications/{key}/preview")).json()["text"]
        assert (await client.post(f"/api/v1/notifications/{key}/retry")).json()["state"] == "pending"
        assert (await client.post(f"/api/v1/notifications/{key}/skip")).json()["state"] == "skipped"
        assert (await client.post(f"/api/v1/notifications/{key}/park")).status_code == 409
        assert (await client.post("/api/v1/notifications/999/skip")).status_code == 404
        newest = (await client.get("/api/v1/notifications?limit=1")).json()["notifications"][0]["key"]
        rest = (await client.get(f"/api/v1/notifications?before={newest}")).json()["notifications"]
        assert [n["key"] for n in rest] == sorted((n["key"] for n in rest), reverse=True)
        assert len(rest) == 3


async def test_a_queue_that_grows_old_is_an_alarm_everywhere_and_logged_once(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tuple(
        replace(rule, alarm_after=timedelta(hours=1) if rule.name == "pacs" else None)
        for rule in context.site.destinations
    )
    context = replace(context, site=replace(context.site, destinations=rules))
    happen(context, place(context, 1), STARTED)
    settle(context, REFUSED)
    caplog.set_level("INFO", "broker.services.destinations")
    lease = timedelta(minutes=3)
    assert destinations.watch(context, "one", lease) == []
    clock(context).now += timedelta(minutes=16)
    assert destinations.watch(context, "two", lease) is not None, "the lease of the first has ended"
    assert destinations.watch(context, "one", lease) is None
    destinations.watch(context, "two", lease)
    words = "destination ris: 1 notification waits, 1 of them parked, the oldest for 16 min (limit 15 min); sending"
    assert [r.getMessage() for r in caplog.records] == [words]
    async with staff(context) as (client, _):
        assert "late, limit 15 min" in (await client.get("/attention")).text
        assert 'href="/destinations" title="The oldest' in (await client.get("/")).text
        figures = (await client.get("/metrics")).text
        for line in (
            'broker_destination_late{destination="ris"} 1', 'broker_destination_late{destination="pacs"} 0',
            'broker_destination_oldest_seconds{destination="ris"} 960',
        ):  # fmt: skip
            assert line in figures
        late = {d["name"]: d["late"] for d in (await client.get("/api/v1/destinations")).json()["destinations"]}
        assert late == {"ris": True, "pacs": False}
    outbox.skip(context, 1, ANNA)
    destinations.watch(context, "two", lease)
    destinations.watch(context, "two", lease)
    assert [r.getMessage() for r in caplog.records][1:] == ["destination ris: no longer late"]


