"""One connection to an AMQP 0-9-1 server, with publisher confirms: a message is published when the server says so.

Owns the connection: log-in, exchange, channel, time limits, what a failure is called.  The only user of py-amqp, which
is optional and therefore imported when first needed.  One thread at a time, except ``interrupt``.
"""

import contextlib
import errno
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.delivery.login import Login
from broker.delivery.network import Limit, words
from broker.delivery.tls import TlsFiles

#: seconds to say goodbye, and to look whether a connection still stands
_FAREWELL = 2.0


class NotConfirmed(Exception):
    """The server did not take a message.  The text says why; ``reachable`` as in ``Outcome``."""

    def __init__(self, text: str, *, reachable: bool = False) -> None:
        super().__init__(text)
        self.reachable = reachable


@dataclass(frozen=True, slots=True)
class Server:
    """Where to publish.  ``exchange_type`` makes the exchange (durable); empty: it is there already."""

    host: str
    port: int = 5672
    virtual_host: str = "/"
    exchange: str = ""
    exchange_type: str = ""
    #: the server hands a message back that no queue takes
    mandatory: bool = True
    login: Login = field(default_factory=Login)
    tls: TlsFiles | None = None
    tls_hostname: str = ""
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    #: shown in the server's list of connections
    name: str = "worklist-broker"

    @property
    def patience(self) -> float:
        """Seconds that one ``publish`` takes at most: connecting (log-in included), the confirm, and goodbyes."""
        return self.connect_timeout + 2 * self.answer_timeout + 2 * _FAREWELL


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: bytes, properties by their AMQP names, and the headers among them."""

    routing_key: str
    body: bytes
    properties: dict[str, Any]


class AmqpLink:
    """Connects on demand and keeps the connection; after any failure the next message goes over a new one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Any = None
        self._channel: Any = None
        self._returned: list[str] = []
        self._blocked = ""

    def publish(self, message: Message) -> None:
        """Publish and wait for the confirm.  Raises NotConfirmed or SecretError."""
        self._returned.clear()
        if not self._alive():
            self._drop()
            self._guarded(self._open, self._server.connect_timeout + self._server.answer_timeout, "while connecting")
        self._guarded(lambda: self._publish(message), self._server.answer_timeout, "waiting for the confirm")
        if self._returned:
            raise NotConfirmed(self._returned[0], reachable=True)

    def close(self) -> None:
        """Say goodbye, if there is a connection."""
        connection, self._connection, self._channel, self._blocked = self._connection, None, None, ""
        if connection is None:
            return
        with contextlib.suppress(*_failures()), Limit(_FAREWELL, lambda: _shut(connection)):
            connection.close()

    def interrupt(self) -> None:
        """From another thread: end a running ``publish`` as if the server had gone."""
        _shut(self._connection)

    def _guarded(self, work: Callable[[], None], seconds: float, doing: str) -> None:
        import amqp

        with Limit(seconds, self.interrupt) as limit:
            try:
                work()
            except amqp.exceptions.MessageNacked:
                text = "refused (nack): the queue is full, or the server could not store the message"
                raise NotConfirmed(text, reachable=True) from None
            except _failures() as error:
                late = limit.passed or isinstance(error, TimeoutError)
                text = f"time-out {doing}{self._blocked}" if late else _words(error)
                self._drop()
                raise NotConfirmed(text) from None

    def _alive(self) -> bool:
        """Reads what came while nothing was sent: a server that ends a connection says so, or hangs up."""
        if self._connection is None:
            return False
        with Limit(_FAREWELL, self.interrupt):
            try:
                while True:
                    self._connection.drain_events(timeout=0)
            except TimeoutError:
                return True
            except _failures():
                return False

    def _open(self) -> None:
        import amqp

        server = self._server
        host = f"[{server.host}]" if ":" in server.host else server.host
        self._connection = amqp.Connection(
            f"{host}:{server.port}", virtual_host=server.virtual_host, ssl=_tls(server),
            connect_timeout=server.connect_timeout, on_blocked=self._on_blocked, on_unblocked=self._on_unblocked,
            client_properties={"connection_name": server.name, "product": "worklist-broker"},
            socket_settings={socket.TCP_USER_TIMEOUT: int(server.answer_timeout * 1000)}, **_login(server),
        )  # fmt: skip
        try:
            self._connection.connect()
        except (struct.error, UnicodeDecodeError):
            raise ConnectionError(errno.EPROTO, "what answers there is no AMQP 0-9-1 server") from None
        self._channel = self._connection.channel()
        self._channel.events["basic_return"].add(self._on_return)
        if server.exchange_type:
            self._channel.exchange_declare(server.exchange, server.exchange_type, durable=True, auto_delete=False)

    def _publish(self, message: Message) -> None:
        import amqp

        self._channel.basic_publish_confirm(
            amqp.Message(message.body, **message.properties), exchange=self._server.exchange,
            routing_key=message.routing_key, mandatory=self._server.mandatory,
            timeout=self._server.answer_timeout, confirm_timeout=self._server.answer_timeout,
        )  # fmt: skip

    def _on_return(self, error: Any, exchange: str, routing_key: str, _message: object) -> None:
        bound = f"no queue is bound to exchange {exchange!r} with routing key {routing_key!r}"
        why = bound if exchange else f"there is no queue {routing_key!r}"
        self._returned.append(f"handed back ({error.reply_code} {error.reply_text}): {why}")

    def _on_blocked(self, reason: str) -> None:
        self._blocked = f"; the server holds publishers back: {reason}"

    def _on_unblocked(self) -> None:
        self._blocked = ""

    def _drop(self) -> None:
        """Without a goodbye: the connection is broken, or its answers cannot be told apart any more."""
        connection, self._connection, self._channel, self._blocked = self._connection, None, None, ""
        if connection is not None:
            _shut(connection)
            connection.collect()


def _login(server: Server) -> dict[str, Any]:
    """By user and password, else by the certificate we show."""
    if server.login.user:
        return {"login_method": "PLAIN", "userid": server.login.user, "password": server.login.text()}
    return {"login_method": "EXTERNAL"}


def _tls(server: Server) -> dict[str, Any] | bool:
    if server.tls is None:
        return False
    return {
        "ca_certs": server.tls.ca or None, "certfile": server.tls.certificate or None,
        "keyfile": server.tls.key or None, "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": server.tls_hostname or server.host, "tls_minimum_version": ssl.TLSVersion.TLSv1_2,
    }  # fmt: skip


def _failures() -> tuple[type[Exception], ...]:
    """What py-amqp raises when a connection or channel fails."""
    import amqp

    return OSError, amqp.exceptions.AMQPError


def _words(error: Exception) -> str:
    """The server's code and words, when it gave any."""
    code = getattr(error, "reply_code", None)
    if code:
        return f"{code} {getattr(error, 'reply_text', '')}".strip()
    if isinstance(error, OSError):
        return "the server closed the connection" if error.errno is None and _is_end(error) else words(error)
    return str(error) or type(error).__name__


def _is_end(error: OSError) -> bool:
    return "closed connection" in str(error)


def _shut(connection: Any) -> None:
    """Whoever reads or writes on the connection fails at once."""
    transport = getattr(connection, "_transport", None)  # the public name would connect anew when there is none
    running = getattr(transport, "sock", None)
    if running is not None:
        with contextlib.suppress(OSError):  # it has ended by itself
            # not SSLSocket.shutdown: that would take the TLS layer away from the thread that reads
            socket.socket.shutdown(running, socket.SHUT_RDWR)
