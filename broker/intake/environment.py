"""What conversions may ask beside the text itself: zones, tables, the site's names; and where they leave warnings.

Owns: that context, one per message.  Must not: convert or map.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.intake.memory import Results


class Unusable(Exception):
    """A value that is there but cannot be used; the text says why, never what it was."""

    def __init__(self, text: str, *, code: str = "102") -> None:
        super().__init__(text)
        self.text = text
        #: HL7 table 0357
        self.code = code


class Unknown(Exception):
    """The message says that the value is not known: what is stored is deleted."""


@dataclass(slots=True)
class Environment:
    """The surroundings of one message."""

    #: the zone devices live in, and the zone of times that name none
    site_zone: tzinfo
    source_zone: tzinfo
    received_at: datetime
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: the designator of codes without scheme, or with the local one
    local_scheme: str = "99LOCAL"
    #: assigning authorities in order of preference; none: the first identifier counts
    primary_authorities: tuple[str, ...] = ()
    #: the authority of patient identifiers that name none
    default_issuer: str = ""
    facility: str = ""
    warnings: list[str] = field(default_factory=list)
    #: what rules made of the same texts before, in these surroundings (``memory``); None: find out each time
    results: "Results | None" = None

    def warn(self, text: str) -> None:
        """Note something tolerated while the present value is converted."""
        self.warnings.append(text)

    def look_up(self, table: str, value: str) -> str | None:
        """The entry of a value table, compared without case; None when it has none."""
        return self.tables.get(table, {}).get(value.casefold())
