"""What orders say and leave out: groups, absent and deleted fields, measures and comments, on a real database."""

from typing import Any

import pytest

from tests.peers.feed import Feed, pid

LATER = "20240705090000"


def segment(name: str, **fields: str) -> str:
    """A segment by field numbers: ``segment("OBR", f4="CTHEAD")``."""
    numbered = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(numbered.get(n, "") for n in range(1, max(numbered) + 1))])


def orc(control: str = "NW", order: str = "1", **fields: str) -> str:
    return segment("ORC", f1=control, f2=f"P{order}^HIS", f5="SC", **fields)


def obr(order: str = "1", **fields: str) -> str:
    return segment("OBR", **{"f4": "CTHEAD^CT head^L", "f20": f"S{order}", "f24": "CT", **fields})


def obx(code: str, value: str, unit: str = "") -> str:
    return segment("OBX", f2="NM", f3=code, f5=value, f6=unit)


WEIGHT, HEIGHT = "29463-7^Body weight^LN", "8302-2^Body height^LN"
CREATININE, PREGNANT = "2160-0^Creatinine^LN", "82810-3^Pregnancy status^LN"


def test_what_stands_in_a_further_group_of_the_same_order_counts(feed):
    """Weight, comment and diagnosis of the second OBR, which were lost: the first group alone was read for them."""
    one = feed()
    second = (obr(f4="CTX^CT abdomen^L", f20="S2"), "NTE|1||fasting", obx(WEIGHT, "80", "kg"))
    assert one.send("ORM^O01", pid(), orc(), obr(), *second, "DG1|1||R51^Headache^I10") == "AA"
    for item in one.items().values():
        assert (item["PatientWeight"], item["AdmittingDiagnosesDescription"]) == ("80", ["Headache"])
    comments = {step: item.get("RequestedProcedureComments") for step, item in one.items().items()}
    assert comments == {"S1": None, "S2": "fasting"}


def test_results_of_the_patient_reach_the_item(feed):
    one = feed()
    measures = (obx(WEIGHT, "176", "[lb_av]"), obx(HEIGHT, "180", "cm"), obx(CREATININE, "88", "umol/L"))
    order = (orc(), obr(), *measures, obx(PREGNANT, "LA15173-0^yes"))
    assert one.send("ORM^O01", pid(), "PD1|", "NTE|1||deaf", *order) == "AA"
    item = one.items()["S1"]
    assert (item["PatientWeight"], item["PatientSize"], item["PregnancyStatus"]) == ("79.832", "1.8", 3)
    assert item["AdditionalPatientHistory"] == "Creatinine 88 umol/L"
    assert item["PatientComments"] == "deaf"


@pytest.mark.parametrize(
    ("code", "value", "status"),
    [(PREGNANT, "LA26683-5", 1), ("11449-6", "77386006^pregnant^SCT", 3), ("X^Pregnant^L", "possibly pregnant", 2),
     ("X^Pregnant^L", "n", 1), ("X^Pregnant^L", "perhaps", None)],
)  # fmt: skip
def test_pregnancy_as_a_result(feed, code, value, status):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(), obr(), segment("OBX", f2="CE", f3=code, f5=value)) == "AA"
    assert one.items()["S1"].get("PregnancyStatus") == status


def test_an_order_adds_to_the_warnings_that_are_known(feed):
    """What an order says of a known patient is not taken over, save what warns of harm: that is added."""
    one = feed()
    assert one.send("ADT^A04", "EVN|A04", pid(), "PV1||O", "AL1|1|DA|LATEX^Latex") == "AA"
    first = (pid(), "AL1|1|DA|PEN^Penicillin", orc(), obr(f13="diabetes"))
    assert one.send("ORM^O01", *first, at=LATER) == "AA"
    assert one.send("ORM^O01", pid(), orc(order="2"), obr("2", f13="pacemaker"), at=LATER) == "AA"
    for item in one.items().values():
        assert (item["Allergies"], item["MedicalAlerts"]) == (["Latex", "Penicillin"], ["diabetes", "pacemaker"])
    # the authority says what there is
    assert one.send("ADT^A08", "EVN|A08", pid(), "PV1||O", "AL1|1|DA|LATEX^Latex", at="20240705100000") == "AA"
    assert one.items()["S1"]["Allergies"] == ["Latex"]


START = "ScheduledProcedureStepStart"
END = "ScheduledProcedureStepEnd"
TIMES = [
    # the time of the old day is not the time of the new one
    ("^^^20240708", {START + "Date": "20240708", START + "Time": "000000", END + "Date": "20240708"}),
    ("", {START + "Date": "20240706", START + "Time": "093000", END + "Time": "095000"}),
    ('^^^""', {START + "Date": None, START + "Time": None, END + "Date": None, END + "Time": None}),
    ('""', {START + "Date": None, START + "Time": None, END + "Date": None, END + "Time": None}),
]


@pytest.mark.parametrize(("timing", "expected"), TIMES)
def test_date_and_time_are_told_together(feed, timing, expected):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(f7="^^^202407060930"), obr()) == "AA"
    assert one.send("ORM^O01", pid(), orc("XO", f7=timing), obr(), at=LATER) == "AA"
    item = one.items()["S1"]
    assert {keyword: item.get(keyword) for keyword in expected} == expected


def test_a_deleted_station_or_modality_leaves_what_the_catalogue_says(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(f18="CT7"), obr()) == "AA"
    assert one.items()["S1"]["ScheduledStationAETitle"] == ["CT7"]
    assert one.send("ORM^O01", pid(), orc("XO", f18='""'), obr(f24='""'), at=LATER) == "AA"
    item = one.items()["S1"]
    assert (item["ScheduledStationAETitle"], item["Modality"]) == (["CT1"], "CT")


