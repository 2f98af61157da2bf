"""The buttons of board, order and attention page, and the programming interface behind the keys."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broker.domain.model import FactKind
from broker.services import api_tokens, reconciling, stuck
from broker.services.people import Role
from broker.store.database import Database
from tests.integration.mpps_peer import NOW, Peer, new_context
from tests.integration.web_client import sign_in, staff, visitor

BOARD = "/?modality=CT"
API = "/api/v1/steps"


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    peer = Peer(new_context(opened))
    peer.order("1")
    yield peer
    opened.close()


def step(peer: Peer) -> int:
    return reconciling.steps_of(peer.context, "A1")[0].step_key


def later(peer: Peer, hours: float) -> Peer:
    """The same place some hours later, with what is stuck by then."""
    now = NOW + timedelta(hours=hours)
    context = replace(peer.context, clock=lambda: now)
    stuck.look(context, "here", timedelta(minutes=1))
    return Peer(context)


async def test_an_exam_by_the_buttons_of_board_and_order_page(peer: Peer) -> None:
    address = f"/steps/{step(peer)}"
    async with staff(peer.context) as (client, token):
        board = await client.get(BOARD)
        assert f'<button form="acts" formaction="{address}/arrive"' in board.text
        assert f'name="back" value="{BOARD}"' in board.text
        answer = await client.post(f"{address}/arrive", data={"csrf_token": token, "back": BOARD})
        assert (answer.status_code, answer.headers["location"]) == (303, BOARD)
        board = await client.get(BOARD)
        assert f'formaction="{address}/start"' in board.text
        assert 'class="status s-arrived inferred"' in board.text
        for act, more in (
            ("start", {}), ("discontinue", {"reason": "110504", "note": "at 9:40"}), ("undo", {}), ("complete", {}),
        ):  # fmt: skip
            answer = await client.post(f"{address}/{act}", data={"csrf_token": token, **more})
            assert (answer.status_code, answer.headers["location"]) == (303, "/orders/1")
        page = await client.get("/orders/1")
        assert "said by nina.frei" in page.text
        assert "Inferred: nina.frei said so, no device did (Patient died; at 9:40)" in page.text
        assert "nina.frei took back what was said about the exam" in page.text
        refused = await client.post(f"{address}/start", data={"csrf_token": token})
        assert (refused.status_code, "undo that" in refused.text) == (422, True)
    assert peer.statuses() == {"SPS1": "COMPLETED"}


async def test_a_device_that_reports_is_asked_about_once_more(peer: Peer) -> None:
    peer.create()
    address = f"/steps/{step(peer)}/complete"
    async with staff(peer.context) as (client, token):
        board = await client.get(BOARD)
        assert "formaction" not in board.text, "the device tells when it is done"
        asked = await client.post(address, data={"csrf_token": token, "back": BOARD})
        assert (asked.status_code, "A device reports this exam" in asked.text) == (409, True)
        assert f'name="back" value="{BOARD}"' in asked.text
        done = await client.post(address, data={"csrf_token": token, "back": BOARD, "although_running": "true"})
        assert (done.status_code, done.headers["location"]) == (303, BOARD)
    assert peer.statuses() == {"SPS1": "COMPLETED"}


async def test_a_room_whose_device_reports_is_not_offered_a_start(peer: Peer) -> None:
    peer.order("2")
    peer.create(values=None)
    async with staff(peer.context) as (client, token):
        second = reconciling.steps_of(peer.context, "A2")[0].step_key
        await client.post(f"/steps/{second}/arrive", data={"csrf_token": token})
        assert f"/steps/{second}/start" not in (await client.get(BOARD)).text
        assert f"/steps/{second}/start" in (await client.get("/orders/2")).text, "there it can be said all the same"


async def test_a_stuck_exam_is_settled_in_one_click(peer: Peer) -> None:
    peer.create()
    late = later(peer, 4)
    async with staff(late.context) as (client, token):
        attention = await client.get("/attention")
        assert "Exams that never ended" in attention.text
        assert f'action="/steps/{step(peer)}/still-running"' in attention.text
        order = await client.get("/orders/1")
        assert "Nothing was heard of this exam since 09:31 on 23 November" in order.text
        board = await client.get(BOARD)
        assert "Stuck" in board.text
        assert f'formaction="/steps/{step(peer)}/complete"' in board.text
        listed = (await client.get("/api/v1/stuck")).json()["steps"]
        assert [(s["accession_number"], s["limit_minutes"], s["reported"]) for s in listed] == [("A1", 180, True)]
        metrics = (await client.get("/metrics")).text
        assert "broker_stuck_steps 1" in metrics
        again = await client.post(
            f"/steps/{step(peer)}/still-running", data={"csrf_token": token, "back": "/attention"}
        )
        assert again.status_code == 303
        assert "Every exam that began has ended" in (await client.get("/attention")).text
        done = await client.post(f"/steps/{step(peer)}/complete", data={"csrf_token": token, "back": "/attention"})
        assert (done.status_code, done.headers["location"]) == (303, "/attention")
    assert peer.statuses() == {"SPS1": "COMPLETED"}


async def test_the_programming_interface(peer: Peer) -> None:
    key = step(peer)
    async with staff(peer.context) as (client, token):
        headers = {"X-CSRF-Token": token}

        async def act(name: str, **details: Any) -> tuple[int, dict[str, Any]]:
            answer = await client.post(f"{API}/{key}/{name}", json=details, headers=headers)
            return answer.status_code, answer.json()

        assert await act("start", note="no network") == (200, {"step_key": key, "order_key": 1, "status": "STARTED"})
        shown = (await client.get("/api/v1/worklist?day=2026-11-23")).json()["steps"][0]
        assert shown["inferred"] == {
            "source": "person", "by": "nina.frei", "at": NOW.isoformat(), "note": "no network", "reason": "",
        }  # fmt: skip
        status, refused = await act("arrive")
        assert (status, refused["error"]["why"]) == (409, "the exam is in progress already")
        assert (await act("discontinue"))[0] == 422
        assert (await act("discontinue", reason="110504"))[1]["status"] == "DISCONTINUED"
        assert (await act("undo"))[1]["status"] == "STARTED"
        assert (await act("undo"))[1]["status"] == "SCHEDULED"
        assert (await act("undo"))[0] == 409
        assert (await act("still-running"))[0] == 409
        peer.create()
        status, refused = await act("complete")
        assert (status, refused["although_running"]) == (409, True)
        assert (await act("complete", although_running=True))[1]["status"] == "COMPLETED"
        assert (await client.post(f"{API}/404/start", json={}, headers=headers)).status_code == 404
        assert (await client.post(f"{API}/{2**70}/start", json={}, headers=headers)).status_code == 422
        assert (await client.post(f"{API}/{key}/explode", json={}, headers=headers)).status_code == 422
        assert (await client.post(f"{API}/{key}/undo", headers=headers)).status_code == 200, "details are not needed"


async def test_a_program_speaks_with_its_token(peer: Peer) -> None:
    tokens = {role: api_tokens.issue(peer.context, f"bridge-{role}", role) for role in (Role.VIEWER, Role.OPERATOR)}
    async with visitor(peer.context) as client:
        for role, status in ((Role.VIEWER, 403), (Role.OPERATOR, 200)):
            headers = {"Authorization": f"Bearer {tokens[role]}"}
            assert (await client.post(f"{API}/{step(peer)}/start", headers=headers)).status_code == status
        found = await client.get("/api/v1/habits", headers={"Authorization": f"Bearer {tokens[Role.VIEWER]}"})
        assert found.status_code == 200
    assert [row.actor for row in peer.facts(FactKind.STEP_STATUS)] == ["bridge-operator"]


@pytest.mark.parametrize("act", ["arrive", "start", "complete", "discontinue", "undo", "still-running"])
async def test_nobody_speaks_without_role_or_token(peer: Peer, act: str) -> None:
    page, program = f"/steps/{step(peer)}/{act}", f"{API}/{step(peer)}/{act}"
    form = {"reason": "110504", "although_running": "true"}
    async with visitor(peer.context) as client:
        assert (await client.post(page, data=form)).status_code == 401
        assert (await client.post(program, json={})).status_code == 401
        for role in (Role.VIEWER, Role.SCHEDULER):
            token = await sign_in(client, peer.context, role)
            assert (await client.post(page, data={**form, "csrf_token": token})).status_code == 403
            assert (await client.post(program, json={}, headers={"X-CSRF-Token": token})).status_code == 403
        await sign_in(client, peer.context, Role.ADMINISTRATOR)
        assert (await client.post(page, data={**form, "csrf_token": "wrong"})).status_code == 403
        assert (await client.post(program, json={})).status_code == 403
    assert peer.statuses() == {"SPS1": "SCHEDULED"}


async def test_a_viewer_has_no_buttons(peer: Peer) -> None:
    async with visitor(peer.context) as client:
        await sign_in(client, peer.context, Role.VIEWER)
        board, order = await client.get(BOARD), await client.get("/orders/1")
        assert 'id="acts"' not in board.text
        assert '<body class="wide">' in board.text, "the buttons of the rows stay hidden"
        assert "/arrive" not in order.text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"])
async def test_a_form_leads_nowhere_else(peer: Peer, back: str) -> None:
    async with staff(peer.context) as (client, token):
        answer = await client.post(f"/steps/{step(peer)}/arrive", data={"csrf_token": token, "back": back})
        assert answer.headers["location"] == "/orders/1"
