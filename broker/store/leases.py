"""Leases on jobs that only one process may do at a time, whatever the number of nodes on one database."""

from datetime import datetime

from sqlalchemy import Connection, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from broker.store.inference_tables import job_lease as table

_INSERT = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing(index_elements=["name"]).returning(table.c.name),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing(index_elements=["name"]).returning(table.c.name),
}


def take(connection: Connection, name: str, owner: str, now: datetime, until: datetime) -> bool:
    """Hold the job ``name`` until ``until``; False while another owner holds it.  Whoever holds it may go on."""
    free = or_(table.c.owner == owner, table.c.until <= now)
    renewed = update(table).where(table.c.name == name, free).values(owner=owner, until=until)
    if connection.execute(renewed).rowcount == 1:
        return True
    values = {"name": name, "owner": owner, "until": until}
    return connection.execute(_INSERT[connection.dialect.name], values).first() is not None