def test_a_deleted_modality_that_nothing_replaces_is_said(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(), obr(f4="CTX^CT abdomen^L")) == "AA"
    assert one.send("ORM^O01", pid(), orc("XO"), obr(f4="CTX^CT abdomen^L", f24='""'), at=LATER) == "AA"
    assert "the item is kept from devices" in str(one.newest().changes)


def test_the_name_of_the_institution_is_not_guessed_over_a_stated_one(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(f17="ORG^Clinic^L"), obr()) == "AA"
    assert one.send("ORM^O01", pid(), orc("XO"), obr(), at=LATER) == "AA"
    assert one.items()["S1"]["InstitutionName"] == "Clinic"
    assert one.send("ORM^O01", pid(), orc("XO", f17='""'), obr(), at="20240705100000") == "AA"
    assert "InstitutionName" not in one.items()["S1"]


def test_the_facility_stands_for_an_institution_that_nobody_names(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc(), obr()) == "AA"
    assert one.items()["S1"]["InstitutionName"] == "RAD"


def test_name_and_place_of_a_station_go_with_it(feed):
    """They came from the catalogue, for the catalogue's station."""
    one = feed()
    assert one.send("ORM^O01", pid(), orc(), obr()) == "AA"
    assert station(one) == (["CT1"], ["CT ROOM 1"], "RADIOLOGY")
    assert one.send("ORM^O01", pid(), orc("XO", f18="CT7"), obr(), at=LATER) == "AA"
    assert station(one) == (["CT7"], None, None)
    assert one.send("ORM^O01", pid(), orc("XO", f18="CT1"), obr(), at="20240705100000") == "AA"
    assert station(one) == (["CT1"], ["CT ROOM 1"], "RADIOLOGY")
    resources = ("RGS|1", "AIS|1||CTHEAD^CT head^L|20240707113000", "AIG|1||CT8|DEVICE", "AIL|1||ROOM7")
    sch = segment("SCH", f1="AP1", f26="P1^HIS")
    assert one.send("SIU^S12", sch, *resources, at="20240705110000") == "AA"
    assert station(one) == (["CT8"], None, "ROOM7")


def station(one: Feed) -> tuple[Any, Any, Any]:
    item = one.items()["S1"]
    keywords = ("ScheduledStationAETitle", "ScheduledStationName", "ScheduledProcedureStepLocation")
    return item.get(keywords[0]), item.get(keywords[1]), item.get(keywords[2])


def test_comments_and_texts_whose_sender_does_not_escape_stay_whole(feed):
    one = feed()
    comments = ("NTE|1||chest & abdomen~with ^ contrast", "NTE|2||end")
    order = (orc(), obr(f4="CTX^head & neck^L", f31="^pain & fever"), *comments)
    assert one.send("ORM^O01", pid(), *order) == "AA"
    item = one.items()["S1"]
    assert item["RequestedProcedureComments"] == "chest & abdomen\r\nwith ^ contrast\r\nend"
    assert item["RequestedProcedureDescription"] == "head & neck"
    assert item["RequestedProcedureCodeSequence"][0]["CodeMeaning"] == "head & neck"
    assert item["ReasonForTheRequestedProcedure"] == "pain & fever"


def test_a_required_value_is_not_deleted(feed):
    """Without a name every item of the patient would be kept from devices."""
    one = feed()
    assert one.send("ORM^O01", pid(name='""'), orc(), obr()) == "AE 101"
    assert one.send("ORM^O01", pid(), orc(), obr()) == "AA"
    assert one.send("ADT^A08", "EVN|A08", pid(name='""'), "PV1||O", at=LATER) == "AE 101"
    assert one.items()["S1"]["PatientName"] == "SAMPLE^SAM"


def test_orders_of_two_patients_in_one_message_are_refused(feed):
    """They were all placed for the first one."""
    one = feed()
    both = (pid(), orc(), obr(), pid("4712", "OTHER^ONE"), orc(order="2"), obr("2"))
    assert one.send("ORM^O01", *both) == "AE 100"
    assert one.items() == {}
    # the same patient said twice is one patient
    assert one.send("ORM^O01", pid(), orc(), obr(), pid(), orc(order="2"), obr("2")) == "AA"


def test_a_transfer_reaches_orders_that_name_no_visit(feed):
    """The bed of the order was shown for ever, as its visit had no number."""
    one = feed()
    stay = lambda place, visit: segment("PV1", f2="I", f3=place, **({"f19": visit} if visit else {}))  # noqa: E731
    assert one.send("ORM^O01", pid(), stay("W1^1", ""), orc(), obr()) == "AA"
    assert one.send("ORM^O01", pid(), stay("W5^5", "V5"), orc(order="2"), obr("2")) == "AA"
    assert one.send("ADT^A02", "EVN|A02|20240705090000", pid(), stay("W2^2", "V1"), at=LATER) == "AA"
    places = {step: item["CurrentPatientLocation"] for step, item in one.items().items()}
    assert places == {"S1": "W2^2", "S2": "W5^5"}
    # a pre-admission says where the patient will be
    assert one.send("ADT^A05", "EVN|A05|20240705100000", pid(), stay("W3^3", "V2"), at="20240705100000") == "AA"
    assert one.items()["S1"]["CurrentPatientLocation"] == "W2^2"
