"""What an acceptor tells about its associations: plain facts for logs, metrics and the device page.

Owns the event types and the Observer protocol.  Never holds data sets or user identities.
"""

from dataclasses import dataclass
from typing import Protocol

from broker.dicom.messages import Association
from broker.dicom.upper_layer.policy import Admission, AssociationRequest


@dataclass(frozen=True, slots=True)
class RejectedContext:
    """One presentation context that was refused (PS3.8 Table 9-18)."""

    context_id: int
    abstract_syntax: str
    name: str
    transfer_syntaxes: tuple[str, ...]
    #: 1 user rejection (roles), 3 abstract syntax not supported, 4 transfer syntaxes not supported
    result: int


@dataclass(frozen=True, slots=True)
class AssociationOpened:
    """An association was accepted."""

    association: Association
    abstract_syntaxes: tuple[str, ...]
    encrypted: bool


@dataclass(frozen=True, slots=True)
class ContextsRejected:
    """An accepted association whose peer asked for more than it got."""

    association: Association
    contexts: tuple[RejectedContext, ...]


@dataclass(frozen=True, slots=True)
class AssociationRejected:
    """An association request was refused with A-ASSOCIATE-RJ."""

    request: AssociationRequest
    admission: Admission


@dataclass(frozen=True, slots=True)
class AssociationAborted:
    """An association, or a connection before one, ended with A-ABORT or without any goodbye."""

    address: str
    port: int
    #: None before an association was established
    association: Association | None
    by_peer: bool
    #: PS3.8 Table 9-26
    source: int
    reason: int
    detail: str


@dataclass(frozen=True, slots=True)
class AssociationClosed:
    """An association was released in good order."""

    association: Association
    #: seconds since it was accepted
    duration: float
    #: requests received
    messages: int


@dataclass(frozen=True, slots=True)
class ConnectionDropped:
    """A transport connection was closed at once because too many were open."""

    address: str
    port: int


AssociationEvent = (
    AssociationOpened
    | ContextsRejected
    | AssociationRejected
    | AssociationAborted
    | AssociationClosed
    | ConnectionDropped
)


class Observer(Protocol):
    """Receives events on the event loop; must return at once."""

    def observe(self, event: AssociationEvent) -> None:
        """One thing happened."""
