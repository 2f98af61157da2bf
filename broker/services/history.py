"""Facts become history: one event row each, and one outbox row for every destination that wants to know.

Runs inside the transaction of the use case that caused the facts, so a fact and its notifications commit together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain.model import Actor, Fact
from broker.domain.notification_payload import Subjects
from broker.services import outbox
from broker.services.context import Context
from broker.store import events
from broker.store.database import Connection


@dataclass(frozen=True, slots=True)
class About:
    """What facts are about, by database key.  ``steps`` finds a step by (Study Instance UID, SPS ID)."""

    patient_key: int | None = None
    request_key: int | None = None
    performed_key: int | None = None
    journal_key: int | None = None
    steps: Mapping[tuple[str, str], int] = field(default_factory=dict)


def record(  # noqa: PLR0917 - one fact's circumstances, all needed
    connection: Connection, context: Context, actor: Actor, about: About, facts: Iterable[Fact], at: datetime,
    subjects: Subjects | None = None,
) -> None:  # fmt: skip
    """Write ``facts`` and enqueue their notifications.

    ``subjects`` are the entities as they are stored now, where the caller holds them; else they are read when needed.
    """
    record_all(connection, context, actor, [(about, fact, subjects) for fact in facts], at)


def record_all(
    connection: Connection, context: Context, actor: Actor, told: Iterable[tuple[About, Fact, Subjects | None]],
    at: datetime,
) -> None:  # fmt: skip
    """``record`` for facts about several things, in their order; those that nobody is told of go in together."""
    quiet: list[events.Event] = []
    for about, fact, subjects in told:
        event = _event(actor, about, fact, at)
        if not outbox.is_wanted(context.destinations, event.kind):
            quiet.append(event)
            continue
        events.insert_all(connection, quiet)
        quiet = []
        key = events.insert(connection, event)
        outbox.enqueue(connection, context.destinations, key, event, subjects)
    events.insert_all(connection, quiet)


def _event(actor: Actor, about: About, fact: Fact, at: datetime) -> events.Event:
    step_key = None
    if fact.study_instance_uid is not None and fact.step_id is not None:
        step_key = about.steps.get((fact.study_instance_uid, fact.step_id))
    return events.Event(
        at=at, kind=fact.kind, actor=actor, data=fact.data, patient_key=about.patient_key,
        request_key=about.request_key, step_key=step_key, performed_key=about.performed_key,
        journal_key=about.journal_key,
    )  # fmt: skip
