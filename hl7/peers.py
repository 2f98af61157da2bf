"""Who is at the other end of an MLLP connection, and what can go wrong with it.

Owns: the facts a server reports. Must not: hold or show message content.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hl7.errors import FramingKind

_log = logging.getLogger("hl7.server")


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """Who sent a message and where it came in. `certificate` is the peer's as `ssl` gives it, empty without TLS."""

    host: str
    port: int
    local_port: int
    certificate: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ServerProblemKind(StrEnum):
    """What went wrong on a connection."""

    JUNK = "bytes outside any frame"
    UNFINISHED = "unfinished frame"
    TOO_LARGE = "frame too large"
    TOO_MANY_CONNECTIONS = "too many connections"
    IDLE = "idle too long"
    LOST = "connection lost"
    HANDLER_FAILED = "handler failed"
    STOPPED = "stopped before the answer"


FRAMING_PROBLEMS = {
    FramingKind.JUNK: ServerProblemKind.JUNK,
    FramingKind.UNFINISHED: ServerProblemKind.UNFINISHED,
    FramingKind.TOO_LARGE: ServerProblemKind.TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class ServerProblem:
    """One problem, free of message content. `error` is the exception behind it (log its type, not its text)."""

    kind: ServerProblemKind
    peer: PeerInfo
    byte_count: int = 0
    error: BaseException | None = None


def log_problem(problem: ServerProblem) -> None:
    """Log a problem as a warning; what a server does when it is given no `on_error`."""
    cause = type(problem.error).__name__ if problem.error else "none"
    _log.warning(
        "MLLP connection from %s: %s (%d bytes, cause: %s)", problem.peer, problem.kind, problem.byte_count, cause
    )
