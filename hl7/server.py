"""MLLP server on asyncio: long-lived connections, messages one at a time on each, answers on the same connection.

Owns: sockets, limits, time-outs, back-pressure, graceful stop. Must not: look into messages; the handler does.
A connection is not read while its message is being handled, so a sender that does not wait is slowed by TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from hl7.errors import FramingError
from hl7.framing import DEFAULT_MAX_FRAME, Event, Frame, FrameDecoder, frame
from hl7.peers import FRAMING_PROBLEMS, PeerInfo, ServerProblem, ServerProblemKind, log_problem

_READ_SIZE = 65_536
_END_WAIT = 0.25
"""Seconds to wait for the 0x0D after a 0x1C before the frame counts as complete."""
_WRITE_WAIT = 60.0
"""Seconds a peer may leave its answers unread before the connection is given up."""
_CLOSE_WAIT = 5.0


Handler = Callable[[bytes, PeerInfo], Awaitable[bytes | None]]
"""Takes a message, gives the answer. None closes the connection unanswered, so that the sender repeats; b"" keeps it
open without an answer, for senders that want none."""


class MllpServer:
    """Listens on `host`:`port` (0 picks a free port). Sizes in bytes, times in seconds.

    `idle_timeout` None means no limit: TCP keep-alive finds dead peers. Above `max_connections` new ones are closed.
    """

    def __init__(  # noqa: PLR0913 - every one is a setting of its own
        self,
        host: str,
        port: int,
        handler: Handler,
        *,
        max_connections: int = 512,
        max_frame: int = DEFAULT_MAX_FRAME,
        idle_timeout: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        backlog: int = 512,
        reuse_port: bool = False,
        on_error: Callable[[ServerProblem], None] = log_problem,
    ) -> None:
        self.host = host
        self.max_connections = max_connections
        self.max_frame = max_frame
        self.idle_timeout = idle_timeout
        self._asked_port = port
        self._handler = handler
        self._ssl_context = ssl_context
        self._backlog = backlog
        self._reuse_port = reuse_port
        self._on_error = on_error
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port listened on. Errors: RuntimeError before `start`."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the MLLP server is not listening")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        """Connections open now."""
        return len(self._connections)

    async def start(self) -> None:
        """Begin to listen. Errors: OSError when the address cannot be used."""
        self._stopping = False
        self._server = await asyncio.start_server(
            self._serve,
            self.host,
            self._asked_port,
            backlog=self._backlog,
            ssl=self._ssl_context,
            reuse_port=self._reuse_port or None,
            limit=_READ_SIZE,
        )

    async def stop(self, grace: float = 10.0) -> None:
        """Stop: accept no more, close idle connections, let messages in hand be answered within `grace` seconds."""
        self._stopping = True
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self._connections):
            connection.stop_when_idle()
        tasks = [connection.task for connection in self._connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer_info(writer)
        if self._stopping or len(self._connections) >= self.max_connections:
            if not self._stopping:
                self._on_error(ServerProblem(ServerProblemKind.TOO_MANY_CONNECTIONS, peer))
            await _close(writer)
            return
        connection = _Connection(self, reader, writer, peer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            await _close(writer)

    async def answer(self, payload: bytes, peer: PeerInfo) -> bytes | None:
        """The framed answer; a handler that fails leaves the message unanswered and is reported."""
        try:
            answer = await self._handler(payload, peer)
            return answer if not answer else frame(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported, and the sender repeats
            self._on_error(ServerProblem(ServerProblemKind.HANDLER_FAILED, peer, len(payload), error))
            return None

    def report(self, problem: ServerProblem) -> None:
        """Pass a problem on."""
        self._on_error(problem)


class _Connection:
    """One connection from accept to close."""

    def __init__(
        self, server: MllpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: PeerInfo
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._decoder = FrameDecoder(max_frame=server.max_frame)
        self._busy = False
        self._stopping = False
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection runs in a task")
        self.task: asyncio.Task[Any] = task

    def stop_when_idle(self) -> None:
        """End now when no message is in hand, else after its answer."""
        self._stopping = True
        if not self._busy:
            self.task.cancel()

    async def run(self) -> None:
        """Serve until the peer or the server ends it."""
        _set_socket_options(self._writer)
        try:
            while await self._handle(await self._receive()):
                pass
        except OSError as error:
            self._report(ServerProblemKind.LOST, error=error)
        except asyncio.CancelledError:
            if self._busy:
                self._report(ServerProblemKind.STOPPED)
            if not self._stopping:
                raise

    async def _receive(self) -> list[Event] | None:
        """The next events; None when the connection is over."""
        limit = _END_WAIT if self._decoder.waiting_for_end else self._server.idle_timeout
        try:
            async with asyncio.timeout(limit):
                data = await self._reader.read(_READ_SIZE)
        except TimeoutError:
            if self._decoder.waiting_for_end:
                return self._decoder.flush()
            self._report(ServerProblemKind.IDLE)
            return None
        if data:
            return self._decoder.feed(data)
        last = self._decoder.close()
        return last or None

    async def _handle(self, events: Iterable[Event] | None) -> bool:
        """Deal with events in order; False ends the connection."""
        if events is None:
            return False
        for event in events:
            if isinstance(event, Frame):
                if not await self._answer(event.payload):
                    return False
            else:
                self._report_framing(event)
        return not self._decoder.dead

    async def _answer(self, payload: bytes) -> bool:
        self._busy = True
        answer = await self._server.answer(payload, self._peer)
        if answer is None:
            self._busy = False
            return False
        self._writer.write(answer)
        async with asyncio.timeout(_WRITE_WAIT):
            await self._writer.drain()
        self._busy = False
        return not self._stopping

    def _report_framing(self, error: FramingError) -> None:
        self._report(FRAMING_PROBLEMS[error.kind], error.byte_count)

    def _report(self, kind: ServerProblemKind, byte_count: int = 0, error: BaseException | None = None) -> None:
        self._server.report(ServerProblem(kind, self._peer, byte_count, error))


def _peer_info(writer: asyncio.StreamWriter) -> PeerInfo:
    peer = writer.get_extra_info("peername") or ("", 0)
    local = writer.get_extra_info("sockname") or ("", 0)
    return PeerInfo(str(peer[0]), int(peer[1]), int(local[1]), writer.get_extra_info("peercert") or {})


def _set_socket_options(writer: asyncio.StreamWriter) -> None:
    """No Nagle delay; dead peers found by TCP keep-alive within about two minutes where the system lets us say so."""
    found = writer.get_extra_info("socket")
    if found is None:
        return
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close, without waiting long for a peer that does not read what is left for it."""
    writer.close()
    # the peer may have gone already: then there is nothing left to close
    with contextlib.suppress(OSError):
        try:
            async with asyncio.timeout(_CLOSE_WAIT):
                await writer.wait_closed()
        except TimeoutError:
            writer.transport.abort()
