"""The worklist item of a step: everything a device can be told about it, in one document, and what it is found by.

The document is the whole item as nested attributes by keyword, the step's own inside the Scheduled Procedure Step
Sequence (PS3.4 K.6.1.2: one response per step, exactly one item in that sequence).
"""

from dataclasses import dataclass

from broker.domain.attributes import SPS_SEQUENCE, Attributes, Value, items_of, text, texts
from broker.domain.model import Identifier, Order, Patient, Procedure, Step, Visit
from broker.domain.names import fold_name
from broker.domain.states import OPEN, StepStatus

#: type 1 attributes of a response: an item without one of them is never sent (PS3.4 Table K.6-1)
TYPE_1_ROOT = ("PatientName", "PatientID", "RequestedProcedureID", "StudyInstanceUID")
TYPE_1_STEP = (
    "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality",
    "ScheduledProcedureStepID",
)  # fmt: skip
#: at least one of each pair must have a value (type 1C)
TYPE_1C_ROOT = ("RequestedProcedureDescription", "RequestedProcedureCodeSequence")
TYPE_1C_STEP = ("ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence")

#: the broker's states in DICOM's five terms; others are never told to a device
DICOM_STATUS = {
    StepStatus.SCHEDULED: "SCHEDULED",
    StepStatus.ARRIVED: "ARRIVED",
    StepStatus.READY: "READY",
    StepStatus.STARTED: "STARTED",
}


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """The document and the columns it is searched by; ``missing`` names the type 1 keywords without a value."""

    document: Attributes
    missing: tuple[str, ...]
    open: bool
    status: StepStatus
    modality: str
    stations: tuple[str, ...]
    #: local wall time at the site, YYYYMMDDHHMMSS, or empty
    start_at: str
    accession_number: str
    patient_id: str
    patient_name_folded: str
    physician_name_folded: str
    admission_id: str


def compose(patient: Patient, visit: Visit, order: Order, procedure: Procedure, step: Step) -> WorklistItem:
    """The item of ``step`` as it stands now."""
    inner = _step_attributes(step)
    root = _root_attributes(patient, visit, order, procedure)
    document: dict[str, Value] = {**root, SPS_SEQUENCE: [inner]}
    return WorklistItem(
        document=document,
        missing=_missing(root, inner),
        open=step.status in OPEN,
        status=step.status,
        modality=text(inner, "Modality"),
        stations=texts(inner.get("ScheduledStationAETitle")),
        start_at=start_at(inner),
        accession_number=order.accession.value,
        patient_id=text(root, "PatientID"),
        patient_name_folded=fold_name(text(root, "PatientName")),
        physician_name_folded=fold_name(text(inner, "ScheduledPerformingPhysicianName")),
        admission_id=visit.admission.value,
    )


def start_at(step: Attributes) -> str:
    """Start date and time as one sortable text of 14 digits; empty without a date."""
    date = text(step, "ScheduledProcedureStepStartDate")
    if not date:
        return ""
    time = text(step, "ScheduledProcedureStepStartTime").partition(".")[0]
    return date + time.ljust(6, "0")


def missing_of(document: Attributes) -> tuple[str, ...]:
    """The required attributes without a value in a whole item."""
    return _missing(document, next(iter(items_of(document.get(SPS_SEQUENCE))), {}))


def _step_attributes(step: Step) -> dict[str, Value]:
    attributes: dict[str, Value] = dict(step.attributes)
    attributes["ScheduledProcedureStepID"] = step.scheduled_procedure_step_id
    status = DICOM_STATUS.get(step.status)
    if status is None:
        attributes.pop("ScheduledProcedureStepStatus", None)
    else:
        attributes["ScheduledProcedureStepStatus"] = status
    return attributes


def _root_attributes(patient: Patient, visit: Visit, order: Order, procedure: Procedure) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        **patient.attributes, **visit.attributes, **order.attributes, **procedure.attributes,
        "RequestedProcedureID": procedure.requested_procedure_id,
        "StudyInstanceUID": procedure.study_instance_uid,
    }  # fmt: skip
    _put(attributes, "PatientID", "IssuerOfPatientID", patient.identifiers[0])
    _put(attributes, "AccessionNumber", None, order.accession)
    _put(attributes, "AdmissionID", None, visit.admission)
    for keyword, number in (
        ("PlacerOrderNumberImagingServiceRequest", order.placer),
        ("FillerOrderNumberImagingServiceRequest", order.filler),
    ):
        if number is not None:
            attributes[keyword] = number.value
    others = _other_patient_ids(patient)
    if others and "OtherPatientIDsSequence" not in attributes:
        attributes["OtherPatientIDsSequence"] = others
    return attributes


def _put(attributes: dict[str, Value], keyword: str, issuer_keyword: str | None, identifier: Identifier) -> None:
    if identifier.value:
        attributes[keyword] = identifier.value
    if issuer_keyword and identifier.issuer:
        attributes.setdefault(issuer_keyword, identifier.issuer)


def _other_patient_ids(patient: Patient) -> list[Attributes]:
    """The further identifiers, one item each (PS3.3 C.2.3; Type of Patient ID is the carrier, not the HL7 type)."""
    return [
        {"PatientID": other.value, "TypeOfPatientID": "TEXT"}
        | ({"IssuerOfPatientID": other.issuer} if other.issuer else {})
        for other in patient.identifiers[1:]
    ]


def _missing(root: Attributes, inner: Attributes) -> tuple[str, ...]:
    missing = [k for k in TYPE_1_ROOT if not text(root, k)] + [k for k in TYPE_1_STEP if not text(inner, k)]
    for pair, attributes in ((TYPE_1C_ROOT, root), (TYPE_1C_STEP, inner)):
        if not any(attributes.get(keyword) for keyword in pair):
            missing.append(pair[0])
    return tuple(missing)
