"""Owns: a browser without a screen: the application in this process, and a session signed in by a link."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from broker.services import people
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.examination import MessageDesk
from broker.services.people import Role
from broker.web.app import create_app
from broker.web.config import WebConfig

BASE = "http://localhost"


@asynccontextmanager
async def visitor(
    context: Context, config: WebConfig | None = None, desk: MessageDesk | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application; nobody is signed in."""
    app = create_app(config or WebConfig(), context, desk)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, context: Context, role: Role = Role.OPERATOR) -> str:
    """Sign the client in through the pages; answers the CSRF token."""
    token = people.create_link(context, "nina.frei", role)
    answer = await client.post(f"/sign-in/{token}")
    assert answer.status_code == 303, answer.text
    page = await client.get("/")
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


@asynccontextmanager
async def staff(context: Context, config: WebConfig | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A signed-in client and its CSRF token."""
    async with visitor(context, config) as client:
        yield client, await sign_in(client, context)


@asynccontextmanager
async def device_staff(
    context: Context, directory: DeviceDirectory, role: Role = Role.OPERATOR
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A signed-in client of an application with this device registry, and its CSRF token."""
    app = create_app(WebConfig(), context, devices=directory)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client, await sign_in(client, context, role)
