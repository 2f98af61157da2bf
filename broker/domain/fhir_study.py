"""Studies as FHIR R4 ImagingStudy resources, from what modalities report of their exams (MPPS).

Known are the series and instances that were made: a study is ``registered``, ``available`` when archives told that
they have all of them, or ``entered-in-error`` when every exam of it chose the wrong worklist entry, so that its images
show another patient.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from broker.domain import fhir_times
from broker.domain.dicom_json import Dataset, items, text
from broker.domain.fhir_codes import URI_SYSTEM, Json, dicom_code, filled, uid_identifier
from broker.domain.fhir_patient import contained, subject
from broker.domain.fhir_resources import accession_identifiers
from broker.domain.fhir_style import FhirStyle, Links, PatientMode, Payload
from broker.domain.names import display
from broker.domain.performed_table import TAG
from broker.domain.performing_reasons import WRONG_ENTRY

#: an image, or anything else with a place in a series (PS3.3 C.4.15)
_INSTANCES = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")


@dataclass(frozen=True, slots=True)
class OrderExams:
    """The exams of an order, oldest first, and the broker's own number of the order (``Links.number``)."""

    number: str
    exams: tuple["PerformedExam", ...] = ()
    #: Study Instance UIDs of which archives have every instance that is known
    available: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PerformedExam:
    """One exam as its device reported it; ``code`` why it was discontinued, corrections by staff included."""

    dataset: Dataset
    started_at: str
    code: str = ""

    @property
    def study_instance_uid(self) -> str:
        """The study the device worked on; empty when it names several, since no series says to which it belongs."""
        found = {text(i, TAG["StudyInstanceUID"]) for i in items(self.dataset, TAG["ScheduledStepAttributesSequence"])}
        return found.pop() if len(found) == 1 else ""

    @property
    def series(self) -> tuple[Dataset, ...]:
        """The series that were made; none without the modality, which ImagingStudy.series must have."""
        return items(self.dataset, TAG["PerformedSeriesSequence"]) if text(self.dataset, TAG["Modality"]) else ()


def by_study(exams: Iterable[PerformedExam]) -> dict[str, list[PerformedExam]]:
    """The exams of each study with at least one series, in the order they were begun."""
    studies: dict[str, list[PerformedExam]] = {}
    for exam in exams:
        if exam.study_instance_uid and exam.series:
            studies.setdefault(exam.study_instance_uid, []).append(exam)
    return studies


def imaging_studies(payload: Payload, known: OrderExams, style: FhirStyle, links: Links) -> list[Json]:
    """One for each study with at least one series, in the order they were begun."""
    made = []
    for uid, exams in by_study(known.exams).items():
        study = _study(uid, exams, payload, style, links)
        if study["status"] == "registered" and uid in known.available:
            study["status"] = "available"
        made.append(study)
    return made


def _study(uid: str, exams: list[PerformedExam], payload: Payload, style: FhirStyle, links: Links) -> Json:
    good = [exam for exam in exams if exam.code != WRONG_ENTRY]
    told = good or exams
    series = list(_all_series(told, style).values())
    modalities = sorted({text(exam.dataset, TAG["Modality"]) for exam in told})
    starts = sorted(filter(None, (exam.started_at for exam in told)))
    counts = [one["numberOfInstances"] for one in series]
    return filled({
        "resourceType": "ImagingStudy", "contained": contained(payload, style),
        "identifier": [uid_identifier(uid), *accession_identifiers(payload, style)],
        "status": "registered" if good else "entered-in-error",
        "modality": [dicom_code(m) for m in modalities], "subject": subject(payload, style, links),
        "started": fhir_times.stamp(starts[0], style.zone) if starts else None,
        "basedOn": [{"reference": links.order}], "numberOfSeries": len(series),
        "numberOfInstances": sum(n for n in counts if isinstance(n, int)), "series": series,
    })  # fmt: skip


def _all_series(exams: list[PerformedExam], style: FhirStyle) -> dict[str, Json]:
    """By Series Instance UID; what a later exam says of a series replaces what an earlier one said."""
    return {
        text(one, TAG["SeriesInstanceUID"]): _series(exam, one, style)
        for exam in exams
        for one in exam.series
        if text(one, TAG["SeriesInstanceUID"])
    }


def _series(exam: PerformedExam, one: Dataset, style: FhirStyle) -> Json:
    named = style.patient is not PatientMode.REFERENCE
    operator = display(text(one, TAG["OperatorsName"])) if named else ""
    instances = [_instance(ref) for name in _INSTANCES for ref in items(one, TAG[name])]
    return filled({
        "uid": text(one, TAG["SeriesInstanceUID"]), "modality": dicom_code(text(exam.dataset, TAG["Modality"])),
        "description": text(one, TAG["SeriesDescription"]) or text(one, TAG["ProtocolName"]),
        "performer": [{"actor": {"display": operator}}] if operator else [],
    }) | {"numberOfInstances": len(instances), **({"instance": instances} if instances else {})}  # fmt: skip


def _instance(reference: Dataset) -> Json:
    sop_class = f"urn:oid:{text(reference, TAG['ReferencedSOPClassUID'])}"
    return {
        "uid": text(reference, TAG["ReferencedSOPInstanceUID"]),
        "sopClass": {"system": URI_SYSTEM, "code": sop_class},
    }
