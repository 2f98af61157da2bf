"""Reading messages of the journal again: who did it, and what came of it.

Owns: the record of runs.  Must not: read HL7 (intake runs the message; see ``broker.intake.desk``).
"""

from broker.services.context import Context
from broker.store import replays
from broker.store.replays import ReplayRun

__all__ = ["ReplayRun", "record", "runs"]


def record(context: Context, run: ReplayRun) -> None:
    """Keep a run."""
    context.database.write(lambda connection: replays.record(connection, run))


def runs(context: Context, journal_key: int) -> list[ReplayRun]:
    """The runs of one message, newest first."""
    return context.database.read(lambda connection: replays.of_message(connection, journal_key))
