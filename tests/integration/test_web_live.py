"""Live changes over a real socket, from this process and from another one."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from broker.services import people
from broker.store.database import Database
from broker.web.config import WebConfig
from broker.web.server import WebServer
from tests.support.staff_day import DAY, Department
from tests.support.wait import until_async

Event = tuple[str, dict[str, Any]]


@pytest.fixture
def department(database_url: str) -> Iterator[Department]:
    database = Database(database_url)
    department = Department(database)
    for booking in DAY[:3]:
        department.order(booking)
    yield department
    database.close()


@asynccontextmanager
async def served(department: Department, **config: Any) -> AsyncIterator[tuple[WebServer, httpx.AsyncClient]]:
    server = WebServer(WebConfig(port=0, **config), department.context)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
            answer = await client.post(f"/sign-in/{people.create_link(department.context, 'nina')}")
            assert answer.status_code == 303
            yield server, client
    finally:
        await server.stop()


@asynccontextmanager
async def listening(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[Event]]:
    async with client.stream("GET", "/api/v1/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer)


async def events(answer: httpx.Response) -> AsyncIterator[Event]:
    name = ""
    async for line in answer.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def next_event(stream: AsyncIterator[Event], wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        async for name, data in stream:
            if name == wanted:
                return data
    raise AssertionError(f"the stream ended without {wanted}")


async def test_a_change_is_told_within_a_second(department: Department) -> None:
    async with served(department) as (_, client), listening(client) as stream:
        hello = await next_event(stream, "hello")
        assert f'data-fingerprint="{hello["fingerprint"]}"' in (await client.get("/")).text
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(department.begin, DAY[1], "080300")
        change = await next_event(stream, "change")
        assert asyncio.get_running_loop().time() - began < 1
        assert change["orders"] == [department.requests[2]]
        assert change["fingerprint"] != hello["fingerprint"]
        assert set(change) == {"fingerprint", "orders", "wall"}


async def test_a_change_of_another_process_is_told_too(department: Department) -> None:
    async with served(department, poll_seconds=0.1) as (_, client), listening(client) as stream:
        await next_event(stream, "hello")
        other = Department(Database(department.context.database.url))
        other.requests = department.requests
        await asyncio.to_thread(other.begin, DAY[0], "080300")
        other.context.database.close()
        assert (await next_event(stream, "change"))["orders"] == [department.requests[1]]


async def test_signs_of_life_and_the_end_of_a_session(department: Department) -> None:
    async with served(department, beat_seconds=0.05) as (_, client), listening(client) as stream:
        beat = await next_event(stream, "beat")
        assert beat["wall"].startswith("2026-07-09T10:42:31")
        people.lock(department.context, "nina")
        await next_event(stream, "ended")
        with pytest.raises(AssertionError, match="the stream ended"):
            await next_event(stream, "beat")


async def test_browsers_that_leave_are_forgotten(department: Department) -> None:
    async with served(department, beat_seconds=0.05) as (server, client):
        async with listening(client) as stream:
            await next_event(stream, "hello")
            assert server.app.state.parts.broadcaster.browsers == 1
        await until_async(lambda: server.app.state.parts.broadcaster.browsers == 0, message="the browser is forgotten")


async def test_stopping_ends_streams_and_frees_the_port(department: Department) -> None:
    server = WebServer(WebConfig(port=0), department.context)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        await client.post(f"/sign-in/{people.create_link(department.context, 'nina')}")
        async with listening(client) as stream:
            await next_event(stream, "hello")
            async with asyncio.timeout(3):
                await server.stop()
    again = WebServer(WebConfig(port=server.port), department.context)
    await again.start()
    assert again.port == server.port
    await again.stop()
    department.order(DAY[5])  # a commit after the end disturbs nobody


async def test_a_port_that_is_taken_is_an_error(department: Department) -> None:
    first = WebServer(WebConfig(port=0), department.context)
    await first.start()
    second = WebServer(WebConfig(port=first.port), department.context)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()
    await first.stop()


async def test_a_fault_is_a_page_with_a_number_and_a_log_line_without_content(
    department: Department, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(department) as (_, client):

        def fail(*_: object) -> None:
            raise RuntimeError("MÜLLER^Eva")

        monkeypatch.setattr("broker.services.board.show", fail)
        with caplog.at_level(logging.DEBUG, logger="broker"):
            page = await client.get("/")
    assert page.status_code == 500
    faults = [record.getMessage() for record in caplog.records if record.getMessage().startswith("fault ")]
    assert len(faults) == 1
    assert faults[0].split()[1].rstrip(":") in page.text
    assert "RuntimeError at test_web_live.py" in faults[0]
    assert "MÜLLER" not in caplog.text
    assert "content-security-policy" in page.headers
