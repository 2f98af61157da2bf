"""The board as the template wants it: groups by modality, who is next, where now is, and addresses of other views.

Must not: hold text of a search; patients never appear in addresses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from urllib.parse import urlencode

from broker.domain.states import FINAL, WAITING, StepStatus
from broker.services.board import BoardQuery, BoardStep, Mark

LIST, ROOMS = "list", "rooms"


@dataclass(frozen=True, slots=True)
class View:
    """What the address says.  ``today`` is the site's day; an absent day means it, also after midnight."""

    query: BoardQuery
    view: str
    today: date

    def address(self, **changes: object) -> str:
        """The address of the same board with something changed; None or an empty value takes a filter away."""
        query = self.query
        parts: dict[str, object] = {
            "day": None if query.day == self.today else query.day, "modality": query.modality, "station": query.station,
            "status": query.status, "mark": query.mark, "view": None if self.view == LIST else self.view,
        }  # fmt: skip
        parts.update(changes)
        if parts["day"] == self.today:
            parts["day"] = None
        return (
            "/?" + urlencode({name: str(value) for name, value in parts.items() if value})
            if any(parts.values())
            else "/"
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The steps of one modality (or, in a search, of one day), in order of start."""

    name: str
    steps: tuple[BoardStep, ...]
    #: index of the first step that starts after now; None when the day is not today
    now_before: int | None
    #: the waiting step that is due first
    next_step: int | None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(s.status in WAITING for s in self.steps)

    @property
    def running(self) -> int:
        """How many are in progress."""
        return sum(s.status is StepStatus.STARTED for s in self.steps)

    @property
    def finished(self) -> int:
        """How many are over, whatever way."""
        return sum(s.status in FINAL for s in self.steps)


def view_of(address: Mapping[str, str], today: date) -> View:
    """The view an address asks for; what it cannot mean (an unknown status, a day that is none) is left out."""
    query = BoardQuery(
        day=_day(address.get("day", ""), today),
        modality=address.get("modality", "")[:16],
        station=address.get("station", "")[:64],
        status=next((s for s in StepStatus if s.value == address.get("status")), None),
        mark=next((m for m in Mark if m.value == address.get("mark")), None),
    )
    return View(query, ROOMS if address.get("view") == ROOMS else LIST, today)


def by_modality(steps: Iterable[BoardStep], now: datetime, *, today: bool) -> list[Group]:
    """Groups by modality, each by start; steps without a time stand first."""
    ordered = sorted(steps, key=lambda s: (s.modality, s.start_at or datetime.min, s.step_key))
    return [_group(name, tuple(found), now, today=today) for name, found in groupby(ordered, lambda s: s.modality)]


def by_day(steps: Iterable[BoardStep]) -> list[tuple[date | None, tuple[BoardStep, ...]]]:
    """Groups by day, newest day first, within a day by start; steps without a day stand first."""
    ordered = sorted(steps, key=lambda s: s.start_at or datetime.max)
    days = [(day, tuple(found)) for day, found in groupby(ordered, lambda s: s.start_at.date() if s.start_at else None)]
    return days[::-1]


def _group(name: str, steps: tuple[BoardStep, ...], now: datetime, *, today: bool) -> Group:
    later = next((i for i, s in enumerate(steps) if s.start_at is not None and s.start_at > now), len(steps))
    following = next((s.step_key for s in steps if s.status in WAITING and s.start_at is not None), None)
    return Group(name, steps, later if today else None, following if today else None)


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return today
