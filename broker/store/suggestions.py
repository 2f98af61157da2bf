"""Steps that an exam without one could be about, found by patient, number, or modality and time; judged elsewhere."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from broker.domain.attributes import SPS_SEQUENCE, Attributes, items_of, text, texts
from broker.domain.linking import Person
from broker.domain.model import Identifier
from broker.domain.names import fold_name
from broker.domain.states import StepStatus
from broker.domain.suggesting import ExamFacts, StepFacts
from broker.store.tables import worklist_item

_AROUND = timedelta(hours=12)
_MOST = 200
_FORM = "%Y%m%d%H%M%S"
_item = worklist_item.c
_COLUMNS = (
    _item.step_id, _item.request_id, _item.status, _item.modality, _item.start_at, _item.accession_number,
    _item.study_instance_uid, _item.scheduled_procedure_step_id, _item.document,
)  # fmt: skip


def around(connection: Connection, exam: ExamFacts) -> list[StepFacts]:
    """The steps that share a patient, a number, or modality and half a day with the exam; newest first per sign."""
    found: dict[int, StepFacts] = {}
    for condition in _conditions(exam):
        query = select(*_COLUMNS).where(condition).order_by(_item.start_at.desc(), _item.step_id.desc()).limit(_MOST)
        for row in connection.execute(query):
            if row.step_id not in found:
                found[row.step_id] = _facts(row)
    return list(found.values())


def step(connection: Connection, step_key: int) -> StepFacts | None:
    """One step in the same words, or None."""
    row = connection.execute(select(*_COLUMNS).where(_item.step_id == step_key)).first()
    return None if row is None else _facts(row)


def of_accession(connection: Connection, accession_number: str) -> list[StepFacts]:
    """The steps of the orders with this accession number, in order."""
    query = select(*_COLUMNS).where(_item.accession_number == accession_number).order_by(_item.step_id)
    return [_facts(row) for row in connection.execute(query)]


def _conditions(exam: ExamFacts) -> Iterable[ColumnElement[bool]]:
    numbers = [i.value for i in exam.patient.identifiers]
    if numbers:
        yield _item.patient_id_value.in_(numbers)
    if exam.patient.name:
        yield _item.patient_name_folded == fold_name(exam.patient.name)
    accessions = {r.accession.value for r in exam.references} | {r.requested_procedure_id for r in exam.references}
    if accessions - {""}:
        yield _item.accession_number.in_(sorted(accessions - {""}))
    studies = sorted({r.study_instance_uid for r in exam.references} - {""})
    if studies:
        yield _item.study_instance_uid.in_(studies)
    if exam.modality and exam.started_at is not None:
        first, last = exam.started_at - _AROUND, exam.started_at + _AROUND
        near = _item.start_at.between(first.strftime(_FORM), last.strftime(_FORM))
        yield near & (_item.modality == exam.modality)


def _facts(row: Any) -> StepFacts:
    document: Attributes = row.document
    inner = next(iter(items_of(document.get(SPS_SEQUENCE))), {})
    return StepFacts(
        row.step_id, row.request_id, _person(document), row.modality, texts(inner.get("ScheduledStationAETitle")),
        _moment(row.start_at), StepStatus(row.status), row.accession_number, row.study_instance_uid,
        row.scheduled_procedure_step_id,
        text(inner, "ScheduledProcedureStepDescription") or text(document, "RequestedProcedureDescription"),
    )  # fmt: skip


def _person(document: Attributes) -> Person:
    items = [document, *items_of(document.get("OtherPatientIDsSequence"))]
    numbers = tuple(
        Identifier(text(one, "PatientID"), text(one, "IssuerOfPatientID")) for one in items if text(one, "PatientID")
    )
    name, birth, sex = (text(document, k) for k in ("PatientName", "PatientBirthDate", "PatientSex"))
    return Person(numbers, name, birth, sex)


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, _FORM)
    except ValueError:
        return None
