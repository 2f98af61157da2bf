"""What a device sends about a performed procedure step: N-CREATE from a worklist item, N-SET with plausible series.

Attributes by DICOM keyword, types after PS3.4 Table F.7.2-1.  Must not send anything.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Attributes = Mapping[str, Any]

#: PS3.16 CID 9300, the reasons the emulators give
REASONS: Mapping[str, str] = {
    "110500": "Doctor canceled procedure",
    "110501": "Equipment failure",
    "110505": "Patient refused to continue procedure",
    "110513": "Discontinued for unspecified reason",
    "110514": "Incorrect worklist entry selected",
}
#: storage SOP class and images per series by modality, enough to look real
_STORAGE: Mapping[str, tuple[str, int]] = {
    "CT": ("1.2.840.10008.5.1.4.1.1.2", 40),
    "MR": ("1.2.840.10008.5.1.4.1.1.4", 24),
    "DX": ("1.2.840.10008.5.1.4.1.1.1.1", 2),
    "US": ("1.2.840.10008.5.1.4.1.1.6.1", 12),
    "MG": ("1.2.840.10008.5.1.4.1.1.1.2", 4),
}
_SECONDARY_CAPTURE = ("1.2.840.10008.5.1.4.1.1.7", 1)


def begin(item: Attributes, station: str, started: datetime, performed_id: str) -> dict[str, Any]:
    """The N-CREATE attribute list for a worklist item as the provider gave it; ``started`` is local time."""
    step = _step(item)
    return {
        "ScheduledStepAttributesSequence": [_scheduled(item, step)],
        **{k: item.get(k, "") for k in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")},
        "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": performed_id,
        "PerformedStationAETitle": station,
        "PerformedStationName": station,
        "PerformedLocation": "",
        "PerformedProcedureStepStartDate": started.strftime("%Y%m%d"),
        "PerformedProcedureStepStartTime": started.strftime("%H%M%S"),
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": item.get("RequestedProcedureDescription", ""),
        "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": item.get("RequestedProcedureCodeSequence", []),
        "PerformedProcedureStepEndDate": "",
        "PerformedProcedureStepEndTime": "",
        "PerformedProcedureStepDiscontinuationReasonCodeSequence": [],
        "Modality": step.get("Modality", "OT"),
        "StudyID": item.get("RequestedProcedureID", ""),
        "PerformedProtocolCodeSequence": step.get("ScheduledProtocolCodeSequence", []),
        "PerformedSeriesSequence": [],
    }


def end(item: Attributes, ended: datetime, series_uid: str, reason: str | None = None) -> dict[str, Any]:
    """The final N-SET: COMPLETED, or DISCONTINUED with a code of ``REASONS``; ``ended`` is local time."""
    step = _step(item)
    attributes: dict[str, Any] = {
        "PerformedProcedureStepStatus": "DISCONTINUED" if reason else "COMPLETED",
        "PerformedProcedureStepEndDate": ended.strftime("%Y%m%d"),
        "PerformedProcedureStepEndTime": ended.strftime("%H%M%S"),
        "PerformedProcedureStepDescription": item.get("RequestedProcedureDescription", ""),
        "ProcedureCodeSequence": item.get("RequestedProcedureCodeSequence", []),
        "PerformedProtocolCodeSequence": step.get("ScheduledProtocolCodeSequence", []),
        "PerformedSeriesSequence": [_series(step, series_uid, images=reason is None)],
    }
    if reason:
        attributes["PerformedProcedureStepDiscontinuationReasonCodeSequence"] = [
            {"CodeValue": reason, "CodingSchemeDesignator": "DCM", "CodeMeaning": REASONS[reason]}
        ]
    return attributes


def _step(item: Attributes) -> Attributes:
    steps = item.get("ScheduledProcedureStepSequence") or [{}]
    first: Attributes = steps[0]
    return first


def _scheduled(item: Attributes, step: Attributes) -> dict[str, Any]:
    return {
        "StudyInstanceUID": item["StudyInstanceUID"],
        "ReferencedStudySequence": [],
        "AccessionNumber": item.get("AccessionNumber", ""),
        "RequestedProcedureID": item.get("RequestedProcedureID", ""),
        "RequestedProcedureDescription": item.get("RequestedProcedureDescription", ""),
        "RequestedProcedureCodeSequence": item.get("RequestedProcedureCodeSequence", []),
        "ScheduledProcedureStepID": step.get("ScheduledProcedureStepID", ""),
        "ScheduledProcedureStepDescription": step.get("ScheduledProcedureStepDescription", ""),
        "ScheduledProtocolCodeSequence": step.get("ScheduledProtocolCodeSequence", []),
    }


def _series(step: Attributes, series_uid: str, *, images: bool) -> dict[str, Any]:
    sop_class, count = _STORAGE.get(str(step.get("Modality")), _SECONDARY_CAPTURE)
    protocol = step.get("ScheduledProcedureStepDescription") or "Standard"
    references = [
        {"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": f"{series_uid}.{number}"}
        for number in range(1, count + 1)
    ]
    return {
        "PerformingPhysicianName": "",
        "ProtocolName": protocol,
        "OperatorsName": "EMULATED^OPERATOR",
        "SeriesInstanceUID": series_uid,
        "SeriesDescription": protocol,
        "RetrieveAETitle": "",
        "ReferencedImageSequence": references if images else [],
        "ReferencedNonImageCompositeSOPInstanceSequence": [],
    }
