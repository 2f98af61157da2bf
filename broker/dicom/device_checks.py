"""What a registered device must show before it may associate: its address, its certificate, its number of associations.

Owns the comparison of an association request with what the site demands of that calling AE title.  Who is registered at
all is ``association_policy``'s matter; trusting a certificate's issuer is TLS's.
"""

import hashlib
import ipaddress
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from broker.dicom.upper_layer.observer import AssociationAborted, AssociationClosed, AssociationEvent, AssociationOpened
from broker.dicom.upper_layer.policy import (
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    LOCAL_LIMIT_EXCEEDED,
    Admission,
    AssociationRequest,
    TlsPeer,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FINGERPRINT = "sha256:"


@dataclass(frozen=True, slots=True)
class DeviceCheck:
    """What one device must show; the defaults demand nothing."""

    #: it calls from one of these; empty: from anywhere
    networks: tuple[Network, ...] = ()
    #: its certificate has one of these common names, or SHA-256 fingerprints as ``sha256:`` and 64 hexadecimal digits;
    #: empty: none is needed.  A device that must show one is refused on a connection without TLS.
    certificates: tuple[str, ...] = ()
    #: at most so many associations at once; 0 for the acceptor's limit
    max_associations: int = 0


class DeviceChecks:
    """The checks of all devices, and how many associations each has.  For the acceptor's event loop only."""

    def __init__(self, by_title: Mapping[str, DeviceCheck]) -> None:
        self._by_title = by_title
        self._open: Counter[str] = Counter()

    def objection(self, request: AssociationRequest) -> tuple[Admission, str] | None:
        """The rejection and why in words, or None (PS3.8 Table 9-21: 1, 1, 3 or 2, 3, 2)."""
        check = self._by_title.get(request.calling_ae_title)
        if check is None:
            return None
        if check.networks and not _lies_in(request.address, check.networks):
            return CALLING_AE_TITLE_NOT_RECOGNIZED, "its address is not one of this device"
        if check.certificates and not _shows_one(request.tls, check.certificates):
            return CALLING_AE_TITLE_NOT_RECOGNIZED, "it shows no certificate of this device"
        if check.max_associations and self._open[request.calling_ae_title] >= check.max_associations:
            return LOCAL_LIMIT_EXCEEDED, f"it has {check.max_associations} associations already"
        return None

    def observe(self, event: AssociationEvent) -> None:
        """Counts associations as they begin and end."""
        if isinstance(event, AssociationOpened):
            self._open[event.association.calling_ae_title] += 1
        elif isinstance(event, AssociationClosed | AssociationAborted) and event.association is not None:
            title = event.association.calling_ae_title
            self._open[title] -= 1
            if self._open[title] <= 0:
                del self._open[title]


def network(text: str) -> Network:
    """An address, or a network such as ``10.1.2.0/24``.

    :raises ValueError: it is neither.
    """
    return ipaddress.ip_network(text)


def certificate(text: str) -> str:
    """A common name as it is, a fingerprint in its one form."""
    if not text.lower().startswith(_FINGERPRINT):
        return text
    return _FINGERPRINT + text[len(_FINGERPRINT) :].replace(":", "").lower()


def _lies_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # the peer has gone already
        return False
    plain = getattr(found, "ipv4_mapped", None) or found
    return any(plain in n for n in networks)


def _shows_one(tls: TlsPeer | None, certificates: tuple[str, ...]) -> bool:
    if tls is None or tls.certificate is None:
        return False
    names = {value for kind, value in tls.subject if kind == "commonName"}
    return bool(names & set(certificates)) or _FINGERPRINT + hashlib.sha256(tls.certificate).hexdigest() in certificates
