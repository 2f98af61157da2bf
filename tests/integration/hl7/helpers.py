"""What the MLLP tests share: a server that remembers, small messages, raw connections."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from hl7 import AckCode, MllpServer, PeerInfo, ServerProblem, ServerProblemKind, acknowledge, read_header


class RunningServer:
    """A server with what it received and reported."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.peers: list[PeerInfo] = []
        self.problems: list[ServerProblem] = []
        self.server: MllpServer

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def kinds(self) -> list[ServerProblemKind]:
        return [problem.kind for problem in self.problems]

    async def accept(self, payload: bytes, peer: PeerInfo) -> bytes | None:
        """The default handler: keep the message, answer AA."""
        self.received.append(payload)
        self.peers.append(peer)
        return acknowledge(read_header(payload), AckCode.AA)


StartServer = Callable[..., Awaitable[RunningServer]]


def message(control_id: str = "1", text: str = "x") -> bytes:
    """A small message."""
    return f"MSH|^~\\&|RIS|RAD|BROKER|HUB|2024||ADT^A08|{control_id}|P|2.5\rPID|||{text}\r".encode()


async def connect(port: int, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw client connection."""
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls)
