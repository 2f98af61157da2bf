"""Instance Availability Notifications: what one must hold, what it says, and whether all images of an exam are there.

Basis: PS3.4 Annex R, Table R.3.2-1.  A notification says that instances can be retrieved and nothing else: a study may
be incomplete, and further notifications may follow (R.1.1).  Works on data sets of the DICOM JSON Model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broker.domain import dicom_json
from broker.domain.dicom_json import Dataset
from broker.domain.performed_faults import PerformedFault, Quirk, Toleration
from broker.domain.performed_table import CODE_ITEM, REFERENCE_ITEM, TAG, PerformedAttribute
from broker.domain.performing_checks import Findings

MPPS = "1.2.840.10008.3.1.2.3.3"


class Availability(StrEnum):
    """Instance Availability (0008,0056), PS3.3 C.4.23.1.1."""

    ONLINE = "ONLINE"
    NEARLINE = "NEARLINE"
    OFFLINE = "OFFLINE"
    UNAVAILABLE = "UNAVAILABLE"


def _row(
    keyword: str, tag: int, vr: str, required: str, items: tuple[PerformedAttribute, ...] = (), terms: str = ""
) -> PerformedAttribute:
    return PerformedAttribute(keyword, tag, vr, required, "NA", terms=frozenset(terms.split()), items=items)


_INSTANCE = (
    *REFERENCE_ITEM,
    _row("InstanceAvailability", 0x00080056, "CS", "1/1", terms=" ".join(Availability)),
    _row("RetrieveAETitle", 0x00080054, "AE", "1/1"),
    _row("RetrieveLocationUID", 0x0040E011, "UI", "3/3"),
    _row("RetrieveURI", 0x0040E010, "UR", "3/3"),
    _row("RetrieveURL", 0x00081190, "UR", "3/3"),
    _row("StorageMediaFileSetID", 0x00880130, "SH", "3/3"),
    _row("StorageMediaFileSetUID", 0x00880140, "UI", "3/3"),
)
_SERIES = (
    _row("SeriesInstanceUID", 0x0020000E, "UI", "1/1"),
    _row("ReferencedSOPSequence", 0x00081199, "SQ", "1/1", _INSTANCE),
)
_PERFORMED = (
    *REFERENCE_ITEM,
    _row("PerformedWorkitemCodeSequence", 0x00404019, "SQ", "2/2", CODE_ITEM),
)
#: PS3.4 Table R.3.2-1
ROWS = (
    _row("SpecificCharacterSet", 0x00080005, "CS", "1C/1C"),
    _row("ReferencedPerformedProcedureStepSequence", 0x00081111, "SQ", "2/2", _PERFORMED),
    _row("StudyInstanceUID", 0x0020000D, "UI", "1/1"),
    _row("ReferencedSeriesSequence", 0x00081115, "SQ", "1/1", _SERIES),
)
_PERFORMED_SEQUENCE, _STUDY, _SERIES_SEQUENCE = (row.tag for row in ROWS[1:])
_INSTANCES, _AVAILABILITY, _RETRIEVE = _SERIES[1].tag, _INSTANCE[2].tag, _INSTANCE[3].tag
_CLASS, _UID = (row.tag for row in REFERENCE_ITEM)


@dataclass(frozen=True, slots=True)
class Instances:
    """Instances of one series that share their availability and where they are."""

    series_instance_uid: str
    availability: Availability
    retrieve_ae_titles: tuple[str, ...]
    sop_instance_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What one notification says.  ``performed_uid``: the performed step it names; empty when it names none."""

    study_instance_uid: str
    performed_uid: str
    instances: tuple[Instances, ...]

    @property
    def retrieve_ae_titles(self) -> tuple[str, ...]:
        """Where instances are, each once, in the order they are named."""
        return tuple(dict.fromkeys(title for group in self.instances for title in group.retrieve_ae_titles))

    @property
    def count(self) -> int:
        """How many instances it is about."""
        return sum(len(group.sop_instance_uids) for group in self.instances)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which images are there, by all notifications about one study or exam, beside what the device reported."""

    #: instances that can be retrieved
    available: int
    #: instances that the device reported; None: it reported none so far, so that there is nothing to compare
    expected: int | None
    #: reported and not available
    missing: int
    #: named by a notification, and not to be retrieved
    unavailable: int

    @property
    def complete(self) -> bool:
        """True when nothing that is known of is missing."""
        return self.available > 0 and not self.missing and not self.unavailable


def check(dataset: Dataset, tolerate: frozenset[Quirk]) -> tuple[Toleration, ...]:
    """What a notification was let pass.  Raises PerformedRefusal: MISSING, EMPTY or INVALID."""
    findings = Findings(tolerate)
    findings.check(dataset, ROWS, "create")
    if len(dicom_json.items(dataset, _PERFORMED_SEQUENCE)) > 1:
        findings.fault(PerformedFault.INVALID, ROWS[1].keyword, _PERFORMED_SEQUENCE)
    findings.refuse()
    return findings.tolerated


def read(dataset: Dataset) -> Notice:
    """The notice of a checked data set."""
    named = (item for item in dicom_json.items(dataset, _PERFORMED_SEQUENCE) if dicom_json.text(item, _CLASS) == MPPS)
    found: dict[tuple[str, Availability, tuple[str, ...]], list[str]] = {}
    for series in dicom_json.items(dataset, _SERIES_SEQUENCE):
        for instance in dicom_json.items(series, _INSTANCES):
            group = (
                dicom_json.text(series, _SERIES[0].tag), Availability(dicom_json.text(instance, _AVAILABILITY)),
                dicom_json.texts(instance, _RETRIEVE),
            )  # fmt: skip
            found.setdefault(group, []).append(dicom_json.text(instance, _UID))
    return Notice(
        dicom_json.text(dataset, _STUDY),
        next((dicom_json.text(item, _UID) for item in named), ""),
        tuple(Instances(*group, tuple(uids)) for group, uids in found.items()),
    )


def coverage(notices: Iterable[Notice], exams: Iterable[Dataset] = ()) -> Coverage:
    """What ``notices`` (oldest first: the newest word about an instance counts) cover of what ``exams`` reported."""
    state: dict[str, Availability] = {}
    for notice in notices:
        for group in notice.instances:
            state.update(dict.fromkeys(group.sop_instance_uids, group.availability))
    there = {uid for uid, availability in state.items() if availability is not Availability.UNAVAILABLE}
    reported = {uid for exam in exams for uid in _reported(exam)}
    return Coverage(len(there), len(reported) or None, len(reported - there), len(state) - len(there))


def _reported(performed: Dataset) -> Iterator[str]:
    """The instances of a performed step: images and others (PS3.4 Table F.7.2-1)."""
    for series in dicom_json.items(performed, TAG["PerformedSeriesSequence"]):
        for name in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"):
            for reference in dicom_json.items(series, TAG[name]):
                yield dicom_json.text(reference, TAG["ReferencedSOPInstanceUID"])


def to_plain(instances: Sequence[Instances]) -> list[dict[str, object]]:
    """For keeping: plain JSON."""
    return [
        {"series": one.series_instance_uid, "availability": one.availability.value, "at": list(one.retrieve_ae_titles),
         "instances": list(one.sop_instance_uids)}
        for one in instances
    ]  # fmt: skip


def from_plain(plain: Sequence[Mapping[str, object]]) -> tuple[Instances, ...]:
    """What ``to_plain`` kept."""
    return tuple(
        Instances(
            str(one["series"]), Availability(str(one["availability"])), _texts(one["at"]), _texts(one["instances"])
        )
        for one in plain
    )


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(str, values)) if isinstance(values, list) else ()
