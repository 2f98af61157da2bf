"""The workbench in a real Chromium: pointing at a value lights its source and target; it works without script too."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from broker.domain.site import Site
from broker.intake.desk import Desk, DeskConfig
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.senders import Senders
from broker.services import people
from broker.services.context import Context
from broker.store.database import Database
from broker.web.config import WebConfig
from broker.web.server import WebServer
from tests.support.requirements import chromium_path, need
from tests.support.staff_day import ZONE, Clock
from tests.unit.intake import cases

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    need("chromium")
    database = Database(sqlite_url)
    yield Context(database, Site(zone=ZONE), Clock())
    database.close()


@asynccontextmanager
async def bench(context: Context, folder: Path, browser: Browser, **options: object) -> AsyncIterator[Page]:
    """The workbench with a message of the journal, signed in."""
    mappings = {"ihe-swf": cases.usual_mapping()}
    handler = MessageHandler(HandlerConfig(), context, mappings, cases.usual_site())
    handler.answer(cases.message("orm_ihe_new"), "peer")
    desk = Desk(DeskConfig(Senders(), (folder,), folder), context, mappings, cases.usual_site(), handler)
    server = WebServer(WebConfig(port=0), context, desk)
    await server.start()
    try:
        tab = await browser.new_context(viewport={"width": 1600, "height": 1000}, **options)  # type: ignore[arg-type]
        page = await tab.new_page()
        await page.goto(f"{server.url}/sign-in/{people.create_link(context, 'nina.frei', 'operator')}")
        await page.get_by_role("button", name="Sign in").click()
        await page.goto(f"{server.url}/workbench?message=1")
        yield page
        await tab.close()
    finally:
        await server.stop()
        desk.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    need("chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield started
        await started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pointing_at_a_field_lights_rule_and_item(context, tmp_path, browser, scheme):
    async with bench(context, tmp_path, browser, color_scheme=scheme) as page:
        complaints: list[str] = []
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        await page.locator('.field[title^="ZDS-1 "]').hover()
        lit = page.locator(".lit")
        await expect(lit).to_have_count(3)
        assert ["1.2.3.4.5.100" in text for text in await lit.all_text_contents()] == [True, True, True]
        await page.locator(".items tr", has_text="PatientBirthDate").focus()
        await expect(page.locator('.field[title^="PID-7 "]')).to_contain_class("lit")
        assert complaints == []


async def test_an_edited_mapping_is_saved_and_nothing_sticks_out(context, tmp_path, browser):
    async with bench(context, tmp_path, browser) as page:
        await page.get_by_label("Name", exact=True).fill("site")
        await page.locator("textarea[name=mapping_text]").fill('extends = "ihe-swf"\n')
        await page.get_by_role("button", name="Save mapping").click()
        await expect(page.get_by_role("status").filter(has_text="The mapping site is saved")).to_be_visible()
        assert (tmp_path / "site.toml").read_text(encoding="utf-8") == 'extends = "ihe-swf"\n'
        wide = "[...document.querySelectorAll('.sheet')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert await page.evaluate(wide) == 0


async def test_without_script_the_tables_say_the_same(context, tmp_path, browser):
    async with bench(context, tmp_path, browser, java_script_enabled=False) as page:
        rule = page.locator(".rules tr", has_text="StudyInstanceUID")
        await expect(rule.locator("td").first).to_have_text("ZDS-1")
        await page.locator("textarea[name=message]").fill("hello")
        await page.get_by_role("button", name="Look", exact=True).click()
        await expect(page.locator(".would")).to_contain_text("a message begins with MSH")
