"""What every use case needs: the database, the time, the site's choices."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from broker.domain.site import Site
from broker.store.database import Database


@dataclass(frozen=True, slots=True)
class Context:
    """Passed to every use case as its first argument.  ``clock`` answers aware UTC instants."""

    database: Database
    site: Site
    clock: Callable[[], datetime]
