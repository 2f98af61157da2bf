"""Who sends: telling senders apart by MSH-3 and MSH-4, by port or by certificate, and what the site says about each.

Owns: sender entries and the policy for unknown ones.  Must not: read settings files; ``app`` hands the entries over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from hl7.peers import PeerInfo

DEFAULT_MAPPING = "ihe-swf"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending system.  Empty ``application`` or ``facility`` matches any; compared without case.

    ``port`` is one of its own that the broker listens on, ``certificate`` a name in its TLS client certificate (a DNS
    name, else the common name); 0 and "" match any.
    """

    name: str
    application: str = ""
    facility: str = ""
    mapping: str = DEFAULT_MAPPING
    #: a character set (table 0211) that replaces MSH-18, and one for messages whose MSH-18 is empty or wrong
    charset: str | None = None
    charset_fallback: str | None = None
    #: the zone of times that name none; the site's when None
    zone: tzinfo | None = None
    port: int = 0
    certificate: str = ""

    def matches(self, application: str, facility: str, arrival: "Arrival") -> bool:
        """Whether a header with this MSH-3 and MSH-4 that arrived so is this sender's."""
        if (self.port and self.port != arrival.port) or (
            self.certificate and self.certificate.casefold() not in arrival.names
        ):
            return False
        return all(
            not wanted or wanted.casefold() == found.casefold()
            for wanted, found in ((self.application, application), (self.facility, facility))
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came in: the peer for the journal, the port listened on, the names in its certificate (folded)."""

    peer: str = ""
    port: int = 0
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, peer: PeerInfo) -> "Arrival":
        """The arrival of a message from ``peer``."""
        alternative = [str(value) for kind, value in peer.certificate.get("subjectAltName", ()) if kind == "DNS"]
        subject = [pair for part in peer.certificate.get("subject", ()) for pair in part]
        common = [str(value) for kind, value in subject if kind == "commonName"]
        return cls(str(peer), peer.local_port, frozenset(name.casefold() for name in (*alternative, *common)))


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders of the site.  ``unknown`` is ``accept`` or ``refuse``."""

    known: tuple[Sender, ...] = ()
    unknown: str = "accept"
    #: how messages of unknown senders are read
    mapping: str = DEFAULT_MAPPING

    def identify(self, application: str, facility: str, arrival: "Arrival | None" = None) -> Sender | None:
        """The most exactly described sender that fits; an unknown one under the name it gives itself, or None.

        A certificate says more than a port, and a port more than what the message says of itself.
        """
        came = arrival or Arrival()
        fitting = [sender for sender in self.known if sender.matches(application, facility, came)]
        if fitting:
            return max(
                fitting, key=lambda s: (bool(s.certificate), bool(s.port), bool(s.application), bool(s.facility))
            )
        return None if self.unknown == "refuse" else Sender(_own_name(application, facility), mapping=self.mapping)

    def named(self, name: str) -> Sender | None:
        """The listed sender of that name, or None."""
        return next((sender for sender in self.known if sender.name == name), None)

    def mappings(self) -> set[str]:
        """The names of the mappings in use."""
        return {self.mapping, *(sender.mapping for sender in self.known)}


def _own_name(application: str, facility: str) -> str:
    return "@".join(part for part in (application, facility) if part) or "unknown"


def duplicates(senders: Iterable[Sender]) -> list[str]:
    """Names given twice: the orders of two senders would be taken for one's."""
    seen: set[str] = set()
    twice: list[str] = []
    for sender in senders:
        (twice if sender.name in seen else []).append(sender.name)
        seen.add(sender.name)
    return twice
