"""Parts of pages that look the same for everybody, kept while nothing changed: wall screens ask for the same board."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

_LIMIT = 64


class Rendered:
    """The last renderings by key, oldest forgotten first.  Thread-safe; two threads may render the same at once."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._texts: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, render: Callable[[], str]) -> str:
        """What ``render`` gave for ``key`` before, or gives now."""
        with self._lock:
            found = self._texts.get(key)
        if found is None:
            found = render()
            with self._lock:
                self._texts[key] = found
                while len(self._texts) > self._limit:
                    self._texts.popitem(last=False)
        return found
