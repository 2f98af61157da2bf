"""The reconciliation queue on real databases: suggestions, links by people, orders made from exams, late orders."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from broker.domain.errors import Refusal
from broker.domain.model import Actor, FactKind, OrderControl, Source
from broker.services import board, orders_from_exams, reconciling
from broker.services.board import Mark
from broker.store import orders
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import create, final, reason, reference

NINA = Actor(Source.PERSON, "nina.frei")
#: a study of the device's own making, and nothing that names an order
WALK_IN: dict[str, Any] = {
    "StudyInstanceUID": "1.2.840.99.1", "AccessionNumber": "", "RequestedProcedureID": "",
    "ScheduledProcedureStepID": "",
}  # fmt: skip


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield Peer(new_context(opened))
    opened.close()


def walk_in(peer: Peer, uid: str = "1.9.1", **more: object) -> int:
    """An exam that names no known step; answers its key."""
    assert peer.create(uid, create([reference(**WALK_IN)], **more)).status == 0
    key = reconciling.find_key(peer.context, uid)
    assert key is not None
    return key


def waiting(peer: Peer) -> list[int]:
    return [exam.performed_key for exam in reconciling.queue(peer.context)]


def step_key(peer: Peer, accession: str) -> int:
    (step,) = reconciling.steps_of(peer.context, accession)
    return step.step_key


def test_suggestions_are_ranked_and_explained(peer: Peer) -> None:
    peer.order("1")
    key = walk_in(peer)
    case = reconciling.show(peer.context, key)
    assert case is not None
    (first,) = case.suggestions
    assert first.step.accession_number == "A1"
    assert first.reasons[:3] == ("same patient ID", "same name", "same birth date")
    assert {"same modality", "planned at this station", "planned within an hour"} <= set(first.reasons)
    assert (case.open_items, case.linked) == (1, ())


def test_link_and_undo_leave_everything_as_before(peer: Peer) -> None:
    request = peer.order("1")
    key = walk_in(peer)
    step = step_key(peer, "A1")
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    reconciling.link(peer.context, NINA, key, step)
    assert (waiting(peer), peer.statuses()) == ([], {"SPS1": "STARTED"})
    assert peer.links()[0].origin == "by hand"
    reconciling.unlink(peer.context, NINA, key, step)
    assert (waiting(peer), peer.statuses(), peer.links()) == ([key], {"SPS1": "SCHEDULED"}, [])
    reconciling.link(peer.context, NINA, key, step)
    assert peer.set().status == 0
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == ["order.started", "order.returned", "order.started", "order.completed"]
    history = peer.history(request)
    assert [k for k in history if k.value.startswith("performed.")] == [
        FactKind.PERFORMED_LINKED, FactKind.PERFORMED_UNLINKED, FactKind.PERFORMED_LINKED, FactKind.PERFORMED_COMPLETED,
    ]  # fmt: skip
    people = peer.facts(FactKind.PERFORMED_LINKED, FactKind.PERFORMED_UNLINKED)
    assert {(row.source, row.actor) for row in people} == {("person", "nina.frei")}


def test_a_final_exam_linked_late_completes_the_step(peer: Peer) -> None:
    peer.order("1")
    key = walk_in(peer)
    peer.set()
    reconciling.link(peer.context, NINA, key, step_key(peer, "A1"))
    assert (peer.statuses(), peer.told()) == ({"SPS1": "COMPLETED"}, ["order.completed"])


def test_unlinking_one_of_two_exams_keeps_what_the_other_says(peer: Peer) -> None:
    peer.order("1")
    peer.create("1.9.1")
    peer.set("1.9.1")
    peer.create("1.9.2")
    assert peer.statuses() == {"SPS1": "STARTED"}
    key = reconciling.find_key(peer.context, "1.9.2")
    assert key is not None
    reconciling.unlink(peer.context, NINA, key, step_key(peer, "A1"))
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert waiting(peer) == [key]


def test_a_patient_who_differs_is_alarmed_and_told_only_when_a_person_linked(peer: Peer) -> None:
    """The rule withholds; a person who links the two has looked.  The order's content never changes."""
    request = peer.order("1")
    other: dict[str, Any] = {"PatientID": "9999", "PatientName": "WEBER^Hans"}
    peer.create("1.9.1", create(**other))
    assert (peer.told(), peer.statuses()) == ([], {"SPS1": "STARTED"})
    key = reconciling.find_key(peer.context, "1.9.1")
    assert key is not None
    before = peer.context.database.read(lambda c: orders.load(c, request))
    reconciling.unlink(peer.context, NINA, key, step_key(peer, "A1"))
    reconciling.link(peer.context, NINA, key, step_key(peer, "A1"))
    peer.set()
    after = peer.context.database.read(lambda c: orders.load(c, request))
    assert peer.told() == ["order.returned", "order.started", "order.completed"]
    assert [row.data["differs"] for row in peer.facts(FactKind.MISMATCH_FOUND)] == [["PatientID", "PatientName"]] * 2
    assert [s.attributes for s in after.steps] == [s.attributes for s in before.steps]
    assert (after.patient_key, after.attributes) == (before.patient_key, before.attributes)


