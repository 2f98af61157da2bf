"""Bad input on a running broker: each gets the standard's refusal and is on record with the reason; it goes on."""

import contextlib
import itertools
from collections.abc import Callable, Iterator

import pytest

from broker.dicom import scu
from broker.store.database import Database
from broker.store.journal import JournalEntry, JournalFilter, find
from tests.peers.mllp_sender import START, MllpSender, exchange
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support import exams
from tests.support.process import BrokerProcess
from tests.support.wait import until

MEGABYTE = 1024 * 1024
CONTENTS = ("TELLER", "Zoë", "19700131")
"""Patient data of the samples: none of it may be in the log."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker for all of it: it has to go on."""
    with BrokerProcess(tmp_path_factory.mktemp("bad") / "data") as running:
        yield running
        assert running.terminate() == 0
        assert "Traceback" not in running.log


@pytest.fixture(autouse=True)
def goes_on(broker: BrokerProcess) -> Iterator[None]:
    """After each bad input a good order is accepted and on the worklist, and the log has no patient data."""
    yield
    number = next(_numbers)
    assert exchange(broker.ports["intake"], omi(number)).code == "AA"
    assert len(Modality(broker.ports["dicom"]).worklist(f"A{number}")) == 1
    assert [word for word in CONTENTS if word in broker.log] == []


def newest_entry(broker: BrokerProcess) -> JournalEntry:
    database = Database(f"sqlite:///{broker.data_dir / 'broker.db'}")
    with contextlib.closing(database):
        (entry,) = database.read(lambda connection: find(connection, JournalFilter(limit=1)))
    return entry


def wait_for_log(broker: BrokerProcess, *words: str) -> None:
    def said() -> bool:
        return any(all(word in line for word in words) for line in broker.log.splitlines())

    until(said, 10, f"a log line with {words}")


