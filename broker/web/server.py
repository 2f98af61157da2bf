"""The HTTP server around the application, inside a running event loop.  Owns the socket and the order of stopping."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from broker.services.context import Context
from broker.services.destination_desk import DestinationDesk
from broker.services.device_registry import DeviceDirectory
from broker.services.dicomweb import DicomWebDesk
from broker.services.examination import MessageDesk
from broker.services.template_desk import TemplateDesk
from broker.web.app import create_app
from broker.web.config import WebConfig
from broker.web.parts import Parts

_BACKLOG = 256
_LAST_ANSWERS_SECONDS = 5


class _Embedded(uvicorn.Server):
    """A server that leaves signals to the program it lives in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the program that starts us stops us."""
        yield


class WebServer:
    """Serves the pages.  ``start`` returns when browsers can connect; ``port`` is then the one bound."""

    def __init__(
        self, config: WebConfig, context: Context, desk: MessageDesk | None = None,
        devices: DeviceDirectory | None = None, dicomweb: DicomWebDesk | None = None,
        *, destinations: DestinationDesk | None = None, outgoing: TemplateDesk | None = None,
    ) -> None:  # fmt: skip
        self.app: FastAPI = create_app(
            config, context, desk, devices, dicomweb, destinations=destinations, outgoing=outgoing
        )
        self._config = config
        self._server: _Embedded | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = config.port

    @property
    def url(self) -> str:
        """The address of the board."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"http{'s' if self._config.tls else ''}://{host}:{self.port}"

    async def start(self) -> None:
        """Bind and serve.  Raises OSError for an address that cannot be bound, ssl.SSLError for a bad certificate."""
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, server_header=False, lifespan="on",
            timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
            ssl_certfile=self._config.tls_certificate, ssl_keyfile=self._config.tls_key,
        )  # fmt: skip
        config.load()
        bound = _bind(self._config.host, self._config.port)
        self.port = bound.getsockname()[1]
        self._server = _Embedded(config)
        self._task = asyncio.create_task(self._server.serve([bound]), name="web-server")
        while not self._server.started:
            if self._task.done():
                bound.close()
                await self._task
                raise RuntimeError("the web server ended before it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Take no more connections, end the live streams, let answers finish; returns when all is closed."""
        if self._server is None or self._task is None:
            return
        parts: Parts = self.app.state.parts
        await parts.broadcaster.stop()
        self._server.should_exit = True
        await self._task
        self._server = self._task = None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
    bound.setblocking(False)
    return bound
