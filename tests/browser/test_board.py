"""The pages in a real Chromium: signing in, live changes, lost connections, keys, and life without script."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from broker.services import people
from broker.store.database import Database
from broker.web.config import WebConfig
from broker.web.server import WebServer
from tests.support.requirements import chromium_path, need
from tests.support.staff_day import DAY, Department, live_the_morning

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: words that stick out of the tile, chip or card they stand in
_OUTSIDE = """[...document.querySelectorAll(".tile, .chip, .step-card, .sheet")]
    .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 200))"""


@dataclass
class Scene:
    """A served department and a browser on it."""

    department: Department
    server: WebServer
    browser: Browser
    complaints: list[str]

    async def page(self, path: str = "/", **options: object) -> Page:
        """A page of a new, signed-in visitor, at ``path``."""
        context = await self.browser.new_context(viewport={"width": 1600, "height": 1000}, **options)  # type: ignore[arg-type]
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        token = people.create_link(self.department.context, "nina.frei", "operator")
        await page.goto(f"{self.server.url}/sign-in/{token}")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"{self.server.url}/")
        if path != "/":
            await page.goto(self.server.url + path)
        return page


@pytest.fixture
def department(sqlite_url: str) -> Iterator[Department]:
    need("chromium")
    database = Database(sqlite_url)
    department = Department(database, "RIS")
    live_the_morning(department)
    yield department
    database.close()


@asynccontextmanager
async def served(department: Department, port: int = 0) -> AsyncIterator[WebServer]:
    server = WebServer(WebConfig(port=port, site_name="Spital am See"), department.context)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def scene(department: Department) -> AsyncIterator[Scene]:
    async with served(department) as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        scene = Scene(department, server, browser, [])
        yield scene
        await browser.close()
        assert scene.complaints == []


async def test_a_change_appears_within_a_second_without_reloading(scene: Scene) -> None:
    page = await scene.page()
    await expect(page.locator("#live")).to_have_attribute("data-state", "on")
    await page.evaluate("window.sameDocument = true")
    waiting = page.locator("tr.step", has_text="A2600012")
    await expect(waiting.locator(".status")).to_have_text("Scheduled")
    scene.department.begin(DAY[11], "104200")
    await expect(waiting.locator(".status")).to_have_text("In progress", timeout=1000)
    await expect(page.locator(".tile.s-started .count")).to_have_text("4")
    assert await page.evaluate("window.sameDocument")


async def test_a_new_order_takes_its_place_and_only_it_is_new(scene: Scene) -> None:
    page = await scene.page("/?modality=CT&station=CT1")
    await expect(page.locator("#live")).to_have_attribute("data-state", "on")
    await page.evaluate("for (const row of document.querySelectorAll('tr.step')) row.old = true")
    scene.department.order(replace(DAY[6], number=30, start="1045", patient="STEINER^Mia"))
    await expect(page.locator("tr.step")).to_have_count(6)
    order = await page.locator("tr.step time").all_text_contents()
    assert order == ["07:30", "08:00", "09:00", "10:30", "10:45", "11:00"]
    old = await page.evaluate("[...document.querySelectorAll('tr.step')].map(row => Boolean(row.old))")
    assert old == [True, True, True, True, False, True]


async def test_a_lost_connection_is_said_and_heals_itself(scene: Scene) -> None:
    page = await scene.page()
    sign = page.locator("#live")
    await expect(sign).to_have_text("Live")
    port = scene.server.port
    await scene.server.stop()
    await expect(sign).to_contain_text("Not live since 10:42", timeout=5000)
    scene.department.begin(DAY[11], "104200")
    async with served(scene.department, port):
        await expect(sign).to_have_text("Live", timeout=10000)
        await expect(page.locator("tr.step", has_text="A2600012").locator(".status")).to_have_text("In progress")
        await page.close()
    scene.complaints[:] = [c for c in scene.complaints if "net::ERR" not in c]


async def test_keys(scene: Scene) -> None:
    page = await scene.page()
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("BRUNNER, Jonas")
    await page.keyboard.press("Escape")
    await expect(page.locator("h1")).to_contain_text("Today")
    await page.keyboard.press("/")
    await page.keyboard.type("muller")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("1 step found")
    assert page.url == f"{scene.server.url}/search"


async def test_keys_say_what_became_of_a_step_and_take_it_back(scene: Scene) -> None:
    booking = replace(DAY[14], number=30, start="1055", patient="STEINER^Mia", station="US9")
    scene.department.order(booking)
    page = await scene.page("/?station=US9")
    await page.evaluate("window.sameDocument = true")
    row, note = page.locator("tr.step"), page.locator("#said")
    await page.keyboard.press("s")
    await expect(note).to_have_text("Choose a line first: ↓ and ↑.")
    await page.keyboard.press("ArrowDown")
    for key, word in (("a", "Arrived"), ("s", "In progress"), ("d", "Completed")):
        await page.keyboard.press(key)
        await expect(row.locator(".status.inferred")).to_contain_text(word)
        await expect(note).to_contain_text("inferred")
    await expect(row.locator(".said-by")).to_have_text("inferred · nina.frei")
    await page.keyboard.press("d")
    await expect(note).to_contain_text("STEINER, Mia: the exam is completed")
    await row.hover()
    await row.get_by_role("button", name="Undo").click()
    await expect(row.locator(".status.inferred")).to_contain_text("In progress")
    await row.get_by_role("button", name="Done").click()
    await expect(row.locator(".status.inferred")).to_contain_text("Completed")
    await note.get_by_role("button", name="Undo").click()
    await expect(row.locator(".status.inferred")).to_contain_text("In progress")
    assert await page.evaluate("window.sameDocument")
    scene.complaints[:] = [c for c in scene.complaints if "409" not in c]


async def test_the_device_is_not_spoken_for_with_one_key(scene: Scene) -> None:
    page = await scene.page("/?station=CT2&status=STARTED")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("d")
    note = page.locator("#said")
    await expect(note).to_contain_text("a device reports this exam itself")
    await note.get_by_role("button", name="Close it all the same").click()
    await expect(note).to_contain_text("done, inferred")
    await expect(page.locator(".tile.s-completed .count")).to_have_text("2")
    scene.complaints[:] = [c for c in scene.complaints if "409" not in c]


async def test_a_search_is_live_too(scene: Scene) -> None:
    page = await scene.page()
    await page.fill("#find", "brien")
    await page.keyboard.press("Enter")
    await expect(page.locator("#live")).to_have_attribute("data-state", "on")
    scene.department.begin(DAY[11], "104200")
    await expect(page.locator("tr.step .status")).to_have_text("In progress", timeout=1500)


async def test_an_open_line_stays_open_while_the_history_grows(scene: Scene) -> None:
    page = await scene.page(f"/orders/{scene.department.requests[12]}")
    await expect(page.locator("#live")).to_have_attribute("data-state", "on")
    message = page.locator("li.moment", has_text="Message received from RIS")
    await message.locator("summary").click()
    await expect(message.get_by_text("PID|||4000012")).to_be_visible()
    scene.department.begin(DAY[11], "104200")
    await expect(page.get_by_text("MR1 started the exam")).to_be_visible(timeout=1500)
    await expect(message.get_by_text("PID|||4000012")).to_be_visible()
    await expect(page.locator(".step-card .status")).to_have_text("In progress")


async def test_the_clock_runs_by_the_time_of_the_site(scene: Scene) -> None:
    page = await scene.page(timezone_id="America/New_York")
    await expect(page.locator("#clock")).to_contain_text("10:42")
    await expect(page.locator("#clock small")).not_to_have_text("31", timeout=3000)


async def test_without_script_the_pages_work(scene: Scene) -> None:
    page = await scene.page(java_script_enabled=False)
    await expect(page.locator("tr.step")).to_have_count(18)
    await expect(page.locator("#live")).to_be_hidden()
    await page.select_option("select[name=station]", "CT2")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("tr.step")).to_have_count(3)
    await page.get_by_role("link", name="ROSSI, Giulia").click()
    await page.get_by_text("CT2 started the exam").click()
    await expect(page.get_by_text("Performed status: IN PROGRESS")).to_be_visible()
    await page.get_by_text("Close by hand").click()
    await page.get_by_text("Discontinue", exact=True).first.click()
    await page.select_option("select[name=reason]", "110501")
    await page.get_by_role("button", name="Discontinue").click()
    await expect(page.get_by_text("Discontinued (Equipment failure), said by nina.frei")).to_be_visible()
    await page.get_by_role("button", name="Arrived").click()
    await expect(page.locator(".step-card .status.inferred")).to_have_text("Arrived")
    await page.locator(".who summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("h1")).to_have_text("Please sign in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1024, 1920])
async def test_nothing_overflows(scene: Scene, scheme: str, width: int) -> None:
    page = await scene.page(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 900})
    for path in ("/", f"/orders/{scene.department.requests[18]}", "/attention", "/?day=2026-07-11"):
        await page.goto(scene.server.url + path)
        excess = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert excess <= 0, path
        outside = await page.evaluate(_OUTSIDE)
        assert outside == [], path
        if folder := os.environ.get("BROKER_TEST_SCREENSHOTS"):
            name = path.strip("/?").replace("/", "-").replace("=", "-") or "board"
            await page.screenshot(path=f"{folder}/{name}-{scheme}-{width}.png", full_page=True)


async def test_touch_targets_are_large_enough(scene: Scene) -> None:
    page = await scene.page()
    small = await page.evaluate(
        """[...document.querySelectorAll(
            "header a, header summary, .bar a, .bar select, .strip a, .days a, .acts button")]
        .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"""
    )
    assert small == []
