"""Socket options and listening sockets of the acceptor.

Owns what is set on which socket and why.  Knows no protocol.
"""

import socket
import ssl
from asyncio import BaseTransport
from typing import Any, cast

from broker.dicom.upper_layer.policy import TlsPeer

#: Linux only; absent elsewhere
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
#: a device that was switched off gives its association back after four minutes; the kernel's own way takes two hours
_KEEP_ALIVE = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


def listen(host: str, port: int, *, backlog: int, reuse_port: bool, send_buffer: int) -> socket.socket:
    """A listening socket whose accepted connections inherit its options; asyncio adds TCP_NODELAY to each.

    :raises OSError: the address cannot be bound.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # a C-CANCEL cannot call back what the kernel holds already
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        listener.bind(address)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{host}:{port}: {error.strerror}") from None
    return listener


def acknowledge_now(transport: BaseTransport) -> None:
    """Acknowledges what was just received at once; the kernel forgets the option, so it is set after each receive.

    Peers that leave Nagle's algorithm on hold back the rest of their request until the acknowledgement comes.
    """
    if _QUICKACK is not None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def peer_address(transport: BaseTransport) -> tuple[str, int]:
    """Address and port of the peer; empty and 0 when it has gone already."""
    name = transport.get_extra_info("peername")
    return (str(name[0]), int(name[1])) if name else ("", 0)


def tls_peer(transport: BaseTransport) -> TlsPeer | None:
    """What TLS knows about the peer; None on a plain connection."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return None
    cipher = tls.cipher()
    names: tuple[tuple[tuple[str, str], ...], ...] = cast(Any, (tls.getpeercert() or {}).get("subject", ()))
    return TlsPeer(
        version=tls.version() or "",
        cipher=cipher[0] if cipher else "",
        certificate=tls.getpeercert(binary_form=True),
        subject=tuple(pair for part in names for pair in part),
    )
