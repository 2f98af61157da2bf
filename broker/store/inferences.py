"""What was said about steps in place of devices, and which exams spoke since.

Rows change only when they are withdrawn.  Must not: decide what counts (``domain.inferring`` does).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, func, insert, not_, select, text, update

from broker.domain.inferring import Inference, Saying
from broker.domain.model import Actor, Source
from broker.domain.performing_reasons import WRONG_ENTRY
from broker.domain.states import PerformedStatus, StepStatus
from broker.store.inference_tables import step_inference as table
from broker.store.inference_tables import step_inference_overruled as overruled
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import scheduled_procedure_step as step

_AT_ONCE = 500
_STANDS = text("step_inference.withdrawn_at is null")  # the words of the partial index, so that it is used
#: an exam that never happened for this patient (110514) overrules nothing
_VOID = and_(
    func.coalesce(performed.c.corrected_status, performed.c.status) == PerformedStatus.DISCONTINUED.value,
    func.coalesce(performed.c.corrected_code, performed.c.discontinuation_code) == WRONG_ENTRY,
)
_IS_OVERRULED = exists().where(
    overruled.c.inference_id == table.c.id, performed.c.id == overruled.c.performed_id, not_(_VOID)
)
_STANDING = select(table, _IS_OVERRULED.label("overruled")).where(_STANDS).order_by(table.c.id)
_OF_STEP = _STANDING.where(table.c.step_id == bindparam("step"))


def add(connection: Connection, step_key: int, saying: Saying, before: StepStatus, actor: Actor, at: datetime) -> None:
    """Keep what was said, and mark the step."""
    values = {
        "step_id": step_key, "status": saying.status.value, "before_status": before.value,
        "discontinuation_code": saying.reason_code, "discontinuation_meaning": saying.reason_meaning,
        "note": saying.note, "source": actor.source.value, "said_by": actor.name, "said_at": at,
    }  # fmt: skip
    connection.execute(insert(table), values)
    connection.execute(update(step).where(step.c.id == step_key).values(inferred=True))


def standing(connection: Connection, step_key: int) -> list[Inference]:
    """What stands about a step, oldest first."""
    return [_inference(row) for row in connection.execute(_OF_STEP, {"step": step_key})]


def of_steps(connection: Connection, step_keys: Sequence[int]) -> dict[int, list[Inference]]:
    """What stands about these steps, oldest first, by the key of the step; without those of which nothing stands."""
    found: dict[int, list[Inference]] = {}
    for start in range(0, len(step_keys), _AT_ONCE):
        query = _STANDING.where(table.c.step_id.in_(step_keys[start : start + _AT_ONCE]))
        for row in connection.execute(query):
            found.setdefault(row.step_id, []).append(_inference(row))
    return found


def withdraw(connection: Connection, one: Inference, by: str, at: datetime) -> None:
    """Take back what was said; the mark of the step goes with the last."""
    connection.execute(update(table).where(table.c.id == one.key).values(withdrawn_by=by, withdrawn_at=at))
    still = exists().where(table.c.step_id == one.step_key, _STANDS)
    connection.execute(update(step).where(step.c.id == one.step_key).values(inferred=still))


def was_withdrawn(connection: Connection, step_key: int, actor: Actor) -> bool:
    """True when something that ``actor`` said about the step was taken back."""
    said = and_(table.c.step_id == step_key, table.c.source == actor.source.value, table.c.said_by == actor.name)
    return bool(connection.execute(select(exists().where(said, table.c.withdrawn_at.is_not(None)))).scalar())


def overrule(connection: Connection, standing_now: Iterable[Inference], performed_key: int) -> None:
    """An exam spoke after these were said."""
    keys = [one.key for one in standing_now]
    known = set(
        connection.scalars(
            select(overruled.c.inference_id).where(
                overruled.c.inference_id.in_(keys), overruled.c.performed_id == performed_key
            )
        )
    )
    rows = [{"inference_id": key, "performed_id": performed_key} for key in keys if key not in known]
    if rows:
        connection.execute(insert(overruled), rows)


def restore(connection: Connection, standing_now: Iterable[Inference], performed_key: int) -> None:
    """An exam turned out not to be of the step: it never spoke about it."""
    keys = [one.key for one in standing_now]
    mine = and_(overruled.c.inference_id.in_(keys), overruled.c.performed_id == performed_key)
    connection.execute(delete(overruled).where(mine))


def _inference(row: Row[Any]) -> Inference:
    saying = Saying(StepStatus(row.status), row.discontinuation_code, row.discontinuation_meaning, row.note)
    return Inference(
        row.id, row.step_id, saying, StepStatus(row.before_status), Actor(Source(row.source), row.said_by), row.said_at,
        bool(row.overruled),
    )  # fmt: skip
