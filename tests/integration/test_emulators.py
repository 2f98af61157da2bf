"""The emulators against strangers on real sockets, and the whole day against the running broker."""

import gc
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from broker.delivery.hl7 import Hl7Destination, Hl7DestinationConfig
from broker.dicom.scu import NotReachable
from broker.domain.notifications import Verdict
from broker.emulators.day import Day, DayConfig
from broker.emulators.misbehaviours import misbehave
from broker.emulators.modality import MISBEHAVIOURS, Modality, ModalityConfig
from broker.emulators.orders import EXAMS, InventedOrder
from broker.emulators.people import invent
from broker.emulators.plan import Act
from broker.emulators.ris import Ris, RisConfig, StatusListener, StatusReceived, accepted
from hl7.client import Timeouts
from hl7.errors import AckCode
from tests.conftest import StartBroker
from tests.peers import mllp_receiver
from tests.peers.dicom_provider import Provider, item, provider
from tests.peers.mllp_receiver import MllpReceiver
from tests.support.ports import free_port
from tests.support.wait import until
from tests.unit.delivery.test_hl7_message import notification

START = datetime(2026, 7, 4, 8, 30, tzinfo=UTC)
ORDER = InventedOrder(invent(1, Random(1))[0], EXAMS[0], "CT1", START, "260704001", "2.25.1")


#: pynetdicom leaves the socket of a refused connection to the garbage collector (transport.AssociationSocket.connect)
leaves_a_socket = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


def ct1(state: Provider) -> Modality:
    return Modality(ModalityConfig("CT1", "127.0.0.1", state.port, dice=Random(1)))


def test_the_ris_sends_orders_changes_and_cancellations_on_one_connection() -> None:
    with MllpReceiver() as receiver, Ris(RisConfig("127.0.0.1", receiver.port)) as ris:
        assert all(accepted(act(ORDER)) for act in (ris.place, ris.change, ris.cancel))
        assert accepted(ris.update(ORDER.patient))
    assert receiver.connections == 1
    controls = [m.raw.split(b"\rORC|")[1][:2].decode() for m in receiver.received[:3]]
    assert controls == ["NW", "XO", "CA"]


def test_the_ris_tells_a_refusal_from_an_acceptance() -> None:
    with MllpReceiver([mllp_receiver.answer("AE")]) as receiver, Ris(RisConfig("127.0.0.1", receiver.port)) as ris:
        assert not accepted(ris.place(ORDER))


def test_a_misbehaving_sender_returns_what_it_was_answered() -> None:
    with MllpReceiver() as receiver, Ris(RisConfig("127.0.0.1", receiver.port)) as ris:
        assert misbehave("127.0.0.1", receiver.port, "repeat", ORDER, ris.envelope()).count(b"MSA|AA|") == 2
        assert misbehave("127.0.0.1", receiver.port, "cut-frame", ORDER, ris.envelope()) == b""


@pytest.mark.parametrize(("code", "verdict"), [(AckCode.AA, Verdict.DELIVERED), (AckCode.AR, Verdict.PARK)])
def test_the_status_listener_reads_what_a_destination_sends(code: AckCode, verdict: Verdict) -> None:
    heard: list[StatusReceived] = []
    listener = StatusListener("127.0.0.1", 0, heard.append, code)
    listener.start()
    config = Hl7DestinationConfig("ris", "127.0.0.1", listener.port, timeouts=Timeouts(2, 2, 5))
    destination = Hl7Destination(config)
    assert destination.deliver(notification()).verdict is verdict
    destination.close()
    listener.stop()
    assert heard == [StatusReceived("M7", "P1", "A1", "SC", "IP", "I")]


def test_a_status_listener_on_a_port_in_use_says_so() -> None:
    with MllpReceiver() as receiver:
        listener = StatusListener("127.0.0.1", receiver.port, lambda _: None)
        with pytest.raises(OSError, match=r"address already in use|Address already in use"):
            listener.start()
        listener.stop()


