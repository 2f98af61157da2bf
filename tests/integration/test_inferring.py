"""What people say in place of devices, on real databases: the step, who is told, undoing, and a device that speaks."""

import threading
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from broker.delivery.cloud_event import EventStyle, document
from broker.delivery.hl7_message import Profile, render
from broker.domain.errors import Refusal
from broker.domain.inferring import RUNNING, Saying
from broker.domain.model import Actor, FactKind, OrderControl, Source
from broker.domain.performing import PerformedPolicy
from broker.domain.states import PerformedStatus, Reopening, StepStatus
from broker.services import correcting, inferring, outbox, reconciling
from broker.services.correcting import Correction
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import create, final, reason, reference

NINA = Actor(Source.PERSON, "nina.frei")
S = StepStatus
ARRIVED, STARTED, COMPLETED = Saying(S.ARRIVED), Saying(S.STARTED), Saying(S.COMPLETED)
DIED = Saying(S.DISCONTINUED, "110504")
BROKEN = Saying(S.DISCONTINUED, "110501", note="the tube is dead")


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield Peer(new_context(opened))
    opened.close()


def step(peer: Peer, accession: str = "A1", number: int = 0) -> int:
    return reconciling.steps_of(peer.context, accession)[number].step_key


def say(peer: Peer, saying: Saying, **more: Any) -> StepStatus:
    return inferring.say(peer.context, NINA, step(peer), saying, **more).status


def undo(peer: Peer) -> StepStatus:
    return inferring.undo(peer.context, NINA, step(peer)).status


def message(peer: Peer) -> dict[str, list[str]]:
    """The newest notification as HL7: the first segment of each name."""
    newest = outbox.list_notifications(peer.context)[0]
    segments = [line.split("|") for line in render(newest, Profile()).decode().split("\r") if line]
    return {segment[0]: segment for segment in reversed(segments)}


def test_an_exam_without_a_device_that_reports(peer: Peer) -> None:
    request = peer.order()
    assert say(peer, ARRIVED) is S.ARRIVED
    assert peer.told() == []
    assert say(peer, STARTED) is S.STARTED
    told = message(peer)
    assert (told["ORC"][5], told["OBR"][7], told["OBR"][25]) == ("IP", "20261123093100", "I")
    assert say(peer, COMPLETED) is S.COMPLETED
    told = message(peer)
    assert (told["ORC"][5], told["OBR"][8], told["OBR"][25]) == ("CM", "20261123093100", "R")
    assert peer.told() == ["order.started", "order.completed"]
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    moved = peer.facts(FactKind.STEP_STATUS)
    assert [(m.actor, m.data["to"], m.data["inferred"]) for m in moved] == [
        ("nina.frei", "ARRIVED", True), ("nina.frei", "STARTED", True), ("nina.frei", "COMPLETED", True),
    ]  # fmt: skip
    assert FactKind.ORDER_COMPLETED in peer.history(request)
    event = document(outbox.list_notifications(peer.context)[0], EventStyle("Radiology"))
    assert event["data"]["inferred"] is True  # type: ignore[index]


def test_everything_is_undone_step_by_step_and_told(peer: Peer) -> None:
    peer.order()
    for saying in (ARRIVED, STARTED, COMPLETED):
        say(peer, saying)
    assert [undo(peer), undo(peer), undo(peer)] == [S.STARTED, S.ARRIVED, S.SCHEDULED]
    assert peer.told() == ["order.started", "order.completed", "order.corrected", "order.corrected"]
    told = message(peer)
    assert (told["ORC"][5], told["OBR"][25]) == ("SC", "C")
    taken = peer.facts(FactKind.INFERENCE_WITHDRAWN)
    assert [(t.actor, t.data["was"]) for t in taken] == [
        ("nina.frei", "COMPLETED"), ("nina.frei", "STARTED"), ("nina.frei", "ARRIVED"),
    ]  # fmt: skip
    with pytest.raises(Refusal, match="nothing that was said"):
        undo(peer)


