"""Events on associations that peers open: what goes out and when, byte by byte, and pynetdicom as a user of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

from broker.dicom import reactor_gate, scu
from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import AssociationAborted
from tests.integration.upper_layer.acceptor import Acceptor, Peer, Script, elements_of, running
from tests.support.wait import until
from tests.unit.upper_layer import wire

TIMEOUT = 20.0
CONTEXTS = (*wire.ALL_CONTEXTS, (9, wire.MPPS_NOTIFICATION, [wire.IMPLICIT]))
REQUEST = wire.associate_rq(wire.variable(CONTEXTS))


class Telling:
    """One event told on a thread of its own, as the sender of notifications does."""

    def __init__(self, acceptor: Acceptor, event_type: int = 2, uid: str = "1.2.3", timeout: float = TIMEOUT) -> None:
        self._result: scu.Answer | Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(acceptor, event_type, uid, timeout))
        self._thread.start()

    def _run(self, acceptor: Acceptor, event_type: int, uid: str, timeout: float) -> None:
        try:
            self._result = acceptor.subscribers.report("CT1", event_type, uid, timeout)
        except Exception as error:  # noqa: BLE001 - told to the test
            self._result = error

    def result(self) -> scu.Answer | Exception | None:
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()
        return self._result


@contextmanager
def listening(acceptor: Acceptor) -> Iterator[Peer]:
    """A peer that asked for events, once the acceptor knows it."""
    with Peer(acceptor.port) as peer:
        peer.associate(REQUEST)
        until(lambda: acceptor.subscribers.is_there("CT1"))
        yield peer


def event(peer: Peer) -> dict[int, bytes]:
    """The command set of the next event; its PDU must hold nothing else."""
    kind, body = peer.pdu()
    assert (kind, body[4], body[5]) == (4, 9, 3)
    return elements_of(body[6:])


def test_an_event_and_its_answer() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        for number, (event_type, status) in enumerate([(1, 0), (2, 0x0112), (4, 0)], start=1):
            telling = Telling(acceptor, event_type, f"1.2.{number}")
            found = event(peer)
            found.pop(0)
            assert found == {
                0x0002: wire.uid(wire.MPPS_NOTIFICATION), 0x0100: wire.us(0x0100), 0x0110: wire.us(number),
                0x0800: wire.us(0x0101), 0x1000: wire.uid(f"1.2.{number}"), 0x1002: wire.us(event_type),
            }  # fmt: skip
            peer.send(wire.event_reply(number, status, dataset=b"what for" if event_type == 4 else None))
            answer = telling.result()
            assert isinstance(answer, scu.Answer)
            assert answer.status == status
        peer.send(wire.echo(1))
        assert peer.response() == (0, None)
        peer.release()
    assert not acceptor.subscribers.is_there("CT1")


def test_without_the_context_there_is_nobody_to_tell() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        assert isinstance(Telling(acceptor).result(), scu.NotReachable)
        peer.release()


def test_requests_in_the_context_of_events_are_not_served() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        encoded = wire.request_command(0x100, 5, wire.MPPS_NOTIFICATION, False, e1000=wire.uid("1.2"), e1002=wire.us(1))
        peer.send(wire.message(9, encoded))
        assert peer.response() == (0x0211, None)


def test_an_event_waits_for_the_answer_to_a_request() -> None:
    gate = threading.Event()

    def reply(_: Request) -> Response:
        gate.wait(TIMEOUT)
        return Response(0)

    with running(Script(reply=reply)) as acceptor, listening(acceptor) as peer:
        peer.send(wire.create(3))
        until(lambda: acceptor.script.asked)
        telling = Telling(acceptor)
        gate.set()
        assert peer.response() == (0, None)
        assert event(peer)[0x1002] == wire.us(2)
        # and requests are served while the answer is awaited
        peer.send(wire.echo(4))
        assert peer.response() == (0, None)
        peer.send(wire.event_reply(1))
        assert isinstance(telling.result(), scu.Answer)


def test_one_event_at_a_time() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        first = Telling(acceptor, 1)
        event(peer)
        second = Telling(acceptor, 2)
        peer.send(wire.echo(1))
        assert peer.response() == (0, None)  # not the second event
        peer.send(wire.event_reply(1))
        assert event(peer)[0x1002] == wire.us(2)
        peer.send(wire.event_reply(2))
        for telling in (first, second):
            assert isinstance(telling.result(), scu.Answer)


@pytest.mark.parametrize("reply", [wire.event_reply(2), wire.event_reply(1, context_id=5)])
def test_an_answer_to_another_event_ends_the_association(reply: bytes) -> None:
    with running() as acceptor, listening(acceptor) as peer:
        telling = Telling(acceptor)
        event(peer)
        peer.send(reply)
        assert peer.pdu() == (7, bytes(4))
        assert isinstance(telling.result(), scu.NoAnswer)
        assert acceptor.seen(AssociationAborted).detail == "an answer to an event that was not sent"
        assert not acceptor.subscribers.is_there("CT1")


def test_an_answer_out_of_nowhere_ends_the_association() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        peer.send(wire.event_reply(1, context_id=5))
        assert peer.pdu() == (7, bytes(4))


def test_a_peer_that_does_not_answer_is_left() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        telling = Telling(acceptor, timeout=0.2)
        event(peer)
        assert peer.pdu() == (7, bytes(4))
        assert isinstance(telling.result(), scu.NoAnswer)
        assert "no answer to an event" in acceptor.seen(AssociationAborted).detail


ENDINGS: dict[str, Callable[[Peer], None]] = {
    "release": lambda peer: peer.release(),
    "abort": lambda peer: peer.send(wire.ABORT),
    "close": lambda peer: peer.socket.close(),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_peer_that_leaves_instead_of_answering(how: str) -> None:
    with running() as acceptor, listening(acceptor) as peer:
        telling = Telling(acceptor)
        event(peer)
        ENDINGS[how](peer)
        assert isinstance(telling.result(), scu.NoAnswer)
        until(lambda: not acceptor.subscribers.is_there("CT1"))


def test_whoever_waits_can_give_up() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        telling = Telling(acceptor)
        event(peer)
        acceptor.subscribers.give_up("CT1")
        assert isinstance(telling.result(), scu.NoAnswer)
        peer.send(wire.event_reply(1))  # late, but still the answer to what was sent
        peer.release()


def test_a_stopping_acceptor_waits_for_the_answer_and_then_releases() -> None:
    with running() as acceptor, listening(acceptor) as peer:
        telling = Telling(acceptor)
        event(peer)
        stopped = acceptor.start(acceptor.server.stop(TIMEOUT))
        peer.send(wire.event_reply(1))
        assert isinstance(telling.result(), scu.Answer)
        assert peer.pdu() == (5, bytes(4))
        assert isinstance(Telling(acceptor).result(), scu.NotReachable)
        peer.send(wire.RELEASE_RP)
        stopped()


def test_the_newest_of_several_associations_is_told() -> None:
    with running() as acceptor, listening(acceptor) as older, Peer(acceptor.port) as newer:
        newer.associate(REQUEST)
        newer.send(wire.echo(1))
        assert newer.response() == (0, None)
        telling = Telling(acceptor)
        event(newer)
        newer.send(wire.event_reply(1))
        assert isinstance(telling.result(), scu.Answer)
        newer.release()
        telling = Telling(acceptor)
        event(older)
        older.send(wire.event_reply(1))
        assert isinstance(telling.result(), scu.Answer)


def test_a_subscriber_may_be_silent_and_nobody_else() -> None:
    other = wire.associate_rq(wire.variable(CONTEXTS), calling=b"OTHER")
    with running(network_timeout=0.3) as acceptor, listening(acceptor) as subscribed, Peer(acceptor.port) as peer:
        peer.associate(other)
        assert peer.pdu() == (7, bytes(4))
        subscribed.send(wire.echo(1))
        assert subscribed.response() == (0, None)
        telling = Telling(acceptor)
        event(subscribed)
        subscribed.send(wire.event_reply(1))
        assert isinstance(telling.result(), scu.Answer)


ROLES: dict[str, tuple[tuple[bool, bool] | None, bool]] = {
    "none proposed": (None, True),
    "user": ((True, False), True),
    "user and provider": ((True, True), True),
    "provider": ((False, True), False),
}


@pytest.mark.parametrize("name", ROLES)
def test_pynetdicom_is_told_by_the_role_it_has(name: str) -> None:
    """A requestor is the user of the class unless it proposes otherwise; one that would only provide is refused."""
    proposed, expected = ROLES[name]
    told: list[tuple[int, str]] = []
    with running() as acceptor, pynetdicom_user(acceptor, proposed, told) as association:
        assert association.is_established is expected
        if expected:
            assert [(c.as_scu, c.as_scp) for c in association.accepted_contexts] == [(True, False)]
            until(lambda: acceptor.subscribers.is_there("CT1"))
            for event_type in (1, 4, 3):
                answer = Telling(acceptor, event_type).result()
                assert isinstance(answer, scu.Answer)
                assert (answer.status, answer.error_comment) == (0x0110, "full") if event_type == 4 else (0, "")
            assert told == [(1, "1.2.3"), (4, "1.2.3"), (3, "1.2.3")]
        else:
            assert not acceptor.subscribers.is_there("CT1")


@contextmanager
def pynetdicom_user(
    acceptor: Acceptor, proposed: tuple[bool, bool] | None, told: list[tuple[int, str]]
) -> Iterator[Association]:
    def take(event: evt.Event) -> tuple[Dataset | int, None]:
        request: Any = event.request
        told.append((int(request.EventTypeID), str(request.AffectedSOPInstanceUID)))
        if told[-1][0] != 4:
            return 0, None
        status = Dataset()
        status.Status, status.ErrorComment = 0x0110, "full"
        return status, None

    entity = AE("CT1")
    entity.add_requested_context(wire.MPPS_NOTIFICATION)
    items: list[Any] = []
    if proposed is not None:
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = UID(wire.MPPS_NOTIFICATION)
        role.scu_role, role.scp_role = proposed
        items.append(role)
    association = entity.associate(
        "127.0.0.1", acceptor.port, ae_title="BROKER", ext_neg=items, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)]
    )
    if association.is_established:
        reactor_gate.guard(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
            association.join()
