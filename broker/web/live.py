"""Telling browsers that something changed, within a second: one broadcaster per process, one queue per browser.

Woken at each commit of this process and by a slow poll for commits of others.  What it sends names orders by database
key only, never their content; browsers then fetch what they show.  A browser that cannot keep up is told to fetch
everything anew instead of being sent what it missed.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from broker.domain.errors import Unavailable
from broker.services import board
from broker.services.board import Pulse
from broker.services.context import Context
from broker.web.guard import where

_log = logging.getLogger("broker.web.live")

#: changes waiting for one browser before it is told to start anew
QUEUE_LIMIT = 16
#: rest after a change was told, however many commits follow: a full board costs 0.1 s to render
_QUIET_SECONDS = 0.4
_CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Change:
    """What one look at the database found: the new fingerprint, and the orders; None: too many, fetch everything."""

    fingerprint: str
    orders: tuple[int, ...] | None


@dataclass(eq=False, slots=True)
class Listener:
    """One browser: changes wait here until it takes them."""

    queue: asyncio.Queue[Change | str] = field(default_factory=lambda: asyncio.Queue(QUEUE_LIMIT))

    def put(self, change: Change | str) -> None:
        """Add a change; when the browser is too slow, replace all that waits by one order to fetch everything."""
        if self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            change = Change(change.fingerprint, None) if isinstance(change, Change) else change
        self.queue.put_nowait(change)


class Broadcaster:
    """Runs on the event loop between ``start`` and ``stop``."""

    def __init__(self, context: Context, poll_seconds: float) -> None:
        self._context = context
        self._poll_seconds = poll_seconds
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._known = Pulse({})
        context.database.on_commit(self._committed)

    @property
    def browsers(self) -> int:
        """How many browsers listen now."""
        return len(self._listeners)

    async def start(self) -> None:
        """Begin to look for changes."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="web-broadcaster")

    async def stop(self) -> None:
        """End every stream, then the task."""
        self._loop = None
        for listener in list(self._listeners):
            listener.put(_CLOSED)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def stream(self, beat_seconds: float, still_welcome: Callable[[], bool]) -> AsyncIterator[str]:
        """Server-sent events for one browser: ``hello`` first, ``change``, and ``beat`` as a sign of life.

        Ends when ``still_welcome`` (asked at every beat, in a thread) says no, or at ``stop``.
        """
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield await self._hello()
            while self._loop is not None:
                try:
                    change = await asyncio.wait_for(listener.queue.get(), beat_seconds)
                except TimeoutError:
                    if not await asyncio.to_thread(still_welcome):
                        yield _event("ended", {})
                        return
                    yield _event("beat", {"fingerprint": self._known.fingerprint, **self._wall()})
                    continue
                if not isinstance(change, Change):
                    return
                yield _event("change", {"fingerprint": change.fingerprint, "orders": change.orders, **self._wall()})
        finally:
            self._listeners.discard(listener)

    def _committed(self) -> None:
        """Called by the writing thread after a commit; must not block nor fail."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed in this very moment
                loop.call_soon_threadsafe(self._wake.set)

    async def _hello(self) -> str:
        pulse = await asyncio.to_thread(board.pulse, self._context)
        if len(self._listeners) == 1:  # nobody else waits for what happened while nobody looked
            self._known = pulse
        return f"retry: 2000\n{_event('hello', {'fingerprint': pulse.fingerprint, **self._wall()})}"

    def _wall(self) -> dict[str, str]:
        return {"wall": board.local_now(self._context).isoformat(timespec="milliseconds")}

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
            self._wake.clear()
            if self._listeners:
                await self._look()
                await asyncio.sleep(_QUIET_SECONDS)

    async def _look(self) -> None:
        try:
            pulse = await asyncio.to_thread(board.pulse, self._context)
        except Unavailable as error:
            _log.warning("no look for changes: %s", where(error))
            return
        known, self._known = self._known, pulse
        change = difference(known, pulse)
        if change is not None:
            for listener in list(self._listeners):
                listener.put(change)


def difference(known: Pulse, pulse: Pulse) -> Change | None:
    """What ``pulse`` has that ``known`` had not; None when nothing."""
    fresh = [key for key in pulse.orders if key not in known.orders]
    if not fresh:
        return Change(pulse.fingerprint, ()) if pulse.destinations != known.destinations else None
    if len(fresh) == len(pulse.orders):  # nothing in common: more may have happened than the window shows
        return Change(pulse.fingerprint, None)
    orders = {order for key in fresh if (order := pulse.orders[key]) is not None}
    return Change(pulse.fingerprint, tuple(sorted(orders)))


def _event(name: str, data: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
