"""Timezone query adjustment (PS3.4 K.5): start times in the zone of the device that asks.

Steps are scheduled in wall time at the site; a device that has negotiated it asks, and is answered, in the zone it
names in Timezone Offset From UTC (0008,0201).
"""

import re
from calendar import monthrange
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo

from broker.domain.attributes import Attributes, Value, text
from broker.domain.query import Between, Condition, StartAt, StartTime, WorklistQuery

TIMEZONE = "TimezoneOffsetFromUTC"
_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)\Z")
_DATE, _TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
#: year, month, day, hour, minute, second in 14 digits
_PARTS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
_FURTHEST = 14 * 60


def offset_of(text: str) -> int | None:
    """Minutes east of UTC of ``+0100``; None for anything else, also ``-0000`` (PS3.3 C.12.1.1.8)."""
    found = _OFFSET.match(text.strip())
    if found is None or text.strip() == "-0000":
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > _FURTHEST or int(found[3]) > 59:
        return None
    return -minutes if found[1] == "-" else minutes


def as_offset(minutes: int) -> str:
    """Minutes east of UTC as ``+0100``."""
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{rest:02}"


def at_site(query: WorklistQuery, site: tzinfo, offset: int, now: datetime) -> WorklistQuery:
    """The query with its start dates and times, meant in the zone of ``offset``, in wall time at the site."""
    dates = next((c for c in query.step if isinstance(c, StartAt)), None)
    times = next((c for c in query.step if isinstance(c, StartTime)), None)
    rest = tuple(c for c in query.step if not isinstance(c, StartAt | StartTime))
    found: list[Condition] = []
    if dates is not None and times is not None and all(_one_day(span) for span in dates.spans):
        dates = StartAt(
            dates.keyword, tuple(Between(d.first[:8] + t.first, d.last[:8] + t.last)
                                 for d in dates.spans for t in times.spans),
        )  # fmt: skip
        times = None
    if dates is not None:
        zone = timezone(timedelta(minutes=offset))
        spans = (Between(_moved(s.first, zone, site), _moved(s.last, zone, site, last=True)) for s in dates.spans)
        found.append(StartAt(dates.keyword, tuple(spans)))
    if times is not None:
        here = now.astimezone(site).utcoffset() or timedelta()
        shift = int(here.total_seconds()) - offset * 60
        found.append(StartTime(times.keyword, tuple(s for span in times.spans for s in _turned(span, shift))))
    return replace(query, step=(*found, *rest))


def start_in(step: Attributes, site: tzinfo, offset: int) -> dict[str, Value]:
    """The step with its start in the zone of ``offset``; as it is when it has no complete start."""
    moved = dict(step)
    date, time = text(step, _DATE), text(step, _TIME)
    if len(date) != 8 or len(time) < 4 or not (date + time[:4]).isdigit():
        return moved
    try:
        local = datetime.strptime(date + time[:4], "%Y%m%d%H%M").replace(tzinfo=site)
        there = local.astimezone(timezone(timedelta(minutes=offset)))
    except (ValueError, OverflowError):
        return moved
    moved[_DATE], moved[_TIME] = f"{there.year:04}{there:%m%d}", f"{there:%H%M}{time[4:]}"
    return moved


def _one_day(span: Between) -> bool:
    return span.first[:8] == span.last[:8]


def _moved(wall: str, zone: tzinfo, site: tzinfo, *, last: bool = False) -> str:
    """Wall time of one zone in the other.  Open ends stay open, and so do those before and after all calendars."""
    if wall in ("0" * 14, "9" * 14):
        return wall
    try:
        moved = _instant(wall, last=last).replace(tzinfo=zone).astimezone(site)
    except (ValueError, OverflowError):
        return wall
    return f"{moved.year:04}{moved:%m%d%H%M%S}"


def _instant(wall: str, *, last: bool) -> datetime:
    """The time that ``wall`` says; of a day that its month does not have, the nearest that keeps the span as it is."""
    year, month, day, hour, minute, second = (int(wall[a:b]) for a, b in _PARTS)
    days = monthrange(year, month)[1]
    if day <= days:
        return datetime(year, month, day, hour, minute, min(second, 59))
    end = datetime(year, month, days, 23, 59, 59)
    return end if last else end + timedelta(seconds=1)


def _turned(span: Between, seconds: int) -> list[Between]:
    """A span of times of day moved; one that then crosses midnight becomes two."""
    first, last = (_seconds(t) + seconds for t in (span.first, span.last))
    if last - first >= 86_399 or first > last:
        return [span]
    day = first // 86_400 * 86_400
    first, last = first - day, last - day
    if last < 86_400:
        return [Between(_clock(first), _clock(last))]
    return [Between(_clock(first), "235959"), Between("000000", _clock(last - 86_400))]


def _seconds(time: str) -> int:
    return int(time[:2]) * 3600 + int(time[2:4]) * 60 + int(time[4:6])


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
