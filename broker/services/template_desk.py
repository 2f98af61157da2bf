"""What pages may ask about templates of outgoing HL7 messages: texts, what they would make, keeping an edited one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.domain.notifications import Notification


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a template makes of a notification: its segments, or what is wrong with the template."""

    segments: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    #: what its fields may take values from
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """One template: its name, whether the site has a file of it, and the destinations that it makes messages for."""

    name: str
    of_the_site: bool
    destinations: tuple[str, ...] = field(default_factory=tuple)


class TemplateDesk(Protocol):
    """Looks at templates; nothing is kept or sent until it is told."""

    def listed(self) -> list[TemplateUse]:
        """Every template there is."""

    def events(self) -> Sequence[str]:
        """What an invented order may be told of."""

    def can_save(self) -> str:
        """Empty when templates can be saved, else the remedy."""

    def text(self, name: str) -> str:
        """The text of the template's own file; empty when there is none."""

    def look(self, name: str, text: str, event: str, notification: Notification | None = None) -> Rendering:
        """What the text would make of a notification, else of an invented order about which ``event`` is told."""

    def save(self, name: str, text: str) -> None:
        """Keep it and use it from now on.  Raises Refusal when it, or another in use, would not make valid messages."""
