"""The question an acceptor asks about each association request, and the answer it takes.

Owns the two value types of the ``admit`` callback.  Decides nothing.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity negotiation as offered (PS3.7 Annex D.3.3.7)."""

    #: 1 user name, 2 user name and passcode, 3 Kerberos ticket, 4 SAML assertion, 5 JSON web token
    kind: int
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)
    response_requested: bool = False


@dataclass(frozen=True, slots=True)
class TlsPeer:
    """What the TLS handshake proved about the peer."""

    version: str
    cipher: str
    #: DER; None when the peer showed no certificate
    certificate: bytes | None = field(default=None, repr=False)
    #: subject attributes in the order of the certificate, such as ``("commonName", "CT1")``; only of verified peers
    subject: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """Who wants to associate, before anything is decided (PS3.8 section 7.1.1)."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    port: int
    implementation_class_uid: str = ""
    implementation_version: str = ""
    abstract_syntaxes: tuple[str, ...] = ()
    tls: TlsPeer | None = None
    user_identity: UserIdentity | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Accept, or reject with the codes of PS3.8 Table 9-21."""

    accepted: bool = True
    result: int = 0
    source: int = 0
    reason: int = 0
    #: answer to a user identity that asked for one (PS3.7 Annex D.3.3.7.2); empty for user names
    server_response: bytes = field(default=b"", repr=False)
    #: largest PDU to send to this peer, whatever it announces; 0 for what it announces
    max_pdu: int = 0
    #: why, for the log and the page of the device; the peer is not told
    detail: str = ""

    @staticmethod
    def reject(result: int, source: int, reason: int) -> "Admission":
        """A rejection.

        :raises ValueError: codes that PS3.8 Table 9-21 does not define.
        """
        if result not in (1, 2) or reason not in _REASONS.get(source, ()):
            raise ValueError(f"({result}, {source}, {reason}) is not a rejection of PS3.8 Table 9-21")
        return Admission(False, result, source, reason)


_REASONS = {1: range(1, 11), 2: range(1, 3), 3: range(8)}

ACCEPT = Admission()
CALLING_AE_TITLE_NOT_RECOGNIZED = Admission.reject(1, 1, 3)
CALLED_AE_TITLE_NOT_RECOGNIZED = Admission.reject(1, 1, 7)
APPLICATION_CONTEXT_NOT_SUPPORTED = Admission.reject(1, 1, 2)
#: PS3.7 Annex D.3.3.7: a refused user identity is a permanent rejection by the ACSE provider, no reason given
USER_IDENTITY_REFUSED = Admission.reject(1, 2, 1)
PROTOCOL_VERSION_NOT_SUPPORTED = Admission.reject(1, 2, 2)
TEMPORARILY_UNAVAILABLE = Admission.reject(2, 2, 1)
TEMPORARY_CONGESTION = Admission.reject(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = Admission.reject(2, 3, 2)
