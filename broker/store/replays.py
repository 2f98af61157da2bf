"""Runs of messages read again from the journal.

Owns: rows of ``replay_run``.  Must not: run anything or commit.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from broker.store.tables import replay_run


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """Who read a message again and what came of it; ``result_key`` is the journal entry of a run for good."""

    at: datetime
    actor: str
    journal_key: int
    dry_run: bool
    outcome: str
    text: str = ""
    result_key: int | None = None


def record(connection: Connection, run: ReplayRun) -> None:
    """Keep a run."""
    values = {
        "at": run.at, "actor": run.actor, "journal_id": run.journal_key, "dry_run": run.dry_run,
        "outcome": run.outcome, "text": run.text, "result_id": run.result_key,
    }  # fmt: skip
    connection.execute(insert(replay_run), values)


def of_message(connection: Connection, journal_key: int) -> list[ReplayRun]:
    """The runs of one message, newest first."""
    run = replay_run.c
    query = select(run.at, run.actor, run.journal_id, run.dry_run, run.outcome, run.text, run.result_id)
    return [
        ReplayRun(*r) for r in connection.execute(query.where(run.journal_id == journal_key).order_by(run.id.desc()))
    ]
