"""All destinations as one list: those of the settings, and those that people added; kept fresh, told to whoever sends.

What the settings provide cannot be changed here.  An added destination that this version cannot use is not sent
anything and says why; what it should be told waits.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

from broker.destination_fields import read, written
from broker.destination_settings import DestinationSettings
from broker.services import added_destinations
from broker.services.added_destinations import AddedDestination
from broker.services.context import Context
from broker.services.destination_desk import SetDestination, WrongSettings
from broker.services.refreshing import Refresher
from broker.settings import Settings
from broker.wiring import heard, make_rule

_log = logging.getLogger(__name__)

#: gets the name and the settings of a destination that was added or changed; None: it was removed
Follower = Callable[[str, DestinationSettings | None], None]


class DestinationList:
    """The destinations in force; ``context.added`` follows it.  Safe for many threads.

    ``start`` keeps it fresh on a thread, so that changes made by other processes count within half a second.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self._context = context
        self._provisioned = {d.name: d for d in settings.destinations}
        self._senders = settings.senders
        self._rows: tuple[AddedDestination, ...] = ()
        self._added: Mapping[str, DestinationSettings] = MappingProxyType({})
        self._troubles: dict[str, str] = {}
        self._followers: list[Follower] = []
        self._lock = threading.Lock()
        self._refresher = Refresher("added destinations", self.refresh)

    def follow(self, follower: Follower) -> None:
        """Tell of every destination that people added, now and as they change; of those of the settings never."""
        with self._lock:
            self._followers.append(follower)
            for name, made in self._added.items():
                self._tell(follower, name, made)

    def find(self, name: str) -> DestinationSettings | None:
        """The settings of a destination that can be used, wherever it is from."""
        return self._provisioned.get(name) or self._added.get(name)

    def usable(self) -> list[DestinationSettings]:
        """The settings of all that can be used."""
        return [*self._provisioned.values(), *self._added.values()]

    def is_provisioned(self, name: str) -> bool:
        """True for a destination of the settings file."""
        return name in self._provisioned

    def listed(self) -> list[SetDestination]:
        """Those of the settings file, then those that people added."""
        found = [SetDestination(n, d.kind, True, written(d)) for n, d in self._provisioned.items()]
        for row in self._rows:
            made = self._added.get(row.name)
            settings = written(made) if made else dict(row.settings)
            kind, trouble = str(settings.get("kind", "")), self._troubles.get(row.name, "")
            found.append(SetDestination(row.name, kind, False, settings, row.changed_by, row.changed_at, trouble))
        return found

    def refresh(self) -> None:
        """Read what people added.  Raises Unavailable."""
        rows = tuple(added_destinations.listed(self._context))
        with self._lock:
            if rows == self._rows:
                return
            before, self._rows, self._troubles = self._added, rows, {}
            self._added = MappingProxyType(dict(self._readable(rows)))
            senders = self._senders
            self._context.added.rules = tuple(make_rule(made, senders) for made in self._added.values())
            for name in before.keys() | self._added.keys():
                if before.get(name) != self._added.get(name):
                    for follower in self._followers:
                        self._tell(follower, name, self._added.get(name))

    def start(self) -> None:
        """Read now, and again and again; without a database those of the settings count until it is there."""
        self._refresher.start()

    def stop(self) -> None:
        """End the thread."""
        self._refresher.stop()

    def _readable(self, rows: tuple[AddedDestination, ...]) -> list[tuple[str, DestinationSettings]]:
        found = []
        for row in rows:
            if row.name in self._provisioned:
                self._troubles[row.name] = "the settings file has a destination of this name, which counts"
                continue
            try:
                made = read(row.name, row.settings)
                heard(made, self._senders)
                found.append((row.name, made))
            except (WrongSettings, ValueError) as wrong:
                self._troubles[row.name] = str(wrong)
                _log.error("added destination %s: %s", row.name, wrong)
        return found

    def _tell(self, follower: Follower, name: str, made: DestinationSettings | None) -> None:
        try:
            follower(name, made)
        except (OSError, ValueError) as error:
            self._troubles[name] = f"it cannot be used: {error}"
            _log.error("added destination %s cannot be used: %s", name, error)
