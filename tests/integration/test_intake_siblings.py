"""Several procedures under one order number: a message touches those it names, by number or by code, and no other."""


import pytest

from tests.peers.feed import Feed, pid

START = "20240706093000"
LATER, LAST = "20240705090000", "20240705100000"
HEAD, ABDOMEN, BRAIN = "CTHEAD^CT head^L", "CTX^CT abdomen^L", "MRX^MR brain^L"


def orc(control: str, status: str = "") -> str:
    return f"ORC|{control}|Q1^HIS|||{status}"


def obr(code: str, *, procedure: str = "", step: str = "", start: str = START, modality: str = "CT") -> str:
    fields = [""] * 37
    fields[0], fields[2], fields[4], fields[19], fields[20] = "OBR", "Q1^HIS", code, procedure, step
    fields[24], fields[36] = modality, start
    return "|".join(fields)


def three(one: Feed, *, numbered: bool) -> Feed:
    """One ORC with three OBR, with or without numbers of procedures and steps."""
    services = ((HEAD, "CT"), (ABDOMEN, "CT"), (BRAIN, "MR"))
    parts = [
        obr(code, procedure=f"RP{n}" if numbered else "", step=f"S{n}" if numbered else "", modality=modality)
        for n, (code, modality) in enumerate(services, 1)
    ]
    assert one.send("ORM^O01", pid(), orc("NW", "SC"), *parts) == "AA"
    return one


def state(one: Feed) -> dict[str, tuple[str, str | None]]:
    """Status and start day by the description of the procedure."""
    return {
        item["RequestedProcedureDescription"]: (item["status"], item.get("ScheduledProcedureStepStartDate"))
        for item in one.items().values()
    }


def statuses(one: Feed) -> list[str]:
    found = state(one)
    return [found[name][0] for name in ("CT head", "CT abdomen", "MR brain")]


ACTIONS = [
    ("CA", "CANCELED"), ("DC", "DISCONTINUED"), ("HD", "HELD"), ("SC CM", "COMPLETED"), ("SC IP", "ARRIVED"),
]  # fmt: skip


@pytest.mark.parametrize(("control", "status"), ACTIONS)
@pytest.mark.parametrize("numbered", [True, False])
def test_an_action_touches_only_the_procedure_it_names(feed, control, status, numbered):
    one = three(feed(), numbered=numbered)
    named = obr(BRAIN, procedure="RP3" if numbered else "", modality="MR")
    assert one.send("ORM^O01", pid(), orc(*control.split()), named, at=LATER) == "AA"
    assert statuses(one) == ["SCHEDULED", "SCHEDULED", status]


def test_a_change_of_one_and_a_cancellation_of_another_in_one_message(feed):
    one = three(feed(), numbered=False)
    segments = (orc("XO", "SC"), obr(ABDOMEN, start="20240708120000"), orc("CA"), obr(BRAIN, modality="MR"))
    assert one.send("ORM^O01", pid(), *segments, at=LATER) == "AA"
    assert state(one) == {
        "CT head": ("SCHEDULED", "20240706"), "CT abdomen": ("SCHEDULED", "20240708"),
        "MR brain": ("CANCELED", "20240706"),
    }  # fmt: skip


@pytest.mark.parametrize("segments", [(), ("OBR|1|Q1^HIS",), (obr("OTHER^something else^L"),)])
def test_an_action_that_names_no_procedure_is_about_the_whole_order(feed, segments):
    one = three(feed(), numbered=False)
    assert one.send("ORM^O01", pid(), orc("CA"), *segments, at=LATER) == "AA"
    assert statuses(one) == ["CANCELED"] * 3


@pytest.mark.parametrize("numbers", [{"step": "S9"}, {"procedure": "RP9"}, {"procedure": "RP1", "step": "S9"}])
def test_a_number_that_the_order_does_not_have_names_no_other_step(feed, numbers):
    one = three(feed(), numbered=True)
    assert one.send("ORM^O01", pid(), orc("CA"), obr("", **numbers), at=LATER) == "AE 204"
    assert statuses(one) == ["SCHEDULED"] * 3
    assert "no procedure or step with this number" in one.newest().error_text


def test_numbers_made_here_do_not_keep_the_sender_from_naming_the_step(feed):
    one = feed()
    assert one.send("ORM^O01", pid(), orc("NW"), obr(HEAD)) == "AA"
    assert one.send("ORM^O01", pid(), orc("CA"), obr(HEAD, procedure="RP7", step="S7"), at=LATER) == "AA"
    assert state(one)["CT head"][0] == "CANCELED"


def test_a_replacement_that_names_one_procedure_cancels_the_others(feed):
    one = three(feed(), numbered=False)
    assert one.send("ORM^O01", pid(), orc("RP"), obr(HEAD), at=LATER) == "AA"
    assert statuses(one) == ["SCHEDULED", "CANCELED", "CANCELED"]


def test_a_canceled_appointment_ends_the_time_of_its_own_service_only(feed):
    one = three(feed(), numbered=False)
    sch = "SCH|AP1^PLC|AF1^FIL" + "|" * 24 + "Q1^HIS"
    assert one.send("SIU^S15", sch, "AIS|1||CTX^CT abdomen^L", at=LATER) == "AA"
    assert [state(one)[name][1] for name in ("CT head", "CT abdomen", "MR brain")] == ["20240706", None, "20240706"]
    assert one.send("SIU^S15", sch, at=LAST) == "AA"
    assert [day for _, day in state(one).values()] == [None] * 3


def test_the_same_order_again_after_its_cancellation_is_refused(feed):
    """Accepted, it would be on no list: the sender has to know."""
    one = three(feed(), numbered=True)
    one.send("ORM^O01", pid(), orc("CA"), at=LATER)
    again = obr(HEAD, procedure="RP1", step="S1")
    assert one.send("ORM^O01", pid(), orc("NW", "SC"), again, at=LAST) == "AE 205"
    # the first message once more, late: nothing new
    assert one.send("ORM^O01", pid(), orc("NW", "SC"), again) == "AA"
    assert statuses(one) == ["CANCELED"] * 3
