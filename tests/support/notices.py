"""Owns: availability notices that invented archives send, in the DICOM JSON Model. Must not: know rules."""

from collections.abc import Iterable, Mapping

from broker.dicom import datasets
from broker.domain.availability import ROWS
from broker.domain.performed_table import walk

_ROWS = {row.keyword: row for row in walk(ROWS)}
MPPS = "1.2.840.10008.3.1.2.3.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
Plain = Mapping[str, object]


def dataset(values: Plain) -> dict[str, dict[str, object]]:
    """Keywords to the DICOM JSON Model; an empty text or list has no value."""
    return {f"{_ROWS[keyword].tag:08X}": _element(_ROWS[keyword].vr, value) for keyword, value in values.items()}


def _element(vr: str, value: object) -> dict[str, object]:
    if value in ("", None, []):
        return {"vr": vr}
    if vr == "SQ":
        assert isinstance(value, list)
        return {"vr": vr, "Value": [dataset(item) for item in value]}
    return {"vr": vr, "Value": value if isinstance(value, list) else [value]}


def instance(
    uid: str, availability: str = "ONLINE", at: str | list[str] = "ARCHIVE", **more: object
) -> dict[str, object]:  # fmt: skip
    """One item of the Referenced SOP Sequence."""
    return {
        "ReferencedSOPClassUID": CT, "ReferencedSOPInstanceUID": uid, "InstanceAvailability": availability,
        "RetrieveAETitle": at, **more,
    }  # fmt: skip


def named(uid: str = "1.9.1", **more: object) -> dict[str, object]:
    """One item of the Referenced Performed Procedure Step Sequence."""
    return {
        "ReferencedSOPClassUID": MPPS, "ReferencedSOPInstanceUID": uid, "PerformedWorkitemCodeSequence": [], **more,
    }  # fmt: skip


def notice(
    study: str = "1.2.3.1", performed: str = "1.9.1", instances: Iterable[Plain] | None = None, **more: object
) -> dict[str, object]:
    """A notification by the book: one series of the study; by default the image that `exams.final` reports."""
    items = [instance("1.2.826.9.1.1")] if instances is None else list(instances)
    return {
        "ReferencedPerformedProcedureStepSequence": [named(performed)] if performed else [],
        "StudyInstanceUID": study,
        "ReferencedSeriesSequence": [{"SeriesInstanceUID": "1.2.826.9.1", "ReferencedSOPSequence": items}],
        **more,
    }  # fmt: skip


def encoded(values: Plain, syntax: str = datasets.EXPLICIT_LITTLE) -> bytes:
    """The bytes of a notification."""
    return datasets.encode(dataset(values), syntax)
