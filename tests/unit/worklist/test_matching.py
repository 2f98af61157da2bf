"""The matching rules, one line a case: keys of a query, an item, whether it is on the list."""

import pytest

from broker.domain.attributes import SPS_SEQUENCE, TABLE, Attribute, Level
from broker.domain.errors import Refusal
from broker.domain.matching import Candidate, Obstacle, is_like, matches, why_not
from broker.domain.query_keys import names_something, query_of
from broker.domain.states import StepStatus
from tests.support.worklist import Item, document

S = StepStatus


def shown(keys: dict, item: Item) -> bool:
    return matches(query_of(keys), Candidate(document(item, 1), item.status, item.complete))


def step(**keys: object) -> dict:
    return {SPS_SEQUENCE: [keys]}


NAME = "PatientName"
DATE, TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
GROUPS = "Yamada^Tarou=山田^太郎=やまだ^たろう"

NAMES = [
    ("DOE^JANE", "DOE^JANE", True),
    ("doe^jane", "DOE^JANE", True),
    ("DOE^JANE^^^", "DOE^JANE", True),
    ("DOE^JANE^^^==", "DOE^JANE", True),
    ("DOE^JANE", "DOE^JANE^^^", True),
    ("  DOE^JANE ", "DOE^JANE", True),
    ("DOE", "DOE^JANE", False),
    ("DOE*", "DOE^JANE", True),
    ("*JANE", "DOE^JANE", True),
    ("D?E^JANE", "DOE^JANE", True),
    ("D?^JANE", "DOE^JANE", False),
    ("DOE^*", "DOE", True),
    ("DOE^*^*", "DOE", True),
    ("D*^*", "DOE", True),
    ("*^*", "DOE", True),
    ("Mueller*", "MÜLLER^EVA", False),
    ("muller*", "MÜLLER^EVA", True),
    ("MÜLLER^EVA", "Muller^Eva", True),
    ("50%*", "50%^X", True),
    ("50%*", "501^X", False),
    ("A_B*", "A_B^X", True),
    ("A_B*", "AXB^X", False),
    ("O'NEIL*", "O'NEIL^X", True),
    ("A*C", "A^B^C", True),
    ("Yamada*", GROUPS, True),
    ("山田*", GROUPS, True),
    ("やまだ^たろう", GROUPS, True),
    ("田*", GROUPS, False),
    ("Yamada^Tarou=山田*", GROUPS, True),
    ("=山田*", GROUPS, True),
    ("==やまだ*", GROUPS, True),
    ("Yamada*=鈴木*", GROUPS, False),
    ("*", None, True),
    ("", None, True),
    ("A*", None, False),
]


@pytest.mark.parametrize(("key", "name", "expected"), NAMES)
def test_names(key: str, name: str | None, expected: bool) -> None:
    assert shown({NAME: key}, Item(root={NAME: name})) is expected


@pytest.mark.parametrize(
    ("key", "stored", "expected"), [("", None, True), ("*", None, True), ("A*", None, False), ("A*", "ADAMS^X", True)]
)
def test_performing_physician(key: str, stored: str | None, expected: bool) -> None:
    item = Item(step={"ScheduledPerformingPhysicianName": stored})
    assert shown(step(ScheduledPerformingPhysicianName=key), item) is expected


STARTS = [
    # date key, time key, start, expected
    ("20240705", "", "20240705100000", True),
    ("20240705", "", "20240706000000", False),
    ("2024.07.05", "", "20240705100000", True),
    ("20240705101500", "", "20240705100000", True),
    ("20240705-20240707", "", "20240707235959", True),
    ("20240705-20240707", "", "20240708000000", False),
    ("-20240705", "", "20240705235959", True),
    ("20240705-", "", "20240704235959", False),
    ("20240705-", "", "20990101000000", True),
    # one continuous interval
    ("20240705-20240707", "1000-1800", "20240706233000", True),
    ("20240705-20240707", "1000-1800", "20240705095959", False),
    ("20240705-20240707", "1000-1800", "20240707180059", True),
    ("20240705-20240707", "1000-1800", "20240707180100", False),
    ("20240705-", "1000-", "20240705095959", False),
    ("20240705-", "1000-", "20240706000000", True),
    ("-20240705", "-1800", "20240705180100", False),
    ("-20240705", "-1800", "20240704235900", True),
    ("20240705-20240706", "2200-0600", "20240706053000", True),
    ("20240705-20240706", "2200-0600", "20240705213000", False),
    # independent
    ("20240705", "1000-1800", "20240705181000", False),
    ("20240705", "1000-1800", "20240705180000", True),
    ("20240705-20240707", "1030", "20240706103059", True),
    ("20240705-20240707", "1030", "20240706103100", False),
    ("", "1000-1800", "20240101120000", True),
    ("", "1000-1800", "20240101093000", False),
    # midnight is not wrapped
    ("20240705", "2200-0600", "20240705230000", False),
    # precision
    ("", "10", "20240101105959", True),
    ("", "-10", "20240101105959", True),
    ("", "-10", "20240101110000", False),
    ("", "10:30:00", "20240101103000", True),
    ("", "103000.5", "20240101103000", True),
    ("20240705", "10-", "20240705100000", True),
    # tolerance
    ("", "0900-2400", "20240101235959", True),
    ("20240705", "000000-24:00:00", "20240705000000", True),
    ("*", "*", "20240101100000", True),
    ("20240704\\20240705", "", "20240705100000", True),
]


