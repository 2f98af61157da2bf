"""What pages and programs may ask about destinations that needs the delivery room: how they are set, and what is sent.

Pages may know neither HL7 nor how destinations are made; whoever puts the broker together hands them a desk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from broker.domain.notifications import Notification


class Form(StrEnum):
    """How a setting is asked for."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    CHOICES = "choices"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class SettingField:
    """One thing that can be set about destinations of a kind."""

    name: str
    words: str
    form: Form
    choices: tuple[str, ...] = ()
    required: bool = False
    default: Any = ""


@dataclass(frozen=True, slots=True)
class SetDestination:
    """One destination as it is set; one of the settings file is only changed there.

    ``settings`` are those that are not as usual, by name, without secrets: only what names them.  ``trouble`` says why
    it cannot be used at all.
    """

    name: str
    kind: str
    provisioned: bool
    settings: Mapping[str, Any]
    changed_by: str = ""
    changed_at: datetime | None = None
    trouble: str = ""


class WrongSettings(Exception):
    """Settings of a destination that cannot be; ``fields`` tells by setting what is wrong, ``""`` as a whole."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" if name else text for name, text in fields.items()))
        self.fields = dict(fields)


class DestinationDesk(Protocol):
    """Looks at destinations for people, and changes those that people added."""

    def kinds(self) -> Mapping[str, tuple[SettingField, ...]]:
        """By kind, what can be set."""

    def listed(self) -> list[SetDestination]:
        """Those of the settings file, then those that people added."""

    def put(self, name: str, settings: Mapping[str, Any], by: str) -> None:
        """Add a destination or change it; it counts at once.

        :raises WrongSettings: something is wrong with them.
        :raises Refusal: it is one of the settings file.
        """

    def remove(self, name: str, by: str) -> bool:
        """Remove one that people added; False when there is none.  Raises Refusal for one of the settings file."""

    def preview(self, destination: str, notification: Notification) -> str:
        """What the destination would be sent, by its settings and template as they are now; nothing is sent.

        :raises Refusal: the destination is not known, or this cannot be written for it.
        """
