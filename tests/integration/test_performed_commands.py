"""The commands about exams and devices, as a person at a terminal runs them (in this process: starting one is slow)."""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.cli import main
from broker.clock import now
from broker.domain.model import FactKind
from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.services import stuck
from broker.store.database import Database
from tests.integration.mpps_peer import NOW, Peer, new_context
from tests.support.exams import create, reference

Run = Callable[..., str]
WALK_IN: dict[str, Any] = {
    "StudyInstanceUID": "1.2.840.99.1", "AccessionNumber": "", "RequestedProcedureID": "",
    "ScheduledProcedureStepID": "",
}  # fmt: skip


@pytest.fixture
def peer(sqlite_url: str) -> Iterator[Peer]:
    opened = Database(sqlite_url)
    peer = Peer(new_context(opened, PerformedPolicy(devices={"CT1": frozenset({Quirk.OVERSIZE})})))
    peer.order("1")
    peer.create(values=create([reference(**WALK_IN)], PerformedProcedureStepDescription="x" * 65))
    yield peer
    opened.close()


@pytest.fixture
def run(peer: Peer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(ARGUMENTS, code=0) -> what `broker ARGUMENTS` prints, errors included."""
    monkeypatch.setenv("BROKER__DATABASE__URL", peer.context.database.url)

    def command(*arguments: str | Path, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["broker", *map(str, arguments)])
        try:
            ended: object = main()
        except SystemExit as end:
            ended = end.code
        captured = capsys.readouterr()
        assert ended == code, captured
        return captured.out + captured.err

    return command


def test_reconciling_from_the_terminal(peer: Peer, run: Run) -> None:
    assert "IN PROGRESS" in run("performed", "list")
    shown = run("performed", "show", "1.9.1")
    assert "same patient ID, same name" in shown
    run("performed", "link", "1", "A1", "--by", "nina")
    assert peer.statuses() == {"SPS1": "STARTED"}
    assert "by hand" in run("performed", "show", "1")
    run("performed", "unlink", "1.9.1", "A1", "--by", "nina")
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    run("performed", "set-aside", "1")
    assert "IN PROGRESS" not in run("performed", "list")
    assert "IN PROGRESS" in run("performed", "list", "--aside")
    run("performed", "set-aside", "1", "--back")
    assert "made" in run("performed", "create-order", "1")
    assert sorted(peer.statuses().values()) == ["SCHEDULED", "STARTED"]


def test_correcting_and_exporting_from_the_terminal(peer: Peer, run: Run, tmp_path: Path) -> None:
    run("performed", "link", "1", "A1")
    run(
        "performed",
        "correct",
        "1",
        "DISCONTINUED",
        "--reason",
        "110514",
        "--note",
        "wrong patient",
        "--by",
        "nina",
    )
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    assert "corrected to DISCONTINUED by nina: wrong patient" in run("performed", "show", "1")
    file = tmp_path / "exams.csv"
    assert run("performed", "export", file, "--from", "2026-11-23").startswith("1 exam in")
    assert ",DISCONTINUED,yes," in file.read_text(encoding="utf-8")
    run("performed", "withdraw", "1")
    assert peer.statuses() == {"SPS1": "STARTED"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("performed", "link", "1.2.3", "A1"), 1, "there is no exam 1.2.3"),
        (("performed", "link", "1", "A9"), 1, "no order has accession number A9"),
        (("performed", "unlink", "1", "A1"), 1, "not linked"),
        (("performed", "correct", "1", "DISCONTINUED", "--note", "x"), 1, "needs its reason"),
        (("performed", "withdraw", "1"), 1, "no correction"),
        (("performed", "show", "99"), 1, "there is no exam 99"),
        (("performed", "export", "x.csv", "--from", "23.11.2026"), 2, "YYYY-MM-DD"),
        (("devices", "show", "NOBODY"), 1, "no device"),
    ],
)
def test_clear_words_when_it_cannot_be_done(run: Run, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run(*arguments, code=code)


def test_a_step_that_no_device_reports(peer: Peer, run: Run) -> None:
    assert run("worklist", "arrive", "A1", "--by", "nina").startswith(
        "A1: ARRIVED, inferred; `broker worklist undo A1`"
    )
    run("worklist", "start", "A1", "--by", "nina")
    assert "needs its reason" in run("worklist", "discontinue", "A1", "--reason", "", code=1)
    assert run("worklist", "discontinue", "A1", "--reason", "110504", "--note", "sad").startswith("A1: DISCONTINUED")
    assert run("worklist", "undo", "A1") == "A1: STARTED\n"
    assert run("worklist", "complete", "A1", "--step", "SPS1").startswith("A1: COMPLETED")
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert "undo that" in run("worklist", "start", "A1", code=1)
    assert [row.actor for row in peer.facts(FactKind.STEP_STATUS)][:2] == ["nina", "nina"]


def test_a_device_that_reports_and_one_that_is_stuck(peer: Peer, run: Run) -> None:
    peer.create("1.9.2")
    assert "add --although-running" in run("worklist", "complete", "A1", code=1)
    assert "not stuck" in run("worklist", "still-running", "A1", code=1)
    late = replace(peer.context, clock=lambda: NOW + timedelta(hours=4))
    assert stuck.look(late, "here", timedelta(minutes=1)) == stuck.Found(1, 0)
    assert re.search(r"3 h +CT +A1 +its device", run("worklist", "stuck"))
    assert "asked again at" in run("worklist", "still-running", "A1")
    assert "A1" not in run("worklist", "stuck")
    assert run("worklist", "complete", "A1").startswith("A1: COMPLETED"), "it is known to be stuck"


def test_habits_from_the_terminal(peer: Peer, run: Run) -> None:
    Peer(replace(peer.context, clock=now), "CT7").create("1.9.7")
    assert re.search(r"^CT7 +1 +0 +0 +1 +0 +0 *$", run("devices", "habits", "--days", "1"), re.MULTILINE)
    shown = run("devices", "show", "CT7", "--days", "1", code=1)
    assert "no device 'CT7'" in shown, "it never associated"
    assert "in 3660 days: exams begun 1" in run("devices", "show", "CT1", "--days", "3660") or now() < NOW


def test_devices_from_the_terminal(run: Run) -> None:
    shown = run("devices", "show", "CT1")
    assert "oversize" in shown
    assert "PerformedProcedureStepDescription" in shown
    assert "AE title" in run("devices", "list")
