"""`broker mpps available`, `broker availability`, `broker emulate viewer`: an archive and a viewer beside a broker."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartBroker
from tests.integration.cli.conftest import Command
from tests.peers.mllp_sender import exchange
from tests.peers.order_messages import omi
from tests.support.ports import free_port
from tests.support.process import BROKER, ROOT, BrokerProcess
from tests.support.wait import until


def test_an_archive_tells_of_an_exam_and_of_a_strange_study(command: Command, served: BrokerProcess) -> None:
    assert exchange(served.ports["intake"], omi(71)).code == "AA"
    uid = command("mpps", "start", "--accession", "A71").strip()
    assert "names no images yet" in command("mpps", "available", uid, code=1)
    command("mpps", "complete", uid)
    assert re.fullmatch(r"[\d.]+ NEARLINE at VAULT\n", command(
        "mpps", "available", uid, "--at", "VAULT", "--availability", "NEARLINE"
    ))  # fmt: skip
    assert command("mpps", "available", "--study", "1.2.3.71.9") == "1.2.3.71.9 ONLINE at ARCHIVE\n"
    (row,) = [line for line in command("availability", "list").splitlines() if "1.2.3.71.9" in line]
    number = row.split()[0]
    assert command("availability", "set-aside", number) == f"images {number}: set aside\n"
    assert "1.2.3.71.9" not in command("availability", "list")
    assert "1.2.3.71.9" in command("availability", "list", "--aside")
    assert "do not wait" in command("availability", "set-aside", number, code=1)
    command("availability", "set-aside", number, "--back")
    assert "no such notice" in command("availability", "set-aside", 999999, code=1)


@pytest.mark.parametrize("arguments", [[], ["1.2.3", "--study", "1.2.4"]])
def test_an_exam_or_a_study_is_named(command: Command, empty: Path, arguments: list[str]) -> None:
    assert "name the exam, or its study" in command("mpps", "available", *arguments, code=2)


@pytest.fixture(params=["called", "calling"])
def viewer(request: pytest.FixtureRequest, start_broker: StartBroker, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A broker with an emulated viewer in one of the two ways: the broker's DICOM port, and what the viewer prints."""
    port, printed = free_port(), tmp_path / "viewer.txt"
    address = f'host = "127.0.0.1"\nport = {port}\n' if request.param == "called" else ""
    config = tmp_path / "broker.toml"
    config.write_text(f'[[destinations]]\nname = "viewer"\nkind = "mpps_event"\nae_title = "VIEWER"\n{address}')
    quick = {"BROKER__DELIVERY__FIRST_RETRY": "0.2", "BROKER__DELIVERY__CEILING": "0.4"}
    broker = start_broker({"BROKER_CONFIG": str(config), **quick})
    assert exchange(broker.ports["intake"], omi(72)).code == "AA"
    there = f"127.0.0.1:{broker.ports['dicom']}"
    how = ["--listen", str(port)] if request.param == "called" else ["--to", there]
    line = [*BROKER, "emulate", "viewer", "--count", "2", *how]
    with printed.open("w") as file, subprocess.Popen(line, cwd=ROOT, stdout=file, stderr=file) as running:
        until(lambda: "VIEWER: " in printed.read_text(), timeout=60, message="the viewer runs")
        yield there, printed
        until(lambda: running.poll() is not None, timeout=60, message="the viewer heard two events")
        assert running.returncode == 0, printed.read_text()


def test_an_emulated_viewer_is_told(command: Command, viewer: tuple[str, Path]) -> None:
    there, printed = viewer
    uid = command("mpps", "start", "--accession", "A72", "--to", there).strip()
    command("mpps", "complete", uid, "--to", there)
    until(lambda: printed.read_text().count(f"BROKER: {uid}") == 2, timeout=60)
    assert re.findall(rf"BROKER: {uid} (.*)", printed.read_text()) == ["in progress", "completed"]