def test_a_reason_to_discontinue_is_sent_on_and_says_what_becomes_of_the_step(peer: Peer) -> None:
    peer.order()
    say(peer, STARTED)
    assert say(peer, BROKEN) is S.SCHEDULED
    assert peer.told()[-1] == "order.returned"
    assert undo(peer) is S.STARTED
    assert say(peer, DIED) is S.DISCONTINUED
    told = message(peer)
    assert (told["ORC"][5], told["ORC"][16]) == ("DC", "110504^Patient died^DCM")
    assert undo(peer) is S.STARTED
    own = Saying(S.DISCONTINUED, "X7^99LOCAL", "no contrast left")
    assert say(peer, own) is S.DISCONTINUED
    assert message(peer)["ORC"][16] == "X7^no contrast left^99LOCAL"


def test_one_step_of_two_leaves_the_other_and_the_order_in_progress(peer: Peer) -> None:
    peer.order(steps=["SPS1", "SPS2"])
    inferring.say(peer.context, NINA, step(peer, number=1), COMPLETED)
    assert peer.statuses() == {"SPS1": "SCHEDULED", "SPS2": "COMPLETED"}
    assert peer.told() == ["order.started"]
    say(peer, COMPLETED)
    assert peer.told() == ["order.started", "order.completed"]


#: what a device reports after something was said, and what the step is then; None: what was said counts again
REPORTS: list[tuple[dict[str, object] | None, StepStatus | None]] = [
    (None, S.STARTED),
    (final(), S.COMPLETED),
    (final("DISCONTINUED", **reason("110504")), S.DISCONTINUED),
    (final("DISCONTINUED", **reason("110501")), S.ARRIVED),
    (final("DISCONTINUED", **reason("110514")), None),
]
SAID = [(ARRIVED, S.ARRIVED), (STARTED, S.STARTED), (COMPLETED, S.COMPLETED), (DIED, S.DISCONTINUED)]


@pytest.mark.parametrize("policy", list(Reopening))
@pytest.mark.parametrize(("said", "report"), list(product(SAID, REPORTS)))
def test_the_report_of_a_device_takes_over(
    sqlite_url: str, policy: Reopening, said: tuple[Saying, StepStatus], report: tuple[Any, StepStatus | None]
) -> None:
    opened = Database(sqlite_url)
    peer = Peer(new_context(opened, PerformedPolicy(reopen=policy)))
    _take_over(peer, said, report)
    opened.close()


@pytest.mark.postgres
@pytest.mark.parametrize(("said", "report"), [(SAID[2], REPORTS[1]), (SAID[3], REPORTS[4]), (SAID[1], REPORTS[3])])
def test_the_report_of_a_device_takes_over_on_postgresql(
    postgres_url: str, said: tuple[Saying, StepStatus], report: tuple[Any, StepStatus | None]
) -> None:
    opened = Database(postgres_url)
    _take_over(Peer(new_context(opened)), said, report)
    opened.close()


def _take_over(
    peer: Peer, said: tuple[Saying, StepStatus], report: tuple[dict[str, object] | None, StepStatus | None]
) -> None:
    """Said, reported, and unlinked again: in the end what was said counts as if the device had never spoken."""
    saying, status = said
    ends, wanted = report
    peer.order()
    say(peer, ARRIVED)
    if saying is not ARRIVED:
        say(peer, saying)
    peer.create()
    assert peer.statuses() == {"SPS1": "STARTED"}
    if ends is not None:
        assert peer.set(values=ends).status == 0
    assert peer.statuses() == {"SPS1": wanted or status}
    spoke = peer.facts(FactKind.STEP_STATUS)[-1]
    if ends is not None and wanted is None and saying is not ARRIVED:
        assert spoke.data["inferred"] is True
    elif saying is not STARTED or ends is not None:
        assert "inferred" not in spoke.data
    if wanted is not None and saying is not ARRIVED:
        with pytest.raises(Refusal, match="a device reported the exam since"):
            undo(peer)
    exam = reconciling.find_key(peer.context, "1.9.1")
    assert exam is not None
    reconciling.unlink(peer.context, NINA, exam, step(peer))
    assert peer.statuses() == {"SPS1": status}
    assert undo(peer) is (S.SCHEDULED if saying is ARRIVED else S.ARRIVED)


def test_a_device_that_reports_is_not_spoken_for_unknowingly(peer: Peer) -> None:
    peer.order()
    peer.create()
    with pytest.raises(Refusal) as refused:
        say(peer, COMPLETED)
    assert refused.value.where == RUNNING
    assert say(peer, COMPLETED, although_running=True) is S.COMPLETED
    assert message(peer)["OBR"][7:9] == ["20261123093100", "20261123093100"]
    assert peer.set(values={"PerformedProcedureStepStatus": "IN PROGRESS"}).status == 0
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert undo(peer) is S.STARTED