@pytest.mark.parametrize(("date", "time", "start", "expected"), STARTS)
def test_starts(date: str, time: str, start: str, expected: bool) -> None:
    item = Item(step={DATE: start[:8], TIME: start[8:]})
    assert shown(step(**{DATE: date.split("\\"), TIME: time}), item) is expected


@pytest.mark.parametrize(
    ("date", "time"),
    [("today", ""), ("2024", ""), ("", "25"), ("-", ""), ("20241301", ""), ("", "1000-x"), ("", "24"), ("", "2400-")],
)
def test_unreadable_dates_are_refused(date: str, time: str) -> None:
    with pytest.raises(Refusal) as refusal:
        query_of(step(**{DATE: date, TIME: time}))
    assert refusal.value.where == (DATE if date else TIME)


STEP_KEYS = [
    ("ScheduledStationAETitle", "CT1", ["CT1", "CT2"], True),
    ("ScheduledStationAETitle", "CT2", ["CT1", "CT2"], True),
    ("ScheduledStationAETitle", " CT2 ", ["CT1", "CT2"], True),
    ("ScheduledStationAETitle", "CT*", ["CT1"], False),
    ("ScheduledStationAETitle", "CT?", ["CT1"], False),
    ("ScheduledStationAETitle", "CT*", ["CT*"], True),
    ("ScheduledStationAETitle", "ct1", ["CT1"], False),
    ("ScheduledStationAETitle", ["MR1", "CT1"], ["CT1"], True),
    ("ScheduledStationAETitle", "*", ["CT1"], True),
    ("Modality", "CT", "CT", True),
    ("Modality", "C*", "CT", False),
    ("Modality", ["CT", "MR"], "MR", True),
    ("Modality", "*", "MR", True),
    ("ScheduledProcedureStepID", "SPS1", "SPS1", True),
    ("ScheduledProcedureStepDescription", "*head*", "CT head plain", True),
    ("ScheduledProcedureStepDescription", "*Head*", "CT head plain", False),
    ("ScheduledStationName", "Room?", ["Room1", "CT big"], True),
    ("ScheduledStationName", "Room?", None, False),
]


@pytest.mark.parametrize(("keyword", "key", "stored", "expected"), STEP_KEYS)
def test_step_keys(keyword: str, key: object, stored: object, expected: bool) -> None:
    assert shown(step(**{keyword: key}), Item(step={keyword: stored})) is expected


ROOT_KEYS = [
    ("PatientID", "P*", "P123", True),
    ("PatientID", "p*", "P123", False),
    ("AccessionNumber", " A1 ", "A1", True),
    ("StudyInstanceUID", ["1.9", "1.2.3"], "1.2.3", True),
    ("StudyInstanceUID", "1.2.*", "1.2.3", False),
    ("PatientBirthDate", "19700101-19751231", "19720615", True),
    ("PatientBirthDate", "1970.06.15", "19700615", True),
    ("PatientWeight", "80", "80.0", True),
    ("PatientWeight", "80", "81", False),
    ("PatientComments", "a\\b", "a\\b", True),
    # a number without value, as some toolkits send it
    ("PregnancyStatus", 0, 4, True),
    ("PregnancyStatus", 4, 4, True),
    ("PregnancyStatus", 3, 4, False),
    ("RequestedProcedureCodeSequence", [], None, True),
    ("RequestedProcedureCodeSequence", [{}], None, True),
    ("RequestedProcedureCodeSequence", [{"CodeValue": "X"}], [{"CodeValue": "X", "CodingSchemeDesignator": "L"}], True),
    ("RequestedProcedureCodeSequence", [{"CodeValue": "X1", "CodingSchemeDesignator": "M"}],
     [{"CodeValue": "X1", "CodingSchemeDesignator": "L"}, {"CodeValue": "X2", "CodingSchemeDesignator": "M"}], False),
    ("RequestedProcedureCodeSequence", [{"CodeValue": "X1"}], None, False),
]  # fmt: skip


