"""The pages of a lively morning, on both databases."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from sqlalchemy import insert

from broker.domain.states import StepStatus
from broker.services import attention, board, timeline
from broker.services.board import BoardQuery, Mark, Patience
from broker.store.database import Database
from broker.store.tables import journal_entry
from broker.web.guard import HEADERS
from tests.conftest import BOTH_DATABASES
from tests.integration.web_client import staff, visitor
from tests.support import databases
from tests.support.staff_day import DAY, NOW, Department, live_the_morning

TODAY = BoardQuery(NOW.date())


@pytest.fixture
def department(database_url: str) -> Iterator[Department]:
    database = Database(database_url)
    yield Department(database, "RIS")
    database.close()


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Department]:
    """The morning, lived once per kind of database; tests that use it only read."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            template = request.getfixturevalue("_sqlite_template")
            url = databases.sqlite_copy(template, tmp_path_factory.mktemp("morning"))
        else:
            server, name = (request.getfixturevalue(fixture) for fixture in ("postgres_server", "_postgres_template"))
            _, url = stack.enter_context(databases.postgres_database(server, name))
        database = Database(url)
        stack.callback(database.close)
        department = Department(database, "RIS")
        live_the_morning(department)
        yield department


@pytest.fixture
def morning(lived: Department) -> Department:
    lived.clock.now = NOW
    return lived


def test_the_board_of_a_morning(morning: Department) -> None:
    shown = board.show(morning.context, TODAY, Patience())
    assert shown.now.isoformat() == "2026-07-09T10:42:31"
    assert shown.counts == {
        StepStatus.SCHEDULED: 6, StepStatus.STARTED: 3, StepStatus.COMPLETED: 7, StepStatus.DISCONTINUED: 1,
        StepStatus.CANCELED: 1,
    }  # fmt: skip
    assert shown.modalities == (("CT", 8), ("DX", 3), ("MR", 4), ("US", 3))
    assert shown.stations == ("CT1", "CT2", "DX1", "MR1", "US3")
    assert {s.accession_number: s.marks for s in shown.steps if s.marks} == {
        "A2600004": (Mark.LATE,), "A2600006": (Mark.URGENT,), "A2600018": (Mark.MISMATCH,),
    }  # fmt: skip
    starts = [s.start_at for s in shown.steps if s.start_at]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        (BoardQuery(NOW.date(), "DX"), [16, 17, 18]),
        (BoardQuery(NOW.date(), station="CT2"), [3, 5, 8]),
        (BoardQuery(NOW.date(), "CT", "CT1", StepStatus.SCHEDULED), [4, 6, 7]),
        (BoardQuery(NOW.date(), mark=Mark.LATE), [4]),
        (BoardQuery(NOW.date().replace(day=8)), []),
    ],
)
def test_filters(morning: Department, query: BoardQuery, numbers: list[int]) -> None:
    steps = board.show(morning.context, query, Patience()).steps
    assert sorted(int(s.accession_number[3:]) for s in steps) == numbers


def test_exams_that_never_end_are_stuck(morning: Department) -> None:
    morning.at("13:05")
    marks = {s.accession_number: s.marks for s in board.show(morning.context, TODAY, Patience()).steps}
    assert Mark.STUCK in marks["A2600011"]  # began 10:04
    assert Mark.STUCK not in marks["A2600005"]  # began 10:21


@pytest.mark.parametrize(
    ("sought", "numbers"),
    [
        ("müller", [4]), ("MULLER", [4]), ("eva muller", [4]), ("Müller, Eva", [4]), ("sorensen", [3]),
        ("иванов", [10]), ("山田", [9]), ("garcia lopez", [11]), ("4000007", [7]), ("40000", list(range(1, 19))),
        ("a2600012", [12]),
        ("%", []), ("_", []), ("nobody", []), ("  ", []), ("hans weber", [6]),
    ],
)  # fmt: skip
def test_search(morning: Department, sought: str, numbers: list[int]) -> None:
    steps = board.search(morning.context, sought, Patience())
    assert sorted(int(s.accession_number[3:]) for s in steps) == numbers


def test_steps_of_other_days_are_found_but_not_on_the_board(department: Department) -> None:
    department.order(DAY[0], day="20260712")
    assert board.show(department.context, TODAY, Patience()).steps == ()
    assert len(board.search(department.context, "keller", Patience())) == 1


