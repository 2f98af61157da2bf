"""What an acceptor is told at its start: addresses, limits, time-outs and the SOP classes it provides.

Owns the frozen configuration and its defaults.  Reads no files: settings are the business of the composition root.
"""

import ssl
from dataclasses import dataclass, field

from broker.dicom.upper_layer.commands import Operation

VERIFICATION = "1.2.840.10008.1.1"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
MPPS_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"

#: In order of preference: explicit VR keeps the VRs of private and newer attributes.
TRANSFER_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
)


@dataclass(frozen=True, slots=True)
class SopClass:
    """One supported abstract syntax: what may be asked in its presentation contexts, and how it is encoded."""

    uid: str
    operations: frozenset[Operation]
    transfer_syntaxes: tuple[str, ...] = TRANSFER_SYNTAXES
    #: further SOP Class UIDs that a request in such a context may name
    also_named: frozenset[str] = frozenset()
    #: the provider tells the peer events in such a context (N-EVENT-REPORT)
    has_events: bool = False


SUPPORTED = (
    SopClass(VERIFICATION, frozenset({Operation.C_ECHO})),
    SopClass(MODALITY_WORKLIST_FIND, frozenset({Operation.C_FIND, Operation.C_CANCEL})),
    SopClass(MPPS, frozenset({Operation.N_CREATE, Operation.N_SET})),
    # PS3.4 F.8: the instance was made under the MPPS SOP Class, and some requestors name that one
    SopClass(MPPS_RETRIEVE, frozenset({Operation.N_GET}), also_named=frozenset({MPPS})),
    SopClass(MPPS_NOTIFICATION, frozenset(), has_events=True),
    SopClass(INSTANCE_AVAILABILITY, frozenset({Operation.N_CREATE})),
)


@dataclass(frozen=True, slots=True)
class AcceptorConfig:
    """Settings of one acceptor.  Times are seconds, sizes are bytes."""

    host: str = "127.0.0.1"
    #: 0 picks a free port
    port: int = 11112
    #: other called AE titles are rejected (PS3.8: 1, 1, 7); empty leaves the called AE title to ``admit``
    ae_title: str = "BROKER"
    supported: tuple[SopClass, ...] = SUPPORTED
    #: maximum length of received P-DATA-TF PDUs, announced to the peer (PS3.8 Annex D.1)
    max_pdu: int = 65536
    #: one identifier or attribute list; longer ones abort the association
    max_dataset: int = 8 * 1024 * 1024
    #: associations beyond this are rejected (2, 3, 2: local limit exceeded)
    max_associations: int = 2000
    #: transport connections without an association that may exist besides; beyond it connections are dropped
    spare_connections: int = 256
    #: ARTIM: from connect to a complete A-ASSOCIATE-RQ, and from our last PDU to the peer's close (PS3.8 section 9.1.5)
    artim_timeout: float = 30.0
    #: the decision about an association, and the answer to our own A-RELEASE-RQ
    acse_timeout: float = 30.0
    #: from the first byte of a message to its last
    message_timeout: float = 60.0
    #: an association without any traffic and without a running request
    network_timeout: float = 600.0
    #: a peer that does not take our answers
    send_timeout: float = 60.0
    #: answers waiting for a slow reader before the next ones are fetched; also the kernel's send buffer
    send_buffer: int = 128 * 1024
    #: for queries, and again so many for other requests
    handler_threads: int = 16
    #: True: ``admit`` may block and runs on a handler thread.  False: it runs on the event loop and must return at once
    admit_in_worker: bool = True
    #: pending connections the kernel keeps for us
    backlog: int = 1024
    reuse_port: bool = False
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    #: PS3.4 K.5: what extended negotiation of the worklist may grant
    fuzzy_names: bool = False
    timezone_adjustment: bool = False
    implementation_class_uid: str = "2.25.16223130308957793449781086140971184593"
    implementation_version_name: str = "WLBROKER_0_1"

    def __post_init__(self) -> None:
        """Refuses values that PS3.8 does not allow or that could never work."""
        if not 4096 <= self.max_pdu <= 16 * 1024 * 1024:
            raise ValueError("max_pdu must lie between 4096 and 16777216 bytes")
        if not 1 <= len(self.implementation_version_name) <= 16:
            raise ValueError("implementation_version_name must have 1 to 16 characters")
        if len(self.ae_title) > 16:
            raise ValueError("ae_title must have at most 16 characters")
        for name in ("max_dataset", "max_associations", "handler_threads", "backlog", "send_buffer"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