def test_the_mismatch_is_over_when_the_exam_is_unlinked(peer: Peer) -> None:
    peer.order()
    peer.create(values=create(PatientID="OTHER"))
    exam = reconciling.find_key(peer.context, "1.9.1")
    assert exam is not None
    assert Mark.MISMATCH in marks(peer)
    reconciling.unlink(peer.context, NINA, exam, step_key(peer, "A1"))
    assert Mark.MISMATCH not in marks(peer)
    reconciling.link(peer.context, NINA, exam, step_key(peer, "A1"))
    assert Mark.MISMATCH in marks(peer)


def marks(peer: Peer) -> tuple[Mark, ...]:
    (found,) = board.search(peer.context, "A1", board.Patience(late=timedelta(days=1)))
    return found.marks


def test_an_order_made_from_the_exam_and_taken_back(peer: Peer) -> None:
    key = walk_in(peer)
    made = orders_from_exams.create_order(peer.context, NINA, key)
    assert waiting(peer) == []
    case = reconciling.show(peer.context, key)
    assert case is not None
    ((step, origin),) = case.linked
    assert (origin, step.step_key, step.study_instance_uid) == ("created", made.step_key, "1.2.840.99.1")
    assert (step.modality, step.stations, step.description) == ("CT", ("CT1",), "CT head")
    assert list(peer.statuses().values()) == ["STARTED"]
    peer.set()
    assert list(peer.statuses().values()) == ["COMPLETED"]
    reconciling.unlink(peer.context, NINA, key, made.step_key)
    assert list(peer.statuses().values()) == ["CANCELED"]
    assert waiting(peer) == [key]
    assert peer.history(made.request_key)[:2] == [FactKind.ORDER_PLACED, FactKind.PERFORMED_LINKED]


def test_an_order_made_from_an_exam_is_of_the_known_patient(peer: Peer) -> None:
    first = peer.order("1")
    key = walk_in(peer, PatientName="MUELLER^Eva")
    made = orders_from_exams.create_order(peer.context, NINA, key)
    read = peer.context.database.read
    keys = {
        read(lambda c: orders.load(c, first)).patient_key,
        read(lambda c: orders.load(c, made.request_key)).patient_key,
    }
    assert len(keys) == 1


def test_an_exam_without_patient_needs_one_named(peer: Peer) -> None:
    key = walk_in(peer, PatientID="", PatientName="")
    with pytest.raises(Refusal, match="named no patient"):
        orders_from_exams.create_order(peer.context, NINA, key)
    assert waiting(peer) == [key]
    orders_from_exams.create_order(peer.context, NINA, key, "T-1")
    assert waiting(peer) == []


LATE = [
    ({"ScheduledProcedureStepID": "", "RequestedProcedureID": "", "AccessionNumber": ""}, "study_uid"),
    ({"StudyInstanceUID": "1.2.840.99.1", "AccessionNumber": "", "RequestedProcedureID": ""}, "step_id+patient"),
    ({"StudyInstanceUID": "1.2.840.99.1", "ScheduledProcedureStepID": ""}, "accession+patient"),
    ({"StudyInstanceUID": "1.2.840.99.1", "ScheduledProcedureStepID": "", "AccessionNumber": "",
      "RequestedProcedureID": "A1"}, "accession+patient"),
    ({}, "study_uid+step_id"),
]  # fmt: skip


