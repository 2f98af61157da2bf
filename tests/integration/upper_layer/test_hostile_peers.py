"""Peers that break rules, stop in the middle, flood or do not read: each is cut off, nobody else notices."""

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import AssociationAborted
from tests.integration.upper_layer.acceptor import Acceptor, Peer, Script, running
from tests.support.wait import until
from tests.unit.upper_layer import wire

SHORT: dict[str, Any] = {"artim_timeout": 0.3, "message_timeout": 0.3, "network_timeout": 30.0}


def sent_until_cut_off(peer: Peer, parts: Iterable[bytes]) -> int:
    """Bytes that went out before the acceptor closed, or stopped taking any for the socket's time-out."""
    sent = 0
    try:
        for part in parts:
            sent += peer.socket.send(part)
    except OSError:
        return sent
    raise AssertionError(f"took all {sent} bytes")


def sent_whole(peer: Peer, parts: Iterable[bytes]) -> None:
    """Sends as long as the acceptor takes it."""
    for part in parts:
        peer.send(part)


def still_serves(acceptor: Acceptor) -> None:
    with Peer(acceptor.port) as peer:
        peer.associate().send(wire.echo())
        assert peer.response() == (0, None)
        peer.release()


def all_gone(acceptor: Acceptor) -> None:
    until(lambda: acceptor.server.connections == 0)
    assert acceptor.server.associations == 0


@pytest.mark.parametrize(
    "start", [b"", b"\x01", wire.associate_rq()[:6], wire.associate_rq()[:70], wire.associate_rq()[:-1]]
)
def test_silence_before_an_association_ends_with_the_artim_timer(start: bytes) -> None:
    with running(**SHORT) as acceptor, Peer(acceptor.port) as peer:
        peer.send(start)
        still_serves(acceptor)
        assert peer.closed()
        assert "no A-ASSOCIATE-RQ" in acceptor.seen(AssociationAborted).detail
        all_gone(acceptor)


@pytest.mark.parametrize(
    "part",
    [
        b"\x04",
        wire.echo()[:6],
        wire.echo()[:-1],
        wire.find()[:-4],
        wire.message(3, wire.request_command(0x20, 1, wire.WORKLIST, True)),
        wire.p_data(1, 1, wire.echo()[12:20]),
    ],
)
def test_half_a_pdu_or_half_a_message_times_out(part: bytes) -> None:
    with running(**SHORT) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(part)
        still_serves(acceptor)
        assert peer.pdu() == (7, bytes(4))
        assert peer.closed()
        assert "not finished" in acceptor.seen(AssociationAborted).detail
        all_gone(acceptor)


def drip(data: bytes) -> Iterator[bytes]:
    for byte in data:
        time.sleep(0.01)  # the drip itself
        yield bytes([byte])


def test_a_message_that_drips_in_times_out_although_bytes_keep_coming() -> None:
    with running(**SHORT) as acceptor, Peer(acceptor.port) as peer:
        sent_until_cut_off(peer.associate(), drip(wire.find(dataset=bytes(100_000))))
        assert "not finished" in acceptor.seen(AssociationAborted).detail


def test_an_idle_association_ends_after_the_network_timeout() -> None:
    with running(network_timeout=0.2) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.echo())
        assert peer.response() == (0, None)
        assert peer.pdu()[0] == 7
        assert "no traffic" in acceptor.seen(AssociationAborted).detail


def test_a_running_request_is_not_idleness() -> None:
    def reply(_: Request) -> Response:
        time.sleep(0.6)  # the work itself, longer than the time-out
        return Response(0)

    with running(Script(reply=reply), network_timeout=0.2) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(wire.create())
        assert peer.response() == (0, None)


