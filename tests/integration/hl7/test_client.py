"""The MLLP client against a real server and against peers that misbehave."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from hl7 import (
    AckCode,
    Acknowledged,
    ConnectionFailed,
    MllpConnection,
    NoAnswer,
    Timeouts,
    UnreadableAnswer,
    UnreadableMessage,
    WrongControlId,
    acknowledge,
    frame,
    read_header,
    send_once,
)
from tests.integration.hl7.helpers import StartServer, message

QUICK = Timeouts(connect=2, send=2, answer=0.3)
Script = Callable[[socket.socket], None]


def read_frame(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\x1c\r"):
        data = connection.recv(4096)
        if not data:
            return received
        received += data
    return received[1:-2]


@contextmanager
def scripted_peer(*scripts: Script) -> Iterator[int]:
    """A peer that plays one script per connection; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    failures: list[BaseException] = []

    def play() -> None:
        try:
            for script in scripts:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    script(connection)
        except Exception as error:  # noqa: BLE001 - the test fails with it below
            failures.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        with closing(listener):
            yield listener.getsockname()[1]
            thread.join(5)
    finally:
        assert not thread.is_alive()
    assert failures == []


def ack(raw: bytes, code: AckCode = AckCode.AA) -> bytes:
    return frame(acknowledge(read_header(raw), code))


async def test_many_messages_on_one_connection(start_server: StartServer) -> None:
    running = await start_server()

    def exchange() -> list[object]:
        with MllpConnection("127.0.0.1", running.port) as connection:
            return [connection.send(message(str(number))) for number in range(20)]

    outcomes = await asyncio.to_thread(exchange)
    assert all(isinstance(outcome, Acknowledged) and outcome.acknowledgement.accepted for outcome in outcomes)
    assert len({peer.port for peer in running.peers}) == 1


async def test_tls(start_server: StartServer, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    running = await start_server(ssl_context=server_tls)
    outcome = await asyncio.to_thread(
        send_once, "127.0.0.1", running.port, message(), ssl_context=client_tls, server_hostname="localhost"
    )
    assert isinstance(outcome, Acknowledged)
    untrusting = ssl.create_default_context()
    outcome = await asyncio.to_thread(send_once, "127.0.0.1", running.port, message(), ssl_context=untrusting)
    assert isinstance(outcome, ConnectionFailed)
    assert len(running.received) == 1


@pytest.mark.parametrize("code", [AckCode.AE, AckCode.AR, AckCode.CR])
def test_a_refusal_is_an_answer(code: AckCode) -> None:
    with scripted_peer(lambda peer: peer.sendall(ack(read_frame(peer), code))) as port:
        outcome = send_once("127.0.0.1", port, message("9"))
    assert isinstance(outcome, Acknowledged)
    assert (outcome.acknowledgement.code, outcome.acknowledgement.control_id) == (code, "9")


def byte_by_byte(peer: socket.socket) -> None:
    for byte in b"\r\njunk" + ack(read_frame(peer)):
        peer.sendall(bytes([byte]))


def without_carriage_return(peer: socket.socket) -> None:
    peer.sendall(ack(read_frame(peer))[:-1])
    peer.recv(1)


def without_carriage_return_then_closed(peer: socket.socket) -> None:
    peer.sendall(ack(read_frame(peer))[:-1])


@pytest.mark.parametrize("script", [byte_by_byte, without_carriage_return, without_carriage_return_then_closed])
def test_unusual_answers_are_understood(script: Script) -> None:
    with scripted_peer(script) as port:
        assert isinstance(send_once("127.0.0.1", port, message()), Acknowledged)


def answer_nothing(peer: socket.socket) -> None:
    read_frame(peer)
    peer.recv(1)


def close_at_once(peer: socket.socket) -> None:
    read_frame(peer)


def half_an_answer(peer: socket.socket) -> None:
    peer.sendall(ack(read_frame(peer))[:10])


def answer_another(peer: socket.socket) -> None:
    read_frame(peer)
    peer.sendall(ack(message("other")))


def answer_nonsense(peer: socket.socket) -> None:
    read_frame(peer)
    peer.sendall(frame(b"hello"))


def answer_without_msa(peer: socket.socket) -> None:
    peer.sendall(frame(read_frame(peer)))


def answer_endlessly(peer: socket.socket) -> None:
    read_frame(peer)
    peer.sendall(b"\x0b" + b"x" * 1_100_000)


@pytest.mark.parametrize(
    ("script", "outcome", "hint"),
    [
        (answer_nothing, NoAnswer, "within 0.3 s"),
        (close_at_once, NoAnswer, "closed"),
        (half_an_answer, NoAnswer, "closed"),
        (answer_nonsense, UnreadableAnswer, "begins with MSH"),
        (answer_without_msa, UnreadableAnswer, "MSA"),
        (answer_endlessly, UnreadableAnswer, "larger"),
    ],
)
def test_what_is_no_acknowledgement(script: Script, outcome: type, hint: str) -> None:
    with scripted_peer(script) as port, MllpConnection("127.0.0.1", port, timeouts=QUICK) as connection:
        found = connection.send(message())
        assert not connection.connected
    assert isinstance(found, NoAnswer | UnreadableAnswer)
    assert type(found) is outcome
    assert hint in found.reason


def test_the_answer_to_another_message_is_told_apart() -> None:
    with scripted_peer(answer_another) as port:
        found = send_once("127.0.0.1", port, message("mine"))
    assert isinstance(found, WrongControlId)
    assert (found.expected, found.received) == ("mine", "other")


def test_nobody_there() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    found = send_once("127.0.0.1", port, message())
    assert isinstance(found, ConnectionFailed)
    assert found.reason.startswith("connect: ")


def test_a_connection_the_peer_has_closed_is_opened_anew() -> None:
    def once(peer: socket.socket) -> None:
        peer.sendall(ack(read_frame(peer)))
        peer.close()
        closed.release()

    closed = threading.Semaphore(0)
    with scripted_peer(once, once, once) as port, MllpConnection("127.0.0.1", port) as connection:
        for number in range(3):
            outcome = connection.send(message(str(number)))
            assert isinstance(outcome, Acknowledged)
            assert closed.acquire(timeout=5)


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    def late(peer: socket.socket) -> None:
        first = read_frame(peer)
        assert peer.recv(1) == b""  # the client gave up and closed
        assert first

    def good(peer: socket.socket) -> None:
        peer.sendall(ack(read_frame(peer)))

    with scripted_peer(late, good) as port, MllpConnection("127.0.0.1", port, timeouts=QUICK) as connection:
        assert isinstance(connection.send(message("1")), NoAnswer)
        second = connection.send(message("2"))
    assert isinstance(second, Acknowledged)
    assert second.acknowledgement.control_id == "2"


def test_a_peer_that_does_not_read_is_given_up() -> None:
    def deaf(peer: socket.socket) -> None:
        started.wait(5)

    started = threading.Event()
    big = message(text="x" * 30_000_000)
    with scripted_peer(deaf) as port:
        found = send_once("127.0.0.1", port, big, timeouts=Timeouts(send=0.3))
        started.set()
    assert found == ConnectionFailed("send: time-out")


@pytest.mark.parametrize(("raw", "error"), [(b"garbage", UnreadableMessage), (message() + b"\x0b", ValueError)])
def test_what_cannot_be_sent_is_the_callers_fault(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        send_once("127.0.0.1", 1, raw)
