"""Devices that name only new series and images in N-SET, one image at a time: the parts united with what is stored.

The standard wants each N-SET to name all series (PS3.4 F.7.2); this is for devices that a site lets pass with parts.
"""

from collections.abc import Iterable

from broker.domain import dicom_json
from broker.domain.dicom_json import Dataset, Element
from broker.domain.performed_table import TAG

_SERIES = TAG["PerformedSeriesSequence"]
_REFERENCES = (TAG["ReferencedImageSequence"], TAG["ReferencedNonImageCompositeSOPInstanceSequence"])


def united_series(present: Dataset, update: Dataset) -> Element | None:
    """The stored series with those of the update; None when the update names all that is stored, or no series.

    A series that both have takes the values of the update and the references of both.
    """
    stored, brought = (_by_uid(dicom_json.items(d, _SERIES), TAG["SeriesInstanceUID"]) for d in (present, update))
    if not brought or all(uid in brought and _names_all(brought[uid], one) for uid, one in stored.items()):
        return None
    united = {**stored, **{uid: _united(stored.get(uid, {}), one) for uid, one in brought.items()}}
    return {"vr": "SQ", "Value": list(united.values())}


def _names_all(brought: Dataset, stored: Dataset) -> bool:
    """True when every reference of the stored series is in the other too."""
    return all(_references(stored, tag).keys() <= _references(brought, tag).keys() for tag in _REFERENCES)


def _united(stored: Dataset, brought: Dataset) -> Dataset:
    united = {**stored, **brought}
    for tag in _REFERENCES:
        references = {**_references(stored, tag), **_references(brought, tag)}
        if references:
            united[dicom_json.key_of(tag)] = {"vr": "SQ", "Value": list(references.values())}
    return united


def _references(series: Dataset, tag: int) -> dict[str, Dataset]:
    return _by_uid(dicom_json.items(series, tag), TAG["ReferencedSOPInstanceUID"])


def _by_uid(items: Iterable[Dataset], tag: int) -> dict[str, Dataset]:
    return {dicom_json.text(item, tag): item for item in items}
