"""Devices: what a site has decided about a calling AE title, and what that adds to its queries.

Owns the profile and the narrowing of a query by it.  Knows no keys as sent and no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from broker.domain.query import Between, Condition, Equal, Match, StartAt, WorklistQuery
from broker.domain.query_keys import START_DATE, START_TIME, names_something
from broker.domain.states import StepStatus

_STATION = "ScheduledStationAETitle"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What is known about one calling AE title.  The defaults are those of a device nobody has registered."""

    ae_title: str = ""
    #: the stations whose steps the device gets when it asks for no station, or for its own calling AE title
    stations: tuple[str, ...] = ()
    #: Specific Character Set of its answers, values separated by backslash; empty: decided for each answer
    charset: str = ""
    #: at most so many items in an answer; 0 for the site's limit
    limit: int = 0
    #: the statuses it sees when it asks for none; None for the site's choice
    shown: frozenset[StepStatus] | None = None
    #: hours before and after now that it sees when it names no day, patient, order or step; None for all
    window: tuple[float, float] | None = None
    #: tell it with FF01 that a key is not supported; some devices cannot digest that
    warn_unsupported: bool = True


@dataclass(frozen=True, slots=True)
class DeviceRegistry:
    """All registered devices.  AE titles are compared as they are: case and inner spaces count (PS3.5 section 6.2)."""

    profiles: Mapping[str, DeviceProfile] = field(default_factory=dict)

    @staticmethod
    def of(profiles: Iterable[DeviceProfile]) -> "DeviceRegistry":
        """A registry of these profiles; of two with one AE title the last counts."""
        return DeviceRegistry({p.ae_title: p for p in profiles})

    def known(self, ae_title: str) -> bool:
        """True when the device is registered."""
        return ae_title in self.profiles

    def profile(self, ae_title: str) -> DeviceProfile:
        """The profile of the device, or the defaults."""
        return self.profiles.get(ae_title) or DeviceProfile(ae_title)


def narrowed(query: WorklistQuery, device: DeviceProfile, local_now: datetime) -> WorklistQuery:
    """The query with the device's stations and default window in place of what it does not say itself.

    A query that names a patient, order, procedure or step is answered from all rooms and days.
    """
    step = [_own_stations(condition, device) for condition in query.step]
    if not names_something(query):
        asked = {c.keyword for c in query.step}
        if device.stations and _STATION not in asked:
            step.insert(0, _stations(device))
        if device.window is not None and not asked & {START_DATE, START_TIME}:
            step.insert(0, _window(device.window, local_now))
    return replace(query, step=tuple(step))


def _own_stations(condition: Condition, device: DeviceProfile) -> Condition:
    """A device that asks for itself means the stations it serves: query and station titles may differ."""
    own = isinstance(condition, Match) and condition.keyword == _STATION and _asks_for(condition, device.ae_title)
    return _stations(device) if own and device.stations else condition


def _asks_for(condition: Match, ae_title: str) -> bool:
    return condition.tests == (Equal(ae_title),)


def _stations(device: DeviceProfile) -> Match:
    return Match(_STATION, tuple(Equal(station) for station in device.stations))


def _window(hours: tuple[float, float], local_now: datetime) -> StartAt:
    before, after = (timedelta(hours=h) for h in hours)
    first, last = (local_now - before, local_now + after)
    return StartAt("", (Between(f"{first:%Y%m%d%H%M%S}", f"{last:%Y%m%d%H%M%S}"),))
