"""Keeping what is held in memory as the database has it, changed by whichever process.

Owns the thread that looks again and again.  What is read, and what becomes of it, is its user's.
"""

import logging
import threading
from collections.abc import Callable

from broker.domain.errors import Unavailable

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 0.5


class Refresher:
    """Calls ``refresh`` at the start and every half second; ``what`` it is, in the plural, for the log.

    While the database is away everything stays as it was; that is logged once.
    """

    def __init__(self, what: str, refresh: Callable[[], None]) -> None:
        self._what = what
        self._refresh = refresh
        self._reachable = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"refresh {what}", daemon=True)

    def start(self) -> None:
        """Look once, then on a thread."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; without effect when it never ran."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        try:
            self._refresh()
        except Unavailable:
            if self._reachable:
                _log.warning("the database cannot be reached: the %s stay as they were", self._what)
            self._reachable = False
        except Exception:  # noqa: BLE001 - the last line of defence of a thread; the traceback holds no values
            _log.exception("the %s could not be read", self._what)
        else:
            self._reachable = True
