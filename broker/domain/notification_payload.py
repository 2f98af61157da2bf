"""The payload of a notification: a plain JSON snapshot of everything any message about the fact needs.

Taken when the fact happens, so that later changes do not rewrite history.  Every kind of destination renders from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from broker.domain.attributes import Attributes, items_of, text, texts
from broker.domain.model import FactKind, Identifier, Order, Patient, Procedure, Step, Visit

Payload = dict[str, object]


@dataclass(frozen=True, slots=True)
class PerformedSummary:
    """What notifications tell of a performed procedure step; times as the device sent them (local wall time)."""

    sop_instance_uid: str
    status: str
    station_ae_title: str
    started_at: str
    ended_at: str
    discontinuation_code: str


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whom and what a fact is about, as stored at this moment."""

    patient: Patient | None = None
    visit: Visit | None = None
    order: Order | None = None
    performed: PerformedSummary | None = None


def modalities(order: Order | None) -> frozenset[str]:
    """The modalities of an order's steps."""
    if order is None:
        return frozenset()
    return frozenset(m for step in order.steps if (m := text(step.attributes, "Modality")))


def snapshot(kind: FactKind, occurred_at: datetime, data: Mapping[str, object], about: Subjects) -> Payload:
    """The payload of one fact; ``occurred_at`` is an aware instant, kept as ISO 8601."""
    order = about.order
    return {
        "fact": kind.value,
        "occurred_at": occurred_at.isoformat(),
        "data": dict(data),
        "patient": _patient(about.patient) if about.patient else None,
        "visit": _visit(about.visit) if about.visit else None,
        "order": _order(order) if order else None,
        "procedures": [_procedure(procedure) for procedure in order.procedures] if order else [],
        "performed": _performed(about.performed) if about.performed else None,
    }


def _identifier(identifier: Identifier | None) -> Payload | None:
    return {"value": identifier.value, "issuer": identifier.issuer} if identifier and identifier.value else None


def _patient(patient: Patient) -> Payload:
    return {
        "identifiers": [_identifier(identifier) for identifier in patient.identifiers],
        "name": text(patient.attributes, "PatientName"),
        "birth_date": text(patient.attributes, "PatientBirthDate"),
        "sex": text(patient.attributes, "PatientSex"),
    }


def _visit(visit: Visit) -> Payload:
    return {
        "admission": _identifier(visit.admission),
        # the default mapping keeps PV1-2 there (Route of Admissions)
        "patient_class": text(visit.attributes, "RouteOfAdmissions"),
        "location": text(visit.attributes, "CurrentPatientLocation"),
    }


def _order(order: Order) -> Payload:
    return {
        "sender": order.sender,
        "placer": _identifier(order.placer),
        "filler": _identifier(order.filler),
        "accession": _identifier(order.accession),
        "requesting_physician": text(order.attributes, "RequestingPhysician"),
        "priority": _priority(order),
    }


def _priority(order: Order) -> str:
    """A requested procedure's attribute (PS3.4 Table K.6-1); an order message states it once for all it holds."""
    found = (text(procedure.attributes, "RequestedProcedurePriority") for procedure in order.procedures)
    return next(filter(None, found), "")


def _procedure(procedure: Procedure) -> Payload:
    return {
        "requested_procedure_id": procedure.requested_procedure_id,
        "study_instance_uid": procedure.study_instance_uid,
        "description": text(procedure.attributes, "RequestedProcedureDescription"),
        "codes": _codes(procedure.attributes, "RequestedProcedureCodeSequence"),
        "steps": [_step(step) for step in procedure.steps],
    }


def _step(step: Step) -> Payload:
    return {
        "scheduled_procedure_step_id": step.scheduled_procedure_step_id,
        "status": step.status.value,
        "modality": text(step.attributes, "Modality"),
        "stations": list(texts(step.attributes.get("ScheduledStationAETitle"))),
        "start_date": text(step.attributes, "ScheduledProcedureStepStartDate"),
        "start_time": text(step.attributes, "ScheduledProcedureStepStartTime"),
        "description": text(step.attributes, "ScheduledProcedureStepDescription"),
        "codes": _codes(step.attributes, "ScheduledProtocolCodeSequence"),
    }


def _codes(attributes: Attributes, keyword: str) -> list[Payload]:
    return [
        {
            "value": text(item, "CodeValue"),
            "scheme": text(item, "CodingSchemeDesignator"),
            "meaning": text(item, "CodeMeaning"),
        }
        for item in items_of(attributes.get(keyword))
    ]


def _performed(performed: PerformedSummary) -> Payload:
    return {
        "sop_instance_uid": performed.sop_instance_uid,
        "status": performed.status,
        "station_ae_title": performed.station_ae_title,
        "started_at": performed.started_at,
        "ended_at": performed.ended_at,
        "discontinuation_code": performed.discontinuation_code,
    }
