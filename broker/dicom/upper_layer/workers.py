"""Threads on which handlers may block.

Owns the pool and the way back to the event loop.  Knows nothing of DICOM.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """A pool of threads whose results arrive on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, threads: int) -> None:
        self.loop = loop
        self._stopped = False
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="dicom-handler")

    def submit(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Runs ``work``, which must not raise, on a thread; then ``done`` with its result on the event loop.

        After ``stop`` nothing is run any more: the connections it would be for are gone.
        """
        if not self._stopped:
            self._pool.submit(self._run, work, done)

    def _run(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        result = work()
        # no concurrent.futures callback and no asyncio future on the way back: half the cost of run_in_executor
        self.loop.call_soon_threadsafe(done, result)

    def stop(self) -> None:
        """Takes no more work.  Running work goes on, its result is lost once the loop is closed."""
        self._stopped = True
        self._pool.shutdown(wait=False, cancel_futures=True)
