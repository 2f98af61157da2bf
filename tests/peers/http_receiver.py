"""Owns: an HTTP receiver that answers as a script says, on plain http.server, and remembers what it got.
Must not: use our own HTTP code, so that it is a judge of it.
"""

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Posted:
    """One request as it arrived; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Say:
    """An answer.  Status 0 never answers (until the receiver closes); -1 closes at once; -2 sends half a head."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


GOOD = Say(204)
SILENT, HANG_UP, HALF = Say(0), Say(-1), Say(-2)


class HttpReceiver:
    """Listens at once; `script` is used up request by request, then `after`, or what `decide` says at that moment."""

    def __init__(
        self, script: Iterable[Say] = (), after: Say = GOOD, context: ssl.SSLContext | None = None,
        decide: Callable[[], Say] | None = None,
    ) -> None:  # fmt: skip
        self.received: list[Posted] = []
        self.accepted: list[Posted] = []
        self.refused: list[Posted] = []
        self._decide = decide or (lambda: after)
        self._script = deque(script)
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._answer(self, Posted(self.path, headers, body))

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A peer that hangs up is part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _answer(self, handler: BaseHTTPRequestHandler, posted: Posted) -> None:
        self.received.append(posted)
        say = self._script.popleft() if self._script else self._decide()
        (self.accepted if 200 <= say.status < 300 else self.refused).append(posted)
        handler.close_connection = True
        if say.status == 0:
            self._closing.wait(20)
        elif say.status == -2:
            handler.wfile.write(b"HTTP/1.1 200 O")
        elif say.status > 0:
            handler.send_response(say.status)
            for name, value in say.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(say.body)))
            handler.end_headers()
            handler.wfile.write(say.body)