@pytest.mark.parametrize(
    ("junk", "source"),
    [
        (b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n", 0),
        (b"\x16\x03\x01\x02\x00\x01\x00", 0),
        (b"\x0bMSH|^~\\&|", 0),
        (b"\0" * 1000, 0),
        (wire.echo(), 0),
        (wire.RELEASE_RQ, 0),
        (bytes.fromhex("0100ffffffff") + bytes(1000), 0),
    ],
)
def test_anything_but_a_request_first_is_aborted_at_once(junk: bytes, source: int) -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.send(junk)
        kind, body = peer.pdu()
        assert (kind, body[2]) == (7, source)
        acceptor.seen(AssociationAborted)
        peer.socket.close()
        all_gone(acceptor)


@pytest.mark.parametrize(
    ("offence", "reason"),
    [
        (b"\x99", 1),
        (wire.associate_rq(), 2),
        (wire.RELEASE_RP, 2),
        (wire.p_data(1, 2, b"data first"), 5),
        (wire.p_data(99, 3, b"unknown context"), 6),
        (wire.p_data(1, 3, b"junk"), 6),
        (bytes.fromhex("0400ffffffff"), 6),
    ],
)
def test_offences_in_an_association_are_aborted_with_their_reason(offence: bytes, reason: int) -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(offence)
        assert peer.pdu() == (7, bytes([0, 0, 2, reason]))
        assert acceptor.seen(AssociationAborted).reason == reason


def test_a_huge_announced_length_is_never_buffered() -> None:
    with running() as acceptor, Peer(acceptor.port) as peer:
        peer.associate()
        tracemalloc.start()
        try:
            peer.send(bytes.fromhex("0400fffffff0"))
            assert peer.pdu()[0] == 7
            chunk = bytes(1 << 20)
            for _ in range(30):
                peer.send(chunk)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        still_serves(acceptor)


def test_fragments_without_end_stop_at_the_data_set_limit() -> None:
    head = wire.message(3, wire.request_command(0x20, 1, wire.WORKLIST, True))
    fragment = wire.p_data(3, 0, bytes(10_000))
    with running(max_dataset=100_000) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().send(head, fragment * 11)
        assert peer.pdu() == (7, bytes([0, 0, 2, 0]))
        assert "longer than 100000" in acceptor.seen(AssociationAborted).detail


def test_empty_fragments_without_end_stop_at_the_time_out() -> None:
    with running(**SHORT) as acceptor, Peer(acceptor.port) as peer:
        sent_until_cut_off(peer.associate(), repeat(wire.p_data(3, 1, b"") * 10))
        acceptor.seen(AssociationAborted)
        peer.socket.close()
        all_gone(acceptor)


def endless(_: Request) -> Iterator[Response]:
    while True:
        yield Response(0xFF00, bytes(4000))


def test_a_slow_reader_stops_the_query_without_holding_a_thread_and_is_cut_off() -> None:
    script = Script(endless)
    settings: dict[str, Any] = {"send_timeout": 0.5, "send_buffer": 65536, "handler_threads": 1}
    with running(script, **settings) as acceptor, Peer(acceptor.port, receive_buffer=4096) as peer:
        peer.associate().send(wire.find())
        until(lambda: script.yielded > 0)
        with Peer(acceptor.port) as other:
            other.associate().send(wire.create())
            assert other.response() == (0, None)
            until(lambda: script.closed == 1)
            assert script.yielded * 4000 < 3_000_000
            other.release()
        assert "does not read" in acceptor.seen(AssociationAborted).detail
        all_gone(acceptor)


def test_a_slow_reader_that_catches_up_gets_everything() -> None:
    def answers(_: Request) -> Iterator[Response]:
        for number in range(3000):
            yield Response(0xFF00, number.to_bytes(4, "little") * 100)
        yield Response(0)

    with running(Script(answers), send_buffer=16384) as acceptor, Peer(acceptor.port, receive_buffer=4096) as peer:
        peer.associate().send(wire.find())
        for number in range(3000):
            assert peer.response() == (0xFF00, number.to_bytes(4, "little") * 100)
        assert peer.response() == (0, None)


def test_a_flood_of_requests_without_reading_is_not_read_for_ever() -> None:
    with running(send_timeout=0.5, send_buffer=16384) as acceptor, Peer(acceptor.port, receive_buffer=4096) as peer:
        peer.associate()
        peer.socket.settimeout(0.2)
        assert sent_until_cut_off(peer, repeat(wire.echo() * 1000, 10_000)) < 60_000_000
        still_serves(acceptor)
        assert "does not read" in acceptor.seen(AssociationAborted).detail


def test_requests_ahead_are_not_read_while_one_is_being_answered() -> None:
    gate = threading.Event()

    def reply(_: Request) -> Response:
        gate.wait(10)
        return Response(0)

    with running(Script(reply=reply)) as acceptor, Peer(acceptor.port) as peer:
        peer.associate().socket.settimeout(0.5)
        request = wire.create(dataset=bytes(60_000))
        with pytest.raises(TimeoutError):
            sent_whole(peer, repeat(request, 1000))
        gate.set()
        peer.socket.settimeout(10)
        assert peer.response() == (0, None)


def test_requests_after_an_abort_get_no_flood_of_answers() -> None:
    """AA-7 answers each bad PDU in Sta13; a peer that does not read them is not read either."""
    with running(artim_timeout=4.0, send_buffer=16384) as acceptor, Peer(acceptor.port, receive_buffer=4096) as peer:
        peer.associate().send(wire.RELEASE_RP)
        peer.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sent_whole(peer, repeat(wire.associate_rq() * 200))
        peer.socket.close()
        all_gone(acceptor)


def test_resets_in_every_phase_leave_nothing_behind() -> None:
    whole = wire.associate_rq() + wire.find()
    with running(Script(endless)) as acceptor:
        for cut in range(0, len(whole), 29):
            with Peer(acceptor.port) as peer:
                peer.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER 0: close sends a reset
                peer.send(whole[: min(cut, len(wire.associate_rq()))])
                if cut > len(wire.associate_rq()):
                    assert peer.pdu()[0] == 2
                    peer.send(whole[len(wire.associate_rq()) : cut])
        all_gone(acceptor)
        until(lambda: acceptor.script.closed == len(acceptor.script.asked))
        still_serves(acceptor)


@pytest.mark.slow
def test_a_thousand_idle_associations_cost_next_to_nothing() -> None:
    with running(max_associations=2000) as acceptor:
        peers = [Peer(acceptor.port) for _ in range(1000)]
        try:
            for peer in peers:
                peer.associate()
            gc.collect()
            before = time.process_time()
            time.sleep(2)  # the measurement itself
            used = time.process_time() - before
            assert used < 0.04
            still_serves(acceptor)
            for peer in peers:
                peer.send(wire.echo())
            assert [peer.response() for peer in peers] == [(0, None)] * 1000
        finally:
            for peer in peers:
                peer.socket.close()
        all_gone(acceptor)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_file_descriptors_come_back() -> None:
    with running() as acceptor:
        still_serves(acceptor)
        all_gone(acceptor)
        before = open_files()
        for _ in range(50):
            still_serves(acceptor)
        all_gone(acceptor)
        assert open_files() <= before + 1
