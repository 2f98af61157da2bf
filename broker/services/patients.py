"""Patients and visits: taking over what messages say about them, and showing it everywhere at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from broker.domain.attributes import Value
from broker.domain.errors import Reason, Refusal
from broker.domain.merging import difference
from broker.domain.model import Actor, Fact, FactKind, Identifier, Patient, PatientChange, Visit, VisitChange
from broker.domain.requests import PatientUpdate
from broker.domain.stating import DEFAULTED, SENDER, Ledger
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
    #: the message names an identifier that was merged into this patient
    merged: bool = False


#: what an order adds to, of attributes that it does not change otherwise
_WARNINGS = ("MedicalAlerts", "Allergies")

_LOCATION = "CurrentPatientLocation"
_NO_VISIT = Visit(Identifier(""), {})


@dataclass(frozen=True, slots=True)
class Stating:
    """Who says something about a patient, and when by the sender's clock."""

    sender: str = ""
    at: datetime | None = None

    def ledger(self, known: Mapping[str, str], *, new: bool = False) -> Ledger:
        """The ledger for this statement; clocks of different senders are not compared."""
        ledger = Ledger.of(known, self.at, new=new, compare=known.get(SENDER, self.sender) == self.sender)
        ledger.known[SENDER] = self.sender
        return ledger


def ensure(
    connection: Connection, change: PatientChange, visit: VisitChange, at: datetime, stating: Stating, *, update: bool
) -> KnownPatient:
    """The patient and visit an order speaks of: created when unknown; known demographics change only with ``update``.

    (HL7 inbound reference 6.4: ADT is the authority for demographics, an order only fills gaps.)
    """
    person = ensure_patient(connection, change, at, stating, update=update)
    stay, visit_key = _save_visit(connection, person.patient_key, visit, at, stating)
    return replace(person, visit=stay, visit_key=visit_key)


def known(connection: Connection, patient_key: int, visit_key: int) -> KnownPatient:
    """The patient and visit that an order has, for messages that name none."""
    stay = patients.load_visit(connection, visit_key)
    return KnownPatient(patients.load(connection, patient_key), stay, patient_key, visit_key)


def ensure_patient(
    connection: Connection, change: PatientChange, at: datetime, stating: Stating, *, update: bool
) -> KnownPatient:
    """As ``ensure``, without a visit."""
    present = _find(connection, change)
    wanted, taken = _without_taken(connection, present, _merged(present, change, stating, update=update))
    changed = tuple(difference(present.attributes, wanted.attributes)) if present else ()
    key = present.key if present == wanted and present.key is not None else patients.save(connection, wanted, at)
    stored = replace(wanted, key=key)
    merged = present is not None and change.identifiers[0] not in present.identifiers
    differs = taken if update or present is None else (*_unlike(present, change), *taken)
    return KnownPatient(stored, _NO_VISIT, key, 0, changed, differs, merged)


def update(
    connection: Connection, context: Context, actor: Actor, wanted: PatientUpdate, journal_key: int
) -> KnownPatient:
    """Apply an ADT message: patient and visit are created or updated, and every item of theirs shows it at once."""
    known = _find(connection, wanted.patient)
    stating = Stating(actor.name, wanted.occurred_at)
    person = ensure(connection, wanted.patient, wanted.visit, context.clock(), stating, update=True)
    if wanted.located and wanted.visit.admission.value:
        _move(connection, person.patient_key, wanted.visit, context.clock(), stating)
    data = {"changed": sorted(person.changed), "created": known is None, "visit": bool(person.visit.admission.value)}
    show(connection, context, actor, person.patient_key, Fact(FactKind.PATIENT_UPDATED, data), journal_key)
    return person


def _move(connection: Connection, patient_key: int, stay: VisitChange, at: datetime, stating: Stating) -> None:
    """The new location also for orders that name no visit: the patient is in one place."""
    unnamed, location = Identifier(""), stay.attributes.get(_LOCATION)
    if location is not None and patients.find_visit(connection, patient_key, unnamed) is not None:
        _save_visit(connection, patient_key, VisitChange(unnamed, {_LOCATION: location}), at, stating)


