"""MPPS and the orders it is about: which steps an exam is linked to, what becomes of them, whom it says it shows."""

from collections.abc import Iterator

import pytest

from broker.dicom.messages import Response
from broker.domain.model import FactKind, OrderControl
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import create, final, reason, reference

#: a reference that names nothing but the study
EMPTY = {"AccessionNumber": "", "RequestedProcedureID": "", "ScheduledProcedureStepID": ""}


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield Peer(new_context(opened))
    opened.close()


def ok(response: Response) -> None:
    assert (response.status, response.error_comment) == (0, None)


def test_group_case_every_order_is_started_and_told(peer: Peer) -> None:
    for number in ("1", "2"):
        peer.order(number)
    references = [reference("1"), reference("404", StudyInstanceUID="1.2.404"), reference("2")]
    ok(peer.create(values=create(references)))
    assert peer.statuses() == {"SPS1": "STARTED", "SPS2": "STARTED"}
    (unmatched,) = peer.facts(FactKind.PERFORMED_UNMATCHED)
    assert unmatched.data["items"] == [2]
    ok(peer.set())
    assert peer.statuses() == {"SPS1": "COMPLETED", "SPS2": "COMPLETED"}
    assert sorted(peer.told()) == ["order.completed"] * 2 + ["order.started"] * 2
    assert len(peer.facts(FactKind.PERFORMED_STARTED)) == 1


def test_two_items_for_the_same_step_make_one_link(peer: Peer) -> None:
    peer.order()
    ok(peer.create(values=create([reference(), reference()])))
    assert len(peer.links()) == 1


def test_one_order_two_steps_two_exams(peer: Peer) -> None:
    peer.order("1", ["SPS1", "SPS2"])
    ok(peer.create("1.9.1"))
    ok(peer.set("1.9.1"))
    assert peer.statuses() == {"SPS1": "COMPLETED", "SPS2": "SCHEDULED"}
    assert peer.told() == ["order.started"]
    ok(peer.create("1.9.2", create([reference(ScheduledProcedureStepID="SPS2")])))
    ok(peer.set("1.9.2"))
    assert peer.told() == ["order.started", "order.completed"]


def test_append_a_second_exam_for_the_same_step(peer: Peer) -> None:
    peer.order()
    ok(peer.create("1.9.1"))
    ok(peer.create("1.9.2"))
    ok(peer.set("1.9.1"))
    assert peer.statuses() == {"SPS1": "STARTED"}
    ok(peer.set("1.9.2"))
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == ["order.started", "order.completed"]


def test_an_exam_begun_again_after_completion(peer: Peer) -> None:
    peer.order()
    ok(peer.create("1.9.1"))
    ok(peer.set("1.9.1"))
    ok(peer.create("1.9.2"))
    assert peer.statuses() == {"SPS1": "STARTED"}
    ok(peer.set("1.9.2", final("DISCONTINUED", **reason("110514"))))
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == ["order.started", "order.completed", "order.started", "order.completed"]


@pytest.mark.parametrize(
    ("code", "step", "fact"),
    [
        ("110514", "SCHEDULED", "order.returned"),
        ("110501", "SCHEDULED", "order.returned"),
        ("110504", "DISCONTINUED", "order.discontinued"),
        ("110513", "DISCONTINUED", "order.discontinued"),
    ],
)
def test_discontinued_by_reason(peer: Peer, code: str, step: str, fact: str) -> None:
    peer.order()
    ok(peer.create())
    ok(peer.set(values=final("DISCONTINUED", **reason(code, "why"))))
    assert peer.statuses() == {"SPS1": step}
    assert peer.told() == ["order.started", fact]
    (told,) = peer.facts(FactKind(fact))
    assert told.data["discontinuation"] == {"code": code, "scheme": "DCM", "meaning": "why"}
    assert told.performed_id == peer.performed()[0].id


def test_the_wrong_entry_gives_the_step_back_and_the_right_one_starts(peer: Peer) -> None:
    peer.order("1")
    peer.order("2")
    ok(peer.create("1.9.1"))
    ok(peer.set("1.9.1", final("DISCONTINUED", **reason("110514"))))
    ok(peer.create("1.9.2", create([reference("2")])))
    assert peer.statuses() == {"SPS1": "SCHEDULED", "SPS2": "STARTED"}


