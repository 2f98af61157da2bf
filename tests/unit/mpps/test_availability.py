"""Instance Availability Notifications: every row of PS3.4 Table R.3.2-1, what one says, and what several cover."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest

from broker.domain import availability
from broker.domain.availability import Availability, Coverage, Instances, Notice
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import PerformedAttribute
from tests.support import exams
from tests.support.notices import dataset, instance, named, notice

FULL = notice(
    ReferencedPerformedProcedureStepSequence=[
        named(PerformedWorkitemCodeSequence=[{"CodeValue": "1", "CodingSchemeDesignator": "X", "CodeMeaning": "Y"}])
    ],
    instances=[
        instance(
            "1.2.3.4.5", RetrieveLocationUID="1.2.3", RetrieveURI="https://pacs/1", RetrieveURL="https://pacs/2",
            StorageMediaFileSetID="DISK1", StorageMediaFileSetUID="1.2.4",
        )
    ],
    SpecificCharacterSet="ISO_IR 192",
)  # fmt: skip


def rows(
    found: tuple[PerformedAttribute, ...] = availability.ROWS, path: tuple[str, ...] = ()
) -> Iterator[tuple[PerformedAttribute, tuple[str, ...]]]:
    for row in found:
        yield row, (*path, row.keyword)
        yield from rows(row.items, (*path, row.keyword))


ROWS = [pytest.param(row, path, id=">".join(path)) for row, path in rows() if row.keyword != "LongCodeValue"]


def changed(path: tuple[str, ...], value: object = None) -> Mapping[str, object]:
    """FULL without the attribute at ``path``, or with another value there."""
    values: Any = deepcopy(FULL)
    inner = values
    for keyword in path[:-1]:
        inner = inner[keyword][0]
    if value is None:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return dict(values)


def refusal(values: Mapping[str, object], tolerate: frozenset[Quirk] = frozenset()) -> PerformedRefusal | None:
    try:
        availability.check(dataset(values), tolerate)
    except PerformedRefusal as refused:
        return refused
    return None


def test_a_full_notification_is_taken() -> None:
    assert refusal(FULL) is None


@pytest.mark.parametrize(("row", "path"), ROWS)
def test_every_row_when_it_is_absent(row: PerformedAttribute, path: tuple[str, ...]) -> None:
    found = refusal(changed(path))
    if row.create[0] in "12" and "C" not in row.create:
        assert found is not None
        assert (found.fault, found.paths, found.tags) == (PerformedFault.MISSING, (">".join(path),), (row.tag,))
    else:
        assert found is None


@pytest.mark.parametrize(("row", "path"), ROWS)
def test_every_row_when_it_is_empty(row: PerformedAttribute, path: tuple[str, ...]) -> None:
    found = refusal(changed(path, [] if row.vr == "SQ" else ""))
    if row.create.startswith("1/"):
        assert found is not None
        assert (found.fault, found.tags) == (PerformedFault.EMPTY, (row.tag,))
    else:
        assert found is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("StudyInstanceUID",), "1.2.no"),
        (("ReferencedSeriesSequence", "SeriesInstanceUID"), "1..2"),
        (("ReferencedSeriesSequence", "ReferencedSOPSequence", "InstanceAvailability"), "SOMEWHERE"),
        (("ReferencedSeriesSequence", "ReferencedSOPSequence", "InstanceAvailability"), "online"),
        (("ReferencedSeriesSequence", "ReferencedSOPSequence", "ReferencedSOPInstanceUID"), "x"),
        (("ReferencedSeriesSequence", "ReferencedSOPSequence", "RetrieveAETitle"), "A" * 17),
        (("ReferencedPerformedProcedureStepSequence",), [named("1.9.1"), named("1.9.2")]),
    ],
)
def test_values_that_cannot_be(path: tuple[str, ...], value: object) -> None:
    found = refusal(changed(path, value))
    assert found is not None
    assert (found.fault, found.paths) == (PerformedFault.INVALID, (">".join(path),))


@pytest.mark.parametrize("availability_of_it", Availability)
def test_every_availability_is_a_term(availability_of_it: str) -> None:
    assert refusal(notice(instances=[instance("1.2.3", availability_of_it)])) is None


def test_what_may_be_let_pass_is_named() -> None:
    values = notice()
    del values["ReferencedPerformedProcedureStepSequence"]
    tolerated = availability.check(dataset(values), frozenset({Quirk.MISSING_TYPE_2}))
    assert tolerated == (Toleration(Quirk.MISSING_TYPE_2, "ReferencedPerformedProcedureStepSequence"),)


def test_what_a_notification_says() -> None:
    values = notice(
        instances=[
            instance("1.1"), instance("1.2", at="ARCHIVE2"), instance("1.3"), instance("1.4", "OFFLINE"),
            instance("1.5", at=["ARCHIVE", "ARCHIVE2"]),
        ]
    )  # fmt: skip
    found = availability.read(dataset(values))
    assert found == Notice(
        "1.2.3.1", "1.9.1",
        (
            Instances("1.2.826.9.1", Availability.ONLINE, ("ARCHIVE",), ("1.1", "1.3")),
            Instances("1.2.826.9.1", Availability.ONLINE, ("ARCHIVE2",), ("1.2",)),
            Instances("1.2.826.9.1", Availability.OFFLINE, ("ARCHIVE",), ("1.4",)),
            Instances("1.2.826.9.1", Availability.ONLINE, ("ARCHIVE", "ARCHIVE2"), ("1.5",)),
        ),
    )  # fmt: skip
    assert (found.count, found.retrieve_ae_titles) == (5, ("ARCHIVE", "ARCHIVE2"))
    assert availability.from_plain(availability.to_plain(found.instances)) == found.instances


@pytest.mark.parametrize("other", ["1.2.840.10008.5.1.4.32.3", "1.2.3"])
def test_only_a_modality_performed_step_is_an_exam(other: str) -> None:
    """The sequence may name a general purpose performed step too (PS3.4 R.1.1)."""
    values = notice(ReferencedPerformedProcedureStepSequence=[named("1.9.1", ReferencedSOPClassUID=other)])
    assert availability.read(dataset(values)).performed_uid == ""


def of(*instances: tuple[str, str]) -> Notice:
    return availability.read(dataset(notice(instances=[instance(uid, state) for uid, state in instances])))


IMAGES = [{"ReferencedSOPClassUID": "1.2", "ReferencedSOPInstanceUID": uid} for uid in ("1.1", "1.2")]
EXAM = exams.dataset(
    exams.create() | exams.final(
        PerformedSeriesSequence=[
            {**exams.SERIES, "ReferencedImageSequence": IMAGES[:1]},
            {**exams.SERIES, "ReferencedImageSequence": [],
             "ReferencedNonImageCompositeSOPInstanceSequence": IMAGES[1:]},
        ]
    )
)  # fmt: skip
NOTHING_YET = exams.dataset(exams.create())


@pytest.mark.parametrize(
    ("notices", "exam", "expected", "complete"),
    [
        ([of(("1.1", "ONLINE"), ("1.2", "NEARLINE"))], EXAM, Coverage(2, 2, 0, 0), True),
        ([of(("1.1", "ONLINE"))], EXAM, Coverage(1, 2, 1, 0), False),
        ([of(("1.1", "ONLINE")), of(("1.2", "OFFLINE"))], EXAM, Coverage(2, 2, 0, 0), True),
        ([of(("1.1", "ONLINE")), of(("1.2", "ONLINE"), ("1.1", "UNAVAILABLE"))], EXAM, Coverage(1, 2, 1, 1), False),
        ([of(("1.1", "UNAVAILABLE")), of(("1.1", "ONLINE"), ("1.2", "ONLINE"))], EXAM, Coverage(2, 2, 0, 0), True),
        ([of(("1.1", "ONLINE"), ("1.2", "ONLINE"), ("9.9", "ONLINE"))], EXAM, Coverage(3, 2, 0, 0), True),
        ([of(("1.1", "ONLINE"))], NOTHING_YET, Coverage(1, None, 0, 0), True),
        ([of(("1.1", "ONLINE"))], None, Coverage(1, None, 0, 0), True),
        ([of(("1.1", "UNAVAILABLE"))], None, Coverage(0, None, 0, 1), False),
    ],
)
def test_coverage(notices: list[Notice], exam: Any, expected: Coverage, complete: bool) -> None:
    found = availability.coverage(notices, [exam] if exam is not None else [])
    assert (found, found.complete) == (expected, complete)
