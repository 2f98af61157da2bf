"""Which scheduled step a performed step is about: the order of resolution as a pure rule (MPPS reference, section 6.1).

Works over candidates that the store found by any of the identifiers.  A patient alone never links; whose patient the
exam says it is can confirm a weak link, and raises an alarm when it contradicts a strong one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from broker.domain import dicom_json
from broker.domain.dicom_json import Dataset
from broker.domain.model import Identifier
from broker.domain.names import component_groups, fold
from broker.domain.performed_table import TAG


@dataclass(frozen=True, slots=True)
class ScheduledReference:
    """One item of the Scheduled Step Attributes Sequence, reduced to what identifies."""

    study_instance_uid: str = ""
    accession: Identifier = field(default_factory=lambda: Identifier(""))
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who was examined, or is to be: identifiers and the demographics worth comparing."""

    identifiers: tuple[Identifier, ...] = ()
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scheduled step that shares an identifier with the reference."""

    step_key: int
    request_key: int
    study_instance_uid: str
    accession: Identifier
    requested_procedure_id: str
    scheduled_procedure_step_id: str
    patient: Person


@dataclass(frozen=True, slots=True)
class Link:
    """A resolved reference.  ``origin`` is ``named`` when the device named the step, ``matched`` when a rule found it;
    ``confidence`` is 0..100, and below 100 a person should look at it."""

    candidate: Candidate
    rule: str
    origin: str
    confidence: int


def references_of(dataset: Dataset) -> tuple[ScheduledReference, ...]:
    """The items of the Scheduled Step Attributes Sequence (0040,0270)."""
    return tuple(_reference(item) for item in dicom_json.items(dataset, TAG["ScheduledStepAttributesSequence"]))


def person_of(dataset: Dataset) -> Person:
    """The patient that a performed step says it is about."""
    number = dicom_json.text(dataset, TAG["PatientID"])
    identifiers = (Identifier(number, dicom_json.text(dataset, TAG["IssuerOfPatientID"])),) if number else ()
    return Person(
        identifiers,
        dicom_json.text(dataset, TAG["PatientName"]),
        dicom_json.text(dataset, TAG["PatientBirthDate"]),
        dicom_json.text(dataset, TAG["PatientSex"]),
    )


def resolve(wanted: ScheduledReference, patient: Person, candidates: Sequence[Candidate]) -> Link | None:
    """The step that ``wanted`` means, by the first rule that finds exactly one; None when it stays unscheduled."""
    for rule in _RULES:
        found = [c for c in candidates if rule.fits(wanted, patient, c)]
        if len(found) == 1 and (not rule.alone or _alone(rule.alone(wanted), found[0], candidates)):
            return Link(found[0], rule.name, "named" if rule.confidence >= _NAMED else "matched", rule.confidence)
    return None


def same_patient(one: Person, other: Person) -> bool:
    """True when they share a Patient ID (issuers that are both given must agree); an unidentified patient is nobody."""
    return any(_agree(a, b) for a in one.identifiers for b in other.identifiers)


def same_name(one: str, other: str) -> bool:
    """True when family and given name agree, accents and case aside; an absent name agrees with nobody."""
    return bool(_folded_name(one)) and _folded_name(one) == _folded_name(other)


def patient_differences(performed: Person, scheduled: Person) -> tuple[str, ...]:
    """In which keywords the examined patient differs from the scheduled one; what either side leaves open agrees."""
    found = []
    if performed.identifiers and scheduled.identifiers and not same_patient(performed, scheduled):
        found.append("PatientID")
    if _differ(_folded_name(performed.name), _folded_name(scheduled.name)):
        found.append("PatientName")
    if _differ(performed.birth_date, scheduled.birth_date):
        found.append("PatientBirthDate")
    if _differ(performed.sex, scheduled.sex):
        found.append("PatientSex")
    return tuple(found)


_Fits = Callable[[ScheduledReference, Person, Candidate], bool]
_NAMED = 90


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    confidence: int
    fits: _Fits
    #: the step ID that must be unique at the whole site for this rule to hold
    alone: Callable[[ScheduledReference], str] | None = None


def _by_study_and_step(wanted: ScheduledReference, _: Person, candidate: Candidate) -> bool:
    return _same_study(wanted, candidate) and _same_step(wanted.scheduled_procedure_step_id, candidate)


def _by_accession_procedure_and_step(wanted: ScheduledReference, _: Person, candidate: Candidate) -> bool:
    return (
        _agree(wanted.accession, candidate.accession)
        and wanted.requested_procedure_id == candidate.requested_procedure_id
        and _same_step(wanted.scheduled_procedure_step_id, candidate)
    )


def _by_accession_and_step(wanted: ScheduledReference, _: Person, candidate: Candidate) -> bool:
    return _same_accession(wanted, candidate) and _same_step(wanted.scheduled_procedure_step_id, candidate)


def _by_step(wanted: ScheduledReference, patient: Person, candidate: Candidate) -> bool:
    return _same_step(wanted.scheduled_procedure_step_id, candidate) and same_patient(patient, candidate.patient)


def _by_step_in_accession(wanted: ScheduledReference, patient: Person, candidate: Candidate) -> bool:
    return _same_step(wanted.accession.value, candidate) and same_patient(patient, candidate.patient)


def _by_study(wanted: ScheduledReference, _: Person, candidate: Candidate) -> bool:
    return _same_study(wanted, candidate)


def _by_accession(wanted: ScheduledReference, patient: Person, candidate: Candidate) -> bool:
    """Only when the device gives no step ID of its own: a foreign step ID may mean another step of the order."""
    own = wanted.scheduled_procedure_step_id in {"", wanted.accession.value, wanted.requested_procedure_id}
    return own and _same_accession(wanted, candidate) and same_patient(patient, candidate.patient)


#: the order of resolution; the two strongest count as named by the device
_RULES = (
    _Rule("study_uid+step_id", 100, _by_study_and_step),
    _Rule("accession+procedure_id+step_id", 95, _by_accession_procedure_and_step),
    _Rule("accession+step_id", 80, _by_accession_and_step),
    _Rule("step_id+patient", 70, _by_step, alone=lambda wanted: wanted.scheduled_procedure_step_id),
    _Rule("step_id_in_accession+patient", 65, _by_step_in_accession, alone=lambda wanted: wanted.accession.value),
    _Rule("study_uid", 60, _by_study),
    _Rule("accession+patient", 50, _by_accession),
)
RULE_NAMES = tuple(rule.name for rule in _RULES)


def _alone(step_id: str, found: Candidate, candidates: Sequence[Candidate]) -> bool:
    return not any(_same_step(step_id, other) for other in candidates if other is not found)


def _reference(item: Dataset) -> ScheduledReference:
    issuers = dicom_json.items(item, TAG["IssuerOfAccessionNumberSequence"])
    issuer = ""
    if issuers:
        local = dicom_json.text(issuers[0], TAG["LocalNamespaceEntityID"])
        issuer = local or dicom_json.text(issuers[0], TAG["UniversalEntityID"])
    return ScheduledReference(
        dicom_json.text(item, TAG["StudyInstanceUID"]),
        Identifier(dicom_json.text(item, TAG["AccessionNumber"]), issuer),
        dicom_json.text(item, TAG["RequestedProcedureID"]),
        dicom_json.text(item, TAG["ScheduledProcedureStepID"]),
    )


def _same_study(wanted: ScheduledReference, candidate: Candidate) -> bool:
    return bool(wanted.study_instance_uid) and wanted.study_instance_uid == candidate.study_instance_uid


def _same_step(step_id: str, candidate: Candidate) -> bool:
    return bool(step_id) and step_id == candidate.scheduled_procedure_step_id


def _same_accession(wanted: ScheduledReference, candidate: Candidate) -> bool:
    """Also when the device sends the accession number as Requested Procedure ID (user story 26)."""
    in_procedure_id = Identifier(wanted.requested_procedure_id)
    return _agree(wanted.accession, candidate.accession) or _agree(in_procedure_id, candidate.accession)


def _agree(one: Identifier, other: Identifier) -> bool:
    """Same value, not empty; issuers agree when either is not given."""
    issuers_agree = not one.issuer or not other.issuer or _issuer(one) == _issuer(other)
    return bool(one.value) and one.value == other.value and issuers_agree


def _issuer(identifier: Identifier) -> str:
    """The namespace of an issuer, without the universal ID that HL7 may append (``HOSP&1.2.3&ISO``)."""
    return identifier.issuer.partition("&")[0].casefold()


def _folded_name(name: str) -> str:
    """Family and given name of the first group, folded: devices drop prefixes, suffixes and further groups."""
    groups = component_groups(name)
    return " ".join(fold(part) for part in groups[0].split("^")[:2]).strip() if groups else ""


def _differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other
