"""Scheduled steps that share an identifier with what a device names: the candidates that ``domain.linking`` judges.

Indexed look-ups (Study Instance UID, accession number, step ID) in one statement; a patient is never searched for.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Subquery, bindparam, select, union

from broker.domain.attributes import text
from broker.domain.linking import Candidate, Person, ScheduledReference
from broker.domain.model import Identifier
from broker.store.prepared import Prepared
from broker.store.tables import imaging_service_request as request
from broker.store.tables import patient, patient_identifier
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step

#: a step ID that is not unique at the site is no evidence; two are enough to see that
_ENOUGH = 2


def _by_step_id(parameter: str) -> Subquery:
    return select(step.c.id).where(step.c.scheduled_procedure_step_id == bindparam(parameter)).limit(_ENOUGH).subquery()


_step_id, _accession_as_step_id = _by_step_id("step_id"), _by_step_id("accession")
_KEYS = union(
    select(step.c.id).join(procedure).where(procedure.c.study_instance_uid == bindparam("study_uid")),
    select(step.c.id)
    .select_from(step)
    .join(procedure)
    .join(request)
    .where(request.c.accession_number == bindparam("accession")),
    select(step.c.id)
    .select_from(step)
    .join(procedure)
    .join(request)
    .where(request.c.accession_number == bindparam("procedure_id")),
    select(_step_id.c.id),
    select(_accession_as_step_id.c.id),
).subquery()
_CANDIDATES = Prepared(
    select(
        step.c.id, step.c.scheduled_procedure_step_id, procedure.c.requested_procedure_id,
        procedure.c.study_instance_uid, procedure.c.request_id, request.c.accession_number,
        request.c.accession_issuer, request.c.patient_id,
    )
    .select_from(
        step.join(_KEYS, _KEYS.c.id == step.c.id)
        .join(procedure, procedure.c.id == step.c.procedure_id)
        .join(request, request.c.id == procedure.c.request_id)
    )
    .order_by(step.c.id)
)  # fmt: skip
# the record and every record merged into it, over any number of merges
_RECORDS = select(patient.c.id).where(patient.c.id == bindparam("key")).cte(recursive=True)
_RECORDS = _RECORDS.union(select(patient.c.id).where(patient.c.merged_into == _RECORDS.c.id))
_PERSON = Prepared(
    select(patient.c.merged_into, patient.c.attributes, patient_identifier.c.value, patient_identifier.c.issuer)
    .select_from(patient.outerjoin(patient_identifier, patient_identifier.c.patient_id.in_(select(_RECORDS.c.id))))
    .where(patient.c.id == bindparam("key"))
    .order_by(patient_identifier.c.position, patient_identifier.c.id)
)


def find(connection: Connection, wanted: ScheduledReference) -> list[Candidate]:
    """Every step that ``wanted`` could mean by an identifier, oldest first."""
    rows = _CANDIDATES.all(connection, _parameters(wanted))
    people = {row.patient_id: person(connection, row.patient_id) for row in rows}
    return [_candidate(row, people) for row in rows]


def _parameters(wanted: ScheduledReference) -> dict[str, str | None]:
    """An empty identifier means nothing: NULL equals no stored value."""
    return {
        "study_uid": wanted.study_instance_uid or None, "accession": wanted.accession.value or None,
        "procedure_id": wanted.requested_procedure_id or None, "step_id": wanted.scheduled_procedure_step_id or None,
    }  # fmt: skip


def person(connection: Connection, patient_key: int) -> Person:
    """Whom an order is for, with every identifier: those of records merged into this one included."""
    rows = _PERSON.all(connection, {"key": patient_key})
    if rows and rows[0].merged_into is not None:
        return person(connection, rows[0].merged_into)
    attributes = rows[0].attributes
    return Person(
        tuple(Identifier(row.value, row.issuer) for row in rows if row.value is not None),
        text(attributes, "PatientName"),
        text(attributes, "PatientBirthDate"),
        text(attributes, "PatientSex"),
    )


def _candidate(row: Any, people: Mapping[int, Person]) -> Candidate:
    return Candidate(
        step_key=row.id,
        request_key=row.request_id,
        study_instance_uid=row.study_instance_uid,
        accession=Identifier(row.accession_number, row.accession_issuer),
        requested_procedure_id=row.requested_procedure_id,
        scheduled_procedure_step_id=row.scheduled_procedure_step_id,
        patient=people[row.patient_id],
    )
