"""An association as its requestor: where a provider is, how it is reached, and in which ways that fails.

Owns the association of the service user (``scu``) from the proposal to the acceptance, roles included.  Sends no
requests.
"""

import socket
import ssl
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ

from broker.dicom import reactor_gate

MPPS_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"
TRANSFER_SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


class ScuError(Exception):
    """The provider could not be asked.  The text says where it ended; it holds no patient data."""


class NotReachable(ScuError):
    """No TCP connection, or nobody who speaks DICOM at the other end."""


class Rejected(ScuError):
    """The association was refused (PS3.8 Table 9-21)."""

    def __init__(self, result: int, source: int, reason: int, text: str) -> None:
        super().__init__(f"association rejected: {text} ({result}, {source}, {reason})")
        self.codes = (result, source, reason)


class NotOffered(ScuError):
    """The provider accepted the association but not the service asked for."""


class RoleRefused(ScuError):
    """The other side accepted the service but not our role as its provider: events must not be sent."""


class UnreadableDataset(ScuError):
    """What should be handed on is no data set that can be written in the provider's transfer syntax."""


class NoAnswer(ScuError):
    """The association ended, or the time ran out, before the answer came."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A provider and how to reach it.  Times in seconds."""

    host: str
    port: int
    called_ae_title: str = "BROKER"
    calling_ae_title: str = "BROKER_SCU"
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    transfer_syntaxes: tuple[str, ...] = TRANSFER_SYNTAXES
    #: a transfer syntax proposed by itself before the others, so that a provider that knows it takes it
    preferred_syntax: str = ""
    ssl_context: ssl.SSLContext | None = None
    #: the name its certificate must have; empty: the host
    server_hostname: str = ""


def associate(
    peer: Peer, services: Sequence[str], commands: list[Dataset], *, provided: Collection[str] = (),
    handlers: Sequence[evt.EventHandlerType] = (),
) -> Association:  # fmt: skip
    """An established association for these SOP classes; ``commands`` always holds the command set received last.

    Of the classes in ``provided`` we want to be the provider; ``handlers`` serve what the other side asks.

    :raises NotReachable, Rejected, NotOffered: there is none.
    """
    ae = AE(ae_title=peer.calling_ae_title)
    ae.connection_timeout = peer.connect_timeout
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = peer.answer_timeout
    offers = [[peer.preferred_syntax]] if peer.preferred_syntax else []
    offers += [[uid for uid in peer.transfer_syntaxes if uid != peer.preferred_syntax]]
    contexts = [build_context(uid, syntaxes) for uid in services for syntaxes in offers if syntaxes]

    refusals: list[A_ASSOCIATE_RJ] = []

    def keep(event: evt.Event) -> None:
        commands[:] = [event.message.command_set]

    def keep_refusal(event: evt.Event) -> None:
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            refusals.append(event.pdu)

    association = ae.associate(
        peer.host, peer.port, contexts, ae_title=peer.called_ae_title,
        evt_handlers=[
            (evt.EVT_CONN_OPEN, _without_delay), (evt.EVT_DIMSE_RECV, keep), (evt.EVT_PDU_RECV, keep_refusal), *handlers
        ],
        ext_neg=[build_role(uid, scu_role=False, scp_role=True) for uid in provided],
        tls_args=(peer.ssl_context, peer.server_hostname or peer.host) if peer.ssl_context else None,
    )  # fmt: skip
    if association.is_established:
        reactor_gate.guard(association)
        return association
    where = f"{peer.called_ae_title} at {peer.host}:{peer.port}"
    # Not asked of the association: a refusal that comes before its caller looks at the connection is lost on it.
    if refusals:
        raise _rejected(refusals[0])
    if association.acceptor.primitive is None:
        raise NotReachable(f"{where} cannot be reached, or does not speak DICOM")
    role = ", or not in the role that we proposed (provider: SCU 0, SCP 1)" if provided else ""
    raise NotOffered(f"{where} accepts none of the services asked for{role}")


def _rejected(pdu: A_ASSOCIATE_RJ) -> Rejected:
    try:
        text = pdu.reason_str
    except ValueError:
        text = "a reason the standard does not have"
    return Rejected(pdu.result or 0, pdu.source or 0, pdu.reason_diagnostic or 0, text)


def _without_delay(event: evt.Event) -> None:
    """Nagle's algorithm off: it costs 40 ms a message against a peer with delayed acknowledgements."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
