"""N-CREATE, N-SET and final state: every row of the attribute table and every quirk, as cases."""

from collections.abc import Callable

import pytest

from broker.domain import dicom_json
from broker.domain.performed_faults import DEFAULT_TOLERATED, PerformedFault, PerformedRefusal, Quirk
from broker.domain.performed_table import RELATIONSHIP, SCHEDULED_STEP_ITEM, SERIES_ITEM, TABLE, TAG, PerformedAttribute
from broker.domain.performing import PerformedDecision, PerformedPolicy, decide_create, decide_set, order_fact
from broker.domain.states import OrderStatus, PerformedStatus
from tests.support.exams import SERIES, create, dataset, final, reason, reference

STRICT = PerformedPolicy(frozenset())
USUAL = PerformedPolicy()
STATUS = "PerformedProcedureStepStatus"
ROWS = [row for row in TABLE.values() if row.keyword not in {STATUS, "SpecificCharacterSet"}]
BEGUN = decide_create(dataset(create()), STRICT).dataset


def allowing(*quirks: Quirk) -> PerformedPolicy:
    return PerformedPolicy(frozenset(quirks))


def refusal(work: Callable[[], PerformedDecision]) -> tuple[PerformedFault, tuple[str, ...]]:
    with pytest.raises(PerformedRefusal) as caught:
        work()
    assert caught.value.tags == tuple(TAG[p.rpartition(">")[2]] for p in caught.value.paths)
    return caught.value.fault, caught.value.paths


def update(values: dict[str, object], policy: PerformedPolicy = STRICT) -> PerformedDecision:
    return decide_set(BEGUN, PerformedStatus.IN_PROGRESS, dataset(values), policy)


def without(values: dict[str, object], keyword: str) -> dict[str, object]:
    return {k: v for k, v in values.items() if k != keyword}


def names(rows: list[PerformedAttribute] | tuple[PerformedAttribute, ...]) -> list[str]:
    return [row.keyword for row in rows]


def test_a_creation_by_the_book_passes_strictly() -> None:
    decision = decide_create(dataset(create()), STRICT)
    assert decision.status is PerformedStatus.IN_PROGRESS
    assert decision.tolerated == ()


@pytest.mark.parametrize("row", ROWS, ids=names(ROWS))
def test_absent_at_creation(row: PerformedAttribute) -> None:
    values = dataset(without(create(), row.keyword))
    kind = row.create[0]
    if kind == "3":
        assert decide_create(values, STRICT).tolerated == ()
        return
    assert refusal(lambda: decide_create(values, STRICT)) == (PerformedFault.MISSING, (row.keyword,))
    if kind == "1":
        assert refusal(lambda: decide_create(values, USUAL)) == (PerformedFault.MISSING, (row.keyword,))
    else:
        tolerated = decide_create(values, USUAL).tolerated
        assert [(t.quirk, t.path) for t in tolerated] == [(Quirk.MISSING_TYPE_2, row.keyword)]


@pytest.mark.parametrize("row", ROWS, ids=names(ROWS))
def test_empty_at_creation(row: PerformedAttribute) -> None:
    values = dataset(create() | {row.keyword: ""})
    if row.create[0] == "1":
        assert refusal(lambda: decide_create(values, USUAL)) == (PerformedFault.EMPTY, (row.keyword,))
    else:
        assert decide_create(values, STRICT).tolerated == ()


@pytest.mark.parametrize("row", SCHEDULED_STEP_ITEM, ids=names(SCHEDULED_STEP_ITEM))
def test_absent_from_a_scheduled_step_item(row: PerformedAttribute) -> None:
    values = dataset(create([without(reference(), row.keyword)]))
    if row.create[0] == "3":
        assert decide_create(values, STRICT).tolerated == ()
        return
    path = f"ScheduledStepAttributesSequence>{row.keyword}"
    assert refusal(lambda: decide_create(values, STRICT)) == (PerformedFault.MISSING, (path,))


@pytest.mark.parametrize("row", SERIES_ITEM, ids=names(SERIES_ITEM))
def test_absent_from_a_series_item(row: PerformedAttribute) -> None:
    values = final(PerformedSeriesSequence=[without(dict(SERIES), row.keyword)])
    path = f"PerformedSeriesSequence>{row.keyword}"
    if row.update[0] == "3":
        assert update(values).status is PerformedStatus.COMPLETED
    else:
        assert refusal(lambda: update(values)) == (PerformedFault.MISSING, (path,))
    if row.update[0] == "2":
        assert (Quirk.MISSING_TYPE_2, path) in [(t.quirk, t.path) for t in update(values, USUAL).tolerated]


