"""Owns: finding a free TCP port, for programs that cannot take port 0. Must not: be used where port 0 works."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment; another program may take it before the caller does."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port
