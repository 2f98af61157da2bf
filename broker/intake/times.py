"""Conversions to dates and times of day: TS and DTM to DA and TM in the site's wall time (mapping reference 7.2).

Owns: zones, and what a missing precision means.  Must not: decide what happens when there is no time at all.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo

from broker.domain.attributes import Value
from broker.intake.environment import Environment, Unusable
from broker.intake.pieces import Piece
from hl7.datatypes import DateTime, Precision, parse_dtm
from hl7.errors import ContentError


def _read(pieces: Sequence[Piece]) -> DateTime | None:
    text = next((piece.text for piece in pieces if piece.text), "")
    if not text:
        return None
    try:
        return parse_dtm(text)
    except ContentError as error:
        raise Unusable(error.text) from error


def _in_site_zone(moment: DateTime, env: Environment) -> DateTime:
    """The same moment on the site's clocks; a date without time is never shifted.

    On the days the clocks change, a time that does not exist is moved forward, and of two the first is meant.
    """
    if moment.precision < Precision.HOUR:
        return moment
    unusual = moment.offset is None and _is_unusual(moment, env.source_zone)
    if unusual:
        env.warn("the clocks change then: a time that does not exist is moved forward, of two the first is taken")
    elif moment.offset is None and env.source_zone == env.site_zone:
        return moment
    # over UTC: within one zone a time that does not exist would stay as it is
    shifted = moment.at(env.source_zone).astimezone(UTC).astimezone(env.site_zone).replace(tzinfo=None, fold=0)
    return DateTime(shifted, moment.precision)


def _is_unusual(moment: DateTime, zone: tzinfo) -> bool:
    """Whether the zone's clocks show this time twice, or never."""
    first = moment.local.replace(tzinfo=zone, fold=0)
    return first.utcoffset() != first.replace(fold=1).utcoffset()


def date(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The day at the site as DA; nothing below day precision."""
    moment = _read(pieces)
    if moment is None:
        return None
    day = _in_site_zone(moment, env).date
    if day is None:
        raise Unusable("a date needs year, month and day")
    return day.strftime("%Y%m%d").rjust(8, "0")


def time(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The time of day at the site as TM of six digits; nothing when only a date was given."""
    moment = _read(pieces)
    if moment is None:
        return None
    hour = _in_site_zone(moment, env).time
    return None if hour is None else hour.strftime("%H%M%S")


def birth_date(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The day as written, never shifted."""
    moment = _read(pieces)
    if moment is None or moment.date is None:
        raise Unusable("a birth date needs year, month and day")
    return f"{moment.local.year:04d}{moment.local.month:02d}{moment.local.day:02d}"


def birth_time(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The time of day as written, never shifted."""
    moment = _read(pieces)
    return None if moment is None or moment.time is None else moment.time.strftime("%H%M%S")


def now_date(env: Environment) -> str:
    """The day of receipt at the site."""
    return env.received_at.astimezone(env.site_zone).strftime("%Y%m%d")


def now_time(env: Environment) -> str:
    """The minute of receipt at the site."""
    return env.received_at.astimezone(env.site_zone).strftime("%H%M00")