@pytest.mark.parametrize("row", [r for r in ROWS if not r.settable], ids=names([r for r in ROWS if not r.settable]))
def test_only_creation_may_give_it(row: PerformedAttribute) -> None:
    """Equal: ignored. Different: kept as it was and noted, or refused strictly."""
    key = dicom_json.key_of(row.tag)
    same = {key: BEGUN.get(key, {"vr": row.vr})}
    if key in BEGUN:
        assert decide_set(BEGUN, PerformedStatus.IN_PROGRESS, same, STRICT).dataset == BEGUN
    other: dict[str, object] = {row.keyword: [{}] if row.vr == "SQ" else "20010101" if row.vr == "DA" else "0815"}
    assert refusal(lambda: update(other)) == (PerformedFault.NOT_SETTABLE, (row.keyword,))
    decision = update(other, USUAL)
    assert decision.dataset == BEGUN
    assert [(t.quirk, t.path) for t in decision.tolerated] == [(Quirk.NOT_SETTABLE, row.keyword)]


@pytest.mark.parametrize("row", [r for r in ROWS if r.settable], ids=names([r for r in ROWS if r.settable]))
def test_an_update_replaces_it(row: PerformedAttribute) -> None:
    value = {"SQ": [{}], "DA": "20261123", "TM": "101500", "DS": "1.5", "US": 3}.get(row.vr, "text")
    if row.keyword == "PerformedSeriesSequence":
        value = [SERIES, SERIES]
    elif row.items:
        value = [{"CodeValue": "1", "CodingSchemeDesignator": "99X", "CodeMeaning": "one"}]
    key = dicom_json.key_of(row.tag)
    new = {row.keyword: value}
    if key in BEGUN:
        assert update(new).dataset[key] == dataset(new)[key]
    else:
        assert refusal(lambda: update(new)) == (PerformedFault.NOT_SETTABLE, (row.keyword,))
        decision = update(new, USUAL)
        assert decision.dataset[key] == dataset(new)[key]
        assert [t.quirk for t in decision.tolerated] == [Quirk.NOT_CREATED]


FINAL_ROWS = ["PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "PerformedSeriesSequence"]


@pytest.mark.parametrize("keyword", FINAL_ROWS)
@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("given", ["absent", "empty"])
def test_a_final_state_needs(keyword: str, status: str, given: str) -> None:
    values = without(final(status), keyword) | ({} if given == "absent" else {keyword: ""})
    assert refusal(lambda: update(values, USUAL)) == (PerformedFault.EMPTY, (keyword,))


def test_the_whole_object_counts_not_the_last_update() -> None:
    earlier = update(without(final(), STATUS)).dataset
    decision = decide_set(earlier, PerformedStatus.IN_PROGRESS, dataset({STATUS: "COMPLETED"}), STRICT)
    assert decision.status is PerformedStatus.COMPLETED


def test_a_sequence_replaces_the_stored_one_whole() -> None:
    first = update({"PerformedSeriesSequence": [SERIES, SERIES]}).dataset
    second = decide_set(
        first, PerformedStatus.IN_PROGRESS, dataset({"PerformedSeriesSequence": [SERIES]}), STRICT
    )  # fmt: skip
    assert len(dicom_json.items(second.dataset, TAG["PerformedSeriesSequence"])) == 1


# (state, request) -> state or fault: the table of the reference, section 2


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("IN PROGRESS", None),
        (" IN PROGRESS ", None),
        ("COMPLETED", PerformedFault.INVALID),
        ("DISCONTINUED", PerformedFault.INVALID),
        ("FINISHED", PerformedFault.INVALID),
        ("in progress", PerformedFault.INVALID),
        (["IN PROGRESS", "COMPLETED"], PerformedFault.INVALID),
        ("", PerformedFault.EMPTY),
        (None, PerformedFault.MISSING),
    ],
)
def test_creation_by_status(status: object, fault: PerformedFault | None) -> None:
    values = without(create(), STATUS) if status is None else create() | {STATUS: status}
    if fault is None:
        assert decide_create(dataset(values), STRICT).status is PerformedStatus.IN_PROGRESS
    else:
        assert refusal(lambda: decide_create(dataset(values), USUAL)) == (fault, (STATUS,))


