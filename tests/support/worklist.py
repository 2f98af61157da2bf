"""Owns: worklist items straight in the read model, from plain documents, for tests of what is read. Must not: order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from sqlalchemy import Connection, Table, insert

from broker.dicom.datasets import EXPLICIT_BIG, IMPLICIT_LITTLE
from broker.dicom.plain import to_dataset
from broker.domain.attributes import SPS_SEQUENCE, Attributes, items_of, text, texts
from broker.domain.names import fold_name
from broker.domain.states import OPEN, StepStatus
from broker.domain.worklist_item import start_at
from broker.store.tables import (
    imaging_service_request,
    patient,
    requested_procedure,
    scheduled_procedure_step,
    visit,
    worklist_item,
    worklist_item_station,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    """What to put on the list."""

    root: Mapping[str, object] = field(default_factory=dict)
    step: Mapping[str, object] = field(default_factory=dict)
    status: StepStatus = StepStatus.SCHEDULED
    complete: bool = True
    #: since when it has its status
    status_at: datetime | None = None


def document(item: Item, number: int) -> Attributes:
    """The whole item: an invented patient and a CT of the head, unless it says otherwise."""
    step = {
        "Modality": "CT", "ScheduledStationAETitle": ["CT1"], "ScheduledProcedureStepStartDate": "20261123",
        "ScheduledProcedureStepStartTime": "0930", "ScheduledProcedureStepDescription": "CT head",
        "ScheduledProcedureStepID": f"SPS{number}", "ScheduledProcedureStepStatus": item.status.value, **item.step,
    }  # fmt: skip
    root = {
        "PatientName": "DOE^JANE", "PatientID": f"PID{number}", "AccessionNumber": f"A{number}",
        "RequestedProcedureID": f"RP{number}", "RequestedProcedureDescription": "CT head",
        "StudyInstanceUID": f"1.2.3.{number}", "AdmissionID": "V1", **item.root,
    }  # fmt: skip
    full = {**root, SPS_SEQUENCE: [{k: v for k, v in step.items() if v is not None}]}
    return {k: v for k, v in full.items() if v is not None}  # type: ignore[misc]


def fill(connection: Connection, items: Sequence[Item]) -> list[int]:
    """Writes the items, all of one order; answers their step keys."""
    patient_key, request_key, procedure_key = _parents(connection)
    steps: list[dict[str, Any]] = [
        {"procedure_id": procedure_key, "position": n, "status": item.status.value, "attributes": {},
         "scheduled_procedure_step_id": f"key{n}", "resting_status": "SCHEDULED", "updated_at": NOW}
        for n, item in enumerate(items, 1)
    ]  # fmt: skip
    inserted = insert(scheduled_procedure_step).returning(scheduled_procedure_step.c.id, sort_by_parameter_order=True)
    keys = list(connection.execute(inserted, steps).scalars())
    rows = [_row(item, n, key) for n, (item, key) in enumerate(zip(items, keys, strict=True), 1)]
    connection.execute(
        insert(worklist_item), [{"request_id": request_key, "patient_id": patient_key, **r} for r in rows]
    )
    connection.execute(insert(worklist_item_station), [s for row in rows for s in _stations(row)])
    return keys


def _parents(connection: Connection) -> tuple[int, int, int]:
    times = {"created_at": NOW, "updated_at": NOW}
    patient_key = _insert(connection, patient, attributes={}, **times)
    visit_key = _insert(connection, visit, patient_id=patient_key, attributes={}, updated_at=NOW)
    request_key = _insert(
        connection, imaging_service_request, patient_id=patient_key, visit_id=visit_key, attributes={}, **times
    )
    procedure_key = _insert(
        connection, requested_procedure, request_id=request_key, study_instance_uid="1.2", position=1, attributes={}
    )
    return patient_key, request_key, procedure_key


def _row(item: Item, number: int, step_key: int) -> dict[str, object]:
    whole = document(item, number)
    (step,) = items_of(whole[SPS_SEQUENCE])
    return {
        "step_id": step_key, "complete": item.complete, "open": item.status in OPEN, "status": item.status.value,
        "modality": text(step, "Modality"), "start_at": start_at(step),
        "accession_number": text(whole, "AccessionNumber"), "patient_id_value": text(whole, "PatientID"),
        "patient_name_folded": fold_name(text(whole, "PatientName")),
        "physician_name_folded": fold_name(text(step, "ScheduledPerformingPhysicianName")),
        "requested_procedure_id": text(whole, "RequestedProcedureID"),
        "scheduled_procedure_step_id": text(step, "ScheduledProcedureStepID"),
        "study_instance_uid": text(whole, "StudyInstanceUID"), "admission_id": text(whole, "AdmissionID"),
        "document": whole, "version": 1, "updated_at": NOW, "status_at": item.status_at,
    }  # fmt: skip


def _stations(row: dict[str, Any]) -> list[dict[str, object]]:
    titles = dict.fromkeys(texts(row["document"][SPS_SEQUENCE][0].get("ScheduledStationAETitle")))
    return [{"step_id": row["step_id"], "station_ae_title": title} for title in titles]


def _insert(connection: Connection, table: Table, **values: object) -> int:
    return int(connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one())


def pydicom_bytes(attributes: Mapping[str, object], transfer_syntax_uid: str) -> bytes:
    """A data set as pydicom writes it; not deflated."""
    stream = DicomBytesIO()
    stream.is_implicit_VR = transfer_syntax_uid == IMPLICIT_LITTLE
    stream.is_little_endian = transfer_syntax_uid != EXPLICIT_BIG
    write_dataset(stream, to_dataset(attributes))
    return stream.getvalue()
