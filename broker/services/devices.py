"""Devices as they are seen: who knocked, who asked what, who was given which step.

Recording never delays an answer: records wait in memory and are written in batches by a thread.  A crash may lose the
last fraction of a second of them; nothing that was acknowledged is among them.
"""

import logging
import threading
from dataclasses import dataclass

from broker.domain.errors import Unavailable
from broker.services.context import Context
from broker.store import devices as store
from broker.store import tolerations
from broker.store.database import Connection
from broker.store.devices import QueryRecord, SeenDevice
from broker.store.tolerations import TolerationCount

__all__ = [
    "DeviceLog",
    "DevicePage",
    "QueryRecord",
    "SeenDevice",
    "TolerationCount",
    "accept",
    "listed",
    "overview",
    "recent_queries",
    "show",
]

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_BATCHES = 0.2
#: more than this waiting means that the database does not keep up; further records are dropped and counted
_MOST_WAITING = 50_000


class DeviceLog:
    """Takes records from any thread at once and writes them soon.  ``stop`` writes what waits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._seen: dict[str, SeenDevice] = {}
        self._queries: list[QueryRecord] = []
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="device-log", daemon=True)
        self._thread.start()

    def seen(self, ae_title: str, address: str, *, known: bool) -> None:
        """A device associated, or tried to."""
        now = self._context.clock()
        with self._lock:
            if len(self._seen) < _MOST_WAITING:
                self._seen[ae_title] = SeenDevice(ae_title, address, known, now, now)
        self._wake.set()

    def queried(self, record: QueryRecord) -> None:
        """A query was answered."""
        with self._lock:
            if len(self._queries) < _MOST_WAITING:
                self._queries.append(record)
            else:
                self._dropped += 1
        self._wake.set()

    def flush(self) -> None:
        """Write everything recorded before this call."""
        with self._flushing:
            with self._lock:
                seen, self._seen = sorted(self._seen.values(), key=lambda d: d.ae_title), {}
                queries, self._queries = self._queries, []
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _log.warning("%d query records were dropped: the database does not keep up", dropped)
            if seen or queries:
                self._write(seen, queries)

    def stop(self) -> None:
        """Write what waits and end the thread."""
        self._ended.set()
        self._wake.set()
        self._thread.join()
        self.flush()

    def _write(self, seen: list[SeenDevice], queries: list[QueryRecord]) -> None:
        def work(connection: Connection) -> None:
            store.seen(connection, seen)
            store.queried(connection, queries)

        try:
            self._context.database.write(work)
        except Unavailable:
            _log.warning("%d query records are lost: the database cannot be reached", len(queries))

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait()
            self._wake.clear()
            self._ended.wait(_SECONDS_BETWEEN_BATCHES)
            self._attempt()

    def _attempt(self) -> None:
        """A batch that the database refuses is given up; the thread goes on with the next."""
        try:
            self.flush()
        except Exception:  # noqa: BLE001 - the last line of defence of a thread; the traceback holds no values
            _log.exception("a batch of query records could not be written")


def listed(context: Context) -> list[SeenDevice]:
    """All devices ever seen, known and knocking."""
    return context.database.read(store.listed)


def accept(context: Context, ae_title: str, *, known: bool = True) -> bool:
    """Accept a knocking device, or take that back; False when it was never seen."""
    return context.database.write(lambda c: store.accept(c, ae_title, known=known))


def recent_queries(context: Context, calling_ae_title: str, limit: int = 100) -> list[QueryRecord]:
    """The newest queries of a device, newest first."""
    return context.database.read(lambda c: store.recent_queries(c, calling_ae_title, limit))


@dataclass(frozen=True, slots=True)
class DevicePage:
    """One device: when it was seen (None: it only ever sent MPPS before devices were recorded), and what it was let
    pass in MPPS."""

    ae_title: str
    seen: SeenDevice | None
    tolerations: tuple[TolerationCount, ...]


def overview(context: Context) -> list[tuple[SeenDevice, int]]:
    """All devices ever seen, by AE title, each with how often it was let something pass."""

    def work(connection: Connection) -> list[tuple[SeenDevice, int]]:
        totals = tolerations.totals(connection)
        return [(device, totals.get(device.ae_title, 0)) for device in store.listed(connection)]

    return context.database.read(work)


def show(context: Context, ae_title: str) -> DevicePage | None:
    """What is known about a calling AE title; None when nothing is."""

    def work(connection: Connection) -> DevicePage | None:
        seen = next((d for d in store.listed(connection) if d.ae_title == ae_title), None)
        found = tuple(tolerations.of_device(connection, ae_title))
        return DevicePage(ae_title, seen, found) if seen or found else None

    return context.database.read(work)
