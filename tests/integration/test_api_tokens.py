"""Tokens of programs: on both databases, through the services and through every route that takes them."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.domain.errors import Refusal
from broker.services import api_tokens, device_registry, people
from broker.services.api_tokens import TokenRefused
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.people import Role
from broker.store.database import Database
from broker.store.people_tables import api_token
from broker.web.app import create_app
from broker.web.config import WebConfig
from tests.integration.web_client import sign_in, staff, visitor
from tests.support.staff_day import Clock, site

FOR_PROGRAMS = ("/api/v1/", "/dicomweb/")


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


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_lets_in_as_its_name_until_it_is_revoked(room: Room) -> None:
    token = api_tokens.issue(room.context, "ris-1", Role.OPERATOR, ae_title="CT1")
    who = api_tokens.signed_in(room.context, token)
    assert (who.user_name, who.role, who.ae_title, who.by_token) == ("ris-1", Role.OPERATOR, "CT1", True)
    assert api_tokens.revoke(room.context, "ris-1")
    with pytest.raises(TokenRefused, match="was revoked on"):
        api_tokens.signed_in(room.context, token)
    assert not api_tokens.revoke(room.context, "ris-1")


def test_only_the_digest_is_stored(room: Room) -> None:
    token = api_tokens.issue(room.context, "ris-1", Role.VIEWER)
    rows = room.context.database.read(lambda c: c.execute(select(api_token)).all())
    assert [row.token_digest for row in rows] == [hashlib.sha256(token.encode()).hexdigest()]
    assert token not in str(rows)


def test_a_token_ends(room: Room) -> None:
    token = api_tokens.issue(room.context, "ris-1", Role.VIEWER, lifetime=timedelta(days=2))
    room.clock.now += timedelta(days=2) - timedelta(seconds=1)
    assert api_tokens.signed_in(room.context, token)
    room.clock.now += timedelta(seconds=1)
    with pytest.raises(TokenRefused, match="ended on"):
        api_tokens.signed_in(room.context, token)
    with pytest.raises(TokenRefused, match="not known"):
        api_tokens.signed_in(room.context, token + "x")


def test_a_name_stands_for_one_token_or_person_at_a_time(room: Room) -> None:
    first = api_tokens.issue(room.context, "ris-1", Role.VIEWER, lifetime=timedelta(days=1))
    with pytest.raises(Refusal, match="a token has this name"):
        api_tokens.issue(room.context, "ris-1", Role.VIEWER)
    with pytest.raises(Refusal, match="a token has this name"):
        people.create_link(room.context, "ris-1")
    people.create_link(room.context, "nina")
    with pytest.raises(Refusal, match="a person has this name"):
        api_tokens.issue(room.context, "nina", Role.VIEWER)
    room.clock.now += timedelta(days=1)
    second = api_tokens.issue(room.context, "ris-1", Role.INTEGRATION)
    with pytest.raises(TokenRefused):
        api_tokens.signed_in(room.context, first)
    assert api_tokens.signed_in(room.context, second).role is Role.INTEGRATION
    assert [t.role for t in api_tokens.listed(room.context)] == ["integration", "viewer"]


def test_the_last_use_is_kept_to_the_minute(room: Room) -> None:
    def last_used() -> object:
        (row,) = api_tokens.listed(room.context)
        return row.last_used_at

    token = api_tokens.issue(room.context, "ris-1", Role.VIEWER)
    assert last_used() is None
    began = room.clock.now
    for _ in range(3):
        api_tokens.signed_in(room.context, token)
        room.clock.now += timedelta(seconds=25)
        assert last_used() == began
    api_tokens.signed_in(room.context, token)
    assert last_used() == room.clock.now


@pytest.mark.parametrize(
    ("name", "role", "ae_title", "where"),
    [
        ("", "viewer", "", "name"), ("has blank", "viewer", "", "name"), ("x" * 65, "viewer", "", "name"),
        ("ct1", "king", "", "role"), ("ct1", "viewer", "X" * 17, "AE title"), ("ct1", "viewer", "A\\B", "AE title"),
        ("ct1", "viewer", " CT1", "AE title"), ("ct1", "viewer", "MÜ", "AE title"),
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(quick_room: Room, name: str, role: str, ae_title: str, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        api_tokens.issue(quick_room.context, name, role, ae_title=ae_title)
    assert refused.value.where == where
    with pytest.raises(Refusal):
        api_tokens.issue(quick_room.context, "ct1", "viewer", lifetime=timedelta())


async def test_every_route_for_programs_asks_who_it_is(quick_room: Room) -> None:
    paths = create_app(WebConfig(), quick_room.context).openapi()["paths"]
    routes = [(method.upper(), path) for path in paths if path.startswith(FOR_PROGRAMS) for method in paths[path]]
    assert len(routes) >= 8
    token = api_tokens.issue(quick_room.context, "ended", Role.ADMINISTRATOR)
    api_tokens.revoke(quick_room.context, "ended")
    async with visitor(quick_room.context) as client:
        for method, path in routes:
            address = re.sub(r"\{[^}]+\}", "1", path)
            nobody = await client.request(method, address)
            assert nobody.status_code == 401, address
            assert nobody.headers["www-authenticate"] == 'Bearer realm="broker"'
            assert "broker users token" in nobody.json()["error"]["remedy"]
            revoked = await client.request(method, address, headers=bearer(token))
            assert revoked.status_code == 401, address
            assert revoked.json()["error"]["why"].startswith("This token was revoked on ")
            assert 'error="invalid_token"' in revoked.headers["www-authenticate"]


async def test_a_token_reads_and_changes_without_a_session(room: Room) -> None:
    operator = bearer(api_tokens.issue(room.context, "ris-1", Role.OPERATOR))
    viewer = bearer(api_tokens.issue(room.context, "board-2", Role.VIEWER))
    async with visitor(room.context) as client:
        assert (await client.get("/api/v1/worklist", headers=viewer)).status_code == 200
        put = await client.put("/api/v1/devices/MR7", json={"stations": ["MR7"]}, headers=operator)
        assert put.status_code == 200, put.text
        refused = await client.put("/api/v1/devices/MR8", json={}, headers=viewer)
        assert refused.status_code == 403
        assert "role" in refused.json()["error"]["why"]
        asked = await client.post("/api/v1/explain", json={"device": "MR7"}, headers=viewer)
        assert asked.status_code == 200
        assert (await client.delete("/api/v1/devices/MR7", headers=operator)).status_code == 204
        assert (await client.get("/", headers=operator)).status_code == 401, "pages are for people"


async def test_what_a_token_changes_is_in_its_name(room: Room) -> None:
    operator = bearer(api_tokens.issue(room.context, "ris-1", Role.OPERATOR))
    async with visitor(room.context) as client:
        await client.put("/api/v1/devices/MR7", json={}, headers=operator)
    device = device_registry.find(room.context, DeviceDirectory(room.context), "MR7")
    assert device is not None
    assert device.registration is not None
    assert device.registration.registered_by == "ris-1"


async def test_a_wrong_token_is_not_saved_by_a_session(quick_room: Room) -> None:
    async with staff(quick_room.context) as (client, csrf):
        assert (await client.get("/api/v1/worklist")).status_code == 200
        assert (await client.get("/api/v1/worklist", headers=bearer("wlb_wrong"))).status_code == 401
        other_scheme = {"Authorization": "Basic eDp5"}  # of a proxy in front
        assert (await client.get("/api/v1/worklist", headers=other_scheme)).status_code == 200
        change = await client.put("/api/v1/devices/MR7", json={}, headers=other_scheme)
        assert change.status_code == 403, "a session still has to show its token"
        meant = await client.put("/api/v1/devices/MR7", json={}, headers={"X-CSRF-Token": csrf})
        assert meant.status_code == 200


async def test_requests_without_body_or_with_chunks(quick_room: Room) -> None:
    async with visitor(quick_room.context) as client:
        await sign_in(client, quick_room.context)

        async def pieces():
            yield b"{}"

        chunked = await client.put("/api/v1/devices/MR7", content=pieces())
        assert chunked.status_code == 411
        bare = client.build_request("DELETE", "/api/v1/devices/MR7")
        assert "content-length" not in bare.headers
        assert (await client.send(bare)).status_code == 403, "no token of the session, but no complaint about length"


async def test_the_description_names_both_ways_in(quick_room: Room) -> None:
    async with visitor(quick_room.context) as client:
        schema = (await client.get("/api/openapi.json")).json()
    assert {s["type"] for s in schema["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    secured = [
        bool(operation.get("security"))
        for path, operations in schema["paths"].items()
        if path.startswith(FOR_PROGRAMS)
        for operation in operations.values()
    ]
    assert secured
    assert all(secured)
