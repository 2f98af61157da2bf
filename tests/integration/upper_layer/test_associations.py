"""Who may associate, under which limits, over TLS or not; how an acceptor stops."""

import asyncio
import socket
import struct
import threading
import time
from typing import Any

import pytest

from broker.dicom.upper_layer import (
    ACCEPT,
    AcceptorConfig,
    Admission,
    AssociationRejected,
    AssociationRequest,
    ConnectionDropped,
    UpperLayerServer,
    UserIdentity,
)
from broker.dicom.upper_layer.policy import CALLING_AE_TITLE_NOT_RECOGNIZED, USER_IDENTITY_REFUSED
from tests.integration.upper_layer.acceptor import Peer, Script, running
from tests.support.wait import until, until_async
from tests.unit.upper_layer import wire

IDENTITY = struct.pack(">BBH", 2, 1, 4) + b"anna" + struct.pack(">H", 6) + b"secret"


def rejection(peer: Peer, request: bytes | None = None) -> tuple[int, int, int]:
    peer.send(wire.associate_rq() if request is None else request)
    kind, body = peer.pdu()
    assert kind == 3
    return body[1], body[2], body[3]


@pytest.mark.parametrize("in_worker", [True, False])
def test_the_policy_sees_who_asks_and_decides(in_worker: bool) -> None:
    with running(admit_in_worker=in_worker) as acceptor, Peer(acceptor.port) as peer, Peer(acceptor.port) as stranger:
        acceptor.admit = lambda request: (
            ACCEPT if request.calling_ae_title == "CT1" else CALLING_AE_TITLE_NOT_RECOGNIZED
        )
        peer.associate().send(wire.echo())
        assert peer.response() == (0, None)
        assert rejection(stranger, wire.associate_rq(calling=b"NOBODY")) == (1, 1, 3)
        first, second = acceptor.requests
        address, port = peer.socket.getsockname()
        assert first == AssociationRequest(
            "CT1",
            "BROKER",
            address,
            port,
            implementation_class_uid="1.2.3.4",
            implementation_version="HAND_1",
            abstract_syntaxes=(wire.VERIFICATION, wire.WORKLIST, wire.MPPS, wire.MPPS_RETRIEVE),
        )
        told = acceptor.seen(AssociationRejected)
        assert (told.request, told.admission) == (second, CALLING_AE_TITLE_NOT_RECOGNIZED)
        stranger.socket.close()
        until(lambda: acceptor.server.connections == 1)
        assert acceptor.server.associations == 1


def test_a_wrong_called_ae_title_is_rejected_before_the_policy_is_asked() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        assert rejection(peer, wire.associate_rq(called=b"OTHER")) == (1, 1, 7)
        assert acceptor.requests == []


def test_without_a_title_of_its_own_the_policy_decides_about_the_called_one() -> None:
    with running(ae_title="") as acceptor, Peer(acceptor.port) as peer:
        peer.associate(wire.associate_rq(called=b"OTHER"))
        assert acceptor.requests[0].called_ae_title == "OTHER"


def test_a_failing_policy_rejects_for_now(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: AssociationRequest) -> Admission:
        raise RuntimeError("the database is away")

    with running() as acceptor, Peer(acceptor.port) as peer, Peer(acceptor.port) as later:
        acceptor.admit = fail
        assert rejection(peer) == (2, 2, 1)
        acceptor.admit = lambda _: ACCEPT
        later.associate()
        assert acceptor.server.associations == 1
    assert "association policy failed: RuntimeError" in caplog.text


def test_a_slow_policy_holds_up_nobody_else() -> None:
    gate = threading.Event()

    def admit(request: AssociationRequest) -> Admission:
        if request.calling_ae_title == "SLOW":
            gate.wait(10)
        return ACCEPT

    with running() as acceptor, Peer(acceptor.port) as slow, Peer(acceptor.port) as quick:
        acceptor.admit = admit
        slow.send(wire.associate_rq(calling=b"SLOW"))
        until(lambda: acceptor.requests)
        quick.associate()
        gate.set()
        assert slow.pdu()[0] == 2


def test_a_peer_that_leaves_while_the_policy_thinks_leaves_nothing_behind() -> None:
    gate = threading.Event()

    def admit(_: AssociationRequest) -> Admission:
        gate.wait(10)
        return ACCEPT

    with running() as acceptor, Peer(acceptor.port) as peer:
        acceptor.admit = admit
        peer.send(wire.associate_rq())
        until(lambda: acceptor.requests)
        peer.socket.close()
        until(lambda: acceptor.server.connections == 0)
        gate.set()
        until(lambda: acceptor.server.associations == 0)


