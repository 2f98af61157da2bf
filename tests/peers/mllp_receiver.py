"""Owns: an MLLP receiver on plain sockets that behaves as a script says, and remembers what it got.
Must not: use our own HL7 library, so that it is a judge of it.
"""

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Received:
    """One message as it arrived, with the number of the connection it came on."""

    raw: bytes
    connection: int

    def field(self, segment: str, number: int, occurrence: int = 1) -> str:
        """The text of a field, by HL7 number; what is not UTF-8 is only good for counting."""
        found = [
            line.split("|")
            for line in self.raw.decode("utf-8", "replace").split("\r")
            if line.startswith(segment + "|")
        ]
        fields = found[occurrence - 1]
        index = number - 1 if segment == "MSH" else number
        return fields[index] if index < len(fields) else ""

    @property
    def control_id(self) -> str:
        return self.field("MSH", 10)


Behaviour = Callable[["Conversation", Received], bool]
"""What to do with a message; False closes the connection."""


class Conversation:
    """One accepted connection."""

    def __init__(self, connection: socket.socket, released: threading.Event) -> None:
        self.socket = connection
        self.released = released

    def send(self, payload: bytes) -> None:
        self.socket.sendall(payload)


def acknowledgement(code: str, control_id: str, text: str = "") -> bytes:
    header = f"MSH|^~\\&|HIS|HOSP|BROKER|RAD|20260704101500||ACK|R{control_id}|P|2.3.1"
    return f"\x0b{header}\rMSA|{code}|{control_id}|{text}\r\x1c\r".encode()


def answer(code: str, text: str = "") -> Behaviour:
    def behave(conversation: Conversation, received: Received) -> bool:
        conversation.send(acknowledgement(code, received.control_id, text))
        return True

    return behave


def wrong_control_id(conversation: Conversation, received: Received) -> bool:
    conversation.send(acknowledgement("AA", "ANOTHER"))
    return True


def silent(conversation: Conversation, received: Received) -> bool:
    """Never answers; the connection stays open."""
    return True


def hang_up(conversation: Conversation, received: Received) -> bool:
    """Closes without an answer."""
    return False


def half_an_answer(conversation: Conversation, received: Received) -> bool:
    conversation.send(acknowledgement("AA", received.control_id)[:30])
    return False


def drip(conversation: Conversation, received: Received) -> bool:
    """Begins an answer and goes on byte by byte, without end."""
    conversation.send(acknowledgement("AA", received.control_id)[:30])
    with contextlib.suppress(OSError):
        while not conversation.released.wait(0.05):
            conversation.send(b"x")
    return False


def garbage(conversation: Conversation, received: Received) -> bool:
    conversation.send(b"\x0bHELLO, THIS IS NO HL7\x1c\r")
    return True


def wait_for_release(conversation: Conversation, received: Received) -> bool:
    """Answers AA only when the test says so: a slow receiver."""
    conversation.released.wait(20)
    conversation.send(acknowledgement("AA", received.control_id))
    return True


GOOD = answer("AA")


class MllpReceiver:
    """Listens at once; `script` is used up message by message, then `after` decides about all others."""

    def __init__(
        self,
        script: Iterable[Behaviour] = (),
        after: Behaviour = GOOD,
        port: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.released = threading.Event()
        self.connections = 0
        self._script = deque(script)
        self._after = after
        self._context = context
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._start(self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def control_ids(self) -> list[str]:
        return [r.control_id for r in self.received]

    def behave_next(self, behaviour: Behaviour) -> None:
        """Adds one behaviour to the end of the script."""
        with self._lock:
            self._script.append(behaviour)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing = True
        self.released.set()
        for opened in [self._listener, *self._open]:
            with contextlib.suppress(OSError):  # the peer was first
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._converse, connection, self.connections)

    def _converse(self, connection: socket.socket, number: int) -> None:
        buffer = b""
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:  # the peer does not believe us
                return
        conversation = Conversation(connection, self.released)
        with connection:
            while True:
                try:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                    while b"\x1c\r" in buffer:
                        frame, _, buffer = buffer.partition(b"\x1c\r")
                        if not self._behave(conversation, Received(frame.lstrip(b"\x0b"), number)):
                            return
                except OSError:
                    return

    def _behave(self, conversation: Conversation, received: Received) -> bool:
        with self._lock:
            self.received.append(received)
            behaviour = self._script.popleft() if self._script else self._after
        return behaviour(conversation, received)
