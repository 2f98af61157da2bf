"""Owns: an acceptor on a real port with scripted handlers, and a peer that speaks in bytes. Must not: assert."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from broker.dicom.messages import Request, Response
from broker.dicom.subscribers import Subscribers
from broker.dicom.upper_layer import (
    ACCEPT,
    AcceptorConfig,
    Admission,
    AssociationEvent,
    AssociationRequest,
    UpperLayerServer,
)
from tests.support.wait import until
from tests.unit.upper_layer import wire

T = TypeVar("T")
EventT = TypeVar("EventT")


@dataclass
class Script:
    """Handlers whose answers a test chooses; remembers what was asked and which queries were closed."""

    answers: Callable[[Request], Iterator[Response]] = lambda _: iter([Response(0)])
    reply: Callable[[Request], Response] = lambda request: Response(0, sop_instance_uid=request.sop_instance_uid)
    asked: list[tuple[str, Request]] = field(default_factory=list)
    yielded: int = 0
    closed: int = 0

    def find(self, request: Request) -> Iterator[Response]:
        self.asked.append(("find", request))
        try:
            for response in self.answers(request):
                self.yielded += 1
                yield response
        finally:
            self.closed += 1

    def create(self, request: Request) -> Response:
        self.asked.append(("create", request))
        return self.reply(request)

    def set(self, request: Request) -> Response:
        self.asked.append(("set", request))
        return self.reply(request)

    def get(self, request: Request) -> Response:
        self.asked.append(("get", request))
        return self.reply(request)


@dataclass
class Acceptor:
    """A running server and everything a test looks at; its own policy and observer."""

    script: Script
    settings: dict[str, Any]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    events: list[AssociationEvent] = field(default_factory=list)
    requests: list[AssociationRequest] = field(default_factory=list)
    admit: Callable[[AssociationRequest], Admission] = lambda _: ACCEPT
    subscribers: Subscribers = field(default_factory=lambda: Subscribers(["CT1", "VIEWER"]))

    def __post_init__(self) -> None:
        config = AcceptorConfig(**{"port": 0, "artim_timeout": 5.0, **self.settings})
        self.server = UpperLayerServer(config, self.script, self.decide, self, self.subscribers)

    @property
    def port(self) -> int:
        return self.server.port

    def observe(self, event: AssociationEvent) -> None:
        self.events.append(event)

    def decide(self, request: AssociationRequest) -> Admission:
        self.requests.append(request)
        return self.admit(request)

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 20) -> T:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def start(self, work: Coroutine[Any, Any, T]) -> Callable[[], T]:
        """Starts a coroutine on the server's loop; the answer waits for it."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        return lambda: future.result(20)

    def seen(self, kind: type[EventT]) -> EventT:
        """The first event of a kind, once it has come."""
        return until(lambda: [event for event in tuple(self.events) if isinstance(event, kind)])[0]


@contextmanager
def running(script: Script | None = None, **settings: Any) -> Iterator[Acceptor]:
    """An acceptor on a free port, in an event loop on a thread of its own."""
    acceptor = Acceptor(script or Script(), settings)
    loop = acceptor.loop
    thread = threading.Thread(target=loop.run_forever, name="acceptor-loop")
    thread.start()
    try:
        acceptor.run(acceptor.server.start())
        yield acceptor
    finally:
        acceptor.run(acceptor.server.stop(0))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Peer:
    """A requestor that writes whatever bytes a test gives it."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        try:
            raw.connect(("127.0.0.1", port))
            self.socket = tls.wrap_socket(raw, server_hostname="localhost") if tls is not None else raw
        except OSError:
            raw.close()
            raise
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def associate(self, request: bytes | None = None) -> Self:
        """Sends a request and reads the A-ASSOCIATE-AC."""
        self.send(wire.associate_rq() if request is None else request)
        kind, body = self.pdu()
        if kind != 2:
            raise ConnectionError(f"not accepted: PDU {kind} {body.hex()}")
        return self

    def pdu(self) -> tuple[int, bytes]:
        """The next PDU.

        :raises EOFError: the acceptor closed the connection.
        """
        header = self._take(6)
        kind, length = struct.unpack(">BxI", header)
        return kind, self._take(length)

    def response(self) -> tuple[int, bytes | None]:
        """Status and data set of the next response; an abort raises ConnectionError."""
        command, _ = self._part()
        elements = elements_of(command)
        has_dataset = elements[0x0800] != wire.us(0x0101)
        return int.from_bytes(elements[0x0900], "little"), self._part()[0] if has_dataset else None

    def command(self) -> dict[int, bytes]:
        """The elements of the next response's command set."""
        return elements_of(self._part()[0])

    def closed(self) -> bool:
        """Waits for the acceptor to close; False when it sends something instead."""
        try:
            return self.socket.recv(1) == b"" and not self._buffer
        except ConnectionResetError:
            return True

    def release(self) -> None:
        self.send(wire.RELEASE_RQ)
        if self.pdu() != (6, bytes(4)):
            raise ConnectionError("the release was not answered")

    def _part(self) -> tuple[bytes, bool]:
        """One command set or data set."""
        collected = b""
        while True:
            kind, body = self.pdu()
            if kind != 4:
                raise ConnectionError(f"PDU {kind} {body.hex()} instead of an answer")
            length, _, control = struct.unpack_from(">IBB", body)
            if length + 4 != len(body):
                raise ConnectionError("several values in one PDU")
            collected += body[6:]
            if control & wire.LAST:
                return collected, bool(control & wire.COMMAND)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError
            self._buffer += received
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def elements_of(command: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    position = 0
    while position < len(command):
        _, number, length = struct.unpack_from("<HHI", command, position)
        found[number] = command[position + 8 : position + 8 + length]
        position += 8 + length
    return found
