"""What a message reached, read inside the transaction that is about to be undone.

Owns: those queries.  Must not: write.
"""

from collections.abc import Collection

from sqlalchemy import Connection, func, select

from broker.store.tables import event, imaging_service_request, outbox_entry, patient


def reached(connection: Connection, journal_key: int) -> tuple[list[int], list[int]]:
    """The keys of the orders and of the patients that a message's facts are about."""
    rows = connection.execute(
        select(event.c.request_id, event.c.patient_id).where(event.c.journal_id == journal_key).order_by(event.c.id)
    ).all()
    requests = dict.fromkeys(int(r.request_id) for r in rows if r.request_id is not None)
    people = dict.fromkeys(int(r.patient_id) for r in rows if r.patient_id is not None)
    return list(requests), list(people)


def facts(connection: Connection, journal_key: int) -> list[str]:
    """The kinds of the facts a message caused, in order."""
    query = select(event.c.kind).where(event.c.journal_id == journal_key).order_by(event.c.id)
    return [str(row.kind) for row in connection.execute(query)]


def notifications(connection: Connection, journal_key: int) -> dict[str, int]:
    """How many notifications a message caused, by destination."""
    query = (
        select(outbox_entry.c.destination, func.count())
        .join(event, event.c.id == outbox_entry.c.event_id)
        .where(event.c.journal_id == journal_key)
        .group_by(outbox_entry.c.destination)
        .order_by(outbox_entry.c.destination)
    )
    return {str(destination): int(count) for destination, count in connection.execute(query)}


def present_requests(connection: Connection, keys: Collection[int]) -> set[int]:
    """Which of these orders there are."""
    request = imaging_service_request.c.id
    return {int(row.id) for row in connection.execute(select(request).where(request.in_(keys)))}


def present_patients(connection: Connection, keys: Collection[int]) -> set[int]:
    """Which of these patients there are."""
    return {int(row.id) for row in connection.execute(select(patient.c.id).where(patient.c.id.in_(keys)))}
