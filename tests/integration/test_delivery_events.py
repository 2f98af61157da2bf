"""Events of performed steps told to foreign users of MPPS Notification: roles, order, answers, and lines kept open."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStepNotification  # type: ignore[attr-defined]

from broker.delivery.base import RetryPlan
from broker.delivery.mpps_event import DialledLine, KeptLine, Line, MppsEventDestination, NobodyPresent
from broker.delivery.sender import Sender, SenderConfig
from broker.dicom import reactor_gate, scu
from broker.dicom.subscribers import Subscribers
from broker.domain.model import FactKind
from broker.domain.notifications import DestinationRule, Forwards, NotificationState
from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.services import outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.integration import mpps_peer
from tests.integration.mpps_peer import Peer
from tests.integration.upper_layer.acceptor import Acceptor, running
from tests.peers.event_receiver import EventReceiver, event_receiver
from tests.support import exams
from tests.support.wait import until

DELIVERED, PARKED, PENDING = NotificationState.DELIVERED, NotificationState.PARKED, NotificationState.PENDING
SKIPPED = NotificationState.SKIPPED
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
NOTIFICATION = "1.2.840.10008.3.1.2.3.5"
UPDATE: dict[str, object] = {"PerformedProcedureStepDescription": "CT head, again"}
Start = Callable[..., Sender]


def rule(name: str = "viewer", **more: Any) -> DestinationRule:
    return DestinationRule(name, "mpps_event", frozenset(), forwards=Forwards.EVENTS, **more)


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    made = mpps_peer.new_context(database, PerformedPolicy(frozenset({Quirk.FINAL_AT_CREATE, Quirk.NOT_CREATED})))
    yield replace(made, site=replace(made.site, destinations=(rule(),)), clock=lambda: datetime.now(UTC))
    database.close()


def dialled(port: int) -> Line:
    return DialledLine(scu.Peer("127.0.0.1", port, "VIEWER", "BROKER", connect_timeout=2, answer_timeout=2))


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sender(*lines: Line, used: Context = context, names: tuple[str, ...] = ("viewer",)) -> Sender:
            destinations = [MppsEventDestination(name, line) for name, line in zip(names, lines, strict=True)]
            sender = Sender(used, destinations, SenderConfig("one", QUICK, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def states(context: Context) -> list[NotificationState]:
    return [e.state for e in reversed(outbox.list_notifications(context))]


def settled(context: Context, *wanted: NotificationState) -> Callable[[], bool]:
    return lambda: states(context) == list(wanted)


def told(receiver: EventReceiver, uid: str = "1.9.1") -> list[int]:
    return [t.event_type for t in receiver.told if t.uid == uid]


def test_the_life_of_a_performed_step(context: Context, start: Start) -> None:
    """PS3.4 Table F.9.2-1; no Event Information, class and instance as F.9.2.2 says."""
    with event_receiver() as receiver:
        start(dialled(receiver.port))
        device = Peer(context)
        key = device.order()
        for act in (device.create, lambda: device.set(values=UPDATE), device.set):
            assert act().status == 0
            waiting = len(states(context))
            until(settled(context, *[DELIVERED] * waiting))
        device.create("1.9.2", exams.create([exams.reference("99")]))
        device.set("1.9.2", exams.final("DISCONTINUED") | exams.reason("110513"))
        until(settled(context, *[DELIVERED] * 5))
    assert (told(receiver), told(receiver, "1.9.2")) == ([1, 4, 2], [1, 3])
    assert {(t.sop_class, t.calling_ae_title, t.information) for t in receiver.told} == {(NOTIFICATION, "BROKER", b"")}
    receipts = [f for f in device.facts(FactKind.NOTIFICATION_DELIVERED) if f.request_id == key]
    assert [f.data["answer"] for f in receipts] == ["0x0000"] * 3


def test_a_step_that_begins_and_ends_at_once_is_two_events(context: Context, start: Start) -> None:
    with event_receiver() as receiver:
        start(dialled(receiver.port))
        Peer(context).create(values=exams.create() | exams.final())
        until(settled(context, DELIVERED, DELIVERED))
    assert told(receiver) == [1, 2]


@pytest.mark.parametrize(
    ("role", "why"), [("ignored", "without our role as its provider"), ("refused", "not in the role that we proposed")]
)
def test_without_our_role_nothing_is_sent_and_it_is_said_why(
    context: Context, start: Start, role: str, why: str
) -> None:
    """PS3.7 D.3.3.4: an answer without role selection leaves the default roles in force."""
    with event_receiver(role=role) as receiver:
        sender = start(dialled(receiver.port))
        Peer(context).create()
        until(lambda: outbox.list_notifications(context)[0].attempts > 1)
        sender.stop()
    assert receiver.told == []
    assert receiver.associations > 0
    assert states(context) == [PENDING]
    assert why in outbox.list_notifications(context)[0].last_error


def test_a_receiver_that_mends_its_roles_gets_what_waited(context: Context, start: Start) -> None:
    device = Peer(context)
    with event_receiver(role="ignored") as receiver:
        sender = start(dialled(receiver.port))
        device.create()
        until(lambda: outbox.list_notifications(context)[0].attempts)
        sender.stop()
    with event_receiver() as receiver:
        start(dialled(receiver.port))
        device.set()
        until(settled(context, DELIVERED, DELIVERED))
    assert told(receiver) == [1, 2]


def test_only_the_newest_update_is_told_and_order_is_kept(context: Context, start: Start) -> None:
    device = Peer(context)
    device.create()
    device.create("1.9.2")
    for number in range(3):
        device.set(values={"PerformedProcedureStepDescription": f"update {number}"})
    device.set("1.9.2", UPDATE)
    assert states(context) == [PENDING, PENDING, SKIPPED, SKIPPED, PENDING, PENDING]
    device.set()
    # the end says more than any update before it; that of another step is its own matter
    assert states(context) == [PENDING, PENDING, SKIPPED, SKIPPED, SKIPPED, PENDING, PENDING]
    with event_receiver([0x0110, 0x0213]) as receiver:
        start(dialled(receiver.port))
        until(settled(context, DELIVERED, DELIVERED, SKIPPED, SKIPPED, SKIPPED, DELIVERED, DELIVERED))
    assert list(dict.fromkeys(told(receiver))) == [1, 2]
    assert list(dict.fromkeys(told(receiver, "1.9.2"))) == [1, 4]
    assert outbox.attempts(context, 3)[0].result == "superseded"


def test_events_and_filters_choose(context: Context) -> None:
    destinations = (
        rule("ends", kinds=frozenset({FactKind.PERFORMED_COMPLETED, FactKind.PERFORMED_DISCONTINUED})),
        rule("ct", modalities=frozenset({"CT"})), rule("mr", modalities=frozenset({"MR"})),
        rule("ris", senders=frozenset({"ris"})),
    )  # fmt: skip
    used = replace(context, site=replace(context.site, destinations=destinations))
    device = Peer(used)
    device.create()
    device.set(values=UPDATE)
    device.set()
    kinds: dict[str, list[str]] = {}
    for entry in reversed(outbox.list_notifications(used)):
        kinds.setdefault(entry.destination, []).append(entry.kind.value)
    assert kinds == {
        "ends": ["performed.completed"],
        "ct": ["performed.started", "performed.updated", "performed.completed"],
    }


def test_an_event_that_is_refused_waits_for_a_person(context: Context, start: Start) -> None:
    with event_receiver([0x0113]) as receiver:
        device = Peer(context)
        device.create()
        device.set()
        device.create("1.9.2")
        start(dialled(receiver.port))
        until(settled(context, PARKED, PENDING, DELIVERED))
    assert (told(receiver), told(receiver, "1.9.2")) == ([1], [1])
    assert "0x0113" in outbox.list_notifications(context)[-1].last_error


def test_what_may_pass_is_tried_again(context: Context, start: Start) -> None:
    with event_receiver([0x0110, 0x0112]) as receiver:
        start(dialled(receiver.port))
        Peer(context).create()
        until(settled(context, DELIVERED))
    assert told(receiver) == [1, 1, 1]


def test_a_receiver_that_never_learns_of_the_step_stops_being_asked(context: Context, start: Start) -> None:
    with event_receiver([0x0112] * 9) as receiver:
        start(dialled(receiver.port))
        Peer(context).create()
        until(settled(context, PARKED))
    assert told(receiver) == [1] * 5


def test_several_receivers_and_a_dead_one(context: Context, start: Start) -> None:
    used = replace(context, site=replace(context.site, destinations=(rule("one"), rule("two"), rule("dead"))))
    with event_receiver() as one, event_receiver() as two, socket.create_server(("127.0.0.1", 0)) as silent:
        lines = (dialled(one.port), dialled(two.port), dialled(silent.getsockname()[1]))
        sender = start(*lines, used=used, names=("one", "two", "dead"))
        device = Peer(used)
        assert device.create().status == device.set().status == 0
        until(lambda: told(one) == told(two) == [1, 2])
        assert {e.state for e in outbox.list_notifications(used, outbox.Filter("dead"))} == {PENDING}
        sender.stop(0.1)


def test_a_receiver_with_another_name_is_a_matter_of_settings(context: Context, start: Start) -> None:
    with event_receiver(called="SOMEBODY") as receiver:
        sender = start(dialled(receiver.port))
        Peer(context).create()
        until(lambda: outbox.list_notifications(context)[0].attempts)
        sender.stop()
    assert "association rejected" in outbox.list_notifications(context)[0].last_error


@contextmanager
def viewer(acceptor: Acceptor, told: list[tuple[int, str]]) -> Iterator[None]:
    """A device on plain pynetdicom that calls us and listens."""
    entity = AE("VIEWER")
    entity.add_requested_context(ModalityPerformedProcedureStepNotification)

    def take(event: evt.Event) -> tuple[int, None]:
        request: Any = event.request
        told.append((int(request.EventTypeID), str(request.AffectedSOPInstanceUID)))
        return 0, None

    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, take)]
    association = entity.associate("127.0.0.1", acceptor.port, ae_title="BROKER", evt_handlers=handlers)
    assert association.is_established
    reactor_gate.guard(association)
    until(lambda: acceptor.subscribers.is_there("VIEWER"))
    try:
        yield
    finally:
        association.release()
        association.join()


def test_a_device_that_calls_us_is_told_on_its_own_association(context: Context, start: Start) -> None:
    heard: list[tuple[int, str]] = []
    with running() as acceptor:
        line = KeptLine(acceptor.subscribers, "VIEWER", 5.0)
        sender = start(line)
        acceptor.subscribers.on_join(sender.wake)
        device = Peer(context)
        device.create()
        with viewer(acceptor, heard):
            until(settled(context, DELIVERED))
            device.set(values=UPDATE)
            until(settled(context, DELIVERED, DELIVERED))
        until(lambda: not line.is_open)
        device.set()
        # nobody is there: nothing is tried and nothing is lost
        with viewer(acceptor, heard):
            until(settled(context, DELIVERED, DELIVERED, DELIVERED))
        assert [e.attempts for e in outbox.list_notifications(context)] == [1, 1, 1]
    assert heard == [(1, "1.9.1"), (4, "1.9.1"), (2, "1.9.1")]


def test_while_nobody_calls_entries_wait_untouched(context: Context, start: Start) -> None:
    looked = threading.Event()

    class Present(NobodyPresent):
        def is_there(self, ae_title: str) -> bool:
            looked.set()
            return super().is_there(ae_title)

    start(KeptLine(Present(), "VIEWER", 1.0))
    Peer(context).create()
    looked.clear()
    assert looked.wait(10)
    assert [(e.state, e.attempts) for e in outbox.list_notifications(context)] == [(PENDING, 0)]


def test_previews(context: Context) -> None:
    Peer(context).create()
    (entry,) = outbox.list_notifications(context)
    called = MppsEventDestination("viewer", dialled(104)).preview(entry)
    assert called == "N-EVENT-REPORT 1 (in progress) about 1.9.1, to VIEWER at 127.0.0.1:104"
    kept = MppsEventDestination("viewer", KeptLine(Subscribers(), "VIEWER", 5)).preview(entry)
    assert kept.endswith("to VIEWER on the association it keeps open (not connected now)")
