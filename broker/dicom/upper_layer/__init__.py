"""The DICOM upper layer of an acceptor on asyncio (PS3.8), with pynetdicom's PDU classes and negotiation as codecs.

Owns everything between a TCP connection and the handlers of :mod:`broker.dicom.messages`.  Holds no rules of the
worklist or of MPPS, no database and no settings files.
"""

from broker.dicom.upper_layer.config import SUPPORTED, AcceptorConfig, SopClass
from broker.dicom.upper_layer.observer import (
    AssociationAborted,
    AssociationClosed,
    AssociationEvent,
    AssociationOpened,
    AssociationRejected,
    ConnectionDropped,
    ContextsRejected,
    Observer,
    RejectedContext,
)
from broker.dicom.upper_layer.policy import ACCEPT, Admission, AssociationRequest, TlsPeer, UserIdentity
from broker.dicom.upper_layer.server import UpperLayerServer

__all__ = [
    "ACCEPT",
    "SUPPORTED",
    "AcceptorConfig",
    "Admission",
    "AssociationAborted",
    "AssociationClosed",
    "AssociationEvent",
    "AssociationOpened",
    "AssociationRejected",
    "AssociationRequest",
    "ConnectionDropped",
    "ContextsRejected",
    "Observer",
    "RejectedContext",
    "SopClass",
    "TlsPeer",
    "UpperLayerServer",
    "UserIdentity",
]
