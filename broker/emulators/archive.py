"""What an archive tells of images: an Instance Availability Notification from an exam as a server has it, or invented.

Attributes by DICOM keyword, types after PS3.4 Table R.3.2-1.  Must not send anything.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Attributes = Mapping[str, Any]

_MPPS = "1.2.840.10008.3.1.2.3.3"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def of_exam(exam: Attributes, sop_instance_uid: str, at: str, availability: str = "ONLINE") -> list[dict[str, Any]]:
    """The notices that say: all images of this exam are at the AE title ``at``; one for each of its studies.

    ``exam`` is the performed step as N-GET returns it.  Empty when it names no study or no images.
    """
    scheduled: Sequence[Attributes] = exam.get("ScheduledStepAttributesSequence") or []
    series = [
        {"SeriesInstanceUID": one["SeriesInstanceUID"], "ReferencedSOPSequence": [
            {**reference, "InstanceAvailability": availability, "RetrieveAETitle": at} for reference in _references(one)
        ]}
        for one in exam.get("PerformedSeriesSequence") or []
    ]  # fmt: skip
    told = [one for one in series if one["ReferencedSOPSequence"]]
    studies = dict.fromkeys(str(item.get("StudyInstanceUID", "")) for item in scheduled)
    return [_notice(study, sop_instance_uid, told) for study in studies if study and told]


def of_study(study_instance_uid: str, at: str, uid: str, availability: str = "ONLINE") -> dict[str, Any]:
    """The notice that one invented image of a study is at ``at``, of a device without MPPS; ``uid`` makes its UIDs."""
    instance = {
        "ReferencedSOPClassUID": _SECONDARY_CAPTURE, "ReferencedSOPInstanceUID": f"{uid}.1",
        "InstanceAvailability": availability, "RetrieveAETitle": at,
    }  # fmt: skip
    series = [{"SeriesInstanceUID": f"{uid}.2", "ReferencedSOPSequence": [instance]}]
    return _notice(study_instance_uid, "", series)


def _notice(study: str, performed: str, series: Sequence[Attributes]) -> dict[str, Any]:
    named = {
        "ReferencedSOPClassUID": _MPPS, "ReferencedSOPInstanceUID": performed, "PerformedWorkitemCodeSequence": [],
    }  # fmt: skip
    return {
        "ReferencedPerformedProcedureStepSequence": [named] if performed else [],
        "StudyInstanceUID": study,
        "ReferencedSeriesSequence": list(series),
    }


def _references(series: Attributes) -> Iterator[Attributes]:
    for name in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"):
        for reference in series.get(name) or []:
            yield {key: reference[key] for key in ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")}
