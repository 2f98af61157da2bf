"""Counts of what one device did in some days: exams, their lengths, the steps it was given.

Reads by index over the device and its days; of an exam's row, only what stands before its data set.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, extract, func, select, types
from sqlalchemy import cast as sql_cast

from broker.domain.habits import Habits
from broker.domain.states import PerformedStatus
from broker.store.tables import device_query, step_link, step_query
from broker.store.tables import performed_procedure_step as performed

_RUNS = performed.c.status == PerformedStatus.IN_PROGRESS.value
_LINKED = exists().where(step_link.c.performed_id == performed.c.id)


def of_device(
    connection: Connection, calling_ae_title: str, first: datetime, last: datetime, open_since: datetime
) -> Habits:
    """What the device did from ``first`` to before ``last``.

    An exam in progress is left open when nothing was heard of it since ``open_since``.
    """
    exams = _exams(connection, calling_ae_title, first, last, open_since)
    given = _given(connection, calling_ae_title, first, last)
    return Habits(
        calling_ae_title, first, last, **exams,
        median_seconds=_median(connection, _of(calling_ae_title, first, last), exams["completed"]),
        queries=_queries(connection, calling_ae_title, first, last), **given,
    )  # fmt: skip


def reporters(connection: Connection) -> list[str]:
    """Every AE title that ever reported an exam, by name; one look at the index for each."""
    found: list[str] = []
    while True:
        after = select(func.min(performed.c.calling_ae_title))
        title = connection.scalar(after.where(performed.c.calling_ae_title > found[-1]) if found else after)
        if title is None:
            return found
        found.append(title)


def _of(calling_ae_title: str, first: datetime, last: datetime) -> ColumnElement[bool]:
    c = performed.c
    return and_(c.calling_ae_title == calling_ae_title, c.created_at >= first, c.created_at < last)


def _exams(
    connection: Connection, calling_ae_title: str, first: datetime, last: datetime, open_since: datetime
) -> dict[str, int]:
    heard = case((_RUNS, performed.c.updated_at >= open_since), else_=None)
    query = (
        select(performed.c.status, heard.label("heard"), _LINKED.label("linked"), func.count().label("exams"))
        .where(_of(calling_ae_title, first, last))
        .group_by("status", "heard", "linked")
    )
    found = {"started": 0, "completed": 0, "discontinued": 0, "running": 0, "left_open": 0, "linked": 0}
    for row in connection.execute(query):
        found["started"] += row.exams
        found["linked"] += row.exams if row.linked else 0
        found[_NAMES[row.status] if row.heard is None else "running" if row.heard else "left_open"] += row.exams
    return found


_NAMES = {PerformedStatus.COMPLETED.value: "completed", PerformedStatus.DISCONTINUED.value: "discontinued"}


def _median(connection: Connection, mine: ColumnElement[bool], completed: int) -> int | None:
    """The middle one of the lengths in order; lengths that cannot be are left out."""
    if not completed:
        return None
    c = performed.c
    length = _LENGTH[connection.dialect.name]().label("length")
    known = and_(mine, c.status == PerformedStatus.COMPLETED.value, c.started_at != "", c.ended_at >= c.started_at)
    count = int(connection.scalar(select(func.count()).select_from(performed).where(known)) or 0)
    middle = select(length).where(known).order_by("length").offset(count // 2).limit(1)
    found = connection.scalar(middle) if count else None
    return None if found is None else int(found)


def _sqlite_length() -> ColumnElement[Any]:
    def seconds(moment: ColumnElement[str]) -> ColumnElement[Any]:
        parts = [func.substr(moment, start, size) for start, size in ((1, 4), (5, 2), (7, 2), (9, 2), (11, 2), (13, 2))]
        year, month, day, hour, minute, second = parts
        text = year + "-" + month + "-" + day + "T" + hour + ":" + minute + ":" + second
        return sql_cast(func.strftime("%s", text), types.Integer)

    return seconds(performed.c.ended_at) - seconds(performed.c.started_at)


def _postgres_length() -> ColumnElement[Any]:
    def moment(column: ColumnElement[str]) -> ColumnElement[Any]:
        return func.to_timestamp(column, "YYYYMMDDHH24MISS")

    return extract("epoch", moment(performed.c.ended_at) - moment(performed.c.started_at))


_LENGTH = {"sqlite": _sqlite_length, "postgresql": _postgres_length}


def _given(connection: Connection, calling_ae_title: str, first: datetime, last: datetime) -> dict[str, int]:
    """Steps that it was first given in these days, and steps of its exams of these days that it had been given."""
    c = step_query.c
    given = select(func.count()).select_from(step_query)
    given = given.where(c.calling_ae_title == calling_ae_title, c.first_at >= first, c.first_at < last)
    reported = (
        select(func.count(step_link.c.step_id.distinct()))
        .select_from(performed)
        .join(step_link, step_link.c.performed_id == performed.c.id)
        .join(step_query, and_(c.step_id == step_link.c.step_id, c.calling_ae_title == calling_ae_title))
        .where(_of(calling_ae_title, first, last))
    )
    return {
        "steps_given": int(connection.scalar(given) or 0), "steps_reported": int(connection.scalar(reported) or 0)
    }  # fmt: skip


def _queries(connection: Connection, calling_ae_title: str, first: datetime, last: datetime) -> int:
    c = device_query.c
    mine = and_(c.calling_ae_title == calling_ae_title, c.at >= first, c.at < last)
    return int(connection.scalar(select(func.count()).select_from(device_query).where(mine)) or 0)
