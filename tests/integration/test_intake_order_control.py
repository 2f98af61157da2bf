"""Order control, appointments and reports over the whole road: message to worklist item, on a real database."""


import pytest

from broker.intake.handler import HandlerConfig
from tests.peers.feed import Feed, obr, orc, pid

START = "20240706093000"


def placed(one: Feed, order: str = "1", **given: str) -> Feed:
    assert one.send("ORM^O01", pid(), orc("NW", "SC", order=order), obr(order, start=START, **given)) == "AA"
    return one


STATUSES = [
    ("CA", "CA", "CANCELED"), ("CR", "", "CANCELED"), ("OC", "CA", "CANCELED"), ("DC", "", "DISCONTINUED"),
    ("HD", "HD", "HELD"), ("SC", "IP", "ARRIVED"), ("SC", "CM", "COMPLETED"), ("SC", "A", "COMPLETED"),
    ("XO", "CM", "COMPLETED"), ("XO", "CA", "CANCELED"), ("NA", "", "SCHEDULED"), ("UA", "", "SCHEDULED"),
]  # fmt: skip


@pytest.mark.parametrize(("control", "status", "expected"), STATUSES)
def test_order_control_moves_the_step(feed, control, status, expected):
    one = placed(feed())
    assert one.send("ORM^O01", pid(), orc(control, status), at="20240705090000") == "AA"
    assert one.items()["SPS1"]["status"] == expected


def test_an_order_on_hold_is_kept_from_devices_until_it_is_released(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc("NW", "HD"), obr(start=START)) == "AA"
    assert one.items()["SPS1"]["status"] == "HELD"
    assert one.send("ORM^O01", pid(), orc("RL", "SC"), at="20240705090000") == "AA"
    assert one.items()["SPS1"]["status"] == "SCHEDULED"


def test_completion_by_a_message_is_marked_as_inferred(feed):
    one = placed(feed())
    one.send("ORM^O01", pid(), orc("SC", "CM"))
    assert one.facts("step.status")[-1] == {"from": "SCHEDULED", "to": "COMPLETED", "inferred": True}
    assert [fact["inferred"] for fact in one.facts("order.completed")] == [True]


@pytest.mark.parametrize(("policy", "answer"), [("refuse", "AE 103"), ("accept", "AA")])
def test_an_unknown_pair_is_held(feed, policy, answer):
    one = placed(feed(HandlerConfig(unknown_control=policy)))
    assert one.send("ORM^O01", pid(), orc("XO", "ZZ"), obr(priority="S")) == answer
    entry = one.newest()
    assert (entry.outcome, entry.error_code, entry.error_location) == ("held", "103", "ORC-1")
    assert one.items()["SPS1"]["RequestedProcedurePriority"] == "ROUTINE"


def test_a_replacement_cancels_the_old_order_and_places_the_new_one(feed):
    one = placed(feed())
    answer = one.send("ORM^O01", pid(), orc("RP"), obr(), orc("RO", order="2"), obr("2", start=START))
    assert answer == "AA"
    assert {step: item["status"] for step, item in one.items().items()} == {"SPS1": "CANCELED", "SPS2": "SCHEDULED"}


def test_a_replacement_alone_puts_its_contents_in_place_of_all(feed):
    one = placed(feed(), priority="S")
    assert one.send("ORM^O01", pid(), orc("RP"), obr(step="SPS9", start=START), at="20240705090000") == "AA"
    assert {step: item["status"] for step, item in one.items().items()} == {"SPS1": "CANCELED", "SPS9": "SCHEDULED"}


def test_a_cancellation_before_its_order_is_remembered(feed):
    one = feed(unknown_cancel="accept")
    assert one.send("ORM^O01", pid(), orc("CA"), at="20240705090000") == "AA"
    placed(one)
    assert one.items()["SPS1"]["status"] == "CANCELED"
    assert one.facts("order.canceled") == [{"control": "cancel", "early": True}]


def test_a_newer_order_is_not_taken_for_the_canceled_one(feed):
    one = feed(unknown_cancel="accept")
    one.send("ORM^O01", pid(), orc("CA"), at="20240705070000")
    placed(one)
    assert one.items()["SPS1"]["status"] == "SCHEDULED"


def test_an_order_inside_adt_is_taken_over(feed):
    one = feed()
    assert one.send("ADT^A04", "EVN|A04|20240705", pid(), "PV1||O", orc("NW"), obr(start=START)) == "AA"
    item = one.items()["SPS1"]
    assert (item["AccessionNumber"], item["VisitStatusID"]) == ("A1", "ADMITTED")


SCH = "SCH|AP1^PLC|AF1^FIL" + "|" * 9 + "^^^20240707110000"


def appointment(number: str = "1") -> str:
    return SCH + "|" * 15 + f"P{number}^HIS|F{number}^RIS"


def test_an_appointment_sets_time_and_resources_of_the_order(feed):
    one = placed(feed())
    resources = ("RGS|1", "AIS|1||CTHEAD^CT head^L|20240707113000", "AIL|1||ROOM7", "AIP|1||77^ROE^RICHARD")
    assert one.send("SIU^S12", appointment(), *resources, at="20240705090000") == "AA"
    item = one.items()["SPS1"]
    assert (item["ScheduledProcedureStepStartDate"], item["ScheduledProcedureStepStartTime"]) == ("20240707", "113000")
    assert item["ScheduledProcedureStepLocation"] == "ROOM7"
    assert item["ScheduledPerformingPhysicianName"] == "ROE^RICHARD"
    assert item["RequestedProcedureDescription"] == "CT head"


