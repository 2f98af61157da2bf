"""Deleting rows that are kept for a while only, and how large tables are."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select

from broker.store.device_tables import device_address, device_registration, device_warning
from broker.store.people_tables import sign_in_link, web_session
from broker.store.tables import device, device_query, metadata


def drop_queries(connection: Connection, before: datetime) -> int:
    """Delete worklist queries recorded before ``before``; answers how many."""
    return connection.execute(delete(device_query).where(device_query.c.at < before)).rowcount


def drop_strangers(connection: Connection, before: datetime) -> int:
    """Delete devices that only knocked, and oddities of any device, not seen since ``before``; answers how many."""
    gone = select(device.c.ae_title).where(
        device.c.known.is_(False), device.c.last_seen_at < before,
        device.c.ae_title.not_in(select(device_registration.c.ae_title)),
    )  # fmt: skip
    odd, address = device_warning.c, device_address.c
    found = [
        delete(device_warning).where(or_(odd.last_at < before, odd.ae_title.in_(gone))),
        delete(device_address).where(or_(address.last_seen_at < before, address.ae_title.in_(gone))),
        delete(device).where(device.c.ae_title.in_(gone)),
    ]
    return sum(connection.execute(statement).rowcount for statement in found)


def drop_sessions(connection: Connection, before: datetime) -> int:
    """Delete sign-in links and sessions that ended before ``before``; answers how many."""
    links = connection.execute(delete(sign_in_link).where(sign_in_link.c.expires_at < before)).rowcount
    return links + connection.execute(delete(web_session).where(web_session.c.expires_at < before)).rowcount


def table_sizes(connection: Connection) -> dict[str, int]:
    """The number of rows of every table, by name."""
    counts = {}
    for table in metadata.sorted_tables:
        counts[table.name] = int(connection.execute(select(func.count()).select_from(table)).scalar_one())
    return counts
