"""Owns: a TCP listener that greets everybody with the same bytes: another program than the one we look for.
Must not: answer anything.
"""

import contextlib
import socket
import threading
from typing import Self


class Stranger:
    """Listens at once; keeps connections open until it is closed."""

    def __init__(self, greeting: bytes) -> None:
        self._greeting = greeting
        self._guests: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._greet, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._guests):
            one.close()

    def _greet(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                guest, _ = self._listener.accept()
                self._guests.append(guest)
                guest.sendall(self._greeting)
