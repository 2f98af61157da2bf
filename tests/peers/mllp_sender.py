"""Owns: an HL7 sender on plain sockets: sends what it is told, reads the answer. Must not: use our own HL7 library, so
that it is a judge of it.
"""

import socket
from dataclasses import dataclass
from typing import Self

START, END = b"\x0b", b"\x1c\r"


@dataclass(frozen=True)
class Answer:
    """An acknowledgement as it arrived, without frame."""

    raw: bytes

    def field(self, segment: str, number: int) -> str:
        """The text of a field of the first such segment, "" when there is none; MSH counts as HL7 does."""
        lines = [line.split("|") for line in self.raw.decode("utf-8").split("\r") if line.startswith(segment + "|")]
        index = number - 1 if segment == "MSH" else number
        return lines[0][index] if lines and index < len(lines[0]) else ""

    @property
    def code(self) -> str:
        return self.field("MSA", 1)

    @property
    def control_id(self) -> str:
        return self.field("MSA", 2)


class MllpSender:
    """One connection to a receiver on the loopback; `timeout` in seconds."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def exchange(self, message: bytes) -> Answer:
        """Sends a message and reads its answer. Raises ConnectionError when the peer closes instead."""
        self.socket.sendall(START + message + END)
        return self.read()

    def read(self) -> Answer:
        """The next frame. Raises ConnectionError when the peer closes instead."""
        while END not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionResetError("closed without an answer")
            self._buffer += data
        frame, _, self._buffer = self._buffer.partition(END)
        return Answer(frame.lstrip(START))

    def closed_by_peer(self) -> bool:
        """Waits for the peer to close the connection; False when it answers instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def exchange(port: int, message: bytes) -> Answer:
    """Sends one message on a connection of its own and reads its answer."""
    with MllpSender(port) as sender:
        return sender.exchange(message)
