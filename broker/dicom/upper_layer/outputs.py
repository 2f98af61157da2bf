"""What the association machine asks its surroundings to do: bytes to send, a timer, the transport, indications.

Owns these value types only.
"""

from dataclasses import dataclass

from broker.dicom.upper_layer.assembler import Message, Reply
from broker.dicom.upper_layer.pdus import AbortReason, AbortSource
from broker.dicom.upper_layer.policy import Admission
from broker.dicom.upper_layer.proposal import Proposal


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes to the transport connection."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartArtim:
    """Start or restart the ARTIM timer (PS3.8 section 9.1.5)."""


@dataclass(frozen=True, slots=True)
class StopArtim:
    """Stop the ARTIM timer if it runs."""


@dataclass(frozen=True, slots=True)
class CloseTransport:
    """Close the transport connection; the association is over."""


@dataclass(frozen=True, slots=True)
class AssociateIndication:
    """A-ASSOCIATE indication: answer with ``accept`` or ``reject``."""

    called_ae_title: str
    calling_ae_title: str
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class ProviderRejection:
    """The service provider itself rejected the request (AE-6); the user was not asked."""

    called_ae_title: str
    calling_ae_title: str
    proposal: Proposal
    admission: Admission


@dataclass(frozen=True, slots=True)
class MessageIndication:
    """One complete DIMSE request, or answer to an event (the P-DATA indications of its fragments)."""

    message: Message | Reply


@dataclass(frozen=True, slots=True)
class ReleaseIndication:
    """A-RELEASE indication: answer with ``respond_release`` when the last answer is out."""


@dataclass(frozen=True, slots=True)
class ReleaseConfirmation:
    """The peer agreed to our release."""

    #: both sides asked: our own response is still due (Sta12)
    is_collision: bool = False


@dataclass(frozen=True, slots=True)
class AbortIndication:
    """The association, or the attempt at one, ended without a release."""

    by_peer: bool
    source: AbortSource | int
    reason: AbortReason | int
    detail: str


Output = (
    Send
    | StartArtim
    | StopArtim
    | CloseTransport
    | AssociateIndication
    | ProviderRejection
    | MessageIndication
    | ReleaseIndication
    | ReleaseConfirmation
    | AbortIndication
)
