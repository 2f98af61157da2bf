"""Exams of a span of days with what identifies them, for the export of protocol records; read in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select

from broker.domain.dicom_json import Dataset
from broker.store.reconciliation_tables import performed_correction as correction
from broker.store.tables import performed_procedure_step as performed

_PIECE = 200


@dataclass(frozen=True, slots=True)
class ExportedExam:
    """One exam; status and times with what staff corrected."""

    key: int
    sop_instance_uid: str
    status: str
    station: str
    modality: str
    accession_number: str
    patient_id: str
    started_at: str
    ended_at: str
    corrected: bool
    dataset: Dataset


def started_between(connection: Connection, first: str, last: str) -> Iterator[ExportedExam]:
    """Exams whose device says that they started in [first, last], local time YYYYMMDDHHMMSS, in the order received."""
    after = 0
    while rows := _piece(connection, first, last, after):
        yield from rows
        after = rows[-1].key


def _piece(connection: Connection, first: str, last: str, after: int) -> list[ExportedExam]:
    p = performed.c
    standing = and_(correction.c.performed_id == p.id, correction.c.withdrawn_at.is_(None))
    query = (
        select(
            p.id, p.sop_instance_uid, func.coalesce(p.corrected_status, p.status), p.performed_station_ae_title,
            p.modality, p.accession_number, p.patient_id_value,
            func.coalesce(func.nullif(correction.c.started_at, ""), p.started_at),
            func.coalesce(func.nullif(correction.c.ended_at, ""), p.ended_at),
            p.corrected_status.is_not(None), p.dataset,
        )
        .outerjoin(correction, standing)
        .where(p.id > after, p.started_at.between(first, last))
        .order_by(p.id).limit(_PIECE)
    )  # fmt: skip
    rows: Any = connection.execute(query)
    return [ExportedExam(*row) for row in rows]
