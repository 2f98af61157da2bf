"""Encoded items kept for the next query: a device asks for the same list every few minutes.

Owns a bounded memory of bytes.  An entry is never wrong: its key holds the version of the item.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from broker.dicom.encoding import Encoder


class Key(NamedTuple):
    """What the bytes depend on.  The encoder stands for shape, transfer syntax and character sets."""

    step_key: int
    version: int
    encoder: Encoder


class EncodedItems:
    """A least-recently-used memory of at most ``limit`` bytes.  Thread-safe."""

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def get(self, key: Key, make: Callable[[], bytes]) -> bytes:
        """The bytes kept under ``key``, or made now and kept.  Raises what ``make`` raises."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self._limit:
                _, oldest = self._kept.popitem(last=False)
                self._size -= len(oldest)
        return made