def test_steps_without_a_start_are_shown_today_and_are_not_told_to_devices(department: Department) -> None:
    department.order(DAY[0], day="")
    (step,) = board.show(department.context, TODAY, Patience()).steps
    assert step.start_at is None
    assert step.marks == (Mark.INCOMPLETE,)


def test_the_history_of_an_order(morning: Department) -> None:
    record = timeline.of_order(morning.context, morning.requests[1])
    assert record is not None
    subjects = [type(m.subject).__name__ for m in record.moments]
    assert subjects.count("MessageRow") == 1
    assert subjects.count("QueryRow") == 1
    assert subjects.count("Told") == 2
    assert [m.at for m in record.moments] == sorted((m.at for m in record.moments), reverse=True)
    assert subjects[-1] == "MessageRow"
    assert timeline.of_order(morning.context, 10**9) is None


def test_what_needs_attention(department: Department) -> None:
    department.at("09:00")
    department.order(DAY[0])
    department.begin(DAY[0], "090100", linked=False)
    department.order(DAY[1])
    department.begin(DAY[1], "090100")
    refused = {
        "received_at": department.clock.now, "digest": "0" * 64, "raw": b"x", "outcome": "refused", "sender": "RIS",
        "error_location": "PID-3", "error_text": "the patient has no identifier",
    }  # fmt: skip
    department.context.database.write(lambda c: c.execute(insert(journal_entry), refused) and None)
    found = attention.look(department.context)
    assert [(e.station, e.accession_number) for e in found.unmatched] == [("CT1", "A999")]
    assert [(r.sender, r.error_location) for r in found.refused] == [("RIS", "PID-3")]
    assert found.silent == ()
    assert sum(b.count for b in found.backlog) >= 1
    department.at("09:06")
    assert [b.destination for b in attention.look(department.context).silent] == ["RIS"]


