"""What every use case needs: the database, the time, the site's choices."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain.notifications import DestinationRule
from broker.domain.site import Site
from broker.store.database import Database


@dataclass(slots=True, eq=False)
class AddedDestinations:
    """What destinations that people added want to be told; ``destination_list`` puts it in place as it changes."""

    rules: tuple[DestinationRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """Passed to every use case as its first argument.  ``clock`` answers aware UTC instants."""

    database: Database
    site: Site
    clock: Callable[[], datetime]
    added: AddedDestinations = field(default_factory=AddedDestinations)

    @property
    def destinations(self) -> tuple[DestinationRule, ...]:
        """Who is told: the destinations of the settings, then those that people added."""
        return self.site.destinations + self.added.rules
