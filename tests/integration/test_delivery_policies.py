"""What a site may choose for a destination: the latest only, a pace, holding it, files, messages handed on."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.delivery import cloud_event
from broker.delivery.base import CannotRender, Destination, RetryPlan
from broker.delivery.cloud_event import EventStyle
from broker.delivery.file import Content, FileDestination
from broker.delivery.hl7 import Hl7Destination, Hl7DestinationConfig, render_for
from broker.delivery.hl7_check import sample
from broker.delivery.hl7_message import Profile
from broker.delivery.sender import Sender, SenderConfig
from broker.delivery.tls import TlsFiles, client_context
from broker.domain.errors import Refusal
from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import DestinationRule, Forwards, Holding, NotificationState
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.mapping_file import load_mapping
from broker.services import delivering, destinations, forwarding, outbox
from broker.services.context import Context
from broker.services.delivering import Claimant
from broker.store.database import Database
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.order_messages import omi
from tests.peers.orders import happen, make_context, place
from tests.support.certificates import self_signed
from tests.support.wait import until

STARTED, COMPLETED, RETURNED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED, FactKind.ORDER_RETURNED
DELIVERED, PARKED, PENDING = NotificationState.DELIVERED, NotificationState.PARKED, NotificationState.PENDING
SKIPPED = NotificationState.SKIPPED
LEASE = timedelta(seconds=60)
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
ANNA = Actor(Source.PERSON, "anna")
Start = Callable[..., Sender]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, "ris", clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    database.close()


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sender(*receivers: Destination, rate: float = 0.0) -> Sender:
            rates = {receiver.name: rate for receiver in receivers if rate}
            sender = Sender(context, receivers, SenderConfig("one", QUICK, tick=0.05, rest=0.01, rates=rates))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def hl7(port: int) -> Hl7Destination:
    return Hl7Destination(Hl7DestinationConfig("ris", "127.0.0.1", port))


def ruled(context: Context, rule: DestinationRule) -> Context:
    return replace(context, site=replace(context.site, destinations=(rule,)))


def states(context: Context) -> list[NotificationState]:
    return [e.state for e in reversed(outbox.list_notifications(context))]


def hold_of(context: Context) -> Holding | None:
    hold = destinations.statuses(context)[0].hold
    return hold.how if hold else None


def test_the_latest_replaces_what_waits_but_not_what_is_parked_or_in_hand(context: Context) -> None:
    used = ruled(context, DestinationRule("ris", latest_only=True))
    first, second = place(used, 1), place(used, 2)
    happen(used, first, STARTED)
    happen(used, second, STARTED)
    happen(used, first, RETURNED, STARTED)
    assert states(used) == [SKIPPED, PENDING, SKIPPED, PENDING]
    oldest = outbox.list_notifications(used)[-1]
    assert [(a.result, a.detail) for a in outbox.attempts(used, oldest.key)] == [
        ("superseded", "a newer one replaced it")
    ]
    outbox.park(used, outbox.list_notifications(used)[0].key, ANNA)
    claimed = delivering.claim(used, "ris", Claimant("one/ris", LEASE), 9)
    assert [entry.request_key for entry in claimed] == [second]
    happen(used, first, COMPLETED)
    happen(used, second, COMPLETED)
    assert states(used) == [SKIPPED, PENDING, SKIPPED, PARKED, PENDING, PENDING]


def test_without_that_choice_everything_is_told(context: Context) -> None:
    happen(context, place(context, 1), STARTED, RETURNED, STARTED)
    assert states(context) == [PENDING] * 3


def test_a_paused_destination_is_sent_nothing_until_it_is_resumed(context: Context, start: Start) -> None:
    destinations.pause(context, "ris", ANNA, "moving house")
    (status,) = destinations.statuses(context)
    assert status.hold is not None
    assert (status.hold.how, status.hold.reason, status.hold.held_by) == (Holding.PAUSED, "moving house", "anna")
    happen(context, place(context, 1), STARTED, COMPLETED)
    assert delivering.claim(context, "ris", Claimant("one/ris", LEASE), 9) == []
    with MllpReceiver() as receiver:
        start(hl7(receiver.port))
        assert destinations.resume(context, "ris")
        until(lambda: states(context) == [DELIVERED, DELIVERED])
        assert len(receiver.received) == 2
    assert hold_of(context) is None
    assert not destinations.resume(context, "ris")


def test_a_drained_destination_is_sent_what_waited_and_no_more(context: Context, start: Start) -> None:
    first = place(context, 1)
    happen(context, first, STARTED)
    destinations.drain(context, "ris", ANNA)
    happen(context, first, COMPLETED)
    happen(context, place(context, 2), STARTED)
    with MllpReceiver() as receiver:
        sender = start(hl7(receiver.port))
        until(lambda: states(context) == [DELIVERED, PENDING, PENDING])
        assert delivering.claim(context, "ris", Claimant("two/ris", LEASE), 9) == []
        destinations.resume(context, "ris")
        until(lambda: states(context) == [DELIVERED] * 3)
        sender.stop()


@pytest.mark.parametrize("act", [destinations.pause, destinations.drain])
def test_an_unknown_destination_is_told_so(context: Context, act: Callable[..., None]) -> None:
    with pytest.raises(Refusal, match="there is no destination 'pacs'; known are: ris"):
        act(context, "pacs", ANNA)
    with pytest.raises(Refusal, match="'pacs'"):
        destinations.resume(context, "pacs")


def test_a_rate_is_kept(context: Context, start: Start) -> None:
    for number in range(1, 7):
        happen(context, place(context, number), STARTED)
    with MllpReceiver() as receiver:
        began = time.monotonic()
        start(hl7(receiver.port), rate=10.0)
        until(lambda: states(context) == [DELIVERED] * 6, timeout=10)
        assert time.monotonic() - began >= 0.5
        assert len(receiver.received) == 6


def test_files_appear_whole_in_order_and_a_missing_folder_is_waited_for(
    context: Context, start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    content = Content(".json", lambda n: cloud_event.encode(n, EventStyle("Radiology")))
    start(FileDestination("ris", folder, content))
    happen(context, place(context, 1), STARTED, COMPLETED)
    until(lambda: outbox.list_notifications(context)[-1].attempts)
    assert outbox.list_notifications(context)[-1].last_error == "No such file or directory"
    folder.mkdir()
    until(lambda: states(context) == [DELIVERED] * 2)
    names = sorted(path.name for path in folder.iterdir())
    told = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    assert [event["type"] for event in told] == ["worklist-broker.order.started", "worklist-broker.order.completed"]
    assert [name.rpartition("-")[2] for name in names] == [f"{event['id']}.json" for event in told]
    assert told[0]["sequence"] < told[1]["sequence"]


def test_a_file_may_hold_an_hl7_message(tmp_path: Path) -> None:
    destination = FileDestination("ris", tmp_path, Content(".hl7", lambda n: render_for(n, Profile())))
    destination.deliver(sample())
    (written,) = tmp_path.iterdir()
    assert written.suffix == ".hl7"
    assert written.read_bytes().startswith(b"MSH|^~\\&|BROKER|")
    assert str(written) in destination.preview(sample())


def test_a_fact_without_a_message_is_parked_not_lost() -> None:
    destination = Hl7Destination(Hl7DestinationConfig("ris", "127.0.0.1", 1))
    outcome = destination.deliver(sample(FactKind.PATIENT_MERGED))
    assert outcome.detail == "cannot be written for this destination: patient.merged has no HL7 status message"
    with pytest.raises(CannotRender):
        destination.preview(sample(FactKind.PATIENT_MERGED))


def test_orders_are_handed_on_as_received_once_and_in_order(context: Context, start: Start) -> None:
    rules = (
        DestinationRule("ris", events=frozenset(), forwards=Forwards.MESSAGES),
        DestinationRule("other", events=frozenset(), forwards=Forwards.MESSAGES, senders=frozenset({"his"})),
        DestinationRule("us", events=frozenset(), forwards=Forwards.MESSAGES, modalities=frozenset({"US"})),
    )
    used = replace(context, site=replace(context.site, destinations=rules))
    handler = MessageHandler(HandlerConfig(), used, {"ihe-swf": load_mapping("ihe-swf")})
    change = omi(1, ORC="ORC|XO|PL1^HIS|FI1^RIS||SC").replace(b"|C1|", b"|C9|")
    for sent in (omi(1), omi(2), change, change, b"MSH|^~\\&|RIS|HOSP|||2026||OMI^O23|C5|P|2.5.1\r"):
        assert handler.answer(sent, "127.0.0.1") is not None
    assert [e.destination for e in outbox.list_notifications(used)] == ["ris"] * 3
    with MllpReceiver() as receiver:
        raw = lambda payload: forwarding.raw_message(used, payload)  # noqa: E731
        destination = Hl7Destination(Hl7DestinationConfig("ris", "127.0.0.1", receiver.port, raw=raw))
        start(destination)
        until(lambda: states(used) == [DELIVERED] * 3)
    assert sorted(m.raw for m in receiver.received) == sorted([omi(1), omi(2), change])
    assert [m.raw for m in receiver.received if b"PL1^HIS" in m.raw] == [omi(1), change]
    assert destination.preview(outbox.list_notifications(used)[-1]).startswith("MSH|^~\\&|RIS|")


def test_hl7_over_tls_only_to_a_receiver_whose_certificate_is_believed(
    context: Context, start: Start, tmp_path: Path
) -> None:
    made = self_signed(tmp_path)
    trusting = client_context(TlsFiles(str(made.certificate)))
    with MllpReceiver(context=made.server_context()) as receiver:
        happen(context, place(context, 1), STARTED)
        config = Hl7DestinationConfig("ris", "127.0.0.1", receiver.port, ssl_context=client_context(TlsFiles()))
        sender = start(Hl7Destination(config))
        until(lambda: outbox.list_notifications(context)[0].attempts)
        sender.stop()
        assert receiver.received == []
        start(Hl7Destination(replace(config, ssl_context=trusting)))
        until(lambda: states(context) == [DELIVERED])
    assert len(receiver.received) == 1
