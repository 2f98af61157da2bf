"""The MPPS rows of the checklist of device quirks, one test each, over real associations and by HL7 where it says so.

And every state of a step with every message about an exam of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, update

from broker.dicom import scu
from broker.domain.model import FactKind
from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.domain.states import StepStatus
from broker.services import board
from broker.store.database import Database
from broker.store.tables import scheduled_procedure_step, worklist_item
from tests.integration.mpps_peer import Peer, new_context
from tests.peers.feed import Feed, obr, orc, pid
from tests.support import dicom
from tests.support.exams import create, final, reason, reference

STATUS = "PerformedProcedureStepStatus"
S = StepStatus


@dataclass(frozen=True)
class Device:
    """A modality on an association of its own for each message, and a look behind the broker's back."""

    to: scu.Peer
    behind: Peer

    def create(self, uid: str | None = "1.9.1", values: dict[str, object] | None = None) -> scu.Answer:
        return scu.create(self.to, create() if values is None else values, uid)

    def set(self, uid: str = "1.9.1", values: dict[str, object] | None = None) -> scu.Answer:
        return scu.set_(self.to, final() if values is None else values, uid)


@pytest.fixture
def device(database_url: str) -> Iterator[Device]:
    with dicom.provider(database_url) as running:
        yield Device(running.peer("CT1"), Peer(running.context))


def test_duplicate_create(device: Device) -> None:
    assert [device.create().status, device.create().status] == [0, 0x0111]


def test_create_that_is_completed_already(device: Device) -> None:
    answer = device.create(values=create() | final())
    assert (answer.status, answer.error_comment) == (0x0106, f"invalid value: {STATUS}")


def test_create_that_is_completed_already_where_it_is_let_pass(sqlite_url: str) -> None:
    opened = Database(sqlite_url)
    policy = PerformedPolicy(devices={"CT1": frozenset({Quirk.FINAL_AT_CREATE})})
    peer = Peer(new_context(opened, policy))
    peer.order()
    assert peer.create(values=create() | final()).status == 0
    assert (peer.statuses(), peer.told()) == ({"SPS1": "COMPLETED"}, ["order.completed"])
    opened.close()


def test_create_without_uid(device: Device) -> None:
    answers = [device.create(None), device.create(None)]
    uids = {answer.sop_instance_uid for answer in answers}
    assert (len(uids), [a.status for a in answers]) == (2, [0, 0])
    for uid in uids:
        assert uid is not None
        assert device.set(uid).status == 0


def test_set_in_progress_many_times_and_without_status(device: Device) -> None:
    device.behind.order()
    device.create()
    answers = [device.set(values={STATUS: "IN PROGRESS"}).status for _ in range(5)]
    answers.append(device.set(values={"PerformedProcedureStepDescription": "no status"}).status)
    assert answers == [0] * 6
    assert device.behind.statuses() == {"SPS1": "STARTED"}
    read = scu.get(device.to, "1.9.1", [STATUS, "PerformedProcedureStepDescription"])
    assert read.attributes == {STATUS: "IN PROGRESS", "PerformedProcedureStepDescription": "no status"}


def test_set_after_the_end(device: Device) -> None:
    device.create()
    device.set()
    for values in (final(), {STATUS: "IN PROGRESS"}, {"PerformedProcedureStepDescription": "late"}):
        answer = device.set(values=dict(values))
        assert (answer.status, answer.error_id) == (0x0110, 0xA710)
        assert answer.error_comment == "Performed Procedure Step Object may no longer be updated"


def test_unknown_instance(device: Device) -> None:
    assert device.set("1.9.404").status == 0x0112
    assert scu.get(device.to, "1.9.404").status == 0x0112


@pytest.mark.parametrize(
    "named",
    [
        {"StudyInstanceUID": "1.2.999", "AccessionNumber": "SPS1", "ScheduledProcedureStepID": ""},
        {"StudyInstanceUID": "1.2.999", "AccessionNumber": "", "RequestedProcedureID": "A1",
         "ScheduledProcedureStepID": ""},
    ],
    ids=["step ID in accession number", "accession number in procedure ID"],
)  # fmt: skip
def test_numbers_in_the_wrong_place(device: Device, named: dict[str, object]) -> None:
    device.behind.order()
    assert device.create(values=create([{**reference(), **named}])).status == 0
    assert device.behind.statuses() == {"SPS1": "STARTED"}


def test_two_orders_one_exam(device: Device) -> None:
    device.behind.order("1")
    device.behind.order("2")
    device.create(values=create([reference("1"), reference("2")]))
    device.set()
    assert device.behind.statuses() == {"SPS1": "COMPLETED", "SPS2": "COMPLETED"}


def test_one_order_two_exams_and_one_begun_again(device: Device) -> None:
    device.behind.order()
    device.create("1.9.1")
    device.create("1.9.2")
    device.set("1.9.1")
    assert device.behind.statuses() == {"SPS1": "STARTED"}
    device.set("1.9.2", final("DISCONTINUED", **reason("110504")))
    assert device.behind.statuses() == {"SPS1": "COMPLETED"}
    device.create("1.9.3")
    assert device.behind.statuses() == {"SPS1": "STARTED"}
    device.set("1.9.3")
    assert device.behind.statuses() == {"SPS1": "COMPLETED"}


