"""The acceptor for callers without an event loop: the upper layer on a loop and thread of its own.

Owns that thread.  Everything about associations is in ``upper_layer``; everything about requests in the handlers.
"""

import asyncio
import threading
from types import TracebackType

from broker.dicom.messages import Handlers
from broker.dicom.upper_layer import AcceptorConfig, Observer, UpperLayerServer
from broker.dicom.upper_layer.host import Admit
from broker.dicom.upper_layer.listeners import Listeners

_START_TIMEOUT = 30.0


class Acceptor:
    """One listening DICOM port.  Also a context manager that starts and stops."""

    def __init__(
        self, config: AcceptorConfig, handlers: Handlers, admit: Admit, observer: Observer | None = None,
        listeners: Listeners | None = None,
    ) -> None:  # fmt: skip
        self._server = UpperLayerServer(config, handlers, admit, observer, listeners)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dicom-acceptor", daemon=True)

    @property
    def port(self) -> int:
        """The port listened on; 0 before ``start``."""
        return self._server.port

    @property
    def associations(self) -> int:
        """Associations established or being decided."""
        return self._server.associations

    def start(self) -> None:
        """Listen.

        :raises OSError: the address cannot be bound.
        """
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(_START_TIMEOUT)
        except BaseException:
            self._end_loop()
            raise

    def stop(self, grace: float = 5.0) -> None:
        """Take no new work, let running requests finish for ``grace`` seconds, then abort what is left."""
        if not self._thread.is_alive():
            return
        try:
            asyncio.run_coroutine_threadsafe(self._server.stop(grace), self._loop).result(grace + _START_TIMEOUT)
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT)
        self._loop.close()

    def __enter__(self) -> "Acceptor":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
