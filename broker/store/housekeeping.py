"""Deleting rows that are kept for a while only, and how large tables are."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from broker.store.people_tables import sign_in_link, web_session
from broker.store.tables import device_query, metadata


def drop_queries(connection: Connection, before: datetime) -> int:
    """Delete worklist queries recorded before ``before``; answers how many."""
    return connection.execute(delete(device_query).where(device_query.c.at < before)).rowcount


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
