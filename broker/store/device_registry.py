"""Devices as people registered them, where they came from, and what was odd about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from broker.store.device_tables import device_address, device_registration, device_warning
from broker.store.tables import worklist_item


@dataclass(frozen=True, slots=True)
class Registration:
    """What people decided about a device."""

    ae_title: str
    settings: Mapping[str, Any]
    registered_by: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address that an AE title came from."""

    ae_title: str
    address: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Warned:
    """Something odd about a device: ``kind`` groups, ``text`` tells; no patient data."""

    ae_title: str
    kind: str
    text: str
    first_at: datetime
    last_at: datetime
    times: int = 1


def registrations(connection: Connection) -> list[Registration]:
    """All of them, by AE title."""
    c = device_registration.c
    rows = connection.execute(select(c.ae_title, c.settings, c.registered_by, c.registered_at).order_by(c.ae_title))
    return [Registration(*row) for row in rows]


def register(connection: Connection, registration: Registration) -> None:
    """Insert a registration or put it in the place of the present one."""
    r = registration
    values = {
        "ae_title": r.ae_title, "settings": dict(r.settings), "registered_by": r.registered_by,
        "registered_at": r.registered_at,
    }  # fmt: skip
    connection.execute(_REGISTER[connection.dialect.name], values)


def unregister(connection: Connection, ae_title: str) -> bool:
    """Take a registration back; False when there was none."""
    statement = delete(device_registration).where(device_registration.c.ae_title == ae_title)
    return connection.execute(statement).rowcount == 1


def came_from(connection: Connection, addresses: Sequence[SeenAddress]) -> None:
    """Insert addresses, or bring their last sight up to date."""
    if addresses:
        rows = [
            {"ae_title": a.ae_title, "address": a.address, "first_seen_at": a.first_seen_at,
             "last_seen_at": a.last_seen_at}
            for a in addresses
        ]  # fmt: skip
        connection.execute(_CAME_FROM[connection.dialect.name], rows)


def addresses(connection: Connection) -> list[SeenAddress]:
    """Every address of every device, the last seen first."""
    c = device_address.c
    query = select(c.ae_title, c.address, c.first_seen_at, c.last_seen_at).order_by(c.last_seen_at.desc(), c.address)
    return [SeenAddress(*row) for row in connection.execute(query)]


def warn(connection: Connection, warnings: Sequence[Warned]) -> None:
    """Count warnings; a new kind or text begins at one."""
    if warnings:
        rows = [
            {"ae_title": w.ae_title, "kind": w.kind, "text": w.text, "first_at": w.first_at, "last_at": w.last_at,
             "times": w.times}
            for w in warnings
        ]  # fmt: skip
        connection.execute(_WARN[connection.dialect.name], rows)


def warnings(connection: Connection) -> list[Warned]:
    """Every warning about every device, the newest first."""
    c = device_warning.c
    query = select(c.ae_title, c.kind, c.text, c.first_at, c.last_at, c.times).order_by(c.last_at.desc(), c.text)
    return [Warned(*row) for row in connection.execute(query)]


def forget_warnings(connection: Connection, ae_title: str) -> int:
    """Delete the warnings about a device; answers how many."""
    return connection.execute(delete(device_warning).where(device_warning.c.ae_title == ae_title)).rowcount


def incomplete(connection: Connection, limit: int) -> list[tuple[int, int, Mapping[str, Any]]]:
    """Open items that lack a required value: step key, order key and document, the earliest first."""
    c = worklist_item.c
    query = select(c.step_id, c.request_id, c.document).where(c.open, ~c.complete).order_by(c.start_at, c.step_id)
    return [(key, order, document) for key, order, document in connection.execute(query.limit(limit))]


def _upsert_registration(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    kept = {"settings": new.settings, "registered_by": new.registered_by, "registered_at": new.registered_at}
    return statement.on_conflict_do_update(index_elements=["ae_title"], set_=kept)


def _upsert_address(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    kept = {"last_seen_at": statement.excluded.last_seen_at}
    return statement.on_conflict_do_update(index_elements=["ae_title", "address"], set_=kept)


def _upsert_warning(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["ae_title", "kind", "text"],
        set_={"last_at": new.last_at, "times": device_warning.c.times + new.times},
    )


_REGISTER = {
    "sqlite": _upsert_registration(sqlite.insert(device_registration)),
    "postgresql": _upsert_registration(postgresql.insert(device_registration)),
}
_CAME_FROM = {
    "sqlite": _upsert_address(sqlite.insert(device_address)),
    "postgresql": _upsert_address(postgresql.insert(device_address)),
}
_WARN = {
    "sqlite": _upsert_warning(sqlite.insert(device_warning)),
    "postgresql": _upsert_warning(postgresql.insert(device_warning)),
}
