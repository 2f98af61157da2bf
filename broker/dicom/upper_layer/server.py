"""The acceptor: listens, counts connections, stops gracefully.

Owns the life of one listening port.  Its event loop is the caller's; handlers run on threads of its own.
"""

import asyncio
from contextlib import suppress

from broker.dicom import library
from broker.dicom.messages import Handlers
from broker.dicom.upper_layer import sockets
from broker.dicom.upper_layer.config import AcceptorConfig
from broker.dicom.upper_layer.connection import Connection
from broker.dicom.upper_layer.host import Admit, Host
from broker.dicom.upper_layer.listeners import Listeners
from broker.dicom.upper_layer.observer import Observer

#: The time a transport gets to report its end after an abort, seconds.
_LAST_WORDS = 1.0


class UpperLayerServer:
    """One DICOM acceptor on the running event loop."""

    def __init__(
        self, config: AcceptorConfig, handlers: Handlers, admit: Admit, observer: Observer | None = None,
        listeners: Listeners | None = None,
    ) -> None:  # fmt: skip
        """:param admit: decides about each association request; where it runs is ``config.admit_in_worker``.
        :param listeners: are told of associations on which events may be sent.
        """
        library.prepare()
        self._config = config
        self._handlers = handlers
        self._admit = admit
        self._observer = observer
        self._listeners = listeners
        #: in the order they came
        self._connections: dict[Connection, None] = {}
        self._limit = config.max_associations + config.spare_connections
        self._all_gone = asyncio.Event()
        self._host: Host | None = None
        self._server: asyncio.Server | None = None
        self._is_open = False
        self._port = 0

    @property
    def port(self) -> int:
        """The port listened on; 0 before ``start``."""
        return self._port

    @property
    def connections(self) -> int:
        """Open transport connections, associated or not."""
        return len(self._connections)

    @property
    def associations(self) -> int:
        """Associations established or being decided."""
        return self._host.associations if self._host is not None else 0

    async def start(self) -> None:
        """Listens.

        :raises OSError: the address cannot be bound.
        """
        config = self._config
        listener = sockets.listen(
            config.host,
            config.port,
            backlog=config.backlog,
            reuse_port=config.reuse_port,
            send_buffer=config.send_buffer,
        )
        self._port = listener.getsockname()[1]
        self._host = host = Host(config, self._handlers, self._admit, self._observer, self._listeners)
        # before the first connection can be accepted, which may be while create_server is awaited
        self._is_open = True
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(host, self),
            sock=listener,
            backlog=config.backlog,
            ssl=config.ssl_context,
            ssl_handshake_timeout=config.artim_timeout if config.ssl_context is not None else None,
            ssl_shutdown_timeout=_LAST_WORDS if config.ssl_context is not None else None,
        )

    async def stop(self, grace: float) -> None:
        """Takes no new work, lets running requests finish for ``grace`` seconds, releases, then aborts what is left."""
        if self._server is None or self._host is None:
            return
        self._is_open = False
        self._server.close()
        self._server = None
        self._host.draining = True
        for connection in tuple(self._connections):
            connection.drain()
        await self._wait_until_gone(grace)
        for connection in tuple(self._connections):
            connection.abort("the acceptor stops")
        await self._wait_until_gone(_LAST_WORDS)
        self._host.workers.stop()
        self._host.query_workers.stop()

    async def _wait_until_gone(self, seconds: float) -> None:
        if self._connections:
            self._all_gone.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), seconds)

    # -- broker.dicom.upper_layer.connection.Connections

    def add(self, connection: Connection) -> bool:
        """Counts a connection; False when there are too many.  The oldest that only waits gives way to a new one."""
        if not self._is_open or (len(self._connections) >= self._limit and not self._make_room()):
            return False
        self._connections[connection] = None
        return True

    def _make_room(self) -> bool:
        """Devices ask for their association at once: what has been silent longest is hardly one."""
        oldest = next((connection for connection in self._connections if connection.is_silent), None)
        if oldest is None:
            return False
        del self._connections[oldest]
        oldest.give_way()
        return True

    def remove(self, connection: Connection) -> None:
        """Forgets a connection."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._all_gone.set()