def test_a_device_sees_its_list_and_performs_an_exam() -> None:
    with provider(item("CT1", 1), item("MR1", 2)) as state:
        device = ct1(state)
        assert device.echo() == 0
        (found,) = device.worklist("20260704")
        assert len(device.worklist(station="")) == 2
        exam, begun = device.start(found, START)
        assert begun.status == 0
        assert device.complete(exam, START).status == 0
    (stored,) = state.performed.values()
    assert stored.PerformedProcedureStepStatus == "COMPLETED"
    assert stored.PatientName == "Müller^Jürgen"
    assert stored.ScheduledStepAttributesSequence[0].ScheduledProcedureStepID == "SPS1"
    assert state.queries[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate == "20260704"


def test_a_device_discontinues_with_a_reason() -> None:
    with provider(item("CT1", 1)) as state:
        device = ct1(state)
        exam, _ = device.start(device.worklist()[0])
        assert device.discontinue(exam, "110514").status == 0
    (stored,) = state.performed.values()
    assert stored.PerformedProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110514"


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        ("create-twice", [0, 0x0111]),
        ("set-after-end", [0, 0, 0x0110]),
        ("unknown-uid", [0x0112]),
        ("no-status", [0x0120]),
        ("completed-at-once", [0x0106]),
        ("no-series", [0, 0x0121]),
    ],
)
def test_a_misbehaving_device_is_refused_by_any_provider(kind: str, statuses: list[int]) -> None:
    with provider(item("CT1", 1)) as state:
        device = ct1(state)
        assert [answer.status for answer in device.misbehave(kind, device.worklist()[0])] == statuses


def test_every_misbehaviour_of_a_device_is_tried() -> None:
    assert len(MISBEHAVIOURS) == 6


@leaves_a_socket
def test_a_device_says_when_nobody_answers() -> None:
    device = Modality(ModalityConfig("CT1", "127.0.0.1", free_port()))
    with pytest.raises(NotReachable):
        device.echo()
    gc.collect()


@leaves_a_socket
def test_a_day_without_a_broker_goes_on_and_tells_every_problem() -> None:
    told: list[str] = []
    stop = threading.Event()

    def listen(line: str) -> None:
        told.append(line)
        if "CT1" in line and "MR1" in "".join(told):
            stop.set()

    config = DayConfig("127.0.0.1", free_port(), "127.0.0.1", free_port(), speed=1e9, joined_at=START)
    report = Day(config, listen).run(stop)
    assert not report.done
    assert report.problems == told
    assert told[0].endswith(": not accepted (ConnectionFailed)")
    assert any("CT1 starts" in line and "cannot be reached" in line for line in told)
    gc.collect()


def test_a_day_can_be_stopped() -> None:
    stop = threading.Event()
    with MllpReceiver() as receiver:
        config = DayConfig("127.0.0.1", receiver.port, "127.0.0.1", free_port(), joined_at=START)
        report = Day(config, lambda _: stop.set()).run(stop)
    assert sum(report.done.values()) == len(receiver.received) == 1


@pytest.mark.slow
def test_a_whole_day_goes_as_planned_and_the_ris_is_told_in_order(start_broker: StartBroker, tmp_path: Path) -> None:
    heard: list[StatusReceived] = []
    listener = StatusListener("127.0.0.1", 0, heard.append)
    listener.start()
    settings = tmp_path / "broker.toml"
    settings.write_text(
        f'[[destinations]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {listener.port}\n', encoding="utf-8"
    )
    broker = start_broker(arguments=("serve", "--config", str(settings)))
    config = DayConfig(
        "127.0.0.1", broker.ports["intake"], "127.0.0.1", broker.ports["dicom"], speed=1e9, joined_at=START
    )
    report = Day(config, lambda _: None).run(threading.Event())
    assert report.problems == []
    assert report.done[Act.ORDER] == report.done[Act.START] == 61
    # 59 orders begin and end once; one begins, returns to the list, begins and ends; the canceled one does neither
    until(lambda: len(heard) >= 59 * 2 + 4, timeout=20)
    listener.stop()
    told: dict[str, list[str]] = {}
    for status in heard:
        told.setdefault(status.accession_number, []).append(status.order_status)
    assert Counter(map(tuple, told.values())) == {("IP", "CM"): 57, ("IP", "DC"): 2, ("IP", "SC", "IP", "CM"): 1}
