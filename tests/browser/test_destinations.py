"""Destinations, notifications and templates in a real Chromium: live state, helping along, adding, live preview."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from broker import parts
from broker.delivery.sender import Sender
from broker.domain.model import Actor, FactKind, Source
from broker.services import destinations, people
from broker.services.context import Context
from broker.settings import Settings
from broker.web.config import WebConfig
from broker.web.server import WebServer
from tests.peers.mllp_receiver import MllpReceiver, answer
from tests.peers.orders import happen, place
from tests.support.node import sending_node
from tests.support.requirements import chromium_path, need

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_OUTSIDE = "[...document.querySelectorAll('.sheet')].filter(e => e.scrollWidth > e.clientWidth + 1).length"


@dataclass
class Room:
    context: Context
    outgoing: parts.Outgoing
    sender: Sender
    receiver: MllpReceiver
    folder: Path


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    """Senders that follow what is added; the receiver refuses what it is sent first."""
    need("chromium")
    with ExitStack() as stack:
        receiver = stack.enter_context(MllpReceiver([answer("AR", "no such order")]))
        ris = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": receiver.port}
        settings = Settings.model_validate(
            {
                "data_dir": tmp_path, "database": {"url": sqlite_url}, "destinations": [ris],
                "delivery": {"templates_dir": str(tmp_path)},
            }
        )  # fmt: skip
        node = sending_node(settings, stack)
        parts.follow_destinations(settings, node.context, node.sender, node.subscribers, node.known)
        outgoing = parts.make_outgoing(settings, node.context, node.sender, node.subscribers, node.known)
        yield Room(node.context, outgoing, node.sender, receiver, tmp_path)


@pytest.fixture
async def page(room: Room) -> AsyncIterator[Page]:
    """Signed in as administrator; a word of the console is a failure, but for a form that is answered 422."""
    desks = {"destinations": room.outgoing.destinations, "outgoing": room.outgoing.templates}
    server = WebServer(WebConfig(port=0), room.context, **desks)  # type: ignore[arg-type]
    await server.start()
    complaints: list[str] = []
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            tab = await browser.new_context(viewport={"width": 1400, "height": 900}, base_url=server.url)
            shown = await tab.new_page()
            shown.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
            shown.on("pageerror", lambda error: complaints.append(str(error)))
            await shown.goto(f"/sign-in/{people.create_link(room.context, 'nina.frei', 'administrator')}")
            await shown.get_by_role("button", name="Sign in").click()
            await shown.wait_for_url(f"{server.url}/")
            yield shown
            await browser.close()
    finally:
        await server.stop()
    assert [words for words in complaints if "status of 422" not in words] == []


async def test_a_refused_notification_appears_is_opened_and_sent_again(room: Room, page: Page) -> None:
    await page.goto("/destinations")
    row = page.locator("tr", has=page.get_by_role("link", name="ris", exact=True))
    await expect(row).to_contain_text("Sending")
    await expect(page.locator("#live")).to_have_attribute("data-state", "on")
    destinations.pause(room.context, "ris", Actor(Source.PERSON, "anna"), "new server")
    await expect(row).to_contain_text("by anna: new server", timeout=2000)
    destinations.resume(room.context, "ris")
    await expect(row).to_contain_text("Sending", timeout=2000)
    happen(room.context, place(room.context, 1), FactKind.ORDER_STARTED)
    await expect(row).to_contain_text("no such order", timeout=5000)
    assert await page.evaluate(_OUTSIDE) == 0
    await row.get_by_role("link", name="1", exact=True).click()
    await expect(page).to_have_url("/notifications?destination=ris&state=parked")
    await page.locator("table").get_by_role("link", name="1", exact=True).click()
    await page.get_by_text("Open", exact=True).click()
    await expect(page.get_by_text("MSA|AR|")).to_be_visible()
    await page.get_by_role("link", name="Show what would be sent").click()
    await expect(page.locator("#sent")).to_contain_text("ORM^O01")
    await page.get_by_role("button", name="Retry now").click()
    await expect(page.locator(".facts").get_by_text("Delivered")).to_be_visible(timeout=5000)
    await page.get_by_role("link", name="Order 1", exact=True).click()
    await expect(page.get_by_text("ris told: exam started")).to_be_visible()
    assert await page.evaluate(_OUTSIDE) == 0


async def test_a_destination_is_added_with_what_is_wrong_told_beside_it(room: Room, page: Page) -> None:
    await page.goto("/destinations")
    await page.get_by_role("link", name="hl7", exact=True).click()
    await page.locator("input[name=name]").fill("pacs")
    await page.locator("input[name=host]").fill("127.0.0.1")
    await page.locator("input[name=port]").fill("many")
    await page.get_by_label("placed").check()
    await page.get_by_role("button", name="Add").click()
    await expect(page.locator(".wrong")).to_have_text("a whole number is expected")
    await page.locator("input[name=port]").fill(str(room.receiver.port))
    await expect(page.get_by_label("placed")).to_be_checked()
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_text("Set here by nina.frei")).to_be_visible()
    assert await page.evaluate(_OUTSIDE) == 0
    await page.locator("input[name=reason]").fill("not yet")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".facts").first).to_contain_text("Paused")
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_role("link", name="pacs")).to_have_count(0)


async def test_a_template_shows_what_it_makes_while_it_is_typed(room: Room, page: Page) -> None:
    await page.goto("/templates?name=omg-o19")
    text = page.locator("textarea[name=text]")
    await text.fill('extends = "omg-o19"\n[segments.OBR]\n21 = "HELLO"\n')
    await page.locator("input[name=name]").fill("site")
    await expect(page.locator("#preview")).to_contain_text("|HELLO|")
    await page.locator("select[name=event]").select_option("completed")
    await expect(page.locator("#preview")).to_contain_text("||CM|")
    await text.fill('extends = "omg-o19"\n[segments.OBR]\n21 = { from = "order.colour" }\n')
    await expect(page.locator("#preview")).to_contain_text("there is no 'order.colour' here")
    await text.fill('extends = "omg-o19"\n')
    await page.get_by_role("button", name="Save template").click()
    await expect(page.get_by_role("status").filter(has_text="The template site is saved")).to_be_visible()
    assert (room.folder / "site.toml").read_text(encoding="utf-8") == 'extends = "omg-o19"\n'
    assert await page.evaluate(_OUTSIDE) == 0
