"""One connection to a NATS server with JetStream: a message is published when a stream says that it has stored it.

Owns the connection: log-in, time limits, what a failure is called.  The only user of nats-py, which is optional and
therefore imported when first needed.  One thread at a time, except ``interrupt``.
"""

import asyncio
import errno
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.delivery.event_loop import EventLoop, Interrupted
from broker.delivery.login import Login
from broker.delivery.network import words
from broker.delivery.signature import SecretError

#: seconds to say goodbye, and when there is nobody any more
_FAREWELL, _LAST_FAREWELL = 2.0, 0.2
_SEED = re.compile(r"-----BEGIN USER NKEY SEED-----\s*(\S+)")
#: error codes of JetStream that the same message would meet again: it is larger than the stream or the server allows
_TOO_LARGE = frozenset({10054, 10097})


class NotStored(Exception):
    """No stream took a message.  The text says why; ``reachable`` as in ``Outcome``."""

    def __init__(self, text: str, *, reachable: bool = False, permanent: bool = False) -> None:
        super().__init__(text)
        self.reachable = reachable
        #: the same message would be refused again
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Server:
    """Where to publish.  ``stream``: the stream that must take the message; empty: whichever listens."""

    host: str
    port: int = 4222
    stream: str = ""
    login: Login = field(default_factory=Login)
    #: a file with the JWT and seed of a user (decentralised authentication)
    credentials_file: str = ""
    ssl_context: ssl.SSLContext | None = None
    tls_hostname: str = ""
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    #: shown in the server's list of connections
    name: str = "worklist-broker"

    @property
    def patience(self) -> float:
        """Seconds that one ``publish`` takes at most: connecting, the acknowledgement, and goodbyes."""
        return self.connect_timeout + self.answer_timeout + 2 * _FAREWELL


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a stream answered; ``duplicate``: it had the message already."""

    stream: str
    sequence: int
    duplicate: bool


class NatsLink:
    """Connects on demand and keeps the connection; after any failure of it the next message goes over a new one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = EventLoop(f"nats-{server.name}")
        self._client: Any = None
        self._closed = asyncio.Event()
        #: what the server, or the network, said last
        self._heard = ""

    def publish(self, subject: str, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Publish and wait for the stream's acknowledgement.  Raises NotStored or SecretError."""
        import nats.errors

        self._heard = ""
        try:
            if self._client is None or not self._client.is_connected:
                self._drop()
                self._loop.run(self._connect(), self._server.connect_timeout)
            return self._loop.run(self._publish(subject, body, dict(headers)), self._server.answer_timeout)
        except nats.errors.MaxPayloadError:
            text = "the server does not take messages as large as this (max_payload)"
            raise NotStored(text, reachable=True, permanent=True) from None
        except (nats.errors.Error, OSError, TimeoutError, ValueError, Interrupted) as error:
            raise self._failure(error, subject) from None

    def close(self) -> None:
        """Say goodbye, and end the thread."""
        self._drop()
        self._loop.close()

    def interrupt(self) -> None:
        """From another thread: end a running ``publish``."""
        self._loop.interrupt()

    async def _connect(self) -> None:
        from nats.aio.client import Client

        server, login = self._server, _login(self._server)
        closed = asyncio.Event()

        async def hang_up() -> None:
            closed.set()

        self._client, self._closed = Client(), closed
        await self._client.connect(
            f"nats://{f'[{server.host}]' if ':' in server.host else server.host}:{server.port}", name=server.name,
            allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=self._hear,
            connect_timeout=server.connect_timeout, tls=server.ssl_context,
            tls_hostname=server.tls_hostname or server.host if server.ssl_context else None,
            closed_cb=hang_up, **login,
        )  # fmt: skip

    async def _publish(self, subject: str, body: bytes, headers: dict[str, str]) -> Receipt:
        """The library goes on waiting for an answer when the connection has ended; we do not."""
        sending = asyncio.create_task(self._send(subject, body, headers))
        ended = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait({sending, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
            return sending.result()
        finally:
            sending.cancel()
            ended.cancel()

    async def _send(self, subject: str, body: bytes, headers: dict[str, str]) -> Receipt:
        stream = self._client.jetstream(timeout=self._server.answer_timeout)
        wanted = self._server.stream or None
        try:
            answer = await stream.publish(subject, body, stream=wanted, headers=headers)
            return Receipt(answer.stream, int(answer.seq), bool(answer.duplicate))
        except (ValueError, TypeError):
            text = f"the answer is no acknowledgement of a stream: something else answers on subject {subject!r}"
            raise NotStored(text, reachable=True) from None

    def _failure(self, error: Exception, subject: str) -> NotStored:
        """Names the failure; the connection is dropped unless the server has plainly answered."""
        from nats.js import errors as answers

        if isinstance(error, answers.NoStreamResponseError):
            text = f"no stream takes subject {subject!r} (503 no responders): add it to a stream's subjects"
            return NotStored(text, reachable=True)
        if isinstance(error, answers.APIError):
            text = f"{error.code} {error.description} (JetStream error {error.err_code})"
            return NotStored(text, reachable=True, permanent=error.err_code in _TOO_LARGE)
        connecting = self._client is None or not self._client.is_connected
        reason = self._heard or _words(error)
        if isinstance(error, TimeoutError):
            late = "time-out while connecting" if connecting else "time-out waiting for the stream"
            reason = f"{late}: {self._heard}" if self._heard else late
        self._drop()
        return NotStored(reason)

    async def _hear(self, error: Exception) -> None:
        """Called by the library; what it raises comes to us where we wait, and may say less than this."""
        self._heard = _words(error)

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                self._loop.run(client.close(), _FAREWELL if client.is_connected else _LAST_FAREWELL)
            except (OSError, TimeoutError, Interrupted, AssertionError):
                return  # nobody listens to the goodbye, or (as the library asserts) there was never a connection


def check_credentials(file: str) -> None:
    """Raises SecretError for a credentials file that cannot be used; the library would fail in words of no help."""
    import nkeys

    try:
        text = Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"credentials_file {file} cannot be read ({type(error).__name__})") from None
    seed = _SEED.search(text)
    if seed is None or "-----BEGIN NATS USER JWT-----" not in text:
        raise SecretError(f"credentials_file {file} holds no JWT and seed of a NATS user")
    try:
        nkeys.from_seed(seed.group(1).encode()).wipe()
    except (nkeys.NkeysError, ValueError, TypeError):
        raise SecretError(f"credentials_file {file}: the seed in it is damaged") from None


def _login(server: Server) -> dict[str, Any]:
    if server.credentials_file:
        check_credentials(server.credentials_file)
        return {"user_credentials": server.credentials_file}
    if server.login.user:
        return {"user": server.login.user, "password": server.login.text()}
    token = server.login.text()
    return {"token": token} if token else {}


def _words(error: Exception) -> str:
    if isinstance(error, Interrupted):
        return "interrupted"
    if isinstance(error, OSError):
        if error.errno is not None and not isinstance(error, ssl.SSLError):
            return os.strerror(error.errno)  # asyncio's own text is about its calls
        return words(error)
    return (str(error) or type(error).__name__).removeprefix("nats: ").strip("'")