def test_data_before_the_decision_is_a_breach() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.send(wire.associate_rq() + wire.echo())
        assert peer.pdu() == (7, bytes([0, 0, 2, 2]))


def test_user_identities_reach_the_policy_and_are_answered() -> None:
    request = wire.associate_rq(wire.variable(extra=wire.item(0x58, IDENTITY)))
    with running() as acceptor, Peer(acceptor.port) as peer, Peer(acceptor.port) as refused:
        peer.send(request)
        kind, body = peer.pdu()
        assert kind == 2
        assert wire.item(0x59, b"\0\0") in body
        assert acceptor.requests[0].user_identity == UserIdentity(2, b"anna", b"secret", True)
        acceptor.admit = lambda _: USER_IDENTITY_REFUSED
        assert rejection(refused, request) == (1, 2, 1)
        assert "secret" not in repr(acceptor.events)


def test_the_association_beyond_the_limit_is_rejected_and_a_place_becomes_free_again() -> None:
    with running(max_associations=2) as acceptor:
        first, second, third, fourth = (Peer(acceptor.port) for _ in range(4))
        with first, second, third, fourth:
            first.associate()
            second.associate()
            assert rejection(third) == (2, 3, 2)
            first.release()
            fourth.associate().send(wire.echo())
            assert fourth.response() == (0, None)


def test_silent_connections_give_way_to_devices() -> None:
    limits: dict[str, Any] = {"max_associations": 1, "spare_connections": 1}
    with running(**limits) as acceptor, Peer(acceptor.port) as first, Peer(acceptor.port) as second:
        until(lambda: acceptor.server.connections == 2)
        with Peer(acceptor.port) as device:
            device.associate().send(wire.echo())
            assert device.response() == (0, None)
            assert first.closed()
            with Peer(acceptor.port):
                assert second.closed()
                device.send(wire.echo())
                assert device.response() == (0, None)
            device.release()
        acceptor.seen(ConnectionDropped)


def test_connections_beyond_the_spare_ones_are_dropped() -> None:
    with running(max_associations=1, spare_connections=0) as acceptor, Peer(acceptor.port) as first:
        first.associate()
        with Peer(acceptor.port) as second:
            assert second.closed()
        acceptor.seen(ConnectionDropped)


def test_accepted_sockets_answer_at_once() -> None:
    """TCP_NODELAY on every connection; the send buffer is bounded so that C-CANCEL finds something left to stop."""
    with running(send_buffer=65536) as acceptor, Peer(acceptor.port) as peer:
        peer.associate()

        async def options() -> tuple[int, int, int]:
            (connection,) = acceptor.server._connections
            raw = connection._transport.get_extra_info("socket")
            nodelay = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            silence = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            return nodelay, raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF), silence

        nodelay, buffer, silence = acceptor.run(options())
        assert nodelay
        assert silence == 120
        assert buffer <= 2 * 65536


def test_requests_written_in_two_parts_do_not_wait_for_delayed_acknowledgements() -> None:
    """Peers with Nagle's algorithm on hold the second part back until the first is acknowledged: 40 ms each time."""
    first = wire.p_data(3, 3, wire.request_command(0x20, 1, wire.WORKLIST, True))
    second = wire.p_data(3, 2, bytes(8))
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        started = time.monotonic()
        for _ in range(50):
            peer.send(first, second)
            peer.response()
        assert time.monotonic() - started < 1.0


def test_two_acceptors_may_share_a_port() -> None:
    with running(reuse_port=True) as first, running(reuse_port=True, port=first.port) as second:
        assert first.port == second.port
        seen = set()
        for _ in range(200):
            with Peer(first.port) as peer:
                peer.associate().release()
            seen |= {id(acceptor) for acceptor in (first, second) if acceptor.requests}
            if len(seen) == 2:
                return
        pytest.fail("200 connections all went to one of the two")


def test_a_port_in_use_is_an_error_at_the_start() -> None:
    async def start_twice(port: int) -> None:
        server = UpperLayerServer(AcceptorConfig(port=port), Script(), lambda _: ACCEPT)
        with pytest.raises(OSError, match="in use"):
            await server.start()

    with running() as acceptor:
        acceptor.run(start_twice(acceptor.port))


async def test_the_server_runs_in_any_event_loop() -> None:
    server = UpperLayerServer(AcceptorConfig(port=0), Script(), lambda _: ACCEPT)
    assert (server.port, server.connections, server.associations) == (0, 0, 0)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(wire.associate_rq())
    assert (await reader.readexactly(1)) == b"\x02"
    assert server.associations == 1
    writer.close()
    await until_async(lambda: server.connections == 0)
    await server.stop(1)