async def test_the_board_page(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert {name: page.headers[name] for name in HEADERS} == HEADERS
    text = page.text
    assert "Today, Thursday 9 July 2026" in text
    assert text.count('class="step ') == 18
    assert text.count('class="next"') == 3  # DX has nobody waiting
    assert "MÜLLER, Eva" in text
    assert "68 y · F · 4000001" in text
    assert not re.search(r"<script(?![^>]*src=)|style=|onclick|https?://(?!www\.w3\.org)", text)


async def test_the_inner_part_alone(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        whole = (await client.get("/?modality=MR")).text
        part = (await client.get("/?modality=MR", headers={"x-fragment": "1"})).text
    assert part.lstrip().startswith('<div id="view"')
    assert part in whole
    assert part.count('class="step ') == 4


async def test_a_change_is_shown_at_once_although_pages_are_kept(department: Department) -> None:
    department.order(DAY[0])
    row = re.compile(r'<tr class="step (\S+)" data-key="step-(\d+)"')
    key = str(department.step_key(DAY[0]))
    async with staff(department.context) as (client, _):
        before = (await client.get("/")).text
        department.begin(DAY[0], "104230")
        after = (await client.get("/")).text
    assert row.findall(before) == [("r-scheduled", key)]
    assert row.findall(after) == [("r-started", key)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/?view=rooms", "Upper bars: planned"),
        ("/?status=HELD", "Nothing here with this choice"),
        ("/?day=2026-07-11", "broker orders send"),
        ("/?day=2026-07-11&modality=CT", "Show the whole department"),
        ("/?day=nonsense&status=x&mark=y&view=z", "Today, Thursday 9 July 2026"),
        ("/attention", "Every exam belongs to an order."),
        ("/api/docs", "/api/v1/worklist"),
    ],
)
async def test_pages_say(morning: Department, path: str, words: str) -> None:
    async with staff(morning.context) as (client, _):
        page = await client.get(path)
    assert page.status_code == 200
    assert words in page.text


async def test_a_board_without_orders_says_that_nothing_was_received(department: Department) -> None:
    async with staff(department.context) as (client, _):
        assert "No message was ever received." in (await client.get("/")).text


async def test_the_order_page(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        page = await client.get(f"/orders/{morning.requests[1]}")
    text = page.text
    for words in (
        "KELLER, Anna Maria", "born 1958-03-14", "A2600001", "P2026-0001", "1.2.826.77.1", "CT1 started the exam",
        "CT1 completed the exam", "RIS told: exam completed", "acknowledged AA in 12 ms",
        "CT1 asked for its list and got this step (3 times so far)", "Message received from RIS: OMI O23",
        "PID|||4000001^^^HOSP||KELLER^Anna Maria||19580314|F",
    ):  # fmt: skip
        assert words in text, words


async def test_the_order_page_of_many_scripts(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        assert "やまだ, たろう" in (await client.get(f"/orders/{morning.requests[9]}")).text


@pytest.mark.parametrize("path", ["/orders/99999", "/orders/99999999999999999999", "/nothing"])
async def test_what_does_not_exist(department: Department, path: str) -> None:
    async with staff(department.context) as (client, _):
        page = await client.get(path)
    assert page.status_code == 404
    assert re.search(r"For the log: <span class=\"mono\">[0-9a-f]{8}</span>", page.text)


async def test_search_is_posted_and_never_in_an_address(morning: Department) -> None:
    async with staff(morning.context) as (client, csrf):
        page = await client.post("/search", data={"sought": "muller", "csrf_token": csrf})
        again = await client.get("/search")
    assert "1 step found" in page.text
    assert 'value="muller"' in page.text
    assert (again.status_code, again.headers["location"]) == (303, "/")


async def test_what_patients_are_called_is_text_not_markup(department: Department) -> None:
    nasty = replace(DAY[0], patient="<SCRIPT>ALERT(1)</SCRIPT>^\"'&", words="<b>CT</b>")
    department.order(nasty)
    async with staff(department.context) as (client, csrf):
        pages = [
            await client.get("/"), await client.get("/?view=rooms"),
            await client.get(f"/orders/{department.requests[1]}"),
            await client.post("/search", data={"sought": "script", "csrf_token": csrf}),
        ]  # fmt: skip
    for page in pages:
        assert page.status_code == 200
        assert "&lt;SCRIPT&gt;" in page.text
        assert "<SCRIPT>" not in page.text
        assert "<b>CT</b>" not in page.text


async def test_a_cancelled_order_is_struck_through(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        assert 'class="step r-canceled"' in (await client.get("/?status=CANCELED")).text


async def test_the_database_away_is_said_and_nothing_leaks(department: Department) -> None:
    async with visitor(department.context) as client:
        department.context.database.engine.dispose()
        broken = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
        object.__setattr__(department.context, "database", broken)
        page = await client.get("/", headers={"cookie": "broker_session=x"})
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")
        broken.close()
    assert (page.status_code, ready.status_code, live.status_code) == (503, 503, 200)
    assert "The database cannot be reached" in page.text
    assert ready.json()["database"] == "unreachable"


async def test_worklist_and_order_as_json(morning: Department) -> None:
    async with staff(morning.context) as (client, _):
        worklist = (await client.get("/api/v1/worklist", params={"modality": "US"})).json()
        order = (await client.get(f"/api/v1/orders/{morning.requests[1]}")).json()
        wrong = await client.get("/api/v1/worklist", params={"day": "tomorrow"})
    assert [s["accession_number"] for s in worklist["steps"]] == ["A2600013", "A2600014", "A2600015"]
    assert worklist["steps"][0]["start_at"] == "2026-07-09T08:15:00"
    assert order["accession"] == {"value": "A2600001", "issuer": ""}
    assert order["procedures"][0]["steps"][0]["status"] == "COMPLETED"
    assert order["patient"]["attributes"]["PatientName"] == "KELLER^Anna Maria"
    assert wrong.status_code == 422
    assert "tomorrow" not in wrong.text


async def test_figures_hold_no_patient(morning: Department) -> None:
    async with visitor(morning.context) as client:
        ready = (await client.get("/health/ready")).json()
        metrics = (await client.get("/metrics")).text
    assert ready["status"] == "ok"
    assert ready["last_message_at"] == "2026-07-09T07:22:00+00:00"
    assert ready["last_query_at"] == "2026-07-09T08:39:00+00:00"
    assert 'broker_open_steps{status="started"} 3' in metrics
    assert re.search(r'broker_notifications_undelivered\{destination="RIS",state="pending"\} [1-9]', metrics)
    assert not [b for b in DAY if b.patient.partition("^")[0] in metrics]
