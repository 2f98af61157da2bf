"""The HL7 listener: the MLLP server, and worker threads that answer its messages.

Owns: the socket's configuration and the threads.  Must not: look into messages (``handler``).
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.order_parts import Site
from broker.intake.rules import SenderMapping
from broker.intake.senders import Arrival
from broker.services.context import Context
from hl7.peers import PeerInfo, ServerProblem, log_problem
from hl7.server import MllpServer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IntakeConfig:
    """Where and how to listen.  Sizes in bytes, times in seconds; ``idle_timeout`` None means no limit."""

    host: str = "127.0.0.1"
    port: int = 2575
    max_connections: int = 512
    max_frame: int = 10 * 1024 * 1024
    idle_timeout: float | None = None
    ssl_context: ssl.SSLContext | None = None
    reuse_port: bool = False
    #: messages worked on at once; on SQLite those that wait share a commit
    threads: int = 16
    #: further ports, each for a sender that is told apart by it
    extra_ports: tuple[int, ...] = ()
    handler: HandlerConfig = field(default_factory=HandlerConfig)


class IntakeListener:
    """Listens for HL7 messages until stopped."""

    def __init__(
        self,
        config: IntakeConfig,
        context: Context,
        mappings: Mapping[str, SenderMapping],
        site: Site | None = None,
        on_problem: Callable[[ServerProblem], None] = log_problem,
    ) -> None:
        self._handler = MessageHandler(config.handler, context, mappings, site)
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="intake")
        self._servers = [
            MllpServer(
                config.host, port, self._answer, max_connections=config.max_connections,
                max_frame=config.max_frame, idle_timeout=config.idle_timeout, ssl_context=config.ssl_context,
                reuse_port=config.reuse_port, on_error=on_problem,
            )
            for port in (config.port, *config.extra_ports)
        ]  # fmt: skip

    @property
    def port(self) -> int:
        """The port listened on; ``ports`` has the further ones."""
        return self._servers[0].port

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port listened on."""
        return tuple(server.port for server in self._servers)

    @property
    def connection_count(self) -> int:
        """Connections open now."""
        return sum(server.connection_count for server in self._servers)

    async def start(self) -> None:
        """Begin to listen.  Raises OSError when the address cannot be used."""
        for number, server in enumerate(self._servers):
            try:
                await server.start()
            except OSError:
                await asyncio.gather(*(begun.stop(0) for begun in self._servers[:number]))
                raise
        _log.info("HL7 intake listens on port %s", ", ".join(str(port) for port in self.ports))

    async def stop(self, grace: float = 10.0) -> None:
        """Take no more, answer what is in hand, end the threads."""
        await asyncio.gather(*(server.stop(grace) for server in self._servers))
        await asyncio.get_running_loop().run_in_executor(None, partial(self._threads.shutdown, wait=True))

    async def _answer(self, raw: bytes, peer: PeerInfo) -> bytes | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._handler.answer, raw, Arrival.of(peer))
