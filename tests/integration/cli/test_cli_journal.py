"""`broker messages` beyond listing, and `broker catalogue`: finding, comparing, reading again, codes."""

import re
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess


def send(command: Command, folder: Path, number: int, code: int = 0, *, pid: str = "", obr: str = "") -> str:
    """Send one order message; answers its number in the journal."""
    file = folder / "order.hl7"
    replaced = {name: text for name, text in (("PID", pid), ("OBR", obr)) if text}
    file.write_bytes(omi(number, steps=1, **replaced))
    command("orders", "send", file, code=code)
    return newest(command)


def newest(command: Command) -> str:
    return command("messages", "list", "--limit", "1").splitlines()[1].split()[0]


def test_messages_are_found_by_number_and_type(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    key = send(command, tmp_path, 41)
    send(command, tmp_path, 42)
    listed = command("messages", "list", "--number", "A41").splitlines()[1:]
    assert [line.split()[0] for line in listed] == [key]
    assert command("messages", "list", "--type", "ADT^A99").splitlines()[1:] == []


def test_two_messages_are_compared_by_name(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    one, other = send(command, tmp_path, 43), send(command, tmp_path, 44)
    text = command("messages", "diff", one, other)
    assert re.search(r"^MSH-10 +Message Control ID", text, re.MULTILINE), text
    assert command("messages", "diff", one, one) == "the two messages say the same\n"
    assert "there is no message 99999" in command("messages", "diff", one, 99999, code=1)


def test_names_of_the_standard_are_shown(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    key = send(command, tmp_path, 45)
    assert re.search(r"^PID-5 +Patient Name ", command("messages", "show", key, "--names"), re.MULTILINE)


def test_reading_again_shows_first_and_then_does_it(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    key = send(command, tmp_path, 46)
    text = command("messages", "replay", key, "--dry-run")
    assert text.splitlines() == [
        f"message {key}: would be applied",
        "would change nothing: all of it is stored already",
    ]
    assert newest(command) == key
    text = command("messages", "replay", key, "--yes")
    made = newest(command)
    assert int(made) > int(key)
    assert f"message {key}: applied, message {made}" in text
    assert "read again by" in command("messages", "show", key)
    assert "there is no message 99999" in command("messages", "replay", 99999, code=1)


def test_a_message_that_is_still_refused_fails(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    key = send(command, tmp_path, 47, code=1, pid="PID|||||TELLER^Zoë")
    text = command("messages", "replay", key, "--yes", code=1)
    assert "would be refused" in text
    assert "1 of 1 message(s) not applied" in text
    assert newest(command) == key


def test_what_a_file_would_change(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    file = tmp_path / "order.hl7"
    file.write_bytes(omi(48))
    before = newest(command) if command("messages", "list").count("\n") > 1 else ""
    text = command("orders", "map", file, "--database")
    assert "procedure 1 step 1: new" in text
    assert re.search(r"\(0020,000D\) +StudyInstanceUID +UI +1 ", text), text
    assert before in ("", newest(command))


@pytest.fixture
def own_catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "procedures.csv"
    monkeypatch.setenv("BROKER__INTAKE__PROCEDURES", str(file))
    return file


def test_a_catalogue_is_taken_in_and_out(command: Command, empty: Path, own_catalogue: Path, tmp_path: Path) -> None:
    added = tmp_path / "added.csv"
    added.write_text("procedure_code,modality,duration\nA,CT,20\nB,MR,\n", encoding="utf-8")
    assert "2 procedures with 2 steps taken over" in command("catalogue", "import", added)
    added.write_text("procedure_code,modality\nB,US\n", encoding="utf-8")
    command("catalogue", "import", added)
    exported = command("catalogue", "export").splitlines()
    assert [line.split(",")[0] + line.split(",")[3] for line in exported[1:]] == ["ACT", "BUS"]
    command("catalogue", "import", "--replace", added)
    out = tmp_path / "out.csv"
    command("catalogue", "export", out)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2
    assert "nothing is wrong" in command("catalogue", "check", out)


def test_a_wrong_catalogue_is_not_taken_over(
    command: Command, empty: Path, own_catalogue: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("procedure_code,modality,duration\nA,CT,soon\n", encoding="utf-8")
    for action in ("check", "import"):
        assert "wrong.csv:2: duration: write whole minutes" in command("catalogue", action, wrong, code=1)
    assert not own_catalogue.exists()
    assert "cannot be read" in command("catalogue", "check", tmp_path / "none.csv", code=1)


def test_the_shipped_catalogue_is_never_written(command: Command, empty: Path, tmp_path: Path) -> None:
    file = tmp_path / "added.csv"
    file.write_text("procedure_code,modality\nA,CT\n", encoding="utf-8")
    assert "name a file of your own in intake.procedures" in command("catalogue", "import", file, code=1)


def test_codes_that_came_and_are_not_listed(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    send(command, tmp_path, 49, obr="OBR|1|PL49^HIS|FI49^RIS|XYZ49^Strange scan^L")
    assert re.search(r"^XYZ49 +L +Strange scan ", command("catalogue", "unmapped"), re.MULTILINE)


def test_a_stale_document_is_told(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "interface.md"
    file.write_text("<!-- errors: generated -->\nold\n<!-- errors: end -->\n", encoding="utf-8")
    assert "is not up to date" in command("docs", "hl7-interface", file, "--check", code=1)
    assert "is filled" in command("docs", "hl7-interface", file)
    assert "is up to date" in command("docs", "hl7-interface", file, "--check")
    assert "| 207 |" in file.read_text(encoding="utf-8")
