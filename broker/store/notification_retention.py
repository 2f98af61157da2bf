"""Deleting notifications, and what archives told of images, that were kept long enough.

Owns: what is still needed whatever its age.  Must not: decide how long, or commit.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, or_, select, text

from broker.store.availability_tables import availability_notice
from broker.store.tables import outbox_attempt, outbox_entry, requested_procedure, worklist_item

_OPEN_REQUESTS = select(worklist_item.c.request_id).where(worklist_item.c.open)
# the words of the partial index, so that it is used
_UNDELIVERED = text("outbox_entry.state in ('pending', 'parked')")


def drop_notifications(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` notifications that were delivered or skipped before ``before``; answers how many.

    Those of open orders are kept.  The receipts stay in the history.
    """
    entry = outbox_entry.c
    query = (
        select(entry.id)
        .where(
            entry.finished_at < before, entry.state.in_(("delivered", "skipped")),
            or_(entry.request_id.is_(None), entry.request_id.not_in(_OPEN_REQUESTS)),
        )
        .order_by(entry.id)
        .limit(limit)
    )  # fmt: skip
    keys = list(connection.scalars(query))
    if keys:
        connection.execute(delete(outbox_attempt).where(outbox_attempt.c.entry_id.in_(keys)))
        connection.execute(delete(outbox_entry).where(entry.id.in_(keys)))
    return len(keys)


def drop_notices(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` notices of images received before ``before``; answers how many.

    Kept are those that belong to nobody yet or to an open order, and all of them while any is still to be handed on.
    """
    notice = availability_notice.c
    waiting = select(outbox_entry.c.id).where(_UNDELIVERED, outbox_entry.c.kind.like("study.%")).limit(1)
    if connection.execute(waiting).first() is not None:
        return 0
    of_open_order = exists().where(
        requested_procedure.c.study_instance_uid == notice.study_instance_uid,
        requested_procedure.c.request_id.in_(_OPEN_REQUESTS),
    )
    query = (
        select(notice.id)
        .where(notice.received_at < before, notice.state != "open", ~of_open_order)
        .order_by(notice.id)
        .limit(limit)
    )
    keys = list(connection.scalars(query))
    if keys:
        connection.execute(delete(availability_notice).where(notice.id.in_(keys)))
    return len(keys)
