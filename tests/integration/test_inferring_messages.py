"""What messages say about exams that no device reports: inferred, kept, undone by people; on a real database."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from broker.domain.errors import Refusal
from broker.domain.model import Actor, Source
from broker.domain.states import StepStatus
from broker.services import inferring
from broker.store.tables import scheduled_procedure_step
from tests.peers.feed import Feed, obr, orc, pid

NINA = Actor(Source.PERSON, "nina.frei")
S = StepStatus
REPORT = ("ORU^R01", "OBR|1||F1^RIS" + "|" * 22 + "F", "OBX|1|TX|1||nothing of note")
BEGINS = {("SC", "IP"): "start"}


@pytest.fixture
def feed(database_url: str) -> Iterator[Callable[..., Feed]]:
    feeds: list[Feed] = []

    def make(**policy: object) -> Feed:
        feeds.append(Feed(database_url, **policy))  # type: ignore[arg-type]
        one = feeds[-1]
        assert one.send("ORM^O01", pid(), orc("NW", "SC"), obr("1", start="20240705093000")) == "AA"
        return one

    yield make
    for one in feeds:
        one.close()


def step(one: Feed) -> int:
    return int(one.context.database.read(lambda c: c.scalars(select(scheduled_procedure_step.c.id)).one()))


def undo(one: Feed) -> StepStatus:
    return inferring.undo(one.context, NINA, step(one)).status


def said(one: Feed) -> list[tuple[str, str, str]]:
    key = step(one)
    found = inferring.standing(one.context, [key]).get(key, [])
    return [(i.saying.status.value, i.actor.name, i.saying.note) for i in found]


MESSAGES = [
    ("SC IP", {}, ("ARRIVED", "RIS@RAD", "")),
    ("SC IP", {"control": BEGINS}, ("STARTED", "RIS@RAD", "")),
    ("SC CM", {}, ("COMPLETED", "RIS@RAD", "")),
    ("report", {"final_report": "complete"}, ("COMPLETED", "RIS@RAD", "final report")),
    ("A10", {"arrival": "arrive"}, ("ARRIVED", "RIS@RAD", "arrival")),
]


@pytest.mark.parametrize(("what", "policy", "wanted"), MESSAGES)
def test_every_inference_by_message_is_kept_marked_and_undone(feed, what, policy, wanted):
    one = feed(**policy)
    if what == "report":
        assert one.send(*REPORT) == "AA"
    elif what == "A10":
        assert one.send("ADT^A10", "EVN|A10", pid(), "PV1||O") == "AA"
    else:
        assert one.send("ORM^O01", pid(), orc(*what.split()), at="20240705090000") == "AA"
    assert one.items()["SPS1"]["status"] == wanted[0]
    assert said(one) == [wanted]
    assert one.facts("step.status")[-1]["inferred"] is True
    assert undo(one) is S.SCHEDULED
    assert one.items()["SPS1"]["status"] == "SCHEDULED"
    assert said(one) == []
    told = [{"status": "SCHEDULED"}] if wanted[0] != "ARRIVED" else []
    assert one.facts("order.corrected") == told


def test_the_order_is_told_begun_when_a_message_says_so(feed):
    one = feed(control=BEGINS)
    one.send("ORM^O01", pid(), orc("SC", "IP"), at="20240705090000")
    assert [fact["inferred"] for fact in one.facts("order.started")] == [True]
    one.send("ORM^O01", pid(), orc("SC", "IP"), at="20240705090500")
    assert len(one.facts("order.started")) == 1
    one.send("ORM^O01", pid(), orc("SC", "CM"), at="20240705091000")
    assert said(one) == [("STARTED", "RIS@RAD", ""), ("COMPLETED", "RIS@RAD", "")]
    assert [undo(one), undo(one)] == [S.STARTED, S.SCHEDULED]


def test_messages_and_people_speak_in_turn(feed):
    one = feed(final_report="complete")
    inferring.say(one.context, NINA, step(one), inferring.Saying(S.STARTED))
    assert one.send(*REPORT) == "AA"
    assert one.items()["SPS1"]["status"] == "COMPLETED"
    assert undo(one) is S.STARTED


def test_a_discontinuation_by_the_sender_is_no_inference(feed):
    one = feed()
    inferring.say(one.context, NINA, step(one), inferring.Saying(S.STARTED))
    assert one.send("ORM^O01", pid(), orc("DC"), at="20240705090000") == "AA"
    assert one.items()["SPS1"]["status"] == "DISCONTINUED"
    with pytest.raises(Refusal, match="moved on since and is DISCONTINUED"):
        undo(one)
