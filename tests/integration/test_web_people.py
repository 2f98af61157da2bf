"""Signing in by a one-time link: on both databases, through the services and through the pages."""

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.domain.errors import Refusal
from broker.services import people
from broker.services.context import Context
from broker.services.people import LinkState, Role
from broker.store.database import Database
from broker.store.people_tables import sign_in_link, web_session
from broker.web.config import WebConfig
from tests.integration.web_client import sign_in, staff, visitor
from tests.support.staff_day import Clock, site


@dataclass
class Room:
    context: Context
    clock: Clock


@pytest.fixture
def room(database_url: str) -> Iterator[Room]:
    database, clock = Database(database_url), Clock()
    yield Room(Context(database, site(), clock), clock)
    database.close()


@pytest.fixture
def quick_room(sqlite_url: str) -> Iterator[Room]:
    """For what does not depend on the kind of database."""
    database, clock = Database(sqlite_url), Clock()
    yield Room(Context(database, site(), clock), clock)
    database.close()


def test_a_link_works_once(room: Room) -> None:
    token = people.create_link(room.context, "nina", "viewer")
    assert people.link_state(room.context, token) is LinkState.GOOD
    session = people.redeem_link(room.context, token)
    assert session is not None
    assert people.redeem_link(room.context, token) is None
    assert people.link_state(room.context, token) is LinkState.USED
    found = people.signed_in(room.context, session.token)
    assert found is not None
    assert (found.user_name, found.role) == ("nina", Role.VIEWER)


def test_of_many_at_once_one_gets_in(room: Room) -> None:
    token = people.create_link(room.context, "nina", "viewer")
    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(lambda _: people.redeem_link(room.context, token), range(8)))
    assert sum(session is not None for session in sessions) == 1


def test_a_link_ends(room: Room) -> None:
    token = people.create_link(room.context, "nina", "viewer")
    room.clock.now += people.LINK_LIFETIME
    assert people.link_state(room.context, token) is LinkState.ENDED
    assert people.redeem_link(room.context, token) is None


def test_a_session_ends(room: Room) -> None:
    session = people.redeem_link(room.context, people.create_link(room.context, "nina"), lifetime=timedelta(hours=1))
    assert session is not None
    room.clock.now += timedelta(minutes=59, seconds=59)
    assert people.signed_in(room.context, session.token) is not None
    room.clock.now += timedelta(seconds=1)
    assert people.signed_in(room.context, session.token) is None


def test_signing_out_and_locking_end_sessions_and_links(room: Room) -> None:
    first, second = (people.redeem_link(room.context, people.create_link(room.context, "nina")) for _ in range(2))
    assert first is not None
    assert second is not None
    people.sign_out(room.context, first.token)
    assert people.signed_in(room.context, first.token) is None
    assert people.signed_in(room.context, second.token) is not None
    waiting = people.create_link(room.context, "nina")
    assert people.lock(room.context, "nina")
    assert people.signed_in(room.context, second.token) is None
    assert people.redeem_link(room.context, waiting) is None
    with pytest.raises(Refusal, match="locked"):
        people.create_link(room.context, "nina")
    assert people.lock(room.context, "nina", locked=False)
    assert people.create_link(room.context, "nina")


def test_only_digests_are_stored(room: Room) -> None:
    token = people.create_link(room.context, "nina")
    session = people.redeem_link(room.context, token)
    assert session is not None
    links = room.context.database.read(lambda c: c.scalars(select(sign_in_link.c.token_digest)).all())
    sessions = room.context.database.read(lambda c: c.scalars(select(web_session.c.token_digest)).all())
    assert links == [hashlib.sha256(token.encode()).hexdigest()]
    assert sessions == [hashlib.sha256(session.token.encode()).hexdigest()]


def test_a_new_link_may_change_the_role(room: Room) -> None:
    people.create_link(room.context, "nina", Role.VIEWER)
    people.create_link(room.context, "nina", Role.ADMINISTRATOR)
    assert [(u.name, u.role) for u in people.list_users(room.context)] == [("nina", "administrator")]


@pytest.mark.parametrize(("name", "role"), [("", "viewer"), ("x" * 65, "viewer"), ("nina", "king")])
def test_what_is_no_user_is_refused(room: Room, name: str, role: str) -> None:
    with pytest.raises(Refusal):
        people.create_link(room.context, name, role)