def show(
    connection: Connection, context: Context, actor: Actor, patient_key: int, fact: Fact, journal_key: int
) -> None:
    """Bring every item of the patient up to date, and record ``fact`` about each order, or about the patient alone."""
    at, affected = context.clock(), orders.of_patient(connection, patient_key)
    about = About(patient_key=patient_key, journal_key=journal_key)
    for request_key in affected:
        items.refresh(connection, context, request_key)
        record(connection, context, actor, replace(about, request_key=request_key), [fact], at)
    if not affected:
        record(connection, context, actor, about, [fact], at)


def _find(connection: Connection, change: PatientChange) -> Patient | None:
    """The patient by the primary identifier; never by another authority's number alone."""
    if not change.identifiers or not change.identifiers[0].value:
        raise Refusal(Reason.REQUIRED_MISSING, "the patient has no identifier", where=change.where)
    return patients.find(connection, change.identifiers[0])


def _merged(present: Patient | None, change: PatientChange, stating: Stating, *, update: bool) -> Patient:
    if present is None:
        # what only an order told yields to whatever an ADT message says later
        ledger = stating.ledger({}, new=True)
        attributes = ledger.merge("", {}, change.attributes)
        ledger.fill_in("", attributes, change.filling, DEFAULTED)
        return Patient(change.identifiers, attributes, stated=ledger.known if update else {})
    added = tuple(i for i in change.identifiers if i not in present.identifiers)
    person = replace(present, identifiers=present.identifiers + added)
    if not update:
        said = {**change.filling, **change.attributes}
        gaps = {k: v for k, v in said.items() if v is not None and k not in present.stated}
        return replace(person, attributes={**gaps, **present.attributes, **_added(present, change)})
    ledger = stating.ledger(present.stated)
    attributes = ledger.merge("", present.attributes, change.attributes)
    ledger.fill_in("", attributes, change.filling, DEFAULTED)
    return replace(person, attributes=attributes, stated=ledger.known)


def _added(present: Patient, change: PatientChange) -> dict[str, Value]:
    """What warns of harm is added to what is known, whoever says it: no authority for demographics knows it all."""
    added: dict[str, Value] = {}
    for keyword in _WARNINGS:
        known, said = present.attributes.get(keyword), change.attributes.get(keyword)
        if isinstance(known, list) and isinstance(said, list):
            added[keyword] = [*known, *(value for value in said if value not in known)]
    return added


def _unlike(present: Patient, change: PatientChange) -> tuple[str, ...]:
    """In which known attributes an order message says something else."""
    stored = {k: present.attributes.get(k) for k, v in change.attributes.items() if k in present.attributes}
    return tuple(k for k, v in stored.items() if change.attributes[k] != v and k not in _added(present, change))


def _without_taken(connection: Connection, present: Patient | None, wanted: Patient) -> tuple[Patient, tuple[str, ...]]:
    """Without further identifiers that another patient has: they stay that patient's until a merge says otherwise.

    Answers the patient, and the keyword that differs when there were such.
    """
    known = present.identifiers if present is not None else wanted.identifiers[:1]
    free = tuple(i for i in wanted.identifiers if i in known or patients.find(connection, i) is None)
    taken = ("OtherPatientIDsSequence",) if free != wanted.identifiers else ()
    return replace(wanted, identifiers=free), taken


def _save_visit(
    connection: Connection, patient_key: int, change: VisitChange, at: datetime, stating: Stating
) -> tuple[Visit, int]:
    present = patients.find_visit(connection, patient_key, change.admission)
    known = present.stated if present is not None else {}
    ledger = stating.ledger(known, new=present is None)
    stored = present.attributes if present is not None else {}
    attributes = ledger.merge("", stored, change.attributes)
    ledger.fill_in("", attributes, change.filling, DEFAULTED)
    key = present.key if present is not None else None
    wanted = Visit(change.admission or Identifier(""), attributes, key, ledger.known)
    if wanted == present and key is not None:
        return wanted, key
    key = patients.save_visit(connection, wanted, patient_key, at)
    return replace(wanted, key=key), key
