"""How an acceptor stops: no new work, what runs is finished, then release or abort."""

import threading

import pytest

from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import (
    AssociationAborted,
    AssociationClosed,
)
from tests.integration.upper_layer.acceptor import Acceptor, Peer, Script, running
from tests.support.wait import until
from tests.unit.upper_layer import wire


def stop(acceptor: Acceptor, grace: float):
    return acceptor.start(acceptor.server.stop(grace))


def test_stopping_releases_idle_associations_and_closes_fresh_connections() -> None:
    with running() as acceptor, Peer(acceptor.port) as idle, Peer(acceptor.port) as fresh:
        idle.associate()
        until(lambda: acceptor.server.connections == 2)
        stopped = stop(acceptor, 5)
        assert idle.pdu() == (5, bytes(4))
        idle.send(wire.RELEASE_RP)
        assert idle.closed()
        assert fresh.closed()
        stopped()
        acceptor.seen(AssociationClosed)
        with pytest.raises(ConnectionRefusedError):
            Peer(acceptor.port)


def test_stopping_lets_running_work_finish() -> None:
    gate = threading.Event()

    def reply(_: Request) -> Response:
        gate.wait(10)
        return Response(0)

    with running(Script(reply=reply)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.create())
        until(lambda: acceptor.script.asked)
        stopped = stop(acceptor, 10)
        gate.set()
        assert peer.response() == (0, None)
        assert peer.pdu()[0] == 5
        peer.send(wire.RELEASE_RP)
        stopped()


def test_stopping_aborts_what_outlasts_its_grace() -> None:
    gate = threading.Event()

    def reply(_: Request) -> Response:
        gate.wait(10)
        return Response(0)

    with running(Script(reply=reply)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.create())
        until(lambda: acceptor.script.asked)
        stop(acceptor, 0.05)()
        assert peer.pdu() == (7, bytes(4))
        assert acceptor.seen(AssociationAborted).detail == "the acceptor stops"
        assert acceptor.server.connections == 0
        gate.set()


def test_a_peer_that_does_not_answer_the_release_is_aborted_in_time() -> None:
    with running(acse_timeout=0.1) as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        stopped = stop(acceptor, 10)
        assert peer.pdu()[0] == 5
        assert peer.pdu()[0] == 7
        peer.socket.close()
        stopped()


def test_requests_after_the_release_request_are_not_answered() -> None:
    """PS3.8 AR-6 and AR-8 to AR-10: data may still come, and both sides may release at once."""
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        stopped = stop(acceptor, 10)
        assert peer.pdu()[0] == 5
        peer.send(wire.create(), wire.RELEASE_RQ, wire.RELEASE_RP)
        assert peer.pdu()[0] == 6
        peer.socket.close()
        stopped()
        assert acceptor.script.asked == []
        acceptor.seen(AssociationClosed)


def test_stopping_twice_is_harmless() -> None:
    with running() as acceptor:
        stop(acceptor, 0)()
        stop(acceptor, 0)()
        assert acceptor.server.connections == 0