async def test_opening_a_link_does_not_use_it_up(room: Room) -> None:
    token = people.create_link(room.context, "nina")
    async with visitor(room.context) as client:
        for _ in range(3):
            page = await client.get(f"/sign-in/{token}")
            assert page.status_code == 200
            assert "set-cookie" not in page.headers
        answer = await client.post(f"/sign-in/{token}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await client.post(f"/sign-in/{token}")).status_code == 410
        assert (await client.get(f"/sign-in/{token}")).status_code == 410
        assert (await client.get("/sign-in/unknown")).status_code == 410


async def test_with_tls_the_cookie_is_secure(quick_room: Room, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = WebConfig(tls_certificate=tmp_path_factory.getbasetemp() / "unused.pem")
    async with visitor(quick_room.context, config) as client:
        answer = await client.post(f"/sign-in/{people.create_link(quick_room.context, 'nina')}")
        assert "Secure" in answer.headers["set-cookie"]
        assert "strict-transport-security" in answer.headers


@pytest.mark.parametrize("path", ["/", "/orders/1", "/attention", "/?view=rooms"])
async def test_strangers_learn_how_to_get_a_link(quick_room: Room, path: str) -> None:
    async with visitor(quick_room.context) as client:
        page = await client.get(path)
    assert page.status_code == 401
    assert "broker users link" in page.text


@pytest.mark.parametrize("path", ["/api/v1/worklist", "/api/v1/orders/1", "/api/v1/events"])
async def test_programs_learn_that_they_must_sign_in(quick_room: Room, path: str) -> None:
    async with visitor(quick_room.context) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"what", "why", "remedy", "incident"}


async def test_signing_out_needs_the_session_token(quick_room: Room) -> None:
    async with staff(quick_room.context) as (client, csrf):
        assert (await client.post("/sign-out")).status_code == 403
        assert (await client.post("/sign-out", data={"csrf_token": "x" * len(csrf)})).status_code == 403
        assert (await client.get("/")).status_code == 200
        cookie = client.cookies["broker_session"]
        answer = await client.post("/sign-out", data={"csrf_token": csrf})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert (await client.get("/", headers={"cookie": f"broker_session={cookie}"})).status_code == 401


async def test_the_token_of_another_session_does_not_do(quick_room: Room) -> None:
    async with staff(quick_room.context) as (_, other), visitor(quick_room.context) as client:
        await sign_in(client, quick_room.context)
        assert (await client.post("/search", data={"sought": "x", "csrf_token": other})).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://localhost"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:81"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_changes_come_from_our_own_pages_only(quick_room: Room, headers: dict[str, str], status: int) -> None:
    async with staff(quick_room.context) as (client, csrf):
        answer = await client.post("/search", data={"sought": "x", "csrf_token": csrf}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("config", "host", "status"),
    [
        (WebConfig(), "localhost", 200),
        (WebConfig(), "127.0.0.1:8080", 200),
        (WebConfig(), "[::1]:8080", 200),
        (WebConfig(), "rebound.example", 421),
        (WebConfig(host="0.0.0.0"), "broker.hospital.example", 200),
        (WebConfig(host="0.0.0.0", allowed_hosts=("broker.hospital.example",)), "Broker.Hospital.example:443", 200),
        (WebConfig(host="0.0.0.0", allowed_hosts=("broker.hospital.example",)), "rebound.example", 421),
    ],
)
async def test_names_of_others_are_refused(quick_room: Room, config: WebConfig, host: str, status: int) -> None:
    async with visitor(quick_room.context, config) as client:
        assert (await client.get("/health/live", headers={"host": host})).status_code == status


async def test_large_requests_are_refused_unread(quick_room: Room) -> None:
    async with staff(quick_room.context) as (client, csrf):
        answer = await client.post("/search", data={"sought": "x" * 70_000, "csrf_token": csrf})
    assert answer.status_code == 413


async def test_tokens_and_patients_are_not_in_the_log(quick_room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="broker")
    token = people.create_link(quick_room.context, "nina")
    async with visitor(quick_room.context) as client:
        await client.post(f"/sign-in/{token}")
        csrf = (await client.get("/")).text.partition('name="csrf_token" value="')[2].partition('"')[0]
        await client.post("/search", data={"sought": "KELLER", "csrf_token": csrf})
        await client.get("/orders/77?name=KELLER")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("broker")]
    assert any(line.startswith("POST /sign-in/{token} 303 ") for line in lines)
    assert any(line.startswith("GET /orders/{request_key} 404 ") for line in lines)
    assert not [line for line in lines if "KELLER" in line or token in line or csrf in line]
