"""What devices did: when they were seen, what they asked, which steps they were given.  Written in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from broker.store.tables import device, device_query, step_query


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """A calling AE title that associated, or tried to."""

    ae_title: str
    address: str
    #: registered when it was last seen; False: knocking
    known: bool
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """One C-FIND.  ``keys`` as sent, by keyword; ``step_keys`` the steps that were given."""

    at: datetime
    calling_ae_title: str
    address: str
    keys: Mapping[str, object]
    status: int
    answers: int
    milliseconds: int
    step_keys: Sequence[int] = ()
    #: negotiated: names by sound, and the zone of its times in minutes east of UTC (None: the site's)
    fuzzy_names: bool = False
    offset: int | None = None
    #: how many queries it stands for: a device that repeats itself many times a second is recorded once
    times: int = 1


def seen(connection: Connection, devices: Sequence[SeenDevice]) -> None:
    """Insert devices, or bring address, knowledge and last sight up to date."""
    if devices:
        connection.execute(_SEEN[connection.dialect.name], [_values(d) for d in devices])


def queried(connection: Connection, records: Sequence[QueryRecord]) -> None:
    """Insert the queries and count the steps they were answered with."""
    if not records:
        return
    connection.execute(insert(device_query), [_query_values(r) for r in records])
    given = _given(records)
    if given:
        connection.execute(_GIVEN[connection.dialect.name], given)


def listed(connection: Connection) -> list[SeenDevice]:
    """All devices ever seen, by AE title."""
    c = device.c
    columns: tuple[Column[Any], ...] = (c.ae_title, c.address, c.known, c.first_seen_at, c.last_seen_at)
    return [SeenDevice(*row) for row in connection.execute(select(*columns).order_by(c.ae_title))]


def recent_queries(connection: Connection, calling_ae_title: str, limit: int) -> list[QueryRecord]:
    """The newest queries of a device, newest first."""
    c = device_query.c
    columns: tuple[Column[Any], ...] = (
        c.at,
        c.calling_ae_title,
        c.address,
        c["keys"],
        c.status,
        c.answers,
        c.milliseconds,
        c.fuzzy_names,
        c.offset_minutes,
    )
    query = select(*columns).where(c.calling_ae_title == calling_ae_title).order_by(c.at.desc(), c.id.desc())
    return [_record(*row) for row in connection.execute(query.limit(limit))]


def _record(  # noqa: PLR0913, PLR0917 - the columns of a row
    at: datetime, title: str, address: str, keys: Mapping[str, object], status: int, answers: int, milliseconds: int,
    fuzzy_names: bool, offset: int | None,
) -> QueryRecord:  # fmt: skip
    return QueryRecord(
        at, title, address, keys, status, answers, milliseconds, fuzzy_names=fuzzy_names, offset=offset
    )  # fmt: skip


def _values(seen_device: SeenDevice) -> dict[str, Any]:
    return {
        "ae_title": seen_device.ae_title, "address": seen_device.address, "known": seen_device.known,
        "first_seen_at": seen_device.first_seen_at, "last_seen_at": seen_device.last_seen_at,
    }  # fmt: skip


def _query_values(record: QueryRecord) -> dict[str, Any]:
    return {
        "at": record.at, "calling_ae_title": record.calling_ae_title, "address": record.address,
        "keys": record.keys, "status": record.status, "answers": record.answers, "milliseconds": record.milliseconds,
        "fuzzy_names": record.fuzzy_names, "offset_minutes": record.offset,
    }  # fmt: skip


def _given(records: Sequence[QueryRecord]) -> list[dict[str, Any]]:
    """One row for each step and device, in a fixed order so that two writers never wait for each other."""
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for record in records:
        for step_key in record.step_keys:
            new = {
                "step_id": step_key, "calling_ae_title": record.calling_ae_title, "first_at": record.at,
                "last_at": record.at, "times": 0,
            }  # fmt: skip
            row = rows.setdefault((step_key, record.calling_ae_title), new)
            row["times"] += record.times
            row["last_at"] = max(row["last_at"], record.at)
    return [rows[key] for key in sorted(rows)]


def _upsert_seen(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    kept = {"address": new.address, "last_seen_at": new.last_seen_at, "known": new.known}
    return statement.on_conflict_do_update(index_elements=["ae_title"], set_=kept)


def _upsert_given(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["step_id", "calling_ae_title"],
        set_={"last_at": new.last_at, "times": step_query.c.times + new.times},
    )


_SEEN = {"sqlite": _upsert_seen(sqlite.insert(device)), "postgresql": _upsert_seen(postgresql.insert(device))}
_GIVEN = {
    "sqlite": _upsert_given(sqlite.insert(step_query)),
    "postgresql": _upsert_given(postgresql.insert(step_query)),
}
