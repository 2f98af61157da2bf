"""Owns: what invented modalities send in MPPS, by keyword and in the DICOM JSON Model. Must not: know rules."""

from collections.abc import Mapping, Sequence

from broker.domain.performed_table import TAG, walk

_VR = {row.keyword: row.vr for row in walk()}
Plain = Mapping[str, object]

SERIES: dict[str, object] = {
    "PerformingPhysicianName": "ROENTGEN^Wilhelm", "ProtocolName": "HEAD", "OperatorsName": "CURIE^Marie",
    "SeriesInstanceUID": "1.2.826.9.1", "SeriesDescription": "", "RetrieveAETitle": "ARCHIVE",
    "ReferencedImageSequence": [
        {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": "1.2.826.9.1.1"}
    ],
    "ReferencedNonImageCompositeSOPInstanceSequence": [],
}  # fmt: skip


def dataset(values: Plain) -> dict[str, dict[str, object]]:
    """Keywords to the DICOM JSON Model; an empty text, empty list or None has no value."""
    return {f"{TAG[keyword]:08X}": _element(_VR[keyword], value) for keyword, value in values.items()}


def _element(vr: str, value: object) -> dict[str, object]:
    if value in ("", None) or (isinstance(value, Sequence) and not value):
        return {"vr": vr}
    if vr == "SQ":
        assert isinstance(value, list)
        return {"vr": vr, "Value": [dataset(item) for item in value]}
    values = value if isinstance(value, list) else [value]
    return {"vr": vr, "Value": [{"Alphabetic": v} for v in values] if vr == "PN" else list(values)}


def reference(number: str = "1", **more: object) -> dict[str, object]:
    """One item of the Scheduled Step Attributes Sequence: step SPS1 of order 1, unless told otherwise."""
    return {
        "StudyInstanceUID": f"1.2.3.{number}", "ReferencedStudySequence": [], "AccessionNumber": f"A{number}",
        "RequestedProcedureID": f"RP{number}", "RequestedProcedureDescription": "CT head",
        "ScheduledProcedureStepID": f"SPS{number}", "ScheduledProcedureStepDescription": "",
        "ScheduledProtocolCodeSequence": [], **more,
    }  # fmt: skip


def create(references: Sequence[Plain] | None = None, **more: object) -> dict[str, object]:
    """An N-CREATE by the book, by keyword."""
    return {
        "ScheduledStepAttributesSequence": [reference()] if references is None else list(references),
        "PatientName": "MÜLLER^Eva", "PatientID": "4711", "PatientBirthDate": "19700131", "PatientSex": "F",
        "ReferencedPatientSequence": [], "PerformedProcedureStepID": "PPS1", "PerformedStationAETitle": "CT1",
        "PerformedStationName": "CT ONE", "PerformedLocation": "", "PerformedProcedureStepStartDate": "20261123",
        "PerformedProcedureStepStartTime": "0931", "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "CT head", "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": [], "PerformedProcedureStepEndDate": "", "PerformedProcedureStepEndTime": "",
        "PerformedProcedureStepDiscontinuationReasonCodeSequence": [], "Modality": "CT", "StudyID": "",
        "PerformedProtocolCodeSequence": [], "PerformedSeriesSequence": [], **more,
    }  # fmt: skip


def final(status: str = "COMPLETED", **more: object) -> dict[str, object]:
    """A final N-SET by the book, by keyword."""
    return {
        "PerformedProcedureStepStatus": status, "PerformedProcedureStepEndDate": "20261123",
        "PerformedProcedureStepEndTime": "094512.5", "PerformedSeriesSequence": [SERIES], **more,
    }  # fmt: skip


def reason(code: str, meaning: str = "invented reason", scheme: str = "DCM") -> dict[str, object]:
    """The discontinuation reason, to be merged into ``final``."""
    item = {"CodeValue": code, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}
    return {"PerformedProcedureStepDiscontinuationReasonCodeSequence": [item]}
