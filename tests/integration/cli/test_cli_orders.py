"""`broker orders` and `broker messages`: sending, dry runs, and the journal of what came in."""

import re
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command
from tests.peers.mllp_receiver import Behaviour, MllpReceiver, answer, garbage, hang_up, wrong_control_id
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess


def write(folder: Path, name: str, message: bytes) -> Path:
    file = folder / name
    file.write_bytes(message)
    return file


def batch(*messages: bytes) -> bytes:
    lines = [b"FHS|^~\\&|RIS|HOSP", b"BHS|^~\\&|RIS|HOSP", *(m.rstrip(b"\r") for m in messages), b"BTS|2", b"FTS|1"]
    return b"\r".join(lines) + b"\r"


def test_files_are_sent_and_each_answer_is_shown(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    good = write(tmp_path, "good.hl7", omi(1))
    several = write(tmp_path, "several.hl7", batch(omi(2), omi(3)))
    text = command("orders", "send", good, several)
    assert text.splitlines() == ["good.hl7: AA", "several.hl7: AA", "several.hl7: AA"]
    listed = {row[5] for row in rows(command("worklist", "list")) if len(row) > 5}
    assert {"A1", "A2", "A3"} <= listed


def test_a_refusal_is_shown_with_its_place_and_the_rest_is_sent(
    command: Command, served: BrokerProcess, tmp_path: Path
) -> None:
    bad = write(tmp_path, "bad.hl7", omi(4, PID="PID|||||TELLER^Zoë"))
    good = write(tmp_path, "good.hl7", omi(5))
    text = command("orders", "send", bad, good, code=1)
    assert re.search(r"^bad\.hl7: AE .*\n +E 101 at PID", text, re.MULTILINE), text
    assert "good.hl7: AA" in text
    assert "1 message not accepted" in text


def test_line_feeds_between_segments_are_accepted(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    file = write(tmp_path, "edited.hl7", omi(6).replace(b"\r", b"\n"))
    assert command("orders", "send", file) == "edited.hl7: AA\n"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (answer("AR", "no such feed"), "AR no such feed"),
        (hang_up, "no answer: the peer closed the connection"),
        (wrong_control_id, "MSA-2 'ANOTHER' instead of 'C1'"),
        (garbage, "unreadable answer"),
    ],
)
def test_other_receivers_and_what_they_answer(
    command: Command, empty: Path, tmp_path: Path, behaviour: Behaviour, words: str
) -> None:
    file = write(tmp_path, "order.hl7", omi(1))
    with MllpReceiver([behaviour]) as receiver:
        text = command("orders", "send", file, "--to", f"127.0.0.1:{receiver.port}", code=1)
    assert words in text
    assert receiver.received[0].raw == omi(1)


def test_what_cannot_be_sent_is_said(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    text = write(tmp_path, "letter.txt", b"Dear colleague,\n")
    assert "is not an HL7 message" in command("orders", "send", text, code=1)
    assert "cannot be read: No such file" in command("orders", "send", tmp_path / "none.hl7", code=1)


def test_a_dry_run_shows_each_value_with_its_source_and_stores_nothing(
    command: Command, empty: Path, tmp_path: Path
) -> None:
    text = command("orders", "map", write(tmp_path, "order.hl7", omi(7, steps=2)))
    found = [re.split(r"  +", line) for line in text.splitlines()]
    assert ["patient", "PatientName", "TELLER^Zoë", "PID-5"] in found
    assert ["order", "AccessionNumber", "A7", "IPC-1"] in found
    assert [row[3] for row in found if row[1:2] == ["ScheduledProcedureStepID"]] == ["IPC-4", "IPC[2]-4"]
    assert not empty.exists()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (omi(8, PID=""), "PID-3: a value is required (PatientID)"),
        (b"nothing", "a message begins with MSH"),
        (omi(8, MSH="MSH|^~\\&|A|B|C|D|2026||ZZZ^Z99|1|P|2.5"), "MSH-9"),
    ],
)
def test_a_dry_run_of_a_message_that_would_be_refused_fails(
    command: Command, empty: Path, tmp_path: Path, message: bytes, words: str
) -> None:
    text = command("orders", "map", write(tmp_path, "order.hl7", message), code=1)
    assert words in text
    assert "would be refused" in text


def test_a_dry_run_tells_held_from_refused(command: Command, empty: Path, tmp_path: Path) -> None:
    text = command("orders", "map", write(tmp_path, "order.hl7", omi(8, ORC="ORC|ZZ|PL8^HIS|FI8^RIS")), code=1)
    assert "not in the table of order control" in text
    assert "would be held" in text
    assert "would be refused" not in text


def test_a_dry_run_with_a_mapping_that_is_not_there(command: Command, empty: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "order.hl7", omi(1))
    assert "no mapping 'nonsense'" in command("orders", "map", file, "--mapping", "nonsense", code=1)


def rows(text: str) -> list[list[str]]:
    return [re.split(r"  +", line) for line in text.splitlines()[1:]]


def test_the_journal_lists_and_shows_what_came_in(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    file = write(tmp_path, "order.hl7", omi(20))
    command("orders", "send", file, file)
    command("orders", "send", write(tmp_path, "bad.hl7", omi(21, PID="PID|||||TELLER^Zoë")), code=1)
    refused, again, applied = rows(command("messages", "list", "--limit", 3))
    found = [row[4:6] for row in (refused, again, applied)]
    assert found == [["C21", "refused"], ["C20", "duplicate"], ["C20", "applied"]]
    assert refused[6].startswith("101 PID-3")
    assert rows(command("messages", "list", "--outcome", "refused", "--control-id", "C21")) == [refused]
    assert rows(command("messages", "list", "--sender", "nobody")) == []

    text = command("messages", "show", applied[0])
    assert "  PID|||P20^^^HOSP||TELLER^Zoë||19700131|F" in text
    assert "  MSA|AA|C20" in text
    assert "refused 101 PID-3" in command("messages", "show", refused[0])


def test_the_bytes_of_a_message_come_back_as_received(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    command("orders", "send", write(tmp_path, "order.hl7", omi(22)))
    (row,) = rows(command("messages", "list", "--control-id", "C22"))
    assert command("messages", "show", row[0], "--raw").encode() == omi(22)


def test_a_message_that_is_not_there(command: Command, served: BrokerProcess) -> None:
    assert "there is no message 99999" in command("messages", "show", 99999, code=1)
