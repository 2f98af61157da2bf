"""Steps in progress and when something was last heard of each; those that were found to be stuck."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from broker.domain.attributes import Attributes
from broker.domain.states import PerformedStatus, StepStatus
from broker.store.inference_tables import stuck_step as table
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import step_link, worklist_item

_item = worklist_item.c
_STARTED = text("worklist_item.status = 'STARTED'")  # the words of the partial index, so that it is used
_RUNS = performed.c.status == PerformedStatus.IN_PROGRESS.value
_AT_ONCE = 500
#: the newest word of a device about an exam of the step that it has not ended
_HEARD = (
    select(func.max(performed.c.updated_at))
    .join(step_link, step_link.c.performed_id == performed.c.id)
    .where(step_link.c.step_id == _item.step_id, _RUNS)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class RunningStep:
    """A step in progress.  ``heard_at``: when its device last reported on it; None when no exam of it runs."""

    step_key: int
    request_key: int
    modality: str
    document: Attributes
    status_at: datetime | None
    heard_at: datetime | None

    @property
    def silent_since(self) -> datetime | None:
        """When somebody last said something about it; None when that was never noted."""
        return max((at for at in (self.status_at, self.heard_at) if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class StuckRow:
    """A step that was found to be stuck."""

    step_key: int
    silent_since: datetime
    limit_minutes: int
    found_at: datetime
    postponed_until: datetime | None


@dataclass(frozen=True, slots=True)
class StuckItem:
    """The same with what identifies the step.  ``reported``: a device reports an exam of it."""

    stuck: StuckRow
    request_key: int
    modality: str
    accession_number: str
    patient_id: str
    start_at: str
    document: Attributes
    reported: bool


_MINE = table.c.step_id
_INSERT = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing(index_elements=["step_id"]).returning(_MINE),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing(index_elements=["step_id"]).returning(_MINE),
}


def running(connection: Connection) -> list[RunningStep]:
    """Every step in progress."""
    query = select(
        _item.step_id, _item.request_id, _item.modality, _item.document, _item.status_at, _HEARD.label("heard_at")
    ).where(_STARTED)  # fmt: skip
    return [RunningStep(*row) for row in connection.execute(query.order_by(_item.step_id))]


def is_started(connection: Connection, step_key: int) -> bool:
    """Whether the step is in progress now."""
    status = connection.scalar(select(_item.status).where(_item.step_id == step_key))
    return bool(status == StepStatus.STARTED.value)


def known(connection: Connection) -> dict[int, StuckRow]:
    """Everything found so far, by the key of the step."""
    return {row.step_id: StuckRow(*row) for row in connection.execute(select(table))}


def find(connection: Connection, step_key: int) -> StuckRow | None:
    """What was found about one step, or None."""
    row = connection.execute(select(table).where(table.c.step_id == step_key)).first()
    return None if row is None else StuckRow(*row)


def add(connection: Connection, row: StuckRow) -> bool:
    """Keep what was found; False when it is known already."""
    values = {
        "step_id": row.step_key, "silent_since": row.silent_since, "limit_minutes": row.limit_minutes,
        "found_at": row.found_at, "postponed_until": row.postponed_until,
    }  # fmt: skip
    return connection.execute(_INSERT[connection.dialect.name], values).first() is not None


def remove(connection: Connection, step_keys: Iterable[int]) -> None:
    """They are not stuck any more."""
    keys = sorted(step_keys)
    for start in range(0, len(keys), _AT_ONCE):
        connection.execute(delete(table).where(table.c.step_id.in_(keys[start : start + _AT_ONCE])))


def postpone(connection: Connection, step_key: int, until: datetime) -> None:
    """Ask nobody about the step before ``until``."""
    connection.execute(update(table).where(table.c.step_id == step_key).values(postponed_until=until))


def _asked(now: datetime) -> ColumnElement[bool]:
    """People are asked about it now: it is in progress, and nobody said that it still runs."""
    return and_(
        _item.status == StepStatus.STARTED.value, or_(table.c.postponed_until.is_(None), table.c.postponed_until <= now)
    )


def count(connection: Connection, now: datetime) -> int:
    """How many steps people are asked about now."""
    query = select(func.count()).select_from(table).join(worklist_item, _item.step_id == table.c.step_id)
    return int(connection.scalar(query.where(_asked(now))) or 0)


def listed(connection: Connection, now: datetime, limit: int) -> list[StuckItem]:
    """The steps that people are asked about now, the longest silent first."""
    query = (
        select(table, _item.request_id, _item.modality, _item.accession_number, _item.patient_id_value, _item.start_at,
               _item.document, _HEARD.is_not(None).label("reported"))
        .join(worklist_item, _item.step_id == table.c.step_id)
        .where(_asked(now))
        .order_by(table.c.silent_since, table.c.step_id).limit(limit)
    )  # fmt: skip
    rows: Sequence[tuple[object, ...]] = [tuple(row) for row in connection.execute(query)]
    return [StuckItem(StuckRow(*row[:5]), *row[5:]) for row in rows]  # type: ignore[arg-type]