@pytest.mark.parametrize(
    ("event", "reason"),
    [("S15", "appointment canceled"), ("S17", "appointment deleted"), ("S26", "no-show")],
)
def test_an_appointment_that_is_off_takes_the_step_off_the_lists(feed, event, reason):
    one = placed(feed())
    one.send("SIU^S12", appointment(), at="20240705090000")
    # by the number of the appointment alone
    assert one.send(f"SIU^{event}", SCH, at="20240705100000") == "AA"
    assert "ScheduledProcedureStepStartDate" not in one.items()["SPS1"]
    assert one.facts("order.changed")[-1]["reason"] == reason
    assert one.send("SIU^S13", SCH, at="20240705110000") == "AA"
    assert one.items()["SPS1"]["ScheduledProcedureStepStartDate"] == "20240707"


@pytest.mark.parametrize("place", [1, 2, 26, 27])
def test_a_number_of_an_appointment_that_cannot_be_one_is_refused(feed, place):
    """It was taken for a fault of ours."""
    one = placed(feed())
    fields = [""] * 28
    fields[0], fields[1], fields[26], fields[place] = "SCH", "AP1", "P1^HIS", "A\\E\\1"
    assert one.send("SIU^S13", "|".join(fields), "AIS|1||CTHEAD^CT head^L|20240707113000") == "AE 102"
    assert one.newest().error_location.startswith(f"SCH-{place}")


def test_an_appointment_without_order_by_policy(feed):
    assert feed().send("SIU^S12", pid(), SCH, "AIS|1||MRBRAIN^MR brain^L|20240707113000") == "AE 204"
    one = feed(unknown_appointment="create", canceled_appointment="cancel")
    assert one.send("SIU^S12", pid(), SCH, "AIS|1||MRBRAIN^MR brain^L|20240707113000") == "AA"
    (item,) = one.items().values()
    assert (item["Modality"], item["ScheduledProcedureStepStartTime"]) == ("MR", "113000")
    assert one.send("SIU^S15", SCH) == "AA"
    assert [item["status"] for item in one.items().values()] == ["CANCELED"]


@pytest.mark.parametrize(("policy", "status"), [("note", "SCHEDULED"), ("complete", "COMPLETED")])
def test_a_final_report(feed, policy, status):
    one = placed(feed(final_report=policy))
    result = "OBR|1||F1^RIS" + "|" * 22 + "F"
    assert one.send("ORU^R01", result, "OBX|1|TX|1||nothing of note") == "AA"
    assert one.items()["SPS1"]["status"] == status
    assert one.facts("order.reported") == [{"status": "F"}]


def test_a_report_on_no_known_order_is_noticed(feed):
    one = feed()
    assert one.send("ORU^R01", "OBR|1||F9^RIS" + "|" * 22 + "F") == "AA"
    assert "no order" in str(one.newest().changes["noticed"])


@pytest.mark.parametrize(("policy", "status"), [("note", "SCHEDULED"), ("arrive", "ARRIVED")])
def test_arrival(feed, policy, status):
    one = feed(arrival=policy)
    one.send("ORM^O01", pid(), orc("NW"), obr(start="20240705093000"))
    one.send("ORM^O01", pid(), orc("NW", order="2"), obr("2", start=START))
    assert one.send("ADT^A10", "EVN|A10", pid(), "PV1||O") == "AA"
    assert [one.items()[step]["status"] for step in ("SPS1", "SPS2")] == [status, "SCHEDULED"]


def test_a_late_message_does_not_overwrite_newer_data(feed):
    one = placed(feed())
    one.send("ORM^O01", pid(), orc("XO"), obr(start="20240708100000"), at="20240705100000")
    assert one.send("ORM^O01", pid(), orc("XO"), obr(start="20240707090000"), at="20240705090000") == "AA"
    assert one.items()["SPS1"]["ScheduledProcedureStepStartDate"] == "20240708"
    # and it is said: the sender heard AA
    assert "left as they are: ScheduledProcedureStepStartDate, ScheduledProcedureStepStartTime" in str(
        one.newest().changes
    )


ZONES = [
    ("20240331023000", "20240331", "033000"),  # does not exist in Zurich: shifted forward
    ("20241027023000", "20241027", "023000"),  # exists twice
    ("20240706093000-0500", "20240706", "163000"),
    ("20240706", "20240706", "000000"),
    ("20240706233000+0000", "20240707", "013000"),
]


@pytest.mark.parametrize(("text", "day", "hour"), ZONES)
def test_start_in_every_zone_and_at_clock_changes(feed, text, day, hour):
    one = feed()
    assert one.send("ORM^O01", pid(), orc("NW"), obr(start=text)) == "AA"
    item = one.items()["SPS1"]
    assert (item["ScheduledProcedureStepStartDate"], item["ScheduledProcedureStepStartTime"]) == (day, hour)
