"""When a scheduled step ends: its start and its planned length, and what happens to the end when the start moves.

Owns: arithmetic on DICOM date and time texts of a step (local wall time at the site).  Must not: know messages or
catalogues; planned lengths come in as derived attributes of a change.
"""

from datetime import datetime, timedelta

from broker.domain.attributes import Attributes, Value, text
from broker.domain.model import StepChange

_START = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
_END = "ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime"


def end_after(step: Attributes, minutes: int) -> dict[str, Value]:
    """End date and time of a step that begins as ``step`` says and lasts ``minutes``; nothing without a start."""
    start = _moment(step, _START)
    return {} if start is None else _written(start + timedelta(minutes=minutes))


def follow_start(before: Attributes, after: dict[str, Value], change: StepChange) -> dict[str, Value]:
    """``after`` with an end that fits the start when ``change`` moved the start and said nothing of the end.

    An end that came from the planned length follows the start; an end that a message stated stays, unless the step
    would then end before it begins: it keeps its length instead.  Without a start there is no end.
    """
    stated = change.attributes
    if any(keyword in stated for keyword in _END):
        return after
    if _START[0] not in after:
        return {keyword: value for keyword, value in after.items() if keyword not in _END}
    was, ended, start = _moment(before, _START), _moment(before, _END), _moment(after, _START)
    planned = _planned(after, change)
    if ended is None and start is not None and planned is not None and _END[0] in after:
        # planned from the start the change assumes, which is not the one stored
        return {**after, **_written(start + planned)}
    if was is None or ended is None or start is None or start == was:
        return after
    length = ended - was
    if length == planned or (ended <= start and length > timedelta()):
        return {**after, **_written(start + length)}
    return after


def _planned(after: Attributes, change: StepChange) -> timedelta | None:
    """The planned length that the change derived its end from."""
    start = _moment({**after, **_said(change)}, _START)
    end = _moment(change.derived, _END)
    return None if start is None or end is None else end - start


def _said(change: StepChange) -> dict[str, Value]:
    return {k: v for k, v in {**change.defaults, **change.attributes}.items() if k in _START and v is not None}


def _moment(step: Attributes, keywords: tuple[str, str]) -> datetime | None:
    date, time = (text(step, keyword) for keyword in keywords)
    try:
        return datetime.strptime(date + time.partition(".")[0].ljust(6, "0"), "%Y%m%d%H%M%S") if date else None
    except ValueError:
        return None


def _written(moment: datetime) -> dict[str, Value]:
    return {_END[0]: moment.strftime("%Y%m%d"), _END[1]: moment.strftime("%H%M%S")}
