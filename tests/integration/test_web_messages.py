"""The pages about messages: journal, one message, workbench, codes; who may see them, and what saving does."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from broker.domain.site import Site
from broker.intake.desk import Desk, DeskConfig
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.senders import Senders
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalFilter
from broker.services.people import Role
from broker.store.database import Database
from tests.integration.web_client import sign_in, visitor
from tests.unit.intake import cases

NEW = cases.message("orm_ihe_new")
HELD = cases.message("orm_change").replace(b"ORC|XO", b"ORC|ZZ")
EDITED = 'extends = "ihe-swf"\n[attributes]\nPatientName = { from = ["PID-9"], as = "patient_name" }\n'


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    database = Database(sqlite_url)
    yield Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: datetime(2024, 7, 5, 6, 0, tzinfo=UTC))
    database.close()


@pytest.fixture
def desk(context: Context, tmp_path: Path) -> Iterator[Desk]:
    mappings = {"ihe-swf": cases.usual_mapping()}
    folder = tmp_path / "mappings"
    folder.mkdir()
    handler = MessageHandler(HandlerConfig(), context, mappings, cases.usual_site())
    made = Desk(DeskConfig(Senders(), (folder,), folder), context, mappings, cases.usual_site(), handler)
    for raw in (NEW, HELD):
        handler.answer(raw, "10.0.0.1:4711")
    yield made
    made.close()


@pytest.fixture
async def client(context: Context, desk: Desk) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    async with visitor(context, desk=desk) as browser:
        yield browser, await sign_in(browser, context)


async def test_the_journal_lists_and_filters(client):
    browser, _ = client
    page = (await browser.get("/messages")).text
    assert page.index("CASE0004") < page.index("CASE0001")
    for outcome, shown, hidden in (("held", "CASE0004", "CASE0001"), ("applied", "CASE0001", "CASE0004")):
        page = (await browser.get(f"/messages?outcome={outcome}")).text
        assert shown in page
        assert hidden not in page
    assert "No message fits" in (await browser.get("/messages?sender=nobody")).text


async def test_a_number_is_searched_by_post_only(client):
    browser, token = client
    found = await browser.post("/messages", data={"number": " A100 ", "csrf_token": token})
    assert "CASE0001" in found.text
    assert (await browser.post("/messages", data={"number": "A100"})).status_code == 403


async def test_one_message_has_names_trace_and_answer(client):
    browser, _ = client
    page = (await browser.get("/messages/1")).text
    assert 'title="PID-5 Patient Name (XPN)"' in page
    assert "MEIER^EVA^^JR^DR" in page
    assert "<td>StudyInstanceUID</td><td>ZDS-1</td>" in page
    assert "MSA|AA|CASE0001" in page
    assert "103 ORC-1" in (await browser.get("/messages/2")).text
    for missing in ("/messages/99", "/messages/0", f"/messages/{2**70}", "/workbench?message=99"):
        assert (await browser.get(missing)).status_code in (404, 422)


async def test_reading_again_leads_to_the_new_entry(client, context):
    browser, token = client
    answer = await browser.post("/messages/1/replay", data={"csrf_token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/messages/3")
    page = (await browser.get("/messages/3")).text
    assert 'from <a href="/messages/1">message 1</a>' in page
    assert "nina.frei" in (await browser.get("/messages/1")).text
    assert [e.outcome for e in journal.find(context, JournalFilter())] == ["applied", "held", "applied"]
    assert (await browser.post("/messages/1/replay")).status_code == 403


async def test_codes_lists_what_the_catalogue_lacks(client):
    browser, _ = client
    page = (await browser.get("/codes")).text
    assert "CTHX" in page
    assert "CT HEAD" in page


@pytest.mark.parametrize("path", ["/messages", "/messages/1", "/codes", "/workbench"])
async def test_viewers_are_kept_out(context, desk, path):
    async with visitor(context, desk=desk) as browser:
        assert (await browser.get(path)).status_code == 401
        await sign_in(browser, context, Role.VIEWER)
        assert (await browser.get(path)).status_code == 403
        assert "Workbench" not in (await browser.get("/")).text


async def test_without_intake_there_is_no_workbench(context):
    async with visitor(context) as browser:
        await sign_in(browser, context)
        assert (await browser.get("/workbench")).status_code == 404


def keys(page: str, pattern: str) -> set[str]:
    found = re.search(pattern, page)
    assert found is not None, pattern
    return set(found[1].split())


async def test_the_workbench_joins_field_rule_and_item(client):
    browser, _ = client
    page = (await browser.get("/workbench?message=1")).text
    assert "all of it is stored already" in page
    field = keys(page, r'data-k="([^"]+)" tabindex="0" title="ZDS-1')
    rule = keys(page, r'data-k="(v\d+)"[^>]*>\s*<td class="mono">ZDS-1</td>')
    item = keys(page, r'data-k="(v\d+)" tabindex="0" title="\(0020,000D\) UI"')
    assert rule == item <= field
    assert "ihe-swf.toml, line" in page


def form(token: str, message: bytes | str, **more: object) -> dict[str, object]:
    text = message.decode("latin-1").replace("\r", "\n") if isinstance(message, bytes) else message
    return {"csrf_token": token, "message": text, "mapping": "ihe-swf", **more}


async def test_a_pasted_message_shows_what_would_be_new(client, context):
    browser, token = client
    pasted = NEW.replace(b"100", b"777").replace(b"MEIER", b"STEINER")
    page = (await browser.post("/workbench", data=form(token, pasted))).text
    assert "procedure 1 step 1: new" in page
    assert "STEINER" in page
    assert len(journal.find(context, JournalFilter())) == 2


async def test_an_edited_mapping_is_tried_without_saving_then_saved(client, desk):
    browser, token = client
    asked = form(token, NEW, mapping="site", mapping_text=EDITED, shown_mapping="site")
    page = (await browser.post("/workbench", data=asked)).text
    assert "<td>PatientID<span" in page
    assert '<td>PatientName<span class="sub">patient' not in page  # PID-9 is empty, and so is the rule's row
    assert desk.mappings() == ["ihe-swf"]
    page = (await browser.post("/workbench/save", data=asked)).text
    assert "The mapping site is saved" in page
    assert desk.mapping_text("site") == EDITED


async def test_a_wrong_mapping_is_shown_with_its_line_and_not_saved(client, desk):
    browser, token = client
    wrong = form(token, NEW, mapping="site", mapping_text="[attributes]\nPatientNme = 1\n", shown_mapping="site")
    for path in ("/workbench", "/workbench/save"):
        page = (await browser.post(path, data=wrong)).text
        assert "site.toml:2: attributes.PatientNme" in page
        assert "PatientNme = 1" in page  # the text is not lost
    assert desk.mappings() == ["ihe-swf"]
    refused = await browser.post("/workbench/save", data={**wrong, "mapping": "../etc"})
    assert "name it with small letters" in refused.text


async def test_unreadable_text_is_explained(client):
    browser, token = client
    page = (await browser.post("/workbench", data=form(token, "hello"))).text
    assert "a message begins with MSH" in page
    assert (await browser.post("/workbench", data=form(token, ""))).status_code == 200


async def test_the_workbench_says_that_a_message_would_be_held(client):
    browser, token = client
    page = (await browser.post("/workbench", data=form(token, HELD))).text
    assert "would be held until the table of order control is mended" in page
    assert "ORC-1" in page