def test_discontinued_twice_returns_only_when_every_reason_does(peer: Peer) -> None:
    peer.order()
    for number, code in enumerate(("110514", "110504"), start=1):
        ok(peer.create(f"1.9.{number}"))
        ok(peer.set(f"1.9.{number}", final("DISCONTINUED", **reason(code))))
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}


@pytest.mark.parametrize(
    "references",
    [
        [{"StudyInstanceUID": "1.2.404"}],
        [reference("404", StudyInstanceUID="1.2.404")],
        [reference() | EMPTY | {"StudyInstanceUID": "1.2.404"}],
    ],
)
def test_unscheduled_exams_are_kept_for_reconciliation(peer: Peer, references: list[dict[str, object]]) -> None:
    """Same patient, same modality, same station: still no link."""
    peer.order()
    ok(peer.create(values=create(references)))
    ok(peer.set())
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    assert peer.links() == []
    (unmatched,) = peer.facts(FactKind.PERFORMED_UNMATCHED)
    assert unmatched.performed_id == peer.performed()[0].id
    assert unmatched.request_id is None
    assert peer.told() == []


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (reference(StudyInstanceUID="9.9"), "accession+procedure_id+step_id"),
        (reference(StudyInstanceUID="9.9", RequestedProcedureID=""), "accession+step_id"),
        (reference(StudyInstanceUID="9.9", RequestedProcedureID="A1", AccessionNumber=""), "accession+step_id"),
        (reference(StudyInstanceUID="9.9", AccessionNumber="", RequestedProcedureID=""), "step_id+patient"),
        (reference() | EMPTY | {"StudyInstanceUID": "9.9", "AccessionNumber": "SPS1"}, "step_id_in_accession+patient"),
        (reference() | EMPTY, "study_uid"),
        (reference() | EMPTY | {"StudyInstanceUID": "9.9", "AccessionNumber": "A1"}, "accession+patient"),
        (reference() | EMPTY | {"StudyInstanceUID": "9.9", "RequestedProcedureID": "A1"}, "accession+patient"),
    ],
)  # fmt: skip
def test_how_devices_name_the_step(peer: Peer, item: dict[str, object], rule: str) -> None:
    peer.order("1")
    peer.order("2")
    ok(peer.create(values=create([item])))
    assert peer.statuses() == {"SPS1": "STARTED", "SPS2": "SCHEDULED"}
    assert [link.rule for link in peer.links()] == [rule]


def test_another_patient_alarms_and_no_status_is_told(peer: Peer) -> None:
    peer.order()
    ok(peer.create(values=create(PatientID="0815", PatientName="MEIER^Urs")))
    ok(peer.set())
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == []
    found = [(a.data["differs"], a.data["withheld"]) for a in peer.facts(FactKind.MISMATCH_FOUND)]
    assert found == [(["PatientID", "PatientName"], "order.started"), (["PatientID", "PatientName"], "order.completed")]


def test_other_demographics_alarm_once_and_the_status_is_told(peer: Peer) -> None:
    peer.order()
    ok(peer.create(values=create(PatientName="MÜLLER^Ewa", PatientSex="M")))
    ok(peer.set())
    (alarm,) = peer.facts(FactKind.MISMATCH_FOUND)
    assert (alarm.data["differs"], alarm.data["withheld"]) == (["PatientName", "PatientSex"], None)
    assert peer.told() == ["order.started", "order.completed"]


def test_an_unidentified_patient_is_accepted(peer: Peer) -> None:
    peer.order()
    ok(peer.create(values=create(PatientID="", PatientName="", PatientBirthDate="", PatientSex="")))
    assert peer.statuses() == {"SPS1": "STARTED"}
    assert peer.facts(FactKind.MISMATCH_FOUND) == []


def test_an_exam_on_a_canceled_step_is_recorded_and_alarms(peer: Peer) -> None:
    peer.order()
    peer.order(control=OrderControl.CANCEL)
    ok(peer.create())
    ok(peer.set())
    assert peer.statuses() == {"SPS1": "CANCELED"}
    assert len(peer.facts(FactKind.CANCELED_DURING_EXAM)) == 1
    assert "order.started" not in peer.told()
