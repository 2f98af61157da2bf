"""The rooms view: where every bar of the day's timeline goes.  Geometry only; the template draws it as SVG.

Scheduled steps have no length in DICOM, so a planned bar is half an hour; a performed bar has its real length.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.services.board import BoardStep, parse_start

PLANNED = timedelta(minutes=30)
LABEL_WIDTH, WIDTH, LANE, PADDING, TOP = 150, 1400, 46, 8, 34
_FIRST_HOUR, _LEAST_HOURS = 8, 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One step: its planned place, and the place of its exam when there is one (None else)."""

    step: BoardStep
    x: float
    width: float
    y: float
    performed: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Room:
    """One station with its bars."""

    name: str
    y: float
    height: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole drawing; ``now_x`` is None when now is outside of it."""

    width: int
    height: float
    rooms: tuple[Room, ...]
    hours: tuple[tuple[float, str], ...]
    now_x: float | None


@dataclass(frozen=True, slots=True)
class _Scale:
    first: datetime
    last: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.first) / (self.last - self.first)
        return LABEL_WIDTH + max(0.0, min(1.0, share)) * (WIDTH - LABEL_WIDTH)


def plan(steps: Iterable[BoardStep], now: datetime, day: datetime) -> Plan:
    """The drawing for the steps of ``day`` (its midnight); steps without a start are left out."""
    timed = [s for s in steps if s.start_at is not None]
    scale = _scale(timed, day)
    stations: dict[str, list[BoardStep]] = {}
    for step in timed:
        stations.setdefault(step.stations[0] if step.stations else "no station", []).append(step)
    rooms, y = [], float(TOP)
    for name in sorted(stations):
        room = _room(name, stations[name], y, scale, now)
        rooms.append(room)
        y += room.height
    hours, at = [], scale.first
    while at <= scale.last:
        hours.append((scale.x(at), f"{at:%H:%M}"))
        at += timedelta(hours=1)
    now_x = scale.x(now) if scale.first <= now <= scale.last else None
    return Plan(WIDTH, y + PADDING, tuple(rooms), tuple(hours), now_x)


def _scale(steps: Iterable[BoardStep], day: datetime) -> _Scale:
    """From the first hour with a step to the end of the last one, at least a working day."""
    hours = [s.start_at.hour for s in steps if s.start_at is not None] or [_FIRST_HOUR]
    first = min(hours)
    last = max(max(hours) + 2, first + _LEAST_HOURS)
    return _Scale(day + timedelta(hours=first), day + timedelta(hours=last))


def _room(name: str, steps: list[BoardStep], y: float, scale: _Scale, now: datetime) -> Room:
    """Bars that overlap stand below each other."""
    lanes: list[datetime] = []
    bars = []
    for step in sorted(steps, key=lambda s: s.start_at or now):
        start = step.start_at or now
        lane = next((i for i, free in enumerate(lanes) if free <= start), len(lanes))
        lanes[lane : lane + 1] = [start + PLANNED]
        x = scale.x(start)
        performed = _performed(step, scale, now)
        bars.append(Bar(step, x, scale.x(start + PLANNED) - x, y + PADDING + lane * LANE, performed))
    return Room(name, y, 2 * PADDING + LANE * max(1, len(lanes)), tuple(bars))


def _performed(step: BoardStep, scale: _Scale, now: datetime) -> tuple[float, float] | None:
    """As the device reported it, else as people said."""
    exam = step.exams[-1] if step.exams else None
    start, end = (parse_start(exam.started_at), parse_start(exam.ended_at)) if exam else step.said
    if start is None:
        return None
    end = end or max(now, start)
    return scale.x(start), max(4.0, scale.x(end) - scale.x(start))
