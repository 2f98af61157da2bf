"""Deleting messages that were kept long enough, except those that something open still needs.

Owns: what "still needs" means.  Must not: decide how long, or commit.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, or_, select, update

from broker.store.tables import event, journal_entry, replay_run, worklist_item

_OPEN_REQUESTS = select(worklist_item.c.request_id).where(worklist_item.c.open)


def drop_messages(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` messages received before ``before``, oldest first; answers how many.

    The history stays, without its link to the message.  A message that an open order was made from is kept, and so is
    one that was not applied and waits for its remedy (outcome ``held``).
    """
    journal = journal_entry.c
    needed = exists().where(event.c.journal_id == journal.id, event.c.request_id.in_(_OPEN_REQUESTS))
    query = (
        select(journal.id)
        .where(journal.received_at < before, journal.outcome != "held", ~needed)
        .order_by(journal.id)
        .limit(limit)
    )
    keys = [int(row.id) for row in connection.execute(query)]
    if not keys:
        return 0
    connection.execute(
        delete(replay_run).where(or_(replay_run.c.journal_id.in_(keys), replay_run.c.result_id.in_(keys)))
    )
    connection.execute(update(event).where(event.c.journal_id.in_(keys)).values(journal_id=None))
    connection.execute(delete(journal_entry).where(journal.id.in_(keys)))
    return len(keys)
