"""One deadline that moves often and is rarely met.

Owns the lazy timer: moving it later costs an assignment, so that thousands of associations cost nothing per message.
"""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls ``expired`` once when the time set last has come.  Monotonic: clock changes do not fire it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Due in ``seconds`` from now, whatever was set before."""
        self._due = self._loop.time() + seconds
        if self._handle is not None and self._handle.when() > self._due:
            self._handle.cancel()
            self._handle = None
        if self._handle is None:
            self._handle = self._loop.call_at(self._due, self._fire)

    def clear(self) -> None:
        """Not due any more; keeps its timer for the next ``set``."""
        self._due = None

    def stop(self) -> None:
        """Gives the timer back; for the end of its owner."""
        self._due = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        if self._due is None:
            return
        if self._due > self._loop.time():
            self._handle = self._loop.call_at(self._due, self._fire)
            return
        self._due = None
        self._expired()
