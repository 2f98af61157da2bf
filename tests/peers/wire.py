"""Owns: a TCP wire to a server that a test can cut, or make deaf, in the middle of a conversation.
Must not: know what travels over it.
"""

import contextlib
import socket
import threading
from typing import Self


class Wire:
    """Listens at once and passes bytes on to `port`, both ways, until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._answers = threading.Event()
        self._answers.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.held = 0
        """Bytes from the server that are kept back while answers are."""
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_answers_through()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def keep_answers_back(self) -> None:
        """What the server says from now on does not arrive; what is said to it does."""
        self.held = 0
        self._answers.clear()

    def let_answers_through(self) -> None:
        self._answers.set()

    def cut(self) -> None:
        """Resets every connection, as a firewall does; new ones are welcome."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self._listener.accept()
                self.connections += 1
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((near, far))
                for source, sink, waits in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass_on, args=(source, sink, waits), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, waits: bool) -> None:
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(65536):
                if waits and not self._answers.is_set():
                    self.held += len(data)
                    self._answers.wait(60)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
