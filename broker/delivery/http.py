"""One HTTP request to an address that is checked: what webhooks and FHIR need of HTTP, on the standard library.

Connects only to addresses that are allowed (and to the very address that was checked, so that a name cannot change its
mind), verifies TLS, follows no redirect, uses no proxy, and keeps to one deadline for everything.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from broker.delivery.network import Limit, words

#: translators to IPv4 (RFC 6052, RFC 8215)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")


class RequestFailed(Exception):
    """No answer.  The text says why, without contents."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (names in lower case) and the beginning of the body."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post.  ``allow_private`` lets addresses pass that are not of the public Internet."""

    url: str
    allow_private: bool = False
    ssl_context: ssl.SSLContext | None = None
    connect_timeout: float = 10.0
    #: seconds for the whole request, from the connection to the answer's head
    deadline: float = 15.0
    #: bytes of an answer's body; more is not read
    read_limit: int = 2048


class CutShort(http.client.HTTPException):
    """The connection ended within the head of the answer.  Said in words where it is told."""

    def __str__(self) -> str:
        return "the answer was cut short"


class _WholeLines:
    """The answer's lines as the standard library reads them, but for one: the end of the connection is no end of line.

    Without it ``HTTP/1.1 200 O`` and a reset would be taken for a receipt.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        if not line.endswith(b"\n"):
            raise CutShort
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp: Any = _WholeLines(self.fp)


class Poster:
    """Posts to one target, each time on a connection of its own.  One thread at a time, except ``interrupt``."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._parts = urlsplit(target.url)
        self._socket: socket.socket | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """POST and read the answer.  Raises RequestFailed."""
        with Limit(self._target.deadline, self.interrupt) as limit:
            try:
                return self._exchange(body, headers)
            except (OSError, http.client.HTTPException) as error:
                raise RequestFailed("time-out" if limit.passed else _plain(error)) from None
            finally:
                self._close()

    def interrupt(self) -> None:
        """From another thread: end a running ``post`` as if the receiver had closed the connection."""
        running = self._socket
        if running is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                # not SSLSocket.shutdown: that would take the TLS layer away from the thread that reads
                socket.socket.shutdown(running, socket.SHUT_RDWR)

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        parts = self._parts
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._socket = self._connect(parts, port)
        connection = http.client.HTTPConnection(parts.hostname or "", port)
        connection.response_class = _Response
        connection.sock = self._socket
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"Host": parts.netloc, "Connection": "close", **headers})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, answer.reason, found, answer.read(self._target.read_limit))
        finally:
            connection.close()

    def _connect(self, parts: SplitResult, port: int) -> socket.socket:
        address = self._address(parts.hostname or "", port)
        plain = socket.create_connection((address, port), timeout=self._target.connect_timeout)
        self._socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if parts.scheme == "http":
            plain.settimeout(self._target.deadline)
            return plain
        context = self._target.ssl_context or ssl.create_default_context()
        try:
            encrypted = context.wrap_socket(plain, server_hostname=parts.hostname)
        except BaseException:
            plain.close()
            raise
        encrypted.settimeout(self._target.deadline)
        return encrypted

    def _address(self, host: str, port: int) -> str:
        """The address to connect to.  Raises RequestFailed when the name leads to any that is not allowed."""
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        if not self._target.allow_private:
            for address in found:
                if not _is_public(address):
                    text = "the address is not of the public Internet; set allow_private = true if that is meant"
                    raise RequestFailed(text)
        return found[0]

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_public(text: str) -> bool:
    """Also looks into IPv6 addresses that carry an IPv4 one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _LOCAL_NAT64:
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return address.is_global and not address.is_multicast


def _plain(error: Exception) -> str:
    return str(error) if isinstance(error, CutShort) else words(error)
