"""`broker worklist`, `broker mpps` and `broker notifications`: from the scheduled step to what others are told."""

import json
import re
from collections.abc import Callable

import pytest

from tests.integration.cli.conftest import AWAY, Command
from tests.peers.mllp_sender import exchange
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess
from tests.support.wait import until

UNKNOWN = "1.2.3.4"
Place = Callable[..., None]


@pytest.fixture
def place(served: BrokerProcess) -> Place:
    """place(number, steps=1): an order at the broker."""

    def send(number: int, steps: int = 1) -> None:
        assert exchange(served.ports["intake"], omi(number, steps=steps)).code == "AA"

    return send


@pytest.mark.parametrize("verb", ["query", "list"])
def test_the_worklist_is_shown_as_a_table_and_as_json(command: Command, place: Place, verb: str) -> None:
    place(30)
    _, row, total = command("worklist", verb, "--accession", "A30").splitlines()
    assert re.split(r"  +", row) == [
        "2026-07-04 09:30", "CT", "CT1", "TELLER, Zoë", "P30", "A30", "S30-1", "SCHEDULED", "CT head plain",
    ]  # fmt: skip
    assert total == "1 item"
    (item,) = json.loads(command("worklist", verb, "--accession", "A30", "--json"))
    assert item["ScheduledProcedureStepSequence"][0]["ScheduledProcedureStepID"] == "S30-1"


FILTERS = [
    ["--modality", "CT"], ["--station", "CT1"], ["--date", "20260704"], ["--date", "20260701-20260731"],
    ["--patient", "P31"], ["--name", "tell*"],
]  # fmt: skip
OTHERS = [
    ["--modality", "MR"], ["--station", "CT2"], ["--date", "20260705"], ["--patient", "P99"], ["--name", "x*"],
]  # fmt: skip


@pytest.mark.parametrize("verb", ["query", "list"])
@pytest.mark.parametrize(("options", "count"), [*((f, 1) for f in FILTERS), *((f, 0) for f in OTHERS)])
def test_the_worklist_is_filtered(command: Command, place: Place, verb: str, options: list[str], count: int) -> None:
    place(31)
    text = command("worklist", verb, "--accession", "A31", *options)
    assert text.splitlines()[-1] == f"{count} item{'' if count == 1 else 's'}"


def test_a_wrong_date_fails(command: Command, served: BrokerProcess) -> None:
    assert "the key is no date or range" in command("worklist", "list", "--date", "yesterday", code=2)
    assert "the key is no date or range" in command("worklist", "query", "--date", "yesterday", code=1)


def test_another_server_that_refuses_the_title(command: Command, served: BrokerProcess) -> None:
    text = command("worklist", "query", "--called", "OTHER", "--to", f"127.0.0.1:{served.ports['dicom']}", code=1)
    assert "rejected" in text


def test_an_exam_is_started_shown_and_completed(command: Command, place: Place) -> None:
    place(40)
    uid = command("mpps", "start", "--accession", "A40").strip()
    assert "IN PROGRESS" in command("mpps", "show", uid)
    assert "0 items" in command("worklist", "query", "--accession", "A40")
    assert "completed" in command("mpps", "complete", uid)
    assert "COMPLETED" in command("worklist", "list", "--accession", "A40")
    assert re.search(r"^PerformedProcedureStepStatus +COMPLETED$", command("mpps", "show", uid), re.MULTILINE)
    assert "0110" in command("mpps", "complete", uid, code=1)


def test_an_exam_is_discontinued_with_its_reason(command: Command, place: Place) -> None:
    place(41)
    uid = command("mpps", "start", "--accession", "A41").strip()
    assert "discontinued" in command("mpps", "discontinue", uid, "--reason", "110501")
    assert "110501" in command("mpps", "show", uid)


def test_the_wrong_entry_was_chosen_and_the_step_is_back_on_the_list(command: Command, place: Place) -> None:
    place(42)
    uid = command("mpps", "start", "--accession", "A42").strip()
    command("mpps", "discontinue", uid, "--reason", "110514")
    assert "1 item" in command("worklist", "query", "--accession", "A42")


def test_an_order_with_several_steps_needs_the_step(command: Command, place: Place) -> None:
    place(43, steps=2)
    assert "2 items of the worklist fit" in command("mpps", "start", "--accession", "A43", code=1)
    command("mpps", "start", "--accession", "A43", "--step", "S43-2")
    text = command("worklist", "query", "--accession", "A43")
    assert "S43-1" in text
    assert "S43-2" not in text


@pytest.mark.parametrize("line", [["complete", UNKNOWN], ["discontinue", UNKNOWN], ["show", UNKNOWN]])
def test_an_exam_that_is_not_known(command: Command, served: BrokerProcess, line: list[str]) -> None:
    assert "0112" in command("mpps", *line, code=1)


def test_an_order_that_is_not_on_the_worklist(command: Command, served: BrokerProcess) -> None:
    assert "0 items of the worklist fit" in command("mpps", "start", "--accession", "NONE", code=1)


def test_notifications_are_listed_retried_parked_and_skipped(command: Command, place: Place) -> None:
    def notification() -> list[str]:
        """id, created, destination, event, subject, state, tries, error of the newest."""
        row = command("notifications", "list", "--limit", 1).splitlines()[1]
        return re.split(r"  +", row.strip())

    place(50)
    command("mpps", "start", "--accession", "A50")
    until(lambda: notification()[6] != "0", 10, "an attempt failed")
    key, _, destination, event, _, state, _, error = notification()
    assert (destination, event, state) == (AWAY, "order.started", "pending")
    assert "refused" in error
    backlog = command("notifications", "list").splitlines()[-1].split()
    assert backlog[0] == AWAY
    assert int(backlog[1]) >= 1

    assert "noted" in command("notifications", "retry", key)
    assert notification()[5] == "pending"
    command("notifications", "park", key)
    assert notification()[5] == "parked"
    assert key in _keys(command("notifications", "list", "--state", "parked", "--destination", AWAY))
    assert command("notifications", "list", "--destination", "nobody").splitlines()[1] == ""
    command("notifications", "skip", key)
    assert notification()[5] == "skipped"
    for verb in ("retry", "park", "skip"):
        command("notifications", verb, key, code=1)
    assert "noted" in command("notifications", "resend", key)
    assert notification()[5] == "pending"
    command("notifications", "skip", key)
    shown = command("notifications", "show", key)
    assert re.findall(r"  (failed|parked|skipped|resent)  ", shown)[-3:] == ["skipped", "resent", "skipped"]
    assert "by command line" in shown
    assert f"{AWAY}: last failure" in command("destinations", "list")


def _keys(text: str) -> list[str]:
    return [line.split()[0] for line in text.split("\n\n", maxsplit=1)[0].splitlines()[1:]]


@pytest.mark.parametrize("verb", ["retry", "park", "skip", "resend", "show"])
def test_a_notification_that_is_not_there(command: Command, served: BrokerProcess, verb: str) -> None:
    assert "99999" in command("notifications", verb, 99999, code=1)