@pytest.mark.parametrize(("keyword", "key", "stored", "expected"), ROOT_KEYS)
def test_root_keys(keyword: str, key: object, stored: object, expected: bool) -> None:
    assert shown({keyword: key}, Item(root={keyword: stored})) is expected


SAMPLE = {"DA": "20240705", "TM": "103000", "DS": "1.5", "US": 2, "UI": "1.2.3", "CS": "M", "AS": "031Y"}


@pytest.mark.parametrize("attribute", TABLE.values(), ids=lambda a: a.keyword)
def test_every_attribute_is_a_key(attribute: Attribute) -> None:
    """The value that is stored matches, another does not, an unknown one does not, and an empty key always does."""
    other = {"DA": "20240706", "TM": "113000", "DS": "1.6", "US": 3, "UI": "1.2.4", "CS": "F", "AS": "032Y"}
    level = "step" if attribute.level is Level.STEP else "root"

    def value(values: dict) -> object:
        leaf = next((a for a in attribute.items.values() if not a.is_sequence), None)
        return [{leaf.keyword: values.get(leaf.vr, "X")}] if leaf else values.get(attribute.vr, "X")

    same = value(SAMPLE)
    different = value({**dict.fromkeys(("PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE"), "Y"), **other})

    def item(stored: object) -> Item:
        values = {attribute.keyword: stored}
        return Item(step=values) if level == "step" else Item(root=values)

    def asked(key: object, stored: object) -> bool:
        keys = step(**{attribute.keyword: key}) if level == "step" else {attribute.keyword: key}
        return shown(keys, item(stored))

    if attribute.keyword != "ScheduledProcedureStepStatus":
        assert asked(same, same)
        assert not asked(different, same)
        assert not asked(same, None)
    assert asked("" if not attribute.is_sequence else [], same)


STATUSES = [
    # status key, status of the step, shown
    (None, S.SCHEDULED, True), (None, S.ARRIVED, True), (None, S.READY, True), (None, S.STARTED, False),
    (None, S.HELD, False), (None, S.COMPLETED, False), (None, S.DISCONTINUED, False), (None, S.CANCELED, False),
    ("", S.STARTED, False), ("*", S.STARTED, False), ("STARTED", S.STARTED, True), ("STARTED", S.SCHEDULED, False),
    ("S*", S.STARTED, True), ("COMPLETED", S.COMPLETED, False), ("CANCELED", S.CANCELED, False),
    ("*ED", S.CANCELED, False), ("HELD", S.HELD, False),
]  # fmt: skip


@pytest.mark.parametrize(("key", "status", "expected"), STATUSES)
def test_statuses(key: str | None, status: StepStatus, expected: bool) -> None:
    keys = step() if key is None else step(ScheduledProcedureStepStatus=key)
    assert shown(keys, Item(status=status)) is expected


def test_an_item_without_a_required_attribute_is_not_shown() -> None:
    assert not shown({}, Item(complete=False))


@pytest.mark.parametrize(
    ("keys", "item", "obstacle", "keyword"),
    [
        (step(Modality="MR"), Item(), Obstacle.KEY, "Modality"),
        ({NAME: "X"}, Item(), Obstacle.KEY, NAME),
        (step(**{DATE: "20200101"}), Item(), Obstacle.KEY, DATE),
        (step(**{TIME: "10"}), Item(), Obstacle.KEY, TIME),
        ({}, Item(status=S.CANCELED), Obstacle.STATUS, ""),
        ({}, Item(complete=False), Obstacle.INCOMPLETE, ""),
    ],
)
def test_the_reason_is_named(keys: dict, item: Item, obstacle: Obstacle, keyword: str) -> None:
    verdict = why_not(query_of(keys), Candidate(document(item, 1), item.status, item.complete))
    assert verdict is not None
    assert (verdict.obstacle, verdict.keyword) == (obstacle, keyword)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [({"AccessionNumber": "A1"}, True), ({"AccessionNumber": ""}, False), ({"PatientName": "D*"}, False),
     (step(ScheduledProcedureStepID="S"), True), (step(Modality="CT"), False)],
)  # fmt: skip
def test_queries_that_name_something(keys: dict, expected: bool) -> None:
    assert names_something(query_of(keys)) is expected


def test_two_items_in_a_sequence_are_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        query_of({SPS_SEQUENCE: [{}, {}]})
    assert refusal.value.where == SPS_SEQUENCE


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("a*b*c", "aXbYc", True), ("a*b*c", "aXbY", False), ("*", "", True), ("?", "", False), ("a**", "a", True),
     ("*a?", "bab", True), ("*" * 200 + "b", "a" * 5000, False)],
)  # fmt: skip
def test_wildcards(pattern: str, text: str, expected: bool) -> None:
    assert is_like(text, pattern) is expected
