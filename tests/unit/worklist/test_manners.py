"""How a device's keys are compared and its answers changed: case, exact names, sound, zones, treatment, filters."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from broker.dicom.charset import choices
from broker.domain.attributes import SPS_SEQUENCE, Attributes
from broker.domain.devices import DeviceProfile, lingering, narrowed
from broker.domain.fitting import TooLong
from broker.domain.matching import Candidate, Obstacle, Verdict, matches, why_not
from broker.domain.phonetic import sound
from broker.domain.query import Manner, WorklistQuery
from broker.domain.query_keys import query_of
from broker.domain.states import StepStatus
from broker.domain.treatment import Treatment, withheld
from broker.domain.zones import as_offset, at_site, offset_of, start_in
from tests.support.worklist import NOW, Item, document

DATE, TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
LOCAL = datetime(2026, 11, 23, 8, 0)


def shown(query: WorklistQuery, item: Item) -> bool:
    return matches(query, Candidate(document(item, 1), item.status, item.complete, item.status_at))


CASES = [
    # key, stored, with case, without
    ({"AccessionNumber": "a1"}, {}, False, True),
    ({"AccessionNumber": "A*"}, {}, True, True),
    ({"PatientID": "pid?"}, {}, False, True),
    ({"PatientID": "PÄ"}, {"PatientID": "pä"}, False, False),
    ({SPS_SEQUENCE: [{"ScheduledStationAETitle": "ct1"}]}, {}, False, True),
    ({SPS_SEQUENCE: [{"Modality": "ct"}]}, {}, False, True),
]


@pytest.mark.parametrize(("keys", "root", "with_case", "without"), CASES)
def test_case(keys: dict, root: dict, with_case: bool, without: bool) -> None:
    assert shown(query_of(keys), Item(root)) is with_case
    assert shown(query_of(keys, manner=Manner(ignore_case=True)), Item(root)) is without


EXACT = [
    ("MÜLLER^Eva", "MÜLLER^Eva", True),
    ("Müller^Eva", "MÜLLER^Eva", False),
    ("MULLER^Eva", "MÜLLER^Eva", False),
    ("MÜL*", "MÜLLER^Eva", True),
    ("mül*", "MÜLLER^Eva", False),
    ("WEI?^A", "WEIß^A", True),
    ("MÜLLER^Eva^^", "MÜLLER^Eva", True),
    ("=山田*", "Yamada=山田^太郎", True),
]


@pytest.mark.parametrize(("key", "name", "expected"), EXACT)
def test_exact_names(key: str, name: str, expected: bool) -> None:
    query = query_of({"PatientName": key}, manner=Manner(exact_names=True))
    assert shown(query, Item({"PatientName": name})) is expected


SOUNDS = [
    ("Meyer^Hans", "MAIER^HANS", True),
    ("Mayr*", "MEIER^HANS", True),
    ("Schmidt*", "SMITH^JOHN", True),
    ("Keller*", "MUELLER^EVA", False),
    ("Schmitt*", "SCHMIDT^EVA", True),
    ("Filip*", "PHILIPP^X", True),
    ("Katharina", "DOE", False),
    ("Doe^Katarina", "DOE^CATHARINA", True),
    ("Doe^Jane", "DOE^JOHN", True),
    ("Doe^Peter", "DOE^JANE", False),
    ("M?ier", "MEIER", True),
    ("Hoffmann*", "HOFMAN^A", True),
    ("山田*", "Yamada=山田^太郎", True),
]


@pytest.mark.parametrize(("key", "name", "expected"), SOUNDS)
def test_names_by_sound(key: str, name: str, expected: bool) -> None:
    query = query_of({"PatientName": key}, manner=Manner(fuzzy_names=True))
    assert shown(query, Item({"PatientName": name})) is expected


def test_without_negotiation_names_are_not_compared_by_sound() -> None:
    assert not shown(query_of({"PatientName": "Meyer^Hans"}), Item({"PatientName": "MAIER^HANS"}))


@pytest.mark.parametrize("text", ["", "H", "CH", "123", "O'Neil", "ß", "ÆØ"])
def test_every_name_has_a_sound_or_none(text: str) -> None:
    assert (sound(text) == "") is (text == "")


@pytest.mark.parametrize(
    ("text", "minutes"), [("+0100", 60), ("-0530", -330), ("+1400", 840), ("+1500", None), ("-0000", None), ("", None)]
)
def test_offsets(text: str, minutes: int | None) -> None:
    assert offset_of(text) == minutes
    if minutes is not None:
        assert as_offset(minutes) == text


ZONES = [
    # keys in UTC, start at the site in Zurich (one hour ahead in November), expected
    ({DATE: "20261123"}, ("20261124", "0030"), True),
    ({DATE: "20261123"}, ("20261123", "0030"), False),
    ({DATE: "20261123", TIME: "0830"}, ("20261123", "0930"), True),
    ({DATE: "20261123", TIME: "0930"}, ("20261123", "0930"), False),
    ({DATE: "20261122-20261123", TIME: "2300-0100"}, ("20261123", "0000"), True),
    ({TIME: "2330-2359"}, ("20261124", "0030"), True),
    ({TIME: "2200-2330"}, ("20261123", "2330"), True),
    ({TIME: "2200-2330"}, ("20261124", "0015"), True),
    ({TIME: "2200-2330"}, ("20261124", "0100"), False),
    ({DATE: "20261122-20261124", TIME: "0830"}, ("20261123", "0930"), True),
    ({DATE: "20261123-"}, ("20270101", "1200"), True),
    ({DATE: "-20261123"}, ("20261124", "0059"), True),
    ({DATE: "-20261123"}, ("20261124", "0100"), False),
    ({}, ("20261124", "0100"), True),
    # days and instants that do not exist
    ({DATE: "20260230"}, ("20260302", "0100"), False),
    ({DATE: "20260230"}, ("20260301", "0030"), False),
    ({DATE: "20260201-20260231"}, ("20260301", "0059"), True),
    ({DATE: "20260201-20260231"}, ("20260301", "0100"), False),
    ({DATE: "20260230-"}, ("20260301", "0059"), False),
    ({DATE: "20260230-"}, ("20260301", "0100"), True),
    ({DATE: "00000101-99991231"}, ("20260301", "0100"), True),
    ({DATE: "00010101-99991231"}, ("20260301", "0100"), True),
    ({DATE: "20261123", TIME: "0000-235960"}, ("20261124", "0059"), True),
]


@pytest.mark.parametrize(("keys", "start", "expected"), ZONES)
def test_keys_in_the_zone_of_the_device(keys: dict, start: tuple[str, str], expected: bool) -> None:
    query = at_site(query_of({SPS_SEQUENCE: [keys]}), ZoneInfo("Europe/Zurich"), 0, NOW)
    assert shown(query, Item(step={DATE: start[0], TIME: start[1]})) is expected


def test_starts_in_the_zone_of_the_device() -> None:
    step = {DATE: "20261124", TIME: "003012.5"}
    assert start_in(step, ZoneInfo("Europe/Zurich"), 0) == {DATE: "20261123", TIME: "233012.5"}
    for odd in ({DATE: "20261124"}, {DATE: "20260230", TIME: "0930"}, {DATE: "00010101", TIME: "0000"}):
        assert start_in(odd, ZoneInfo("Europe/Zurich"), 0) == odd


def step_of(item: Attributes) -> dict:
    return item[SPS_SEQUENCE][0]  # type: ignore[index,return-value]


def test_attributes_are_filled_from_others_and_cut() -> None:
    treatment = Treatment(
        rename=(
            ("MedicalAlerts", "Allergies"),
            ("PatientComments", "Nothing"),
            ("ScheduledProcedureStepDescription", "RequestedProcedureDescription"),
        ),
        clip=(("RequestedProcedureDescription", 4), ("PatientName", 3)),
    )
    whole = document(Item({"Allergies": ["Latex"], "RequestedProcedureDescription": "CT abdomen"}), 1)
    sent = treatment.apply(whole)
    assert (sent["MedicalAlerts"], sent["RequestedProcedureDescription"], sent["PatientName"]) == (
        ["Latex"],
        "CT a",
        "DOE",
    )
    assert "PatientComments" not in sent
    assert step_of(sent)["ScheduledProcedureStepDescription"] == "CT abdomen"
    assert step_of(whole)["ScheduledProcedureStepDescription"] == "CT head"


WITHHELD: list[tuple[dict, TooLong, dict, str]] = [
    # value, rule, keys, what keeps it back
    ({"AccessionNumber": "x" * 17}, TooLong.CUT, {"AccessionNumber": []}, "AccessionNumber"),
    ({"AccessionNumber": "x" * 17}, TooLong.WHOLE, {"AccessionNumber": []}, ""),
    ({"AccessionNumber": "x" * 17}, TooLong.CUT, {"PatientID": []}, ""),
    ({"RequestedProcedureDescription": "x" * 65}, TooLong.CUT, {"RequestedProcedureDescription": []}, ""),
    (
        {"RequestedProcedureDescription": "x" * 65},
        TooLong.WITHHOLD,
        {"RequestedProcedureDescription": []},
        "RequestedProcedureDescription",
    ),
    ({"PregnancyStatus": "70000"}, TooLong.WHOLE, {"PregnancyStatus": []}, "PregnancyStatus"),
]


@pytest.mark.parametrize(("root", "too_long", "keys", "expected"), WITHHELD)
def test_what_is_withheld(root: dict, too_long: TooLong, keys: dict, expected: str) -> None:
    assert withheld(document(Item(root), 1), keys, Treatment(too_long=too_long)) == expected


FILTERS = [
    (DeviceProfile("CT1", own_station=True), "ScheduledStationAETitle", "MR1"),
    (DeviceProfile("CT1", modalities=("MR", "US")), "Modality", "CT"),
    (DeviceProfile("CT1", locations=("Room 1",)), "ScheduledProcedureStepLocation", "Room 2"),
]


@pytest.mark.parametrize(("device", "keyword", "other"), FILTERS)
def test_filters_of_a_device_are_named_as_the_reason(device: DeviceProfile, keyword: str, other: str) -> None:
    step = {keyword: [other] if keyword.endswith("AETitle") else other}
    candidate = Candidate(document(Item(step=step), 1), StepStatus.SCHEDULED, True)
    assert why_not(narrowed(query_of({}), device, LOCAL), candidate) == Verdict(Obstacle.DEVICE, keyword)
    asked = narrowed(query_of({SPS_SEQUENCE: [{keyword: other}]}), device, LOCAL)
    assert why_not(asked, candidate) is None
    assert why_not(narrowed(query_of({"AccessionNumber": "A1"}), device, LOCAL), candidate) is None


@pytest.mark.parametrize(("minutes_ago", "expected"), [(10, True), (31, False), (None, False)])
def test_a_started_step_stays_for_its_time_of_grace(minutes_ago: int | None, expected: bool) -> None:
    device = DeviceProfile("CT2", grace=((StepStatus.STARTED, 30.0),))
    now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    at = None if minutes_ago is None else now - timedelta(minutes=minutes_ago)
    query = WorklistQuery(lingering=lingering(device, now))
    assert shown(query, Item(status=StepStatus.STARTED, status_at=at)) is expected


CHARSETS = [
    # policy, the request's set, name, term, written
    ("least", "", "DOE", "", "DOE"),
    ("least", "", "Müller", "ISO_IR 100", "Müller"),
    ("least", "", "Dvořák", "ISO_IR 101", "Dvořák"),
    ("least", "", "Иванов", "ISO_IR 144", "Иванов"),
    ("least", "", "Διονυσιος", "ISO_IR 126", "Διονυσιος"),
    ("least", "", "山田", "ISO_IR 192", "山田"),
    ("ascii", "ISO_IR 100", "Müller^Jörg", "", "Muller^Jorg"),
    ("ascii", "", "Щукин^Юрий", "", "Shchukin^Yuriy"),
    ("ascii", "", "Yamada^Tarou=山田^太郎", "", "Yamada^Tarou"),
    ("ascii", "", "山田", "ISO_IR 192", "山田"),
    ("ISO_IR 100", "", "Dvořák", "ISO_IR 100", "Dvorák"),
    ("ISO_IR 192", "ISO_IR 100", "Müller", "ISO_IR 192", "Müller"),
    # the accent goes, the script stays
    ("ISO_IR 126", "", "Ἑλένη", "ISO_IR 126", "Ελένη"),
    ("ISO_IR 144", "", "\N{CYRILLIC CAPITAL LETTER I WITH GRAVE}ванов", "ISO_IR 144", "Иванов"),
]


@pytest.mark.parametrize(("policy", "requested", "name", "term", "written"), CHARSETS)
def test_character_set_policies(policy: str, requested: str, name: str, term: str, written: str) -> None:
    for choice in choices(policy, requested, "ISO_IR 192"):
        try:
            encoded = choice.encode(name, name=True)
        except UnicodeEncodeError:
            continue
        assert (choice.term, encoded.decode(choice.codecs[0])) == (term, written)
        return
    pytest.fail("no set can say the name")
