"""The sender against real receivers, good and bad: what is sent, what each answer means, order, restarts, sharing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from broker.delivery.base import RetryPlan
from broker.delivery.hl7 import Hl7Destination, Hl7DestinationConfig
from broker.delivery.hl7_message import Profile
from broker.delivery.sender import Sender, SenderConfig
from broker.domain.model import Actor, FactKind, Identifier, Patient, Source
from broker.domain.notifications import NotificationState
from broker.services import delivering, destinations, outbox
from broker.services.context import Context
from broker.services.delivering import Claimant
from broker.store import orders, patients
from broker.store.database import Database
from hl7.client import Timeouts
from tests.peers import mllp_receiver as peer
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.orders import START, happen, make_context, place
from tests.support.ports import free_port
from tests.support.wait import until

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
DELIVERED, PARKED, PENDING = NotificationState.DELIVERED, NotificationState.PARKED, NotificationState.PENDING
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
LONG_LEASE = timedelta(hours=1)
"""Longer than any test: only giving it back helps."""
ANNA = Actor(Source.PERSON, "anna")
StartSender = Callable[..., Sender]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, "ris", clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    database.close()


def destination(port: int, name: str = "ris", answer: float = 0.3) -> Hl7Destination:
    profile = Profile(sending_facility="RAD", receiving_application="HIS")
    return Hl7Destination(
        Hl7DestinationConfig(name, "127.0.0.1", port, profile, Timeouts(connect=1, send=1, answer=answer))
    )


@pytest.fixture
def start(context: Context) -> Iterator[StartSender]:
    with ExitStack() as stack:

        def start_sender(
            *ports: int, owner: str = "one", retry: RetryPlan = QUICK, used: Context = context, **options
        ) -> Sender:
            destinations = [destination(port, **options) for port in ports]
            sender = Sender(used, destinations, SenderConfig(owner, retry, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def states(context: Context) -> list[NotificationState]:
    return [e.state for e in reversed(outbox.list_notifications(context, outbox.Filter(limit=10_000)))]


def delivered(context: Context, count: int) -> Callable[[], bool]:
    return lambda: states(context).count(DELIVERED) == count


def test_a_status_message_arrives_and_its_receipt_is_kept(context: Context, start: StartSender) -> None:
    with MllpReceiver() as receiver:
        start(receiver.port)
        happen(context, place(context, 1), STARTED)
        until(delivered(context, 1))
    (message,) = receiver.received
    (entry,) = outbox.list_notifications(context)
    assert message.control_id == entry.message_id
    assert (message.field("ORC", 1), message.field("ORC", 5), message.field("OBR", 25)) == ("SC", "IP", "I")
    (attempt,) = outbox.attempts(context, entry.key)
    assert attempt.answer is not None
    assert f"MSA|AA|{entry.message_id}".encode() in attempt.answer


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (peer.answer("AE", "busy"), "AE | busy"),
        (peer.answer("CE"), "CE"),
        (peer.wrong_control_id, "the answer is to another message (MSA-2 is 'ANOTHER')"),
        (peer.silent, "no answer: none within 0.3 s"),
        (peer.hang_up, "no answer: the peer closed the connection"),
        (peer.half_an_answer, "no answer: the peer closed the connection"),
        (peer.drip, "no answer: none within 0.3 s"),
        (peer.garbage, "the answer cannot be read"),
    ],
    ids=["AE", "CE", "wrong MSA-2", "silent", "hang up", "half an answer", "drip", "garbage"],
)
def test_what_is_not_accepted_is_sent_again_with_the_same_id(
    context: Context, start: StartSender, bad: peer.Behaviour, words: str
) -> None:
    with MllpReceiver([bad, bad]) as receiver:
        start(receiver.port)
        happen(context, place(context, 1), STARTED, COMPLETED)
        until(delivered(context, 2))
    first, second, third, fourth = receiver.control_ids
    assert first == second == third != fourth
    assert len({m.raw for m in receiver.received[:3]}) == 1
    entry = outbox.list_notifications(context)[-1]
    tries = outbox.attempts(context, entry.key)
    assert [a.result for a in tries] == ["failed", "failed", "delivered"]
    assert tries[0].detail.startswith(words)


@pytest.mark.parametrize("code", ["AR", "CR"])
def test_a_refused_message_is_parked_and_blocks_only_its_own_order(
    context: Context, start: StartSender, code: str
) -> None:
    first, second = place(context, 1), place(context, 2)
    happen(context, first, STARTED, COMPLETED)
    happen(context, second, STARTED, COMPLETED)
    with MllpReceiver([peer.answer(code, "unknown order")]) as receiver:
        start(receiver.port)
        until(delivered(context, 2))
        assert states(context) == [PARKED, PENDING, DELIVERED, DELIVERED]
        assert outbox.list_notifications(context)[-1].last_error == f"{code} | unknown order"
        until(lambda: outbox.retry_parked(context, "ris", ANNA))
        until(delivered(context, 4))
    assert [m.field("OBR", 25) for m in receiver.received if m.field("ORC", 2) == "P1^HIS"] == ["I", "I", "R"]


def test_a_receiver_that_is_away_gets_everything_in_order_when_it_returns(context: Context, start: StartSender) -> None:
    port = free_port()
    start(port)
    keys = [place(context, number) for number in range(1, 6)]
    for kind in (STARTED, COMPLETED):
        for key in keys:
            happen(context, key, kind)
    until(lambda: any(e.attempts for e in outbox.list_notifications(context)))
    with MllpReceiver(port=port) as receiver:
        until(delivered(context, 10), timeout=10)
    for number in range(1, 6):
        told = [m.field("ORC", 5) for m in receiver.received if m.field("ORC", 2) == f"P{number}^HIS"]
        assert told == ["IP", "CM"]
    assert len(set(receiver.control_ids)) == 10


def test_a_receiver_that_never_answers_is_asked_for_one_of_all_that_waits_at_a_time(
    context: Context, start: StartSender
) -> None:
    """The breaker: it is tried as often as its back-off says, not once for every order that waits."""
    for number in range(1, 21):
        happen(context, place(context, number), STARTED)
    with MllpReceiver(after=peer.silent) as receiver:
        sender = start(receiver.port, retry=RetryPlan(first=30, ceiling=60), answer=0.2)
        until(lambda: destinations.find(context, "ris").condition.failures)
        ris = destinations.find(context, "ris")
        sender.wake()
        assert (ris.standing, ris.condition.failures, ris.waiting.pending) == ("not answering", 1, 20)
        assert ris.condition.retry_at is not None
        assert ris.condition.retry_at - context.clock() > timedelta(seconds=15)
        sender.stop(0.5)
        assert len(receiver.received) == 1


def test_one_connection_serves_many_messages(context: Context, start: StartSender) -> None:
    with MllpReceiver() as receiver:
        start(receiver.port)
        for number in range(1, 8):
            happen(context, place(context, number), STARTED, COMPLETED)
        until(delivered(context, 14))
        assert receiver.connections == 1


def test_a_connection_the_receiver_closed_between_messages_is_opened_anew(context: Context, start: StartSender) -> None:
    def answer_then_close(conversation: peer.Conversation, received: peer.Received) -> bool:
        peer.GOOD(conversation, received)
        return False

    with MllpReceiver(after=answer_then_close) as receiver:
        start(receiver.port)
        for number in (1, 2, 3):
            happen(context, place(context, number), STARTED)
            until(delivered(context, number))
        assert receiver.connections == 3
    assert len(receiver.received) == len(set(receiver.control_ids)) == 3


def test_a_late_answer_is_not_taken_for_the_next_message(context: Context, start: StartSender) -> None:
    with MllpReceiver([peer.wait_for_release]) as receiver:
        start(receiver.port)
        happen(context, place(context, 1), STARTED, COMPLETED)
        until(lambda: len(receiver.received) > 1)
        receiver.released.set()
        until(delivered(context, 2))
    assert receiver.received[0].connection != receiver.received[1].connection
    assert receiver.control_ids[0] == receiver.control_ids[1] != receiver.control_ids[2]


def test_a_dead_destination_does_not_delay_another(database_url: str, start: StartSender) -> None:
    database = Database(database_url)
    context = make_context(database, "ris", "dead", clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    with MllpReceiver() as receiver, MllpReceiver(after=peer.silent) as silent:
        sender = Sender(
            context, [destination(receiver.port), destination(silent.port, "dead", answer=20)],
            SenderConfig("one", QUICK, tick=0.05),
        )  # fmt: skip
        sender.start()
        happen(context, place(context, 1), STARTED, COMPLETED)
        until(delivered(context, 2))
        until(lambda: len(silent.received) == 1)
        assert sender.stop(grace=0.1), "an unanswered delivery must not hold up the stop"
    database.close()


def test_what_was_in_hand_at_a_crash_is_sent_again_at_once_after_the_restart(
    context: Context, start: StartSender
) -> None:
    happen(context, place(context, 1), STARTED, COMPLETED)
    crashed = Claimant("one/ris", LONG_LEASE)
    assert len(delivering.claim(context, "ris", crashed, 16)) == 1
    with MllpReceiver() as receiver:
        start(receiver.port, owner="one")
        until(delivered(context, 2))
    assert [m.field("ORC", 5) for m in receiver.received] == ["IP", "CM"]


def test_a_graceful_stop_finishes_what_is_in_hand_and_keeps_the_rest(context: Context, start: StartSender) -> None:
    for number in (1, 2, 3):
        happen(context, place(context, number), STARTED)
    with MllpReceiver([peer.wait_for_release]) as receiver:
        sender = start(receiver.port, answer=10)
        until(lambda: receiver.received)
        stopper = threading.Thread(target=sender.stop)
        stopper.start()
        receiver.released.set()
        stopper.join(10)
    assert states(context) == [DELIVERED, PENDING, PENDING]
    other = Claimant("another/ris", LONG_LEASE)
    assert len(delivering.claim(context, "ris", other, 16)) == 2, "the leases were given back"


def test_a_text_that_does_not_fit_the_receivers_set_is_written_plainly_or_parked(context: Context) -> None:
    def rename(key: int, name: str) -> None:
        def work(connection) -> None:
            patient_key = orders.load(connection, key).patient_key
            identifier = (Identifier(f"4711-{key}", "HOSP"),)
            patients.save(connection, Patient(identifier, {"PatientName": name}, patient_key), START)

        context.database.write(work)

    names = ["Müller^José", "Yamada^Taro=山田^太郎", "Иванов^Пётр"]
    for number, name in enumerate(names, 1):
        key = place(context, number)
        rename(key, name)
        happen(context, key, STARTED)
    with MllpReceiver() as receiver:
        config = Hl7DestinationConfig("ris", "127.0.0.1", receiver.port, Profile(charset="ASCII"))
        sender = Sender(context, [Hl7Destination(config)], SenderConfig("one", QUICK, tick=0.05))
        sender.start()
        until(lambda: PENDING not in states(context))
        sender.stop()
    assert states(context) == [DELIVERED, DELIVERED, PARKED]
    assert [m.field("PID", 5) for m in receiver.received] == ["Muller^Jose", "Yamada^Taro"]
    assert "UNICODE UTF-8" in outbox.list_notifications(context)[0].last_error


def test_a_fault_of_the_broker_parks_the_entry_without_quoting_it(
    context: Context, start: StartSender, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty:
        name, patience = "ris", 1.0

        def deliver(self, notification):
            raise ValueError("PatientName is SECRET^PATIENT")

        def preview(self, notification):
            return ""

        def close(self) -> None: ...

        def interrupt(self) -> None: ...

    sender = Sender(context, [Faulty()], SenderConfig("one", QUICK, tick=0.05))
    sender.start()
    happen(context, place(context, 1), STARTED)
    until(lambda: states(context) == [PARKED])
    sender.stop()
    (entry,) = outbox.list_notifications(context)
    assert entry.last_error.startswith("fault in the broker: ValueError at deliver:")
    assert "SECRET" not in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.postgres
def test_two_sender_processes_share_the_work_and_keep_the_order(postgres_url: str) -> None:
    databases = [Database(postgres_url), Database(postgres_url)]
    contexts = [make_context(d, "ris", clock=lambda: datetime.now(UTC)) for d in databases]  # type: ignore[arg-type]
    with MllpReceiver() as receiver:
        senders = [
            Sender(context, [destination(receiver.port)], SenderConfig(owner, QUICK, tick=0.02, rest=0.005, batch=2))
            for owner, context in zip(("one", "two"), contexts, strict=True)
        ]
        keys = [place(contexts[0], number) for number in range(1, 31)]
        for kind in (STARTED, FactKind.ORDER_RETURNED, COMPLETED):
            for key in keys:
                happen(contexts[0], key, kind)
        for sender in senders:
            sender.start()
        until(delivered(contexts[0], 90), timeout=20)
        for sender in senders:
            sender.stop()
    for database in databases:
        database.close()
    assert len(receiver.control_ids) == len(set(receiver.control_ids)) == 90
    assert len({m.connection for m in receiver.received}) == 2
    for number in range(1, 31):
        told = [m.field("ORC", 5) for m in receiver.received if m.field("ORC", 2) == f"P{number}^HIS"]
        assert told == ["IP", "SC", "CM"]


def test_two_destinations_of_one_name_are_refused(context: Context) -> None:
    with pytest.raises(ValueError, match="same name"):
        Sender(context, [destination(1), destination(2)], SenderConfig("one"))


def test_the_log_says_the_kind_of_failure_and_never_the_receivers_words(
    context: Context, start: StartSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "broker.delivery.sender")
    script = [peer.answer("AE", "MEIER^EVA is busy"), peer.silent, peer.answer("AR", "no MEIER^EVA here")]
    with MllpReceiver(script) as receiver:
        start(receiver.port)
        happen(context, place(context, 1), STARTED)
        until(lambda: states(context) == [PARKED])
    said = [record.getMessage().partition(" to ris: ")[2].partition(",")[0] for record in caplog.records]
    assert [words for words in said if words] == ["retry (AE)", "retry (does not answer)", "park (AR)"]
    assert "MEIER" not in caplog.text
