"""MLLP client: send one message, await its acknowledgement, say exactly what happened.

Owns: one connection, a time-out per phase, and the check that the answer is to our message (MSA-2).
Must not: repeat a message; the caller knows whether repeating is right. Blocking; one thread at a time.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType

from hl7.acknowledge import Acknowledgement, read_acknowledgement
from hl7.errors import FramingError, FramingKind, Hl7Error
from hl7.escapes import Escapes
from hl7.framing import FrameDecoder, frame
from hl7.header import read_header

_READ_SIZE = 65_536
_MAX_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer answered our message; whether it accepts it is in `acknowledgement`."""

    acknowledgement: Acknowledgement
    raw: bytes


@dataclass(frozen=True, slots=True)
class WrongControlId:
    """The peer answered another message: ours may or may not have been processed."""

    expected: str
    received: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The message was sent, no answer came: it may or may not have been processed."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """The message did not get out whole: it was not processed."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnreadableAnswer:
    """Something came that is no acknowledgement: the message may or may not have been processed."""

    reason: str
    raw: bytes


Outcome = Acknowledged | WrongControlId | NoAnswer | ConnectionFailed | UnreadableAnswer


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds allowed for each phase."""

    connect: float = 10.0
    send: float = 30.0
    answer: float = 30.0


_DEFAULT_TIMEOUTS = Timeouts()


class MllpConnection:
    """A connection opened when first needed and kept open; closed by everything that leaves its state in doubt."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.timeouts = timeouts
        self._ssl_context = ssl_context
        self._server_hostname = server_hostname or host
        self._socket: socket.socket | None = None

    def __enter__(self) -> MllpConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """True while a connection is open as far as we know."""
        return self._socket is not None

    def close(self) -> None:
        """Close the connection; `send` opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def interrupt(self) -> None:
        """From another thread: end a running `send` as if the peer had closed the connection."""
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):  # the peer, or the sending thread, has closed it already
                connection.shutdown(socket.SHUT_RDWR)

    def send(self, message: bytes) -> Outcome:
        """Send one message and await its answer.

        Errors: UnreadableMessage when it has no header, ValueError when it cannot be framed: both are the caller's.
        """
        header = read_header(message)
        control_id = Escapes(header.delimiters).unescape(header.control_id.strip())
        framed = frame(message)
        try:
            connection = self._usable()
        except OSError as error:
            self.close()
            return ConnectionFailed(f"connect: {_plain(error)}")
        try:
            connection.settimeout(self.timeouts.send)
            connection.sendall(framed)
        except OSError as error:
            self.close()
            return ConnectionFailed(f"send: {_plain(error)}")
        outcome = self._await_answer(connection, control_id)
        if not isinstance(outcome, Acknowledged):
            self.close()
        return outcome

    def _usable(self) -> socket.socket:
        """The open connection, or a new one when there is none or the peer has closed it or sent something unasked."""
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self.host, self.port), timeout=self.timeouts.connect)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._ssl_context is None:
            return plain
        try:
            return self._ssl_context.wrap_socket(plain, server_hostname=self._server_hostname)
        except BaseException:
            plain.close()
            raise

    def _await_answer(self, connection: socket.socket, control_id: str) -> Outcome:
        decoder = FrameDecoder(max_frame=_MAX_ANSWER)
        deadline = time.monotonic() + self.timeouts.answer
        while True:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return NoAnswer(f"none within {self.timeouts.answer:g} s")
            try:
                connection.settimeout(min(remaining, 0.25) if decoder.waiting_for_end else remaining)
                data = connection.recv(_READ_SIZE)
            except TimeoutError:
                events = decoder.flush()
            except OSError as error:
                return NoAnswer(_plain(error))
            else:
                events = decoder.feed(data) if data else decoder.close()
            for event in events:
                if not isinstance(event, FramingError):
                    return _read(event.payload, control_id)
                if event.kind is FramingKind.TOO_LARGE:
                    return UnreadableAnswer(event.text, b"")
            if decoder.dead:
                return NoAnswer("the peer closed the connection")


def _read(raw: bytes, control_id: str) -> Outcome:
    try:
        acknowledgement = read_acknowledgement(raw)
    except Hl7Error as error:
        return UnreadableAnswer(str(error), raw)
    if acknowledgement.control_id != control_id:
        return WrongControlId(control_id, acknowledgement.control_id, raw)
    return Acknowledged(acknowledgement, raw)


def _plain(error: OSError) -> str:
    """What happened, in words that fit a log and a page."""
    if isinstance(error, TimeoutError):
        return "time-out"
    return error.strerror or type(error).__name__


def send_once(
    host: str,
    port: int,
    message: bytes,
    *,
    timeouts: Timeouts = _DEFAULT_TIMEOUTS,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
) -> Outcome:
    """Connect, send one message, await its answer, close."""
    with MllpConnection(
        host, port, timeouts=timeouts, ssl_context=ssl_context, server_hostname=server_hostname
    ) as connection:
        return connection.send(message)
