"""The attribute table row by row against its transcription from PS3.4 Table F.7.2-1 (tests/cases)."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.domain.performed_faults import PerformedFault, PerformedRefusal
from broker.domain.performed_table import TABLE, TAG, PerformedAttribute
from broker.domain.performing import PerformedPolicy, decide_create, decide_set
from broker.domain.states import PerformedStatus
from tests.support.exams import SERIES, create, dataset, final, reference

ROWS = list(csv.DictReader((Path(__file__).parents[2] / "cases" / "mpps_attributes.csv").read_text().splitlines()))
NESTED = [row for row in ROWS if ">" in row["path"]]
STRICT = PerformedPolicy(frozenset())
BEGUN = decide_create(dataset(create()), STRICT).dataset
FAULTS = {("1", "absent"): PerformedFault.MISSING, ("2", "absent"): PerformedFault.MISSING,
          ("1", "empty"): PerformedFault.EMPTY}  # fmt: skip


def walk(rows: tuple[PerformedAttribute, ...], prefix: str = "") -> Iterator[tuple[str, PerformedAttribute]]:
    for row in rows:
        yield prefix + row.keyword, row
        yield from walk(row.items, f"{prefix}{row.keyword}>")


KNOWN = dict(walk(tuple(TABLE.values())))


@pytest.mark.parametrize("row", ROWS, ids=[row["path"] for row in ROWS])
def test_every_row_is_as_the_standard_has_it(row: dict[str, str]) -> None:
    mine = KNOWN[row["path"]]
    found = {"tag": f"{mine.tag:08X}", "vr": mine.vr, "create": mine.create, "update": mine.update, "final": mine.final}
    assert found == {key: row[key] for key in found}


def changed(item: dict[str, Any], keyword: str, how: str) -> dict[str, Any]:
    left = {k: v for k, v in item.items() if k != keyword}
    return left if how == "absent" else left | {keyword: ""}


def fault_of(work: Any) -> tuple[PerformedFault, tuple[str, ...]] | None:
    try:
        work()
    except PerformedRefusal as refusal:
        return refusal.fault, refusal.paths
    return None


@pytest.mark.parametrize("how", ["absent", "empty"])
@pytest.mark.parametrize("row", NESTED, ids=[row["path"] for row in NESTED])
def test_every_row_inside_a_sequence(row: dict[str, str], how: str) -> None:
    sequence, keyword = row["path"].split(">")
    if sequence == "ScheduledStepAttributesSequence":
        values = create([changed(reference(), keyword, how)])
        found, kind = fault_of(lambda: decide_create(dataset(values), STRICT)), row["create"][0]
    else:
        values = final(PerformedSeriesSequence=[changed(dict(SERIES), keyword, how)])
        found = fault_of(lambda: decide_set(BEGUN, PerformedStatus.IN_PROGRESS, dataset(values), STRICT))
        kind = row["update"][0]
        begun = create() | {"PerformedSeriesSequence": [changed(dict(SERIES), keyword, how)]}
        assert fault_of(lambda: decide_create(dataset(begun), STRICT)) == found
    fault = FAULTS.get((kind, how))
    assert found == (None if fault is None else (fault, (row["path"],)))


CODE = {"CodeValue": "C1", "CodingSchemeDesignator": "99X", "CodeMeaning": "one"}
CODES = [path for path, row in KNOWN.items() if row.keyword == "CodeMeaning" and path.count(">") == 1]


@pytest.mark.parametrize("path", CODES)
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_every_code_needs_its_meaning(path: str, how: str) -> None:
    sequence = path.split(">", maxsplit=1)[0]
    values = create() | {sequence: [changed(CODE, "CodeMeaning", how)]}
    assert fault_of(lambda: decide_create(dataset(values), STRICT)) == (FAULTS["1", how], (path,))


REFERENCES = [path for path, row in KNOWN.items() if row.keyword.startswith("ReferencedSOP") and path.count(">") == 1]


@pytest.mark.parametrize("path", REFERENCES)
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_every_reference_needs_class_and_instance(path: str, how: str) -> None:
    sequence, keyword = path.split(">")
    whole = {"ReferencedSOPClassUID": "1.2.840.10008.3.1.2.1.1", "ReferencedSOPInstanceUID": "1.2.3"}
    values = create() | {sequence: [changed(whole, keyword, how)]}
    assert fault_of(lambda: decide_create(dataset(values), STRICT)) == (FAULTS["1", how], (path,))
    assert TAG[keyword] == KNOWN[path].tag
