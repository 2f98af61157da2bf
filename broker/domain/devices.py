"""Devices: what a site has decided about a calling AE title, and what that adds to its queries.

Owns the profile and the narrowing of a query by it.  Knows no keys as sent and no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from broker.domain.names import lower
from broker.domain.query import Between, Condition, Equal, Manner, Match, StartAt, WorklistQuery
from broker.domain.query_keys import START_DATE, START_TIME, names_something
from broker.domain.states import StepStatus
from broker.domain.treatment import PLAIN, Treatment

_STATION = "ScheduledStationAETitle"
_MODALITY = "Modality"
_LOCATION = "ScheduledProcedureStepLocation"
#: character set policies that are no value of (0008,0005)
LEAST, ASCII = "least", "ascii"


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What is known about one calling AE title.  The defaults are those of a device nobody has registered."""

    ae_title: str = ""
    #: the stations whose steps the device gets when it asks for no station, or for its own calling AE title
    stations: tuple[str, ...] = ()
    #: without ``stations``: its calling AE title is its station
    own_station: bool = False
    #: modalities and locations it gets when it asks for none
    modalities: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    #: Specific Character Set of its answers, values separated by backslash; ``least``: the first of the usual sets that
    #: suffices; ``ascii``: letters without accents; empty: as its request says
    charset: str = ""
    #: at most so many items in an answer; 0 for the site's limit
    limit: int = 0
    #: the statuses it sees when it asks for none; None for the site's choice
    shown: frozenset[StepStatus] | None = None
    #: minutes that a step stays on its list after it came into a status that is not shown
    grace: tuple[tuple[StepStatus, float], ...] = ()
    #: hours before and after now that it sees when it names no day, patient, order or step (their whole days when it
    #: asks for a time of the day); None for all
    window: tuple[float, float] | None = None
    #: tell it with FF01 that a key is not supported; some devices cannot digest that
    warn_unsupported: bool = True
    #: identifiers, codes and titles are compared without regard to the case of A to Z
    ignore_case: bool = False
    #: names are compared as they are written: case and accents count
    exact_names: bool = False
    #: what is changed about the items it is sent
    treatment: Treatment = PLAIN
    #: largest PDU it is sent, in bytes; 0 for what it announces
    max_pdu: int = 0

    @property
    def served(self) -> tuple[str, ...]:
        """The stations it stands for; empty: all."""
        return self.stations or ((self.ae_title,) if self.own_station and self.ae_title else ())

    @property
    def timeless(self) -> bool:
        """True when the same request always means the same: nothing is counted from the present moment."""
        return self.window is None and not self.grace

    def manner(self, *, fuzzy: bool = False) -> Manner:
        """How its keys are compared; ``fuzzy`` when phonetic matching was negotiated."""
        return Manner(ignore_case=self.ignore_case, exact_names=self.exact_names, fuzzy_names=fuzzy)


class Devices(Protocol):
    """Who is registered, and how; asked for every association and query, so it must answer at once."""

    def known(self, ae_title: str) -> bool:
        """True when the device is registered."""

    def profile(self, ae_title: str) -> DeviceProfile:
        """The profile of the device, or the defaults."""


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
        return self.profiles.get(ae_title) or _unregistered(ae_title)


@lru_cache(1024)
def _unregistered(ae_title: str) -> DeviceProfile:
    return DeviceProfile(ae_title)


def narrowed(query: WorklistQuery, device: DeviceProfile, local_now: datetime) -> WorklistQuery:
    """The query with the device's stations, filters and default window in place of what it does not say itself.

    A query that names a patient, order, procedure or step is answered from all rooms and days.
    """
    step = [_own_stations(condition, device) for condition in query.step]
    added = {c.keyword for c, before in zip(step, query.step, strict=True) if c is not before}
    if not names_something(query):
        asked = {c.keyword for c in query.step}
        for keyword, values in (
            (_LOCATION, device.locations),
            (_MODALITY, device.modalities),
            (_STATION, device.served),
        ):
            if values and keyword not in asked:
                step.insert(0, _one_of(keyword, values))
                added.add(keyword)
        if device.window is not None and START_DATE not in asked:
            step.insert(0, _window(device.window, local_now, whole_days=START_TIME in asked))
    return replace(query, step=tuple(step), added=frozenset(added))


def lingering(device: DeviceProfile, now: datetime) -> tuple[tuple[StepStatus, datetime], ...]:
    """The statuses the device sees a while longer, each with the instant since when a step may have it."""
    return tuple((status, now - timedelta(minutes=minutes)) for status, minutes in device.grace)


def _own_stations(condition: Condition, device: DeviceProfile) -> Condition:
    """A device that asks for itself means the stations it serves: query and station titles may differ."""
    own = isinstance(condition, Match) and condition.keyword == _STATION and _asks_for(condition, device.ae_title)
    return _one_of(_STATION, device.stations) if own and device.stations else condition


def _asks_for(condition: Match, ae_title: str) -> bool:
    return condition.tests == (Equal(lower(ae_title) if condition.caseless else ae_title),)


def _one_of(keyword: str, values: Iterable[str]) -> Match:
    return Match(keyword, tuple(Equal(value) for value in values))


def _window(hours: tuple[float, float], local_now: datetime, *, whole_days: bool) -> StartAt:
    """``whole_days``: for a query that says itself which time of the day it wants."""
    before, after = (timedelta(hours=h) for h in hours)
    first, last = (local_now - before, local_now + after)
    if whole_days:
        return StartAt("", (Between(f"{first:%Y%m%d}000000", f"{last:%Y%m%d}235959"),))
    return StartAt("", (Between(f"{first:%Y%m%d%H%M%S}", f"{last:%Y%m%d%H%M%S}"),))