def test_a_silent_exam_is_spoken_for_once(peer: Peer) -> None:
    peer.order()
    peer.create()
    assert say(peer, BROKEN, although_running=True) is S.SCHEDULED
    assert [say(peer, saying) for saying in (ARRIVED, STARTED)] == [S.ARRIVED, S.STARTED]
    assert [undo(peer), undo(peer), undo(peer)] == [S.ARRIVED, S.SCHEDULED, S.STARTED]
    with pytest.raises(Refusal, match="has not ended it"):
        say(peer, COMPLETED)


def test_the_own_end_of_a_device_goes_before_the_closing_and_is_taken(peer: Peer) -> None:
    peer.order()
    peer.create()
    say(peer, COMPLETED, although_running=True)
    assert peer.set(values=final("DISCONTINUED", **reason("110504"))).status == 0
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}
    assert peer.told() == ["order.started", "order.completed", "order.discontinued"]
    with pytest.raises(Refusal, match="a device reported the exam since"):
        undo(peer)
    assert peer.set().status == 0x0110


def test_two_exams_one_silent_one_that_speaks(peer: Peer) -> None:
    peer.order()
    peer.create()
    say(peer, COMPLETED, although_running=True)
    peer.create("1.9.2")
    assert peer.statuses() == {"SPS1": "STARTED"}
    peer.set("1.9.2")
    assert peer.statuses() == {"SPS1": "STARTED"}, "the first exam still runs, and nobody speaks for it now"
    say(peer, COMPLETED, although_running=True)
    assert peer.statuses() == {"SPS1": "COMPLETED"}


def test_a_correction_of_the_exam_goes_before_what_was_said(peer: Peer) -> None:
    peer.order()
    peer.create()
    peer.set(values=final("DISCONTINUED", **reason("110514")))
    say(peer, COMPLETED)
    exam = reconciling.find_key(peer.context, "1.9.1")
    assert exam is not None
    correcting.correct(
        peer.context, NINA, exam, Correction(PerformedStatus.DISCONTINUED, "it was her after all", "110504")
    )
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}
    correcting.withdraw(peer.context, NINA, exam)
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert undo(peer) is S.SCHEDULED


def test_only_the_named_order_of_a_group_is_spoken_for(peer: Peer) -> None:
    peer.order("1")
    peer.order("2")
    peer.create(values=create([reference("1"), reference("2")]))
    say(peer, COMPLETED, although_running=True)
    assert peer.statuses() == {"SPS1": "COMPLETED", "SPS2": "STARTED"}
    peer.set()
    assert peer.statuses() == {"SPS1": "COMPLETED", "SPS2": "COMPLETED"}


def test_what_the_sender_did_since_is_not_undone(peer: Peer) -> None:
    peer.order()
    say(peer, ARRIVED)
    peer.order(control=OrderControl.CANCEL)
    with pytest.raises(Refusal, match="moved on since and is CANCELED"):
        undo(peer)
    with pytest.raises(Refusal, match="the order was cancelled"):
        say(peer, STARTED)


def test_what_the_sender_ended_is_reopened_by_policy_only(sqlite_url: str) -> None:
    opened = Database(sqlite_url)
    peer = Peer(new_context(opened, PerformedPolicy(reopen=Reopening.NEVER)))
    peer.order()
    say(peer, STARTED)
    peer.order(control=OrderControl.DISCONTINUE)
    peer.create()
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}, "no inference ended it"
    assert len(peer.facts(FactKind.LATE_EXAM)) == 1
    opened.close()


def test_a_step_that_is_not_there(peer: Peer) -> None:
    for act in (
        lambda: inferring.say(peer.context, NINA, 404, STARTED),
        lambda: inferring.undo(peer.context, NINA, 404),
    ):
        with pytest.raises(Refusal, match="there is no such step"):
            act()


def test_two_people_at_once_say_it_once(peer: Peer) -> None:
    peer.order()
    refused: list[Refusal] = []

    def press() -> None:
        try:
            say(peer, STARTED)
        except Refusal as refusal:
            refused.append(refusal)

    hands = [threading.Thread(target=press) for _ in range(6)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert (len(refused), peer.told()) == (5, ["order.started"])
    assert undo(peer) is S.SCHEDULED
