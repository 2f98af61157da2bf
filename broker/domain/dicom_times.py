"""Dates and times as worklist keys hold them: single values and ranges, in every precision, old forms included.

Works on text (digits sort as time passes) and at the precision of a second.  Knows no attributes and no zones.
Sources: PS3.5 section 6.2 (DA, TM), PS3.4 C.2.2.2.5 (ranges).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_DATE = re.compile(r"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])(?:[0-2]\d(?:[0-5]\d){0,2})?")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.\d{1,6})?)?)?")
_TO_MIDNIGHT = re.compile(r"-\s*24(?::?00(?::?00(?:\.0+)?)?)?\s*\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """From ``first`` to ``last``, both included; an empty end is open.  ``is_range``: the key was written as one."""

    first: str
    last: str
    is_range: bool = False


_Read = Callable[[str], Span | None]


def date_span(key: str) -> Span | None:
    """``YYYYMMDD``, ``YYYY.MM.DD``, or a range of those; None when it is neither.

    A time behind the date (some devices send the DT form) is left out of account.
    """
    return _span(key, _date)


def time_span(key: str) -> Span | None:
    """``HH[MM[SS[.F]]]``, ``HH:MM:SS``, or a range of those, as six digits; None when it is neither.

    A value of lower precision stands for the whole hour or minute; fractions of a second are not compared.  A range up
    to 24:00, which is no time of PS3.5, ends with the day.
    """
    return _span(_TO_MIDNIGHT.sub("-235959", key), _time)


def plain_date(value: str) -> str:
    """A stored date as eight digits, or as it is when it is no date."""
    found = _date(value.strip())
    return found.first if found else value.strip()


def plain_time(value: str) -> str:
    """A stored time as six digits, or as it is when it is no time."""
    found = _time(value.strip())
    return found.first if found else value.strip()


def _span(key: str, read: _Read) -> Span | None:
    first, dash, last = (part.strip() for part in key.partition("-"))
    if not dash:
        return read(first)
    ends = [read(part) if part else Span("", "") for part in (first, last)]
    if not (first or last) or ends[0] is None or ends[1] is None:
        return None
    return Span(ends[0].first, ends[1].last, is_range=True)


def _date(text: str) -> Span | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    digits = "".join(found.groups())
    return Span(digits, digits)


def _time(text: str) -> Span | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = found.groups()
    return Span(hour + (minute or "00") + (second or "00"), hour + (minute or "59") + (second or "59"))
