"""Who sends: telling senders apart by MSH-3 and MSH-4, and what the site says about each.

Owns: sender entries and the policy for unknown ones.  Must not: read settings files; ``app`` hands the entries over.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

DEFAULT_MAPPING = "ihe-swf"


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending system.  Empty ``application`` or ``facility`` matches any; compared without case."""

    name: str
    application: str = ""
    facility: str = ""
    mapping: str = DEFAULT_MAPPING
    #: a character set (table 0211) that replaces MSH-18, and one for messages whose MSH-18 is empty or wrong
    charset: str | None = None
    charset_fallback: str | None = None
    #: the zone of times that name none; the site's when None
    zone: tzinfo | None = None

    def matches(self, application: str, facility: str) -> bool:
        """Whether a header with this MSH-3 and MSH-4 is this sender's."""
        return all(
            not wanted or wanted.casefold() == found.casefold()
            for wanted, found in ((self.application, application), (self.facility, facility))
        )


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders of the site.  ``unknown`` is ``accept`` or ``refuse``."""

    known: tuple[Sender, ...] = ()
    unknown: str = "accept"
    #: how messages of unknown senders are read
    mapping: str = DEFAULT_MAPPING

    def identify(self, application: str, facility: str) -> Sender | None:
        """The most exactly described sender that fits; an unknown one under the name it gives itself, or None."""
        fitting = [sender for sender in self.known if sender.matches(application, facility)]
        if fitting:
            return max(fitting, key=lambda s: (bool(s.application), bool(s.facility)))
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
