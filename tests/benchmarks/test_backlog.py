"""A receiver that is away for long costs nothing but delay: commits do not slow down with the rows that wait for it."""

import os
import statistics
import time
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import func, insert, select

from broker.domain.model import FactKind
from broker.services.context import Context
from broker.store.database import Connection, Database
from broker.store.tables import outbox_entry
from tests.peers.orders import START, happen, make_context, place

ROWS = int(os.environ.get("BROKER_BENCH_ROWS", "50000"))
ROUNDS = 200


def wait_for(connection: Connection, first: int, count: int) -> None:
    """Rows for a receiver that is away; every tenth is parked."""
    row = {
        "destination": "ris",
        "kind": FactKind.ORDER_STARTED.value,
        "payload": {},
        "due_at": START,
        "created_at": START,
    }
    connection.execute(
        insert(outbox_entry),
        [
            {**row, "message_id": f"B{number}", "subject": f"order:{10_000_000 + number // 2}",
             "state": "parked" if number % 10 == 0 else "pending"}
            for number in range(first, first + count)
        ],
    )  # fmt: skip


def median_commit(context: Context, keys: list[int]) -> float:
    """Milliseconds of one fact with its notification, committed."""
    took = []
    for round_ in range(ROUNDS):
        began = time.perf_counter()
        happen(context, keys[round_ % len(keys)], FactKind.ORDER_STARTED)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def test_a_backlog_does_not_slow_commits(database_url: str) -> None:
    database = Database(database_url)
    context = make_context(database, "ris", clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    keys = [place(context, number) for number in range(1, 21)]
    median_commit(context, keys)
    before = median_commit(context, keys)
    for first in range(0, ROWS, 5000):
        context.database.write(partial(wait_for, first=first, count=min(5000, ROWS - first)))
    after = median_commit(context, keys)
    rows = context.database.read(lambda c: c.execute(select(func.count()).select_from(outbox_entry)).scalar_one())
    database.close()
    name = database_url.partition(":")[0]
    print(f"\n{name}: commit {before:.2f} ms without, {after:.2f} ms with {rows} waiting rows")  # noqa: T201
    assert after < 1.5 * before + 1.0