UNKNOWN_TYPE = omi(0, MSH="MSH|^~\\&|RIS|HOSP|||20260704||ZZZ^Z99|BAD1|P|2.5.1")
UNKNOWN_EVENT = omi(0, MSH="MSH|^~\\&|RIS|HOSP|||20260704||OMI^Z99|BAD2|P|2.5.1")
CANCELS_NOTHING = omi(0, ORC="ORC|CA|NO^HIS|NO^RIS", OBR="OBR|1|NO^HIS|NO^RIS|X")
REFUSED_MESSAGES = [
    pytest.param(b"GARBAGE \x00\xff\xfe " * 50, "AR", "100", "MSH", id="garbage in a frame"),
    pytest.param(UNKNOWN_TYPE, "AR", "200", "MSH-9", id="unknown type"),
    pytest.param(UNKNOWN_EVENT, "AR", "201", "MSH-9", id="unknown event"),
    pytest.param(omi(0, PID="PID|||||TELLER^Zoë||19700131|F"), "AE", "101", "PID-3", id="no patient ID"),
    pytest.param(omi(0, PID=""), "AE", "101", "PID-3", id="no PID at all"),
    pytest.param(CANCELS_NOTHING, "AE", "204", "ORC", id="cancels nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "code", "error", "place"), REFUSED_MESSAGES)
def test_a_message_that_cannot_be_used_is_refused_and_kept(
    broker: BrokerProcess, message: bytes, code: str, error: str, place: str
) -> None:
    with MllpSender(broker.ports["intake"]) as sender:
        answer = sender.exchange(message)
        assert answer.code == code, answer.raw
        number = next(_numbers)
        assert sender.exchange(omi(number)).code == "AA", "the connection goes on"
    segment, _, field = place.partition("-")
    location = answer.field("ERR", 2).split("^")
    assert location[0] == segment
    assert not field or location[2] == field
    assert answer.field("ERR", 3).split("^")[0] == error
    entry = _entry_before_the_good_one(broker)
    assert (entry.outcome, entry.error_text != "") == ("refused", True)
    assert entry.error_code == error
    wait_for_log(broker, "refused", code, entry.error_text)


def test_an_unknown_order_control_is_refused_and_held_for_a_replay(broker: BrokerProcess) -> None:
    with MllpSender(broker.ports["intake"]) as sender:
        answer = sender.exchange(omi(0, ORC="ORC|ZZ|PL0^HIS|FI0^RIS"))
        assert sender.exchange(omi(next(_numbers))).code == "AA", "the connection goes on"
    assert (answer.code, answer.field("ERR", 2), answer.field("ERR", 3).split("^")[0]) == ("AE", "ORC^1^1", "103")
    entry = _entry_before_the_good_one(broker)
    assert (entry.outcome, entry.error_code, entry.error_location) == ("held", "103", "ORC-1")
    wait_for_log(broker, "held", entry.error_text)


def _entry_before_the_good_one(broker: BrokerProcess) -> JournalEntry:
    database = Database(f"sqlite:///{broker.data_dir / 'broker.db'}")
    with contextlib.closing(database):
        _, entry = database.read(lambda connection: find(connection, JournalFilter(limit=2)))
    return entry


def test_bytes_outside_any_frame_are_reported(broker: BrokerProcess) -> None:
    with MllpSender(broker.ports["intake"]) as sender:
        sender.socket.sendall(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
        number = next(_numbers)
        assert sender.exchange(omi(number)).code == "AA", "what stands before the frame does no harm"
    wait_for_log(broker, "outside any frame")


def test_an_oversized_frame_closes_its_connection(broker: BrokerProcess) -> None:
    with MllpSender(broker.ports["intake"]) as sender:
        with contextlib.suppress(ConnectionError):  # the broker need not read to the end
            sender.socket.sendall(START + omi(0) + b"OBX|" + b"x" * (50 * MEGABYTE))
        assert sender.closed_by_peer()
    wait_for_log(broker, "frame too large")


@pytest.mark.parametrize(
    "part", [START, START + omi(0)[:200], START + omi(0)], ids=["start", "half", "all but the end"]
)
def test_an_unfinished_frame_is_reported_and_has_no_effect(broker: BrokerProcess, part: bytes) -> None:
    before = broker.log.count("unfinished frame")
    with MllpSender(broker.ports["intake"]) as sender:
        sender.socket.sendall(part)
        number = next(_numbers)
        assert exchange(broker.ports["intake"], omi(number)).code == "AA", "others are served meanwhile"
    until(lambda: broker.log.count("unfinished frame") > before, 10, "a log line about the unfinished frame")
    assert newest_entry(broker).control_id == f"C{number}", "nothing was taken of the unfinished one"


def with_status(*status: str) -> Callable[[int], scu.Answer]:
    """An N-CREATE with this status, or with none."""
    dataset = exams.create(PatientName="TELLER^Zoë")
    del dataset["PerformedProcedureStepStatus"]
    dataset.update(zip(["PerformedProcedureStepStatus"], status, strict=False))
    return lambda port: scu.create(Modality(port).peer, dataset, "2.25.99")


STATUS = 0x00400252
REFUSED_EXAMS = [
    pytest.param(with_status(), 0x0120, STATUS, id="no status"),
    pytest.param(with_status(""), 0x0121, STATUS, id="empty status"),
    pytest.param(with_status("RUNNING"), 0x0106, STATUS, id="wrong status"),
    pytest.param(lambda port: Modality(port).finish("2.25.98"), 0x0112, None, id="unknown UID"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "status", "offending"), REFUSED_EXAMS)
def test_a_performed_step_that_cannot_be_used_is_refused(
    broker: BrokerProcess, ask: Callable[[int], scu.Answer], status: int, offending: int | None
) -> None:
    answer = ask(broker.ports["dicom"])
    assert f"{answer.status:04X}" == f"{status:04X}", answer
    if offending is not None:
        assert offending in answer.offending
    wait_for_log(broker, "CT1", f"0x{status:04X}")


A_ABORT = 0x07


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00\x7f\xff\xff\xff" + b"x" * 100, b"\x00" * 64])
def test_garbage_on_the_dicom_port_is_aborted(broker: BrokerProcess, garbage: bytes) -> None:
    before = len(broker.log)
    with MllpSender(broker.ports["dicom"]) as sender:
        sender.socket.sendall(garbage)
        assert sender.socket.recv(1024)[0] == A_ABORT
    until(lambda: "abort" in broker.log[before:], 10, "a log line about the abort")
