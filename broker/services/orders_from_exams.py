"""An order made from an exam that never had one: a walk-in or an emergency that nobody ordered in time.

The order carries the exam's own identifiers, so that images, worklist and order agree.  Unlinking the exam cancels it.
"""

from dataclasses import dataclass

from broker.domain import dicom_json, linking
from broker.domain.attributes import Attributes, Value
from broker.domain.errors import Reason, Refusal
from broker.domain.identifiers import valid_uid
from broker.domain.linking import ScheduledReference
from broker.domain.model import (
    Actor,
    Identifier,
    OrderChange,
    OrderControl,
    PatientChange,
    ProcedureChange,
    StepChange,
    VisitChange,
)
from broker.domain.performed_table import TAG
from broker.services import orders, reconciling
from broker.services.context import Context
from broker.store import numbers, patients, unmatched
from broker.store import orders as order_store
from broker.store import performed as store
from broker.store.database import Connection

#: the sender of orders that people made here
SENDER = "staff"


@dataclass(frozen=True, slots=True)
class Created:
    """The order and its first step, by database key."""

    request_key: int
    step_key: int


def create_order(context: Context, actor: Actor, performed_key: int, patient_id: str = "") -> Created:
    """Make an order from the exam and link it.  ``patient_id`` stands in where the device named no patient.

    Raises Refusal: unknown exam, nothing of it waits, no patient, a patient ID of several issuers, or an order that
    has the exam's Study Instance UID already.
    """

    def work(connection: Connection) -> Created:
        exam = store.load(connection, performed_key, lock=True)
        if exam is None:
            raise Refusal(Reason.UNKNOWN_KEY, "there is no such exam", where="exam")
        waiting = [i for i in unmatched.of_exam(connection, performed_key) if i.state != unmatched.LINKED]
        if not waiting:
            raise Refusal(Reason.WRONG_STATE, "the exam has its orders already; unlink it first", where="exam")
        for item in waiting:  # the order must not attach it by the rule: then nobody would know that it was made here
            unmatched.settle(connection, item.key, item.state, None, automatic=False)
        change = _change(connection, context, exam, waiting[0].item, patient_id.strip())
        applied = orders.apply(connection, context, SENDER, actor, change, None)
        if applied.request_key is None:
            raise RuntimeError("a new order is stored")
        step_key = order_store.load(connection, applied.request_key).steps[0].key
        if step_key is None:
            raise RuntimeError("a stored step has a key")
        reconciling.link_in(connection, context, actor, exam, step_key, reconciling.CREATED)
        return Created(applied.request_key, step_key)

    return context.database.write(work)


def _change(connection: Connection, context: Context, exam: store.Performed, item: int, patient_id: str) -> OrderChange:
    references = linking.references_of(exam.dataset)
    named = references[item - 1] if 0 < item <= len(references) else ScheduledReference()
    number = f"{context.site.accession_prefix}E{numbers.next_number(connection, 'created order'):07d}"
    study = named.study_instance_uid
    if study and order_store.owner_of_study(connection, study) is not None:
        raise Refusal(
            Reason.DUPLICATE_KEY, "an order has this Study Instance UID already; link the exam to it", where="exam"
        )
    procedure = ProcedureChange(
        named.requested_procedure_id or None, study if valid_uid(study) else None, _procedure(exam.dataset),
        (StepChange(named.scheduled_procedure_step_id or None, _step(exam)),),
    )  # fmt: skip
    return OrderChange(
        control=OrderControl.PLACE, placer=None, filler=Identifier(number, ""),
        accession=named.accession if named.accession.value else Identifier(number, ""),
        patient=_patient(connection, exam.dataset, patient_id), visit=VisitChange(Identifier(""), {}),
        attributes={}, procedures=(procedure,), where="exam", occurred_at=context.clock(),
    )  # fmt: skip


def _patient(connection: Connection, dataset: dicom_json.Dataset, patient_id: str) -> PatientChange:
    """The known patient with this ID when there is exactly one; the device seldom names the issuer."""
    person = linking.person_of(dataset)
    named = Identifier(patient_id, "") if patient_id else next(iter(person.identifiers), None)
    if named is None:
        raise Refusal(Reason.REQUIRED_MISSING, "the device named no patient: give the patient ID", where="patient ID")
    known = [named] if named.issuer else patients.identifiers_of_value(connection, named.value)
    if len(known) > 1:
        raise Refusal(
            Reason.DUPLICATE_KEY, "several issuers gave this patient ID: place the order in the ordering system",
            where="patient ID",
        )  # fmt: skip
    attributes = {"PatientName": person.name, "PatientBirthDate": person.birth_date, "PatientSex": person.sex}
    return PatientChange(
        (known[0] if known else named,), {k: v for k, v in attributes.items() if v}, "patient ID"
    )  # fmt: skip


def _procedure(dataset: dicom_json.Dataset) -> Attributes:
    attributes: dict[str, Value] = {}
    codes = _codes(dataset, "ProcedureCodeSequence")
    if codes:
        attributes["RequestedProcedureCodeSequence"] = codes
    return attributes | {"RequestedProcedureDescription": _words(dataset)}


def _step(exam: store.Performed) -> Attributes:
    dataset, started = exam.dataset, exam.summary.started_at
    attributes: dict[str, Value] = {
        "Modality": exam.summary.modality,
        "ScheduledStationAETitle": [exam.summary.performed_station_ae_title or exam.calling_ae_title],
        "ScheduledProcedureStepDescription": _words(dataset),
    }
    if started:
        attributes["ScheduledProcedureStepStartDate"] = started[:8]
        attributes["ScheduledProcedureStepStartTime"] = started[8:]
    codes = _codes(dataset, "PerformedProtocolCodeSequence")
    return attributes | ({"ScheduledProtocolCodeSequence": codes} if codes else {})


def _words(dataset: dicom_json.Dataset) -> str:
    """What was done, in the words that there are."""
    for keyword in ("PerformedProcedureStepDescription", "PerformedProcedureTypeDescription"):
        if found := dicom_json.text(dataset, TAG[keyword]):
            return found
    for item in dicom_json.items(dataset, TAG["ScheduledStepAttributesSequence"]):
        if found := dicom_json.text(item, TAG["RequestedProcedureDescription"]):
            return found
    return f"{dicom_json.text(dataset, TAG['Modality'])} exam without order".strip()


def _codes(dataset: dicom_json.Dataset, keyword: str) -> list[Attributes]:
    found = []
    for item in dicom_json.items(dataset, TAG[keyword]):
        names = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        found.append({name: value for name in names if (value := dicom_json.text(item, TAG[name]))})
    return [code for code in found if code]
