"""Patients and visits: taking over what messages say about them, and showing it everywhere at once."""

from dataclasses import dataclass, replace
from datetime import datetime

from broker.domain.errors import Reason, Refusal
from broker.domain.merging import difference, merge
from broker.domain.model import Actor, Fact, FactKind, Identifier, Patient, PatientChange, Visit, VisitChange
from broker.services import items
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import orders, patients
from broker.store.database import Connection


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient and visit as they are stored now; ``changed`` names the keywords an update altered."""

    patient: Patient
    visit: Visit
    patient_key: int
    visit_key: int
    changed: tuple[str, ...] = ()
    #: keywords in which an order message differs from the stored patient and was not believed
    differs: tuple[str, ...] = ()


def ensure(
    connection: Connection, change: PatientChange, visit: VisitChange, at: datetime, *, update: bool
) -> KnownPatient:
    """The patient and visit an order speaks of: created when unknown; known demographics change only with ``update``.

    (HL7 inbound reference 6.4: ADT is the authority for demographics, an order is not.)
    """
    present = _find(connection, change)
    wanted, taken = _without_taken(connection, present, _merged(present, change))
    changed = tuple(difference(present.attributes, wanted.attributes)) if present else ()
    if present is not None and not update:
        wanted = replace(wanted, attributes=present.attributes)
    key = present.key if present == wanted and present.key is not None else patients.save(connection, wanted, at)
    stay, visit_key = _save_visit(connection, key, visit, at)
    differs = taken if update else (*changed, *taken)
    return KnownPatient(replace(wanted, key=key), stay, key, visit_key, changed if update else (), differs)


def update(
    connection: Connection, context: Context, actor: Actor, change: PatientChange, visit: VisitChange, journal_key: int
) -> KnownPatient:
    """Apply an ADT message: patient and visit are created or updated, and every item of theirs shows it at once."""
    at = context.clock()
    known = _find(connection, change)
    person = ensure(connection, change, visit, at, update=True)
    affected = orders.of_patient(connection, person.patient_key)
    for request_key in affected:
        items.refresh(connection, context, request_key)
    data = {"changed": sorted(person.changed), "created": known is None, "visit": bool(person.visit.admission.value)}
    about = About(patient_key=person.patient_key, journal_key=journal_key)
    if not affected:
        record(connection, context, actor, about, [Fact(FactKind.PATIENT_UPDATED, data)], at)
    for request_key in affected:
        record(
            connection, context, actor, replace(about, request_key=request_key),
            [Fact(FactKind.PATIENT_UPDATED, data)], at,
        )  # fmt: skip
    return person


def _find(connection: Connection, change: PatientChange) -> Patient | None:
    """The patient by the primary identifier; never by another authority's number alone."""
    if not change.identifiers or not change.identifiers[0].value:
        raise Refusal(Reason.REQUIRED_MISSING, "the patient has no identifier", where=change.where)
    return patients.find(connection, change.identifiers[0])


def _merged(present: Patient | None, change: PatientChange) -> Patient:
    if present is None:
        return Patient(change.identifiers, merge({}, change.attributes))
    known = present.identifiers
    added = tuple(i for i in change.identifiers if i not in known)
    return replace(present, identifiers=known + added, attributes=merge(present.attributes, change.attributes))


def _without_taken(connection: Connection, present: Patient | None, wanted: Patient) -> tuple[Patient, tuple[str, ...]]:
    """Without further identifiers that another patient has: they stay that patient's until a merge says otherwise.

    Answers the patient, and the keyword that differs when there were such.
    """
    known = present.identifiers if present is not None else wanted.identifiers[:1]
    free = tuple(i for i in wanted.identifiers if i in known or patients.find(connection, i) is None)
    taken = ("OtherPatientIDsSequence",) if free != wanted.identifiers else ()
    return replace(wanted, identifiers=free), taken


def _save_visit(connection: Connection, patient_key: int, change: VisitChange, at: datetime) -> tuple[Visit, int]:
    present = patients.find_visit(connection, patient_key, change.admission)
    if present is None:
        stay = Visit(change.admission or Identifier(""), merge({}, change.attributes))
        key = patients.save_visit(connection, stay, patient_key, at)
        return replace(stay, key=key), key
    wanted = replace(present, attributes=merge(present.attributes, change.attributes))
    if wanted == present and present.key is not None:
        return present, present.key
    return wanted, patients.save_visit(connection, wanted, patient_key, at)
