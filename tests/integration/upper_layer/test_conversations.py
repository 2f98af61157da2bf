"""Whole conversations over real sockets: what handlers see, what peers get, in which order."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from broker.dicom.messages import Association, Request, Response
from broker.dicom.upper_layer import AssociationAborted, AssociationClosed, AssociationOpened, ContextsRejected
from tests.integration.upper_layer.acceptor import Peer, Script, running
from tests.support.wait import until
from tests.unit.upper_layer import wire

ITEM = b"\x10\x00\x10\x00\x08\x00\x00\x00DOE^JOHN"


def many(number: int, item: bytes = ITEM) -> Script:
    def answers(_request: Request) -> Iterator[Response]:
        for _ in range(number):
            yield Response(0xFF00, item)
        yield Response(0)

    return Script(answers)


def all_responses(peer: Peer) -> list[tuple[int, bytes | None]]:
    """Up to and with the final one."""
    found = [peer.response()]
    while found[-1][0] in (0xFF00, 0xFF01):
        found.append(peer.response())
    return found


def test_a_session_of_everything() -> None:
    with running(many(3)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        peer.send(wire.echo(1))
        assert peer.response() == (0, None)
        peer.send(wire.find(2))
        assert all_responses(peer) == [(0xFF00, ITEM)] * 3 + [(0, None)]
        peer.send(wire.create(3))
        assert peer.response() == (0, None)
        peer.release()
        closed = acceptor.seen(AssociationClosed)
        assert (closed.messages, closed.association.calling_ae_title) == (3, "CT1")
        assert [name for name, _ in acceptor.script.asked] == ["find", "create"]


def test_handlers_see_the_request_as_it_came() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        address, port = peer.socket.getsockname()
        association = Association("CT1", "BROKER", address, port, "1.2.3.4", "HAND_1")
        peer.send(wire.find(21, b"identifier"))
        peer.response()
        peer.send(wire.create(22, b"list"))
        peer.response()
        encoded = wire.request_command(0x120, 23, wire.MPPS, True, e1001=wire.uid("1.2.3.99"))
        peer.send(wire.message(5, encoded, b"change"))
        peer.response()
        tags = bytes.fromhex("4000520210001000")
        encoded = wire.request_command(0x110, 24, wire.MPPS_RETRIEVE, False, e1001=wire.uid("1.2"), e1005=tags)
        peer.send(wire.message(7, encoded))
        peer.response()
        assert acceptor.script.asked == [
            ("find", Request(association, 21, wire.WORKLIST, wire.EXPLICIT, b"identifier")),
            ("create", Request(association, 22, wire.MPPS, wire.IMPLICIT, b"list", "1.2.3.99")),
            ("set", Request(association, 23, wire.MPPS, wire.IMPLICIT, b"change", "1.2.3.99")),
            ("get", Request(association, 24, wire.MPPS_RETRIEVE, wire.IMPLICIT, b"", "1.2", (0x00400252, 0x00100010))),
        ]


def test_answers_carry_the_requests_identity() -> None:
    script = Script(reply=lambda _: Response(0x0110, None, "not now", 0xA710, sop_instance_uid="1.2.3.4"))
    with running(script) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.create(300))
        found = peer.command()
        found.pop(0)
        assert found == {
            0x0002: wire.uid(wire.MPPS),
            0x0100: wire.us(0x8140),
            0x0120: wire.us(300),
            0x0800: wire.us(0x0101),
            0x0900: wire.us(0x0110),
            0x0902: b"not now ",
            0x0903: wire.us(0xA710),
            0x1000: wire.uid("1.2.3.4"),
        }


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_bytes_may_arrive_in_any_pieces(size: int) -> None:
    with running(many(2)) as acceptor, Peer(acceptor.port) as peer:
        request = wire.associate_rq()
        peer.send(*(request[start : start + size] for start in range(0, len(request), size)))
        assert peer.pdu()[0] == 2
        work = wire.echo(1) + wire.find(2) + wire.RELEASE_RQ
        peer.send(*(work[start : start + size] for start in range(0, len(work), size)))
        assert peer.response() == (0, None)
        assert [status for status, _ in all_responses(peer)] == [0xFF00, 0xFF00, 0]
        assert peer.pdu()[0] == 6


def test_a_message_may_arrive_in_many_fragments() -> None:
    dataset = bytes(range(256)) * 20
    encoded = wire.request_command(0x20, 1, wire.WORKLIST, True)
    parts = [wire.p_data(3, 1, encoded[:20]), wire.p_data(3, 3, encoded[20:])]
    parts += [wire.p_data(3, 0, dataset[start : start + 10]) for start in range(0, len(dataset), 10)]
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(*parts, wire.p_data(3, 2, b""))
        assert peer.response() == (0, None)
        assert acceptor.script.asked[0][1].dataset == dataset


@pytest.mark.parametrize("limit", [8, 64, 1024, 0])
def test_answers_keep_the_peers_maximum_length(limit: int) -> None:
    item = bytes(range(250)) * 4
    with running(many(2, item)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate(wire.associate_rq(wire.variable(max_pdu=limit))).send(wire.find())
        found = all_responses(peer)
        assert found == [(0xFF00, item)] * 2 + [(0, None)]


def test_requests_sent_ahead_are_answered_in_order() -> None:
    with running(many(2)) as acceptor, Peer(acceptor.port) as peer:
        requests = [wire.echo(n) if n % 3 else wire.find(n) for n in range(1, 31)]
        peer.associate().send(b"".join(requests))
        finals: list[int] = []
        while len(finals) < 30:
            elements = peer.command()
            if elements[0x0900] == wire.us(0xFF00):
                peer.pdu()
            else:
                finals.append(int.from_bytes(elements[0x0120], "little"))
        assert finals == list(range(1, 31))


def test_a_release_during_a_query_is_answered_after_the_last_answer() -> None:
    gate = threading.Event()

    def answers(_: Request) -> Iterator[Response]:
        yield Response(0xFF00, ITEM)
        gate.wait(10)
        yield Response(0xFF00, ITEM)
        yield Response(0)

    with running(Script(answers)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find(), wire.RELEASE_RQ)
        assert peer.response() == (0xFF00, ITEM)
        gate.set()
        assert all_responses(peer) == [(0xFF00, ITEM), (0, None)]
        assert peer.pdu()[0] == 6


def test_the_first_answer_does_not_wait_for_the_second() -> None:
    gate = threading.Event()

    def answers(_: Request) -> Iterator[Response]:
        yield Response(0xFF00, ITEM)
        yield Response(0 if gate.wait(2) else 0xC002)

    with running(Script(answers)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find())
        assert peer.response() == (0xFF00, ITEM)
        gate.set()
        assert peer.response() == (0, None)


def test_a_blocked_handler_blocks_nobody_else() -> None:
    gate = threading.Event()

    def reply(_: Request) -> Response:
        gate.wait(10)
        return Response(0)

    script, threads = Script(reply=reply), {"handler_threads": 1, "admit_in_worker": False}
    with running(script, **threads) as acceptor, Peer(acceptor.port) as slow, Peer(acceptor.port) as quick:
        slow.associate().send(wire.create())
        quick.associate().send(wire.echo())
        assert quick.response() == (0, None)
        until(lambda: script.asked)
        quick.send(wire.find(2))
        assert quick.response() == (0, None)
        gate.set()
        assert slow.response() == (0, None)


def test_cancel_stops_a_long_query() -> None:
    with running(many(10_000, bytes(900)), send_buffer=65536) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find(5))
        for _ in range(20):
            assert peer.response()[0] == 0xFF00
        peer.send(wire.cancel(5))
        found = all_responses(peer)
        assert found[-1] == (0xFE00, None)
        assert len(found) < 9_000
        until(lambda: acceptor.script.closed == 1)
        peer.send(wire.echo(6))
        assert peer.response() == (0, None)


def test_cancel_reaches_a_query_that_is_still_searching() -> None:
    numbers = count()

    def answers(_: Request) -> Iterator[Response]:
        for number in numbers:
            searching.set()
            threading.Event().wait(0.001)
            yield Response(0xFF00, number.to_bytes(4, "little"))

    searching = threading.Event()
    with running(Script(answers)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find(5))
        assert searching.wait(5)
        peer.send(wire.cancel(5))
        assert all_responses(peer)[-1] == (0xFE00, None)
        assert acceptor.script.closed == 1


def test_cancel_of_a_query_that_waits_its_turn() -> None:
    gate = threading.Event()

    def answers(request: Request) -> Iterator[Response]:
        if request.message_id == 1:
            gate.wait(10)
        yield Response(0)

    with running(Script(answers)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find(1), wire.find(2), wire.cancel(2), wire.find(3))
        until(lambda: acceptor.script.asked)
        gate.set()
        assert [peer.response()[0] for _ in range(3)] == [0, 0xFE00, 0]
        assert [request.message_id for _, request in acceptor.script.asked] == [1, 3]


@pytest.mark.parametrize("late", [wire.cancel(1), wire.cancel(77)])
def test_cancel_that_comes_too_late_or_for_nothing_is_ignored(late: bytes) -> None:
    with running(many(1)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find(1))
        assert [status for status, _ in all_responses(peer)] == [0xFF00, 0]
        peer.send(late, wire.find(1))
        assert [status for status, _ in all_responses(peer)] == [0xFF00, 0]


def _abort(peer: Peer) -> None:
    peer.send(wire.ABORT)


def _close(peer: Peer) -> None:
    peer.socket.close()


@pytest.mark.parametrize("leave", [_abort, _close])
def test_leaving_during_a_query_closes_it(leave) -> None:
    def answers(_: Request) -> Iterator[Response]:
        while True:
            yield Response(0xFF00, bytes(1000))

    with running(Script(answers)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.find())
        peer.response()
        leave(peer)
        until(lambda: acceptor.script.closed == 1)
        assert acceptor.seen(AssociationAborted).by_peer
        until(lambda: acceptor.server.connections == 0)
        assert acceptor.server.associations == 0


@pytest.mark.parametrize(
    ("request_pdus", "status"),
    [
        (wire.message(3, wire.request_command(0x30, 1, wire.VERIFICATION, False)), 0x0211),
        (wire.message(5, wire.request_command(0x01, 1, wire.MPPS, True), b"image"), 0x0211),
        (wire.message(5, wire.request_command(0x150, 1, wire.MPPS, False)), 0x0211),
        (wire.message(3, wire.request_command(0x20, 1, wire.MPPS, True), b"x"), 0x0122),
        (wire.message(5, wire.request_command(0x140, 1, wire.WORKLIST, True), b"x"), 0x0118),
    ],
)
def test_what_does_not_belong_into_a_context_is_refused_and_the_association_goes_on(
    request_pdus: bytes, status: int
) -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(request_pdus)
        assert peer.response() == (status, None)
        peer.send(wire.echo())
        assert peer.response() == (0, None)
        assert acceptor.script.asked == []


def test_a_failing_handler_is_answered_for_and_its_words_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request) -> Response:
        raise ValueError("DOE^JOHN")

    def fail_late(_: Request) -> Iterator[Response]:
        yield Response(0xFF00, ITEM)
        raise ValueError("DOE^JOHN")

    with running(Script(fail_late, fail)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.create(1))
        assert peer.response() == (0x0110, None)
        peer.send(wire.find(2))
        assert all_responses(peer) == [(0xFF00, ITEM), (0xC001, None)]
        peer.send(wire.echo(3))
        assert peer.response() == (0, None)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "DOE" not in caplog.text


def test_the_observer_hears_of_rejected_contexts_by_name() -> None:
    contexts = [(1, wire.VERIFICATION, [wire.IMPLICIT]), (3, "1.2.840.10008.5.1.4.1.1.2", [wire.IMPLICIT])]
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate(wire.associate_rq(wire.variable(contexts))).release()
        assert acceptor.seen(AssociationOpened).abstract_syntaxes == (wire.VERIFICATION,)
        (refused,) = acceptor.seen(ContextsRejected).contexts
        assert (refused.name, refused.result) == ("CT Image Storage", 3)
