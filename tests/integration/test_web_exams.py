"""The pages about exams and devices: what they show, who may act, and what acting does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.services import correcting, reconciling
from broker.services.people import Role
from broker.store.database import Database
from broker.store.devices import SeenDevice, seen
from broker.web.quirk_words import QUIRKS
from tests.integration.mpps_peer import NOW, Peer, new_context
from tests.integration.test_availability import Archive
from tests.integration.web_client import sign_in, staff, visitor
from tests.support.exams import create, reference
from tests.support.notices import notice

WALK_IN: dict[str, Any] = {
    "StudyInstanceUID": "1.2.840.99.1", "AccessionNumber": "", "RequestedProcedureID": "",
    "ScheduledProcedureStepID": "",
}  # fmt: skip
TOLERANT = PerformedPolicy(devices={"CT1": frozenset({Quirk.OVERSIZE})})


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    peer = Peer(new_context(opened, TOLERANT))
    peer.order("1")
    assert peer.create(values=create([reference(**WALK_IN)], PerformedProcedureStepDescription="x" * 65)).status == 0
    yield peer
    opened.close()


def exam(peer: Peer) -> int:
    key = reconciling.find_key(peer.context, "1.9.1")
    assert key is not None
    return key


def step(peer: Peer) -> int:
    return reconciling.steps_of(peer.context, "A1")[0].step_key


async def test_the_queue_and_an_exam_with_its_suggestion(peer: Peer) -> None:
    async with staff(peer.context) as (client, _):
        queue = await client.get("/exams")
        page = await client.get(f"/exams/{exam(peer)}")
        assert f'href="/exams/{exam(peer)}"' in queue.text
        assert "same patient id, same name" in page.text.lower()
        assert f'action="/exams/{exam(peer)}/link"' in page.text
        assert (await client.get("/exams/999999")).status_code == 404
        attention = await client.get("/attention")
        assert f'href="/exams/{exam(peer)}"' in attention.text


async def test_linking_unlinking_and_setting_aside(peer: Peer) -> None:
    address = f"/exams/{exam(peer)}"
    async with staff(peer.context) as (client, token):
        for action, more, status in (
            ("link", {"step": step(peer)}, "STARTED"), ("unlink", {"step": step(peer)}, "SCHEDULED"),
            ("link-by-number", {"accession": " A1 "}, "STARTED"), ("unlink", {"step": step(peer)}, "SCHEDULED"),
            ("set-aside", {}, "SCHEDULED"), ("queue-again", {}, "SCHEDULED"),
        ):  # fmt: skip
            answer = await client.post(f"{address}/{action}", data={"csrf_token": token, **more})
            assert answer.status_code == 303, (action, answer.text)
            assert peer.statuses() == {"SPS1": status}
        page = await client.get(address)
        assert "Set aside" not in (await client.get("/exams")).text
        assert "set aside" in page.text
    actors = {row.actor for row in peer.rows(_people())}
    assert actors == {"nina.frei"}


def _people() -> object:
    from sqlalchemy import select

    from broker.store.tables import event

    return select(event).where(event.c.source == "person")


async def test_an_order_made_from_the_exam(peer: Peer) -> None:
    async with staff(peer.context) as (client, token):
        answer = await client.post(f"/exams/{exam(peer)}/create-order", data={"csrf_token": token})
        assert answer.status_code == 303
        order = await client.get(answer.headers["location"])
        assert "the order was made from it" in order.text
        assert "Unlink and cancel the order" in (await client.get(f"/exams/{exam(peer)}")).text


async def test_correcting_and_withdrawing(peer: Peer) -> None:
    reconciling.link(peer.context, _actor(), exam(peer), step(peer))
    address = f"/exams/{exam(peer)}"
    form = {"status": "COMPLETED", "reason": "110514", "note": "the network was down", "ended": "2026-11-23T10:00"}
    async with staff(peer.context) as (client, token):
        refused = await client.post(f"{address}/correct", data={"csrf_token": token, **form, "note": " "})
        assert (refused.status_code, "say why" in refused.text) == (422, True)
        refused = await client.post(f"{address}/correct", data={"csrf_token": token, **form, "ended": "soon"})
        assert (refused.status_code, "no date and time" in refused.text) == (422, True)
        answer = await client.post(f"{address}/correct", data={"csrf_token": token, **form})
        assert answer.status_code == 303
        assert peer.statuses() == {"SPS1": "COMPLETED"}
        page = await client.get(address)
        assert "the network was down" in page.text
        assert "until the device reports the end" in page.text
        order = await client.get("/orders/1")
        assert "corrected; the device said in progress" in order.text
        assert (await client.post(f"{address}/withdraw", data={"csrf_token": token})).status_code == 303
    assert peer.statuses() == {"SPS1": "STARTED"}
    assert [c.withdrawn_by for c in correcting.made(peer.context, exam(peer))] == ["nina.frei"]


def _actor() -> Any:
    from broker.domain.model import Actor, Source

    return Actor(Source.PERSON, "nina.frei")


ACTIONS = ["link", "unlink", "link-by-number", "create-order", "set-aside", "queue-again", "correct", "withdraw"]
FORM = {"step": "1", "accession": "A1", "status": "COMPLETED", "note": "x"}


@pytest.mark.parametrize("action", ACTIONS)
async def test_nobody_acts_without_role_or_token(peer: Peer, action: str) -> None:
    address = f"/exams/{exam(peer)}/{action}"
    async with visitor(peer.context) as client:
        assert (await client.post(address, data=FORM)).status_code == 401
        for role in (Role.VIEWER, Role.SCHEDULER):
            token = await sign_in(client, peer.context, role)
            assert (await client.post(address, data={**FORM, "csrf_token": token})).status_code == 403
        await sign_in(client, peer.context, Role.OPERATOR)
        assert (await client.post(address, data={**FORM, "csrf_token": "wrong"})).status_code == 403
    assert (peer.statuses(), peer.links()) == ({"SPS1": "SCHEDULED"}, [])


async def test_a_viewer_sees_no_buttons_and_gets_no_export(peer: Peer) -> None:
    async with visitor(peer.context) as client:
        await sign_in(client, peer.context, Role.VIEWER)
        page = await client.get(f"/exams/{exam(peer)}")
        assert "/link" not in page.text
        assert (await client.get("/exams/export.csv?first=2026-11-23")).status_code == 403


async def test_the_export(peer: Peer) -> None:
    async with staff(peer.context) as (client, _):
        answer = await client.get("/exams/export.csv?first=2026-11-23&last=2026-11-24")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert 'filename="exams-20261123-20261124.csv"' in answer.headers["content-disposition"]
        assert answer.text.splitlines()[1].startswith("1.9.1,")
        assert (await client.get("/exams/export.csv?first=yesterday")).status_code == 422


async def test_the_protocol_record_stands_on_the_order_page(peer: Peer) -> None:
    reconciling.link(peer.context, _actor(), exam(peer), step(peer))
    peer.set()
    async with staff(peer.context) as (client, _):
        order = await client.get("/orders/1")
    assert "CURIE Marie" in order.text


async def test_devices_and_their_warnings(peer: Peer) -> None:
    peer.context.database.write(lambda c: seen(c, [SeenDevice("CT1", "10.0.0.7", True, NOW, NOW)]))
    async with staff(peer.context) as (client, _):
        listed = await client.get("/devices")
        page = await client.get("/devices/CT1")
        assert 'href="/devices/CT1"' in listed.text
        assert "10.0.0.7" in page.text
        assert QUIRKS[Quirk.OVERSIZE] in page.text
        assert "Performed procedure step description" in page.text
        assert (await client.get("/devices/NOBODY")).status_code == 404


def test_every_quirk_has_words() -> None:
    assert set(QUIRKS) == set(Quirk)


async def test_images_without_an_order_and_images_of_one(peer: Peer) -> None:
    archive = Archive(peer.context)
    archive.tell(notice("1.2.3.404", ""))
    archive.tell(notice("1.2.3.1", ""), "1.8.2")
    async with staff(peer.context) as (client, token):
        board = await client.get("/?day=2026-11-23")
        assert 'href="/attention#images"' in board.text
        page = await client.get("/attention")
        assert "1.2.3.404" in page.text
        assert "1.2.3.1<" not in page.text
        (action,) = re.findall(r'action="(/images/\d+/set-aside)"', page.text)
        order = await client.get("/orders/1")
        assert "at ARCHIVE" in order.text
        assert "1 instance; no device reported any to compare with" in order.text
        assert "Images of the study are available at ARCHIVE" in order.text
        assert (await client.post(action, data={"csrf_token": token})).status_code == 303
        assert "1.2.3.404" not in (await client.get("/attention")).text
        again = await client.post(action, data={"csrf_token": token})
        assert "do not wait" in again.text


async def test_viewers_may_look_at_images_but_not_decide(peer: Peer) -> None:
    Archive(peer.context).tell(notice("1.2.3.404", ""))
    async with visitor(peer.context) as client:
        token = await sign_in(client, peer.context, Role.VIEWER)
        assert "/set-aside" not in (await client.get("/attention")).text
        assert (await client.post("/images/1/set-aside", data={"csrf_token": token})).status_code == 403