@pytest.mark.parametrize("present", list(PerformedStatus))
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, PerformedStatus.IN_PROGRESS),
        ("IN PROGRESS", PerformedStatus.IN_PROGRESS),
        ("COMPLETED", PerformedStatus.COMPLETED),
        ("DISCONTINUED", PerformedStatus.DISCONTINUED),
        ("SCHEDULED", PerformedFault.INVALID),
        ("completed", PerformedFault.INVALID),
        ("", PerformedFault.EMPTY),
    ],
)
def test_update_by_state_and_status(
    present: PerformedStatus, status: str | None, expected: PerformedStatus | PerformedFault
) -> None:
    values = dataset(without(final(), STATUS) if status is None else final(status))
    if present.final:
        assert refusal(lambda: decide_set(BEGUN, present, values, USUAL))[0] is PerformedFault.FINAL
    elif isinstance(expected, PerformedFault):
        assert refusal(lambda: decide_set(BEGUN, present, values, USUAL)) == (expected, (STATUS,))
    else:
        assert decide_set(BEGUN, present, values, USUAL).status is expected


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PerformedProcedureStepID", "X" * 17),
        ("PerformedStationAETitle", "A" * 17),
        ("PerformedProcedureStepStartDate", "2026-11-23"),
        ("PerformedProcedureStepStartDate", "20261340"),
        ("PerformedProcedureStepStartTime", "25"),
        ("PatientName", "X" * 65),
        ("PatientBirthDate", "1970"),
        ("PerformedProcedureStepDescription", "X" * 65),
        ("Modality", "COMPUTED TOMOGRAPHY"),
    ],
)
def test_values_out_of_form_or_range(keyword: str, value: str) -> None:
    values = dataset(create() | {keyword: value})
    assert refusal(lambda: decide_create(values, USUAL)) == (PerformedFault.INVALID, (keyword,))


@pytest.mark.parametrize("uid", ["1.2.03", "one", "1." * 40 + "1"])
def test_an_invalid_study_uid(uid: str) -> None:
    values = dataset(create([reference(StudyInstanceUID=uid)]))
    path = "ScheduledStepAttributesSequence>StudyInstanceUID"
    assert refusal(lambda: decide_create(values, USUAL)) == (PerformedFault.INVALID, (path,))


def test_every_offending_attribute_is_named_and_the_gravest_fault_first() -> None:
    values = without(without(create(), "Modality"), "PerformedStationAETitle") | {"PerformedProcedureStepID": ""}
    fault, paths = refusal(lambda: decide_create(dataset(values), USUAL))
    assert fault is PerformedFault.MISSING
    assert set(paths) == {"Modality", "PerformedStationAETitle"}


def test_archive_requested_has_two_terms() -> None:
    values = final(PerformedSeriesSequence=[SERIES | {"ArchiveRequested": "MAYBE"}])
    path = "PerformedSeriesSequence>ArchiveRequested"
    assert refusal(lambda: update(values)) == (PerformedFault.INVALID, (path,))


def test_unknown_and_private_attributes_are_kept() -> None:
    private: dict[str, dict[str, object]] = {"00091001": {"vr": "UN", "InlineBinary": "AAE="}}
    kept = decide_create(dataset(create()) | private, STRICT).dataset
    assert kept["00091001"] == private["00091001"]
    later = decide_set(kept, PerformedStatus.IN_PROGRESS, {"00091002": {"vr": "LO", "Value": ["x"]}}, USUAL)
    assert later.dataset["00091001"] == private["00091001"]
    assert later.dataset["00091002"] == {"vr": "LO", "Value": ["x"]}


# the quirks: refused unless allowed, by name

CODE = {"CodeValue": "1", "CodingSchemeDesignator": "99X"}
AT_CREATION = {
    Quirk.MISSING_TYPE_2: without(create(), "PatientSex"),
    Quirk.CODE_WITHOUT_MEANING: create() | {"ProcedureCodeSequence": [CODE]},
    Quirk.OVERSIZE: create() | {"PerformedProcedureStepDescription": "X" * 65},
    Quirk.LOWER_CASE_STATUS: create() | {STATUS: "In Progress"},
    Quirk.FINAL_AT_CREATE: create() | final(),
    Quirk.NO_SCHEDULED_STEP: create([]),
}
AT_UPDATE: dict[Quirk, dict[str, object]] = {
    Quirk.NOT_SETTABLE: {"PatientID": "0815"},
    Quirk.NOT_CREATED: {"EntranceDose": 3},
    Quirk.LOWER_CASE_STATUS: final("completed"),
    Quirk.DISCONTINUED_WITHOUT_SERIES: without(final("DISCONTINUED"), "PerformedSeriesSequence"),
    Quirk.END_BEFORE_START: final(PerformedProcedureStepEndDate="20261122"),
}


@pytest.mark.parametrize("quirk", list(AT_CREATION))
def test_quirks_of_creation(quirk: Quirk) -> None:
    values = dataset(AT_CREATION[quirk])
    with pytest.raises(PerformedRefusal):
        decide_create(values, STRICT)
    assert {t.quirk for t in decide_create(values, allowing(quirk)).tolerated} == {quirk}


@pytest.mark.parametrize("quirk", list(AT_UPDATE))
def test_quirks_of_update(quirk: Quirk) -> None:
    with pytest.raises(PerformedRefusal):
        update(AT_UPDATE[quirk])
    assert {t.quirk for t in update(AT_UPDATE[quirk], allowing(quirk)).tolerated} == {quirk}


