"""Devices as they are seen: who knocked, who asked what, who was given which step.

Recording never delays an answer: records wait in memory and are written in batches by a thread.  A crash may lose the
last fraction of a second of them; nothing that was acknowledged is among them.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from broker.domain.errors import Unavailable
from broker.services.context import Context
from broker.store import device_registry as registry_store
from broker.store import devices as store
from broker.store.database import Connection
from broker.store.device_registry import SeenAddress, Warned
from broker.store.devices import QueryRecord, SeenDevice

__all__ = ["DeviceLog", "QueryRecord", "SeenDevice", "WarningKind"]

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_BATCHES = 0.2
#: more than this waiting means that the database does not keep up; further records are dropped and counted
_MOST_WAITING = 50_000
_LONGEST_WARNING = 255
#: queries written in one transaction: orders and exams that come meanwhile wait for no more than these.  When more come
#: at once, the same query of the same device with the same answer is written once, with the number of its repeats
_QUERIES_AT_ONCE = 200


class WarningKind(StrEnum):
    """What kind of oddity a warning is about."""

    KEYS = "keys"
    REFUSED = "refused"
    CUT = "cut"
    WITHHELD = "withheld"
    CHARSET = "charset"
    CONTEXTS = "contexts"
    REJECTED = "rejected"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is written together, in a fixed order so that two writers never wait for each other."""

    seen: list[SeenDevice]
    addresses: list[SeenAddress]
    warned: list[Warned]
    queries: list[QueryRecord]


class DeviceLog:
    """Takes records from any thread at once and writes them soon.  ``stop`` writes what waits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._seen: dict[str, SeenDevice] = {}
        self._addresses: dict[tuple[str, str], SeenAddress] = {}
        self._warned: dict[tuple[str, str, str], Warned] = {}
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
                self._addresses[ae_title, address] = SeenAddress(ae_title, address, now, now)
        self._wake.set()

    def warned(self, ae_title: str, kind: WarningKind, text: str) -> None:
        """Something is odd about a device; ``text`` holds no patient data."""
        now = self._context.clock()
        key = (ae_title[:16], kind.value, text[:_LONGEST_WARNING])
        with self._lock:
            known = self._warned.get(key)
            if known is not None:
                self._warned[key] = replace(known, last_at=now, times=known.times + 1)
            elif len(self._warned) < _MOST_WAITING:
                self._warned[key] = Warned(*key, now, now)
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
                batch = _Batch(
                    [d for _, d in sorted(self._seen.items())], [a for _, a in sorted(self._addresses.items())],
                    [w for _, w in sorted(self._warned.items())], self._queries,
                )  # fmt: skip
                self._seen, self._addresses, self._warned, self._queries = {}, {}, {}, []
                dropped, self._dropped = self._dropped, 0
            if dropped:
                _log.warning("%d query records were dropped: the database does not keep up", dropped)
            if batch.seen or batch.queries or batch.warned:
                self._write(batch)

    def stop(self) -> None:
        """Write what waits and end the thread."""
        self._ended.set()
        self._wake.set()
        self._thread.join()
        self.flush()

    def _write(self, batch: "_Batch") -> None:
        def work(connection: Connection) -> None:
            store.seen(connection, batch.seen)
            registry_store.came_from(connection, batch.addresses)
            registry_store.warn(connection, batch.warned)

        written = 0
        try:
            if batch.seen or batch.warned:
                self._context.database.write(work)
            for some in _parts(_without_repeats(batch.queries)):
                self._context.database.write(partial(_add, records=some))
                written += sum(record.times for record in some)
        except Unavailable:
            lost = len(batch.queries) - written
            _log.warning("%d query records are lost: the database cannot be reached", lost)

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


def _add(connection: Connection, records: Sequence[QueryRecord]) -> None:
    store.queried(connection, records)


def _without_repeats(records: Sequence[QueryRecord]) -> Sequence[QueryRecord]:
    """The newest of each, counting the others; all of them while they are few."""
    if len(records) <= _QUERIES_AT_ONCE:
        return records
    newest: dict[object, QueryRecord] = {}
    for record in records:
        same = (
            record.calling_ae_title, record.address, str(record.keys), record.status, tuple(record.step_keys),
            record.answers, record.fuzzy_names, record.offset,
        )  # fmt: skip
        before = newest.get(same)
        newest[same] = record if before is None else replace(record, times=before.times + record.times)
    return list(newest.values())


def _parts(records: Sequence[QueryRecord]) -> Iterator[Sequence[QueryRecord]]:
    for first in range(0, len(records), _QUERIES_AT_ONCE):
        yield records[first : first + _QUERIES_AT_ONCE]
