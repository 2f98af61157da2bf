"""TS and DTM: points in time of any precision, with or without a zone (HL7 2.5.1 section 2.A.22).

Owns: reading the text and what it means in a given zone. Must not: choose the zone; the caller knows the sender's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import IntEnum
from functools import lru_cache

from hl7.elements import Element
from hl7.errors import ContentError

_SYNTAX = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?:\.?(?P<fraction>\d{1,9}))?)?)?)?)?)?(?P<zone>[+-]\d{4})?",
    re.ASCII,
)
_PARTS = ("year", "month", "day", "hour", "minute", "second", "fraction")


class Precision(IntEnum):
    """How much of the moment was given."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6
    FRACTION = 7


@dataclass(frozen=True, slots=True)
class DateTime:
    """A moment as written. `text` is the original; `local` the wall time with missing parts at their start.

    `offset` is the zone as written, None when the text has none. Hour 24 minute 00 has become the next day's start and
    second 60 second 59.
    """

    local: datetime
    precision: Precision
    offset: timedelta | None = None
    text: str = field(default="", repr=False)

    @property
    def date(self) -> date | None:
        """The day as written, whatever the zone (birth dates must not be shifted); None below day precision."""
        return self.local.date() if self.precision >= Precision.DAY else None

    @property
    def time(self) -> time | None:
        """The wall time as written; None when only a date was given."""
        return self.local.time() if self.precision >= Precision.HOUR else None

    def at(self, zone: tzinfo) -> datetime:
        """The aware moment in `zone`, which is also the zone of the text when it names none.

        A wall time that a clock change skips is moved forward by the gap; one that happens twice is the first.
        """
        if self.offset is not None:
            return self.local.replace(tzinfo=timezone(self.offset)).astimezone(zone)
        return self.local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


@lru_cache(1024)  # one message says the same moment in several fields
def parse_dtm(text: str) -> DateTime:
    """Read ``YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+ZZZZ]``; a fraction is also read when its point is missing.

    Errors: ContentError 102 (without the text, which may be patient data).
    """
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ContentError(f"{len(text)} characters that are no date and time: write YYYYMMDD[HHMM[SS[.S]]][+ZZZZ]")
    given = [match[part] for part in _PARTS if match[part] is not None]
    precision = Precision(len(given))
    try:
        return DateTime(_moment(given), precision, _offset(match["zone"]), text)
    except (ValueError, OverflowError):
        raise ContentError("no such date or time: month, day, hour, minute, second or zone is out of range") from None


def _moment(given: list[str]) -> datetime:
    year, month, day, hour, minute, second = (*(int(part) for part in given[:6]), *(0, 1, 1, 0, 0, 0)[len(given) :])
    microsecond = int(given[6][:6].ljust(6, "0")) if len(given) > 6 else 0
    if hour == 24 and minute == second == microsecond == 0:
        return datetime(year, month, day) + timedelta(days=1)
    if second == 60:
        second, microsecond = 59, 0
    return datetime(year, month, day, hour, minute, second, microsecond)


def _offset(zone: str | None) -> timedelta | None:
    if zone is None:
        return None
    hours, minutes = int(zone[1:3]), int(zone[3:])
    if hours > 14 or minutes > 59:
        raise ValueError("zone out of range")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if zone[0] == "-" else offset


def read_ts(element: Element) -> DateTime | None:
    """Read a TS (its first component) or a DTM. Errors: ContentError 102 as in `parse_dtm`."""
    text = element.part(1)
    return parse_dtm(text) if text else None