def test_without_series_only_a_discontinued_step_may_end() -> None:
    values = without(final(), "PerformedSeriesSequence")
    assert refusal(lambda: update(values, allowing(Quirk.DISCONTINUED_WITHOUT_SERIES)))[0] is PerformedFault.EMPTY


def test_a_step_created_final_is_checked_as_final() -> None:
    values = dataset(create() | {STATUS: "COMPLETED"})
    fault, paths = refusal(lambda: decide_create(values, allowing(Quirk.FINAL_AT_CREATE)))
    assert fault is PerformedFault.EMPTY
    assert set(paths) == set(FINAL_ROWS)


def test_every_quirk_has_a_case() -> None:
    elsewhere = {
        Quirk.REPEATED_CREATE, Quirk.REPEATED_FINAL, Quirk.UNDECODABLE_TEXT, Quirk.LATE_SET, Quirk.SERIES_IN_PARTS
    }  # fmt: skip
    assert set(AT_CREATION) | set(AT_UPDATE) | elsewhere == set(Quirk)
    assert set(Quirk) > DEFAULT_TOLERATED


@pytest.mark.parametrize("present", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("said", [None, "COMPLETED", "DISCONTINUED", "IN PROGRESS"])
def test_an_update_after_the_end_where_that_is_let_pass(present: str, said: str | None) -> None:
    ended = update(final(present))
    values = {"PerformedProcedureStepDescription": "dose added"} | ({} if said is None else {STATUS: said})
    policy = allowing(Quirk.LATE_SET)
    if said not in (None, present):
        assert refusal(lambda: decide_set(ended.dataset, ended.status, dataset(values), policy))[0] is (
            PerformedFault.FINAL
        )
        return
    late = decide_set(ended.dataset, ended.status, dataset(values), policy)
    assert (late.status.value, [t.quirk for t in late.tolerated]) == (present, [Quirk.LATE_SET])
    assert dicom_json.text(late.dataset, TAG["PerformedProcedureStepDescription"]) == "dose added"
    empty = dataset({"PerformedSeriesSequence": []})
    assert refusal(lambda: decide_set(ended.dataset, ended.status, empty, policy))[0] is PerformedFault.EMPTY


def image(number: int) -> dict[str, object]:
    return {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": f"1.2.826.9.1.{number}"}


def part(series: int, *images: int) -> dict[str, object]:
    references = {"ReferencedImageSequence": [image(n) for n in images]}
    return SERIES | references | {"SeriesInstanceUID": f"1.2.826.9.{series}"}


def test_series_in_parts_are_united_where_that_is_let_pass_and_replaced_elsewhere() -> None:
    parts = [[part(1, 1)], [part(1, 2)], [part(2, 1)], [part(1, 1, 2), part(2, 1, 3)]]
    found: dict[bool, list[dict[str, int]]] = {True: [], False: []}
    for allowed, counts in found.items():
        stored, policy = BEGUN, allowing(Quirk.SERIES_IN_PARTS) if allowed else STRICT
        for one in parts:
            decision = decide_set(
                stored, PerformedStatus.IN_PROGRESS, dataset({"PerformedSeriesSequence": one}), policy
            )
            stored = decision.dataset
            series = dicom_json.items(stored, TAG["PerformedSeriesSequence"])
            counts.append(
                {dicom_json.text(s, TAG["SeriesInstanceUID"]): len(dicom_json.items(s, 0x00081140)) for s in series}
            )
        assert not decision.tolerated, "the last names all there is"
    a, b = "1.2.826.9.1", "1.2.826.9.2"
    assert found[True] == [{a: 1}, {a: 2}, {a: 2, b: 1}, {a: 2, b: 2}]
    assert found[False] == [{a: 1}, {a: 1}, {b: 1}, {a: 2, b: 2}]


def test_a_discontinuation_reason_of_any_scheme_is_kept() -> None:
    values = final("DISCONTINUED", **reason("XYZ", scheme="99SITE"))
    assert update(values).status is PerformedStatus.DISCONTINUED


def test_relationship_attributes_are_never_settable() -> None:
    assert not any(row.settable for row in RELATIONSHIP if row.keyword != "SpecificCharacterSet")


@pytest.mark.parametrize("before", list(OrderStatus))
@pytest.mark.parametrize("after", list(OrderStatus))
def test_order_fact(before: OrderStatus, after: OrderStatus) -> None:
    expected = {
        OrderStatus.IN_PROGRESS: "order.started", OrderStatus.COMPLETED: "order.completed",
        OrderStatus.DISCONTINUED: "order.discontinued", OrderStatus.SCHEDULED: "order.returned",
    }  # fmt: skip
    fact = order_fact(before, after)
    assert (fact.value if fact else None) == (expected.get(after) if before is not after else None)
