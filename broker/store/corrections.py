"""What staff say about exams in place of what the device said; rows are never changed but for their withdrawal."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from broker.domain.correcting import Correction
from broker.domain.states import PerformedStatus
from broker.store.reconciliation_tables import performed_correction as table


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """A correction with who made it and who took it back."""

    key: int
    performed_key: int
    correction: Correction
    provisional: bool
    made_by: str
    made_at: datetime
    withdrawn_by: str
    withdrawn_at: datetime | None


_OF_EXAM = select(table).where(table.c.performed_id == bindparam("exam")).order_by(table.c.id)
_STANDING = _OF_EXAM.where(table.c.withdrawn_at.is_(None))


def add(
    connection: Connection, performed_key: int, correction: Correction, by: str, at: datetime, *, provisional: bool
) -> None:
    """Keep a correction."""
    values = {
        "performed_id": performed_key, "status": correction.status.value,
        "discontinuation_code": correction.reason_code, "discontinuation_meaning": correction.reason_meaning,
        "started_at": correction.started_at, "ended_at": correction.ended_at, "note": correction.note,
        "provisional": provisional, "made_by": by, "made_at": at,
    }  # fmt: skip
    connection.execute(insert(table), values)


def standing(connection: Connection, performed_key: int) -> CorrectionRow | None:
    """The correction in force, or None."""
    row = connection.execute(_STANDING, {"exam": performed_key}).first()
    return None if row is None else _row(row)


def of_exam(connection: Connection, performed_key: int) -> list[CorrectionRow]:
    """Every correction of an exam, oldest first."""
    return [_row(row) for row in connection.execute(_OF_EXAM, {"exam": performed_key})]


def withdraw(connection: Connection, performed_key: int, by: str, at: datetime) -> None:
    """Take the correction in force back."""
    mine = update(table).where(table.c.performed_id == performed_key, table.c.withdrawn_at.is_(None))
    connection.execute(mine.values(withdrawn_by=by, withdrawn_at=at))


def _row(row: Row[Any]) -> CorrectionRow:
    correction = Correction(
        PerformedStatus(row.status), row.note, row.discontinuation_code, row.discontinuation_meaning, row.started_at,
        row.ended_at,
    )  # fmt: skip
    return CorrectionRow(
        row.id, row.performed_id, correction, row.provisional, row.made_by, row.made_at, row.withdrawn_by,
        row.withdrawn_at,
    )  # fmt: skip
