"""`kill -9` between any two steps of the road, and a restart on the same data: nothing acknowledged is lost."""

from collections.abc import Callable

import pytest

from tests.peers.mllp_receiver import MllpReceiver, silent
from tests.peers.mllp_sender import exchange
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess
from tests.support.wait import until

UID = "2.25.4242"
FINAL = (0x0110, 0xA710)
"""Status and error ID of a performed step that may no longer be updated (PS3.4 F.7.2.2.2)."""
WAIT = 20.0


class Road:
    """The steps of the road on a broker, each checked by what was acknowledged."""

    def __init__(self, broker: BrokerProcess, receiver: MllpReceiver) -> None:
        self.broker = broker
        self.receiver = receiver

    @property
    def modality(self) -> Modality:
        return Modality(self.broker.ports["dicom"])

    def place(self) -> None:
        assert exchange(self.broker.ports["intake"], omi(1)).code == "AA"

    def ask(self) -> dict[str, str]:
        (item,) = self.modality.worklist("A1")
        return item

    def start(self) -> None:
        assert self.modality.start(self.ask(), UID).status == 0

    def told_started(self) -> None:
        self.wait_for_statuses("IP")

    def complete(self) -> None:
        assert self.modality.finish(UID).status == 0

    def told_completed(self) -> None:
        self.wait_for_statuses("IP", "CM")

    def wait_for_statuses(self, *statuses: str) -> None:
        until(lambda: self.statuses == list(statuses), WAIT, f"the receiver was told {statuses}")

    @property
    def statuses(self) -> list[str]:
        """What the receiver was told, repeats (the same MSH-10) counted once."""
        first = {message.control_id: message.field("ORC", 5) for message in self.receiver.received}
        return list(first.values())

    def kill_and_restart(self) -> None:
        self.broker.kill9()
        self.broker.start()


@pytest.fixture
def road(broker: BrokerProcess, receiver: MllpReceiver) -> Road:
    return Road(broker, receiver)


def test_a_kill_after_every_step_loses_nothing(road: Road) -> None:
    steps: tuple[Callable[[], object], ...] = (
        road.place, road.ask, road.start, road.told_started, road.complete, road.told_completed,
    )  # fmt: skip
    for step in steps:
        step()
        road.kill_and_restart()
    _check_the_end(road)


def test_a_kill_at_once_after_each_acknowledgement_loses_nothing(road: Road) -> None:
    """No step is waited for but by its acknowledgement, so notifications are in flight when the broker dies."""
    for step in (road.place, road.start, road.complete):
        step()
        road.kill_and_restart()
    road.wait_for_statuses("IP", "CM")
    _check_the_end(road)


def _check_the_end(road: Road) -> None:
    assert road.modality.worklist() == []
    again = road.modality.finish(UID, "DISCONTINUED")
    assert (again.status, again.error_id) == FINAL
    assert road.modality.start(_item(), UID).status == 0x0111
    repeated = exchange(road.broker.ports["intake"], omi(1))
    assert repeated.code == "AA"
    assert road.modality.worklist() == [], "a message that was applied before takes effect again"
    assert road.statuses == ["IP", "CM"]


def _item() -> dict[str, str]:
    names = ("AccessionNumber", "StudyInstanceUID", "RequestedProcedureID", "ScheduledProcedureStepID")
    return {**dict.fromkeys(names, "1"), "PatientName": "TELLER^Zoë", "PatientID": "P1"}


def test_a_notification_in_doubt_is_repeated_with_the_same_control_id(road: Road, receiver: MllpReceiver) -> None:
    receiver.behave_next(silent)
    road.place()
    road.start()
    road.complete()
    until(lambda: receiver.received, WAIT, "the first notification is out")
    road.kill_and_restart()
    road.wait_for_statuses("IP", "CM")
    identifiers = receiver.control_ids
    assert identifiers[0] == identifiers[1], "the repeat has another control id"
    assert [message.field("ORC", 5) for message in receiver.received][:2] == ["IP", "IP"]


def test_what_waited_for_a_receiver_that_was_away_is_told_in_order_after_a_kill(
    road: Road, receiver: MllpReceiver
) -> None:
    port = receiver.port
    receiver.close()
    road.place()
    road.start()
    road.complete()
    road.kill_and_restart()
    with MllpReceiver(port=port) as back:
        road.receiver = back
        road.wait_for_statuses("IP", "CM")
