"""The commands about exams and devices, as a person at a terminal runs them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.command import broker
from tests.support.exams import create, reference

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


def run(peer: Peer, *arguments: str | Path, code: int = 0) -> str:
    return broker(*arguments, environment={"BROKER__DATABASE__URL": peer.context.database.url}, code=code)


def test_reconciling_from_the_terminal(peer: Peer) -> None:
    assert "IN PROGRESS" in run(peer, "performed", "list")
    shown = run(peer, "performed", "show", "1.9.1")
    assert "same patient ID, same name" in shown
    run(peer, "performed", "link", "1", "A1", "--by", "nina")
    assert peer.statuses() == {"SPS1": "STARTED"}
    assert "by hand" in run(peer, "performed", "show", "1")
    run(peer, "performed", "unlink", "1.9.1", "A1", "--by", "nina")
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    run(peer, "performed", "set-aside", "1")
    assert "IN PROGRESS" not in run(peer, "performed", "list")
    assert "IN PROGRESS" in run(peer, "performed", "list", "--aside")
    run(peer, "performed", "set-aside", "1", "--back")
    assert "made" in run(peer, "performed", "create-order", "1")
    assert sorted(peer.statuses().values()) == ["SCHEDULED", "STARTED"]


def test_correcting_and_exporting_from_the_terminal(peer: Peer, tmp_path: Path) -> None:
    run(peer, "performed", "link", "1", "A1")
    run(
        peer,
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
    assert "corrected to DISCONTINUED by nina: wrong patient" in run(peer, "performed", "show", "1")
    file = tmp_path / "exams.csv"
    assert run(peer, "performed", "export", file, "--from", "2026-11-23").startswith("1 exam in")
    assert ",DISCONTINUED,yes," in file.read_text(encoding="utf-8")
    run(peer, "performed", "withdraw", "1")
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
def test_clear_words_when_it_cannot_be_done(peer: Peer, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in run(peer, *arguments, code=code)


def test_devices_from_the_terminal(peer: Peer) -> None:
    shown = run(peer, "devices", "show", "CT1")
    assert "oversize" in shown
    assert "PerformedProcedureStepDescription" in shown
    assert "AE title" in run(peer, "devices", "list")
