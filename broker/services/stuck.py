"""The watch over steps that are in progress and of which nothing is heard: alarm, a proposal, and what people answer.

The proposal is to close the step, as completed or discontinued (``services.inferring``); a person confirms it, or says
that the exam still runs.  The site may let a rule close it after a further time.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain.attributes import SPS_SEQUENCE, items_of, text
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Source
from broker.domain.stuck import codes_of
from broker.services import inferring
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import leases, orders
from broker.store import stuck as store
from broker.store.database import Connection
from broker.store.stuck import RunningStep, StuckItem, StuckRow

__all__ = ["StuckItem", "listed", "look", "postpone"]

_log = logging.getLogger(__name__)
_WATCHDOG = Actor(Source.RULE, "watchdog")
_JOB = "stuck steps"
_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found: newly stuck steps, and how many the rule closed."""

    stuck: int
    closed: int


def look(context: Context, owner: str, lease: timedelta) -> Found | None:
    """Find what is stuck, alarm once about each, and close what the site lets a rule close.

    Only one process does it at a time: None while another holds the lease.
    """
    now = context.clock()
    if not context.database.write(lambda c: leases.take(c, _JOB, owner, now, now + lease)):
        return None
    running, known = context.database.read(lambda c: (store.running(c), store.known(c)))
    over = {step.step_key: (step, row) for step in running if (row := _judged(context, step, now)) is not None}
    fresh = [pair for key, pair in over.items() if key not in known]
    gone = known.keys() - over.keys()
    if fresh or gone:
        context.database.write(lambda c: _note(c, context, fresh, gone))
    return Found(len(fresh), sum(_close(context, row) for key, row in known.items() if key in over))


def listed(context: Context, limit: int = _LIMIT) -> list[StuckItem]:
    """The steps that people are asked about now, the longest silent first."""
    return context.database.read(lambda c: store.listed(c, context.clock(), limit))


def postpone(context: Context, actor: Actor, step_key: int) -> datetime:
    """The exam still runs: ask again when its limit has passed once more.  Raises Refusal when it is not stuck."""

    def work(connection: Connection) -> datetime:
        row = store.find(connection, step_key)
        if row is None or not store.is_started(connection, step_key):
            raise Refusal(Reason.WRONG_STATE, "the step is not stuck", where="step")
        now = context.clock()
        until = now + timedelta(minutes=row.limit_minutes)
        store.postpone(connection, step_key, until)
        request_key = orders.request_of_step(connection, step_key)
        fact = Fact(FactKind.STILL_RUNNING, {"until": until.isoformat(timespec="minutes")})
        record(connection, context, actor, About(request_key=request_key), [fact], now)
        return until

    return context.database.write(work)


def _judged(context: Context, step: RunningStep, now: datetime) -> StuckRow | None:
    limit = context.site.stuck.limit_for(step.modality, codes_of(step.document))
    since = step.silent_since
    if limit is None or since is None or now - since <= limit:
        return None
    return StuckRow(step.step_key, since, max(1, round(limit / timedelta(minutes=1))), now, None)


def _note(connection: Connection, context: Context, fresh: list[tuple[RunningStep, StuckRow]], gone: set[int]) -> None:
    store.remove(connection, gone)
    for step, row in fresh:
        if store.is_started(connection, step.step_key) and store.add(connection, row):
            study = text(step.document, "StudyInstanceUID")
            inner = next(iter(items_of(step.document.get(SPS_SEQUENCE))), {})
            step_id = text(inner, "ScheduledProcedureStepID")
            data = {
                "silent_since": row.silent_since.isoformat(timespec="seconds"), "limit_minutes": row.limit_minutes
            }  # fmt: skip
            about = About(request_key=step.request_key, steps={(study, step_id): step.step_key})
            fact = Fact(FactKind.STEP_STUCK, data, study, step_id)
            record(connection, context, _WATCHDOG, about, [fact], row.found_at)


def _close(context: Context, row: StuckRow) -> bool:
    """Close the step by the rule when the site lets it and the time for people is over; True when it did."""
    policy = context.site.stuck
    asked = max(row.found_at, row.postponed_until or row.found_at)
    if policy.apply_after is None or context.clock() - asked <= policy.apply_after:
        return False
    try:
        inferring.say(context, _WATCHDOG, row.step_key, policy.closing, although_running=True)
    except Refusal as refusal:  # somebody was quicker
        _log.info("step %d was not closed: %s", row.step_key, refusal.text)
        return False
    return True
