"""What talking to a receiver over a network has in common: a limit for what blocks, and failures in plain words."""

import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Limit:
    """Calls ``interrupt`` from another thread when its ``with`` block takes longer than ``seconds``.

    A socket's own time-out counts from byte to byte, so that a receiver that drips could hold us for ever.
    """

    def __init__(self, seconds: float, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._passed = threading.Event()
        self._timer = threading.Timer(seconds, self._give_up)
        self._timer.daemon = True

    @property
    def passed(self) -> bool:
        """True when the work was interrupted for taking too long."""
        return self._passed.is_set()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _give_up(self) -> None:
        self._passed.set()
        self._interrupt()


def words(error: Exception) -> str:
    """Why a connection failed, for people; never contents."""
    if isinstance(error, TimeoutError):
        return "time-out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the receiver's certificate is not accepted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