# by HL7 while a device performs the exam


@pytest.fixture
def hospital(database_url: str) -> Iterator[tuple[Feed, Any]]:
    """An order from the RIS, and a device that has begun its exam; the second makes another feed with a policy."""
    feeds: list[Feed] = []

    def feed(**policy: Any) -> Feed:
        feeds.append(Feed(database_url, **policy))
        return feeds[-1]

    one = feed()
    assert one.send("ORM^O01", pid("A", "DOE^JANE"), orc("NW"), obr("1", start="20240705093000")) == "AA"
    peer = Peer(one.context)
    values = create([reference("1", StudyInstanceUID="1.2.999")], PatientID="A", PatientName="DOE^JANE")
    assert peer.create(values=values | {"PatientBirthDate": "", "PatientSex": ""}).status == 0
    assert one.items()["SPS1"]["status"] == "STARTED"
    yield one, feed
    for opened in feeds:
        opened.close()


def test_patients_are_merged_during_an_exam_and_unlinked_again(hospital: tuple[Feed, Any]) -> None:
    one, _ = hospital
    merged = one.send("ADT^A40", "EVN|A40", pid("B", "DOE^JANE"), "MRG|A^^^HOSP")
    assert (merged, one.items()["SPS1"]["PatientID"], one.items()["SPS1"]["status"]) == ("AA", "B", "STARTED")
    assert Peer(one.context).set(values={STATUS: "IN PROGRESS"}).status == 0
    unlinked = one.send("ADT^A37", "EVN|A37", pid("B"), pid("A"))
    assert (unlinked, one.items()["SPS1"]["PatientID"], one.items()["SPS1"]["status"]) == ("AA", "A", "STARTED")
    assert Peer(one.context).set().status == 0
    assert one.items()["SPS1"]["status"] == "COMPLETED"
    assert one.facts("alarm.mismatch") == []


@pytest.mark.parametrize(("policy", "answer"), [("refuse", "AE 207"), ("alarm", "AA")])
def test_the_order_is_cancelled_during_the_exam(hospital: tuple[Feed, Any], policy: str, answer: str) -> None:
    _, feed = hospital
    one = feed(cancel_after_start=policy)
    assert one.send("ORM^O01", pid("A"), orc("CA"), at="20240705100000") == answer
    assert one.items()["SPS1"]["status"] == "STARTED", "the exam is never removed silently"
    assert len(one.facts("alarm.canceled_during_exam")) == (policy == "alarm")
    (found,) = board.search(one.context, "A1", board.Patience())
    assert (board.Mark.CANCELED_DURING_EXAM in found.marks) == (policy == "alarm")
    assert Peer(one.context).set().status == 0
    assert one.items()["SPS1"]["status"] == "COMPLETED"


# every state of a step and every message about an exam of it

MESSAGES: dict[str, dict[str, object] | None] = {
    "N-CREATE": None, "COMPLETED": final(), "DISCONTINUED, ends": final("DISCONTINUED", **reason("110504")),
    "DISCONTINUED, returns": final("DISCONTINUED", **reason("110501")),
    "wrong entry": final("DISCONTINUED", **reason("110514")),
}  # fmt: skip


@pytest.mark.parametrize("present", list(S))
def test_every_state_of_a_step_and_every_message(sqlite_url: str, present: StepStatus) -> None:
    """A step that waits rests as it was; one in another state returns to what it rested as; cancelled stays so."""
    opened = Database(sqlite_url)
    peer = Peer(new_context(opened))
    for number, (name, ends) in enumerate(MESSAGES.items(), 1):
        peer.order(str(number))
        _put(peer, f"SPS{number}", present)
        alarms = len(peer.facts(FactKind.CANCELED_DURING_EXAM))
        assert peer.create(f"1.9.{number}", create([reference(str(number))])).status == 0
        if ends is not None:
            assert peer.set(f"1.9.{number}", ends).status == 0
        resting = present if present in (S.SCHEDULED, S.ARRIVED, S.READY) else S.READY
        wanted = {
            "N-CREATE": S.STARTED, "COMPLETED": S.COMPLETED, "DISCONTINUED, ends": S.DISCONTINUED,
            "DISCONTINUED, returns": resting, "wrong entry": resting,
        }[name]  # fmt: skip
        canceled = present is S.CANCELED
        assert peer.statuses()[f"SPS{number}"] == (S.CANCELED if canceled else wanted), name
        assert len(peer.facts(FactKind.CANCELED_DURING_EXAM)) == alarms + canceled
    opened.close()


def _put(peer: Peer, step_id: str, status: StepStatus) -> None:
    """The step in this state, as messages before would have left it: it rests as READY when it does not wait."""
    step = scheduled_procedure_step
    resting = status if status in (S.SCHEDULED, S.ARRIVED, S.READY) else S.READY

    def work(connection: Any) -> None:
        key = connection.scalar(select(step.c.id).where(step.c.scheduled_procedure_step_id == step_id))
        values = {"status": status.value, "resting_status": resting.value}
        connection.execute(update(step).where(step.c.id == key).values(**values))
        connection.execute(update(worklist_item).where(worklist_item.c.step_id == key).values(status=status.value))

    peer.context.database.write(work)
