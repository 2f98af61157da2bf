"""An asyncio event loop on a thread of its own, for libraries that know nothing else; used from a thread that waits.

The loop runs between calls too, so that a kept connection answers its server's pings.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")
#: seconds for what is left to end when the loop is closed
_FAREWELL = 5.0


class Interrupted(Exception):
    """The call was ended from another thread."""


class EventLoop:
    """Starts with the first ``run``; one ``run`` at a time, ``interrupt`` from any thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: Future[Any] | None = None

    def run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The result of ``work``.  Raises what it raises, TimeoutError after ``seconds``, or Interrupted."""
        self._running = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._started())
        try:
            found: T = self._running.result()
        except CancelledError:
            raise Interrupted from None
        finally:
            self._running = None
        return found

    def interrupt(self) -> None:
        """End a running ``run``."""
        running = self._running
        if running is not None:
            running.cancel()

    def close(self) -> None:
        """End the loop and all that still runs on it; ``run`` starts another."""
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancel_others(), loop).result(_FAREWELL)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_FAREWELL)

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            loop = asyncio.new_event_loop()
            self._loop = loop
            self._thread = threading.Thread(target=_serve, args=(loop,), name=self._name, daemon=True)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