@pytest.mark.parametrize(("says", "rule"), LATE)
@pytest.mark.parametrize("ended", [False, True])
def test_the_order_that_comes_later_attaches_the_exam(peer: Peer, says: dict[str, Any], rule: str, ended: bool) -> None:
    assert peer.create(values=create([reference(**says)])).status == 0
    if ended:
        peer.set()
    assert len(waiting(peer)) == 1
    peer.order("1")
    assert waiting(peer) == []
    assert [link.rule for link in peer.links()] == [rule]
    assert peer.statuses() == {"SPS1": "COMPLETED" if ended else "STARTED"}
    assert peer.told() == ["order.completed" if ended else "order.started"]
    (row,) = peer.facts(FactKind.PERFORMED_LINKED)
    assert (row.source, row.actor) == ("rule", "late order")


def test_an_order_of_somebody_else_attaches_nothing(peer: Peer) -> None:
    key = walk_in(peer)
    peer.order("1")
    peer.order("2")
    assert (waiting(peer), peer.links()) == ([key], [])


def test_what_a_person_unlinked_is_not_attached_again(peer: Peer) -> None:
    peer.create()
    peer.order("1")
    key = reconciling.find_key(peer.context, "1.9.1")
    assert key is not None
    reconciling.unlink(peer.context, NINA, key, step_key(peer, "A1"))
    peer.order("1", steps=("SPS1", "SPS1b"))
    assert (waiting(peer), peer.links()) == ([key], [])


def test_the_unknown_item_of_a_group_waits_alone(peer: Peer) -> None:
    peer.order("1")
    peer.create(values=create([reference("1"), reference("2")]))
    (exam,) = reconciling.queue(peer.context)
    assert (exam.items, len(peer.links())) == (1, 1)
    peer.order("2")
    assert (waiting(peer), len(peer.links())) == ([], 2)
    peer.set()
    assert peer.statuses() == {"SPS1": "COMPLETED", "SPS2": "COMPLETED"}


def test_set_aside_and_back(peer: Peer) -> None:
    key = walk_in(peer)
    reconciling.set_aside(peer.context, NINA, key)
    assert waiting(peer) == []
    assert [e.performed_key for e in reconciling.queue(peer.context, aside=True)] == [key]
    with pytest.raises(Refusal, match="nothing of this exam waits"):
        reconciling.set_aside(peer.context, NINA, key)
    reconciling.queue_again(peer.context, NINA, key)
    assert waiting(peer) == [key]
    with pytest.raises(Refusal, match="not set aside"):
        reconciling.queue_again(peer.context, NINA, key)


def test_a_cancelled_order_raises_the_alarm_when_an_exam_is_linked(peer: Peer) -> None:
    peer.order("1")
    step = step_key(peer, "A1")
    peer.order("1", control=OrderControl.CANCEL)
    key = walk_in(peer)
    reconciling.link(peer.context, NINA, key, step)
    assert peer.statuses() == {"SPS1": "CANCELED"}
    assert len(peer.facts(FactKind.CANCELED_DURING_EXAM)) == 1


def test_refusals(peer: Peer) -> None:
    peer.order("1")
    key, step = walk_in(peer), step_key(peer, "A1")
    for exam, wanted in ((key + 1, step), (key, step + 1)):
        with pytest.raises(Refusal, match="there is no such"):
            reconciling.link(peer.context, NINA, exam, wanted)
    with pytest.raises(Refusal, match="not linked"):
        reconciling.unlink(peer.context, NINA, key, step)
    reconciling.link(peer.context, NINA, key, step)
    with pytest.raises(Refusal, match="linked to this step already"):
        reconciling.link(peer.context, NINA, key, step)
    with pytest.raises(Refusal, match="has its orders already"):
        orders_from_exams.create_order(peer.context, NINA, key)
    assert reconciling.show(peer.context, key + 1) is None


def test_a_wrong_entry_then_the_right_one(peer: Peer) -> None:
    """110514: the step waits again, and the exam that follows for the right entry is linked by itself."""
    peer.order("1")
    peer.order("2")
    peer.create("1.9.1")
    peer.set("1.9.1", final("DISCONTINUED", **reason("110514")))
    peer.create("1.9.2", create([reference("2")]))
    assert peer.statuses() == {"SPS1": "SCHEDULED", "SPS2": "STARTED"}
    assert waiting(peer) == []
