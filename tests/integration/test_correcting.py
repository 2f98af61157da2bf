"""Corrections by staff on real databases: what counts, what is told, what stays as the device said."""

from collections.abc import Iterator

import pytest

from broker.delivery.hl7_message import Profile, render
from broker.domain.correcting import Correction
from broker.domain.errors import Refusal
from broker.domain.model import Actor, FactKind, Source
from broker.domain.states import PerformedStatus
from broker.services import correcting, outbox, reconciling
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import create, dataset, final, reason, reference

NINA = Actor(Source.PERSON, "nina.frei")
P = PerformedStatus
VOID = Correction(P.DISCONTINUED, "wrong patient on the console", "110514", "Incorrect worklist entry selected")
DONE = Correction(P.COMPLETED, "the device lost its network", ended_at="20261123095500")


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield Peer(new_context(opened))
    opened.close()


def exam(peer: Peer, uid: str = "1.9.1") -> int:
    key = reconciling.find_key(peer.context, uid)
    assert key is not None
    return key


def message(peer: Peer) -> list[list[str]]:
    """The newest notification as its HL7 segments."""
    (newest, *_) = outbox.list_notifications(peer.context)
    text = render(newest, Profile()).decode()
    return [segment.split("|") for segment in text.split("\r") if segment]


def field(segments: list[list[str]], name: str, number: int) -> str:
    return next(s for s in segments if s[0] == name)[number]


def test_a_completed_exam_turns_out_void(peer: Peer) -> None:
    request = peer.order()
    peer.create()
    peer.set()
    before = peer.performed()[0]
    correcting.correct(peer.context, NINA, exam(peer), VOID)
    after = peer.performed()[0]
    assert (after.status, after.dataset) == (before.status, before.dataset)
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    assert peer.told() == ["order.started", "order.completed", "order.corrected"]
    told = message(peer)
    assert (field(told, "ORC", 1), field(told, "ORC", 5), field(told, "OBR", 25)) == ("SC", "SC", "C")
    (row,) = peer.facts(FactKind.PERFORMED_CORRECTED)
    assert (row.actor, row.data["note"], row.data["reason"]) == ("nina.frei", VOID.note, "110514")
    assert FactKind.ORDER_CORRECTED in peer.history(request)
    correcting.withdraw(peer.context, NINA, exam(peer))
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told()[-1] == "order.corrected"
    assert field(message(peer), "ORC", 5) == "CM"
    (kept,) = correcting.made(peer.context, exam(peer))
    assert (kept.made_by, kept.withdrawn_by, kept.correction) == ("nina.frei", "nina.frei", VOID)


def test_an_exam_that_never_ended_is_closed_until_the_device_speaks(peer: Peer) -> None:
    peer.order()
    peer.create()
    correcting.correct(peer.context, NINA, exam(peer), DONE)
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert field(message(peer), "OBR", 8) == "20261123095500"
    assert peer.set(values={"PerformedProcedureStepStatus": "IN PROGRESS"}).status == 0
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.set(values=final("DISCONTINUED", **reason("110504"))).status == 0
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}
    (kept,) = correcting.made(peer.context, exam(peer))
    assert (kept.provisional, kept.withdrawn_by) == (True, "CT1")
    assert peer.told() == ["order.started", "order.corrected", "order.discontinued"]
    assert len(peer.facts(FactKind.CORRECTION_WITHDRAWN)) == 1


def test_a_correction_of_a_final_exam_stands_against_the_device(peer: Peer) -> None:
    peer.order()
    peer.create()
    peer.set()
    correcting.correct(peer.context, NINA, exam(peer), VOID)
    assert peer.set().status == 0x0110
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    peer.create("1.9.2")
    assert peer.statuses() == {"SPS1": "STARTED"}


def test_a_second_correction_replaces_the_first(peer: Peer) -> None:
    peer.order()
    peer.create()
    peer.set()
    for status in (VOID, Correction(P.DISCONTINUED, "given up after all", "110504", "Patient died")):
        correcting.correct(peer.context, NINA, exam(peer), status)
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}
    assert [c.withdrawn_at is None for c in correcting.made(peer.context, exam(peer))] == [False, True]


def test_every_order_of_a_group_is_corrected(peer: Peer) -> None:
    peer.order("1")
    peer.order("2")
    peer.create(values=create([reference("1"), reference("2")]))
    peer.set()
    correcting.correct(peer.context, NINA, exam(peer), VOID)
    assert peer.statuses() == {"SPS1": "SCHEDULED", "SPS2": "SCHEDULED"}
    assert peer.told().count("order.corrected") == 2


def test_what_is_read_back_over_dicom_is_what_the_device_said(peer: Peer) -> None:
    peer.order()
    peer.create()
    peer.set()
    correcting.correct(peer.context, NINA, exam(peer), VOID)
    assert peer.performed()[0].dataset["00400252"] == dataset({"PerformedProcedureStepStatus": "COMPLETED"})["00400252"]


REFUSED = [
    (Correction(P.COMPLETED, ""), "say why"),
    (Correction(P.COMPLETED, "x" * 501), "say why"),
    (Correction(P.DISCONTINUED, "because"), "needs its reason"),
    (Correction(P.COMPLETED, "because", "110514"), "discontinued exam only"),
    (Correction(P.DISCONTINUED, "because", "1" * 65), "64 characters"),
    (Correction(P.COMPLETED, "because", ended_at="2026"), "the end is no date"),
    (Correction(P.COMPLETED, "because", started_at="20261399000000"), "the start is no date"),
    (Correction(P.COMPLETED, "because", ended_at="20261123080000"), "before the start"),
]


@pytest.mark.parametrize(("correction", "text"), REFUSED)
def test_refusals(peer: Peer, correction: Correction, text: str) -> None:
    peer.order()
    peer.create()
    with pytest.raises(Refusal, match=text):
        correcting.correct(peer.context, NINA, exam(peer), correction)
    assert (peer.statuses(), correcting.made(peer.context, exam(peer))) == ({"SPS1": "STARTED"}, [])


def test_nothing_to_withdraw(peer: Peer) -> None:
    peer.create()
    for key, text in ((exam(peer), "no correction"), (exam(peer) + 1, "no such exam")):
        with pytest.raises(Refusal, match=text):
            correcting.withdraw(peer.context, NINA, key)
