"""What the emulated RIS writes, read by the parser; and what the emulated device sends, by the standard's table."""

from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from broker.emulators import mpps
from broker.emulators.misbehaviours import MISBEHAVIOURS
from broker.emulators.orders import EXAMS, Envelope, InventedOrder, adt, omi, orm
from broker.emulators.people import invent
from hl7.framing import FrameDecoder
from hl7.parsing import parse

PATIENTS = invent(12, Random(1))
ORDER = InventedOrder(PATIENTS[0], EXAMS[0], "CT1", datetime(2026, 7, 4, 8, 30, tzinfo=UTC), "260704001", "2.25.1", "S")
ENVELOPE = Envelope("C1", datetime(2026, 7, 4, 7, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("MSH-9.1", "ORM"),
        ("MSH-10", "C1"),
        ("PID-3.1", "DEMO0001"),
        ("PID-3.4", "DEMO"),
        ("PID-5.1", "Müller"),
        ("PV1-2", "E"),
        ("PV1-19.1", "V260704001"),
        ("ORC-1", "NW"),
        ("ORC-2.1", "P260704001"),
        ("ORC-2.2", "HIS"),
        ("ORC-3.1", "F260704001"),
        ("ORC-7.4", "20260704083000"),
        ("ORC-7.6", "S"),
        ("ORC-18", "CT1"),
        ("OBR-4.1", "CTHEAD"),
        ("OBR-4.4", "CTHEAD-N"),
        ("OBR-18", "A260704001"),
        ("OBR-19", "R260704001"),
        ("OBR-20", "S260704001"),
        ("OBR-24", "CT"),
        ("OBR-27.4", "20260704083000"),
        ("ZDS-1.1", "2.25.1"),
    ],
)
def test_orm(path: str, text: str) -> None:
    assert parse(orm(ORDER, "NW", ENVELOPE)).text(path) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("MSH-9.3", "OMI_O23"),
        ("MSH-12", "2.5.1"),
        ("TQ1-7", "20260704083000"),
        ("TQ1-9", "S"),
        ("IPC-1.1", "A260704001"),
        ("IPC-2", "R260704001"),
        ("IPC-3", "2.25.1"),
        ("IPC-4", "S260704001"),
        ("IPC-5", "CT"),
        ("IPC-6.1", "CTHEAD-N"),
        ("IPC-9", "CT1"),
    ],
)
def test_omi(path: str, text: str) -> None:
    assert parse(omi(ORDER, "NW", ENVELOPE)).text(path) == text


def test_cancellation_and_patient_update() -> None:
    cancel = parse(orm(ORDER, "CA", ENVELOPE))
    assert (cancel.text("ORC-1"), cancel.text("ORC-5")) == ("CA", "CA")
    update = parse(adt(PATIENTS[0], ENVELOPE))
    assert (update.text("MSH-9.2"), update.text("PID-3.1")) == ("A08", "DEMO0001")


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda p: p.patient_id)
def test_every_script_arrives_in_the_set_the_message_names(patient) -> None:
    message = parse(orm(replace(ORDER, patient=patient), "NW", ENVELOPE))
    assert message.text("MSH-18") == patient.charset
    assert message.values("PID-5*.1") == (patient.family, *(family for _, family, _ in patient.representations))
    assert not message.warnings


def frames(kind: str) -> list[bytes]:
    decoder = FrameDecoder()
    wire = MISBEHAVIOURS[kind].wire(ORDER, ENVELOPE)
    return [event.payload for event in [*decoder.feed(wire), *decoder.close()] if hasattr(event, "payload")]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("repeat", 2), ("wrong-charset", 1), ("no-patient", 1), ("no-patient-id", 1), ("unknown-type", 1),
        ("unknown-order", 1), ("line-feeds", 1), ("two-at-once", 2), ("cut-frame", 0), ("garbage", 0),
    ],
)  # fmt: skip
def test_each_misbehaviour_puts_so_many_frames_on_the_wire(kind: str, count: int) -> None:
    assert len(frames(kind)) == count


def test_no_misbehaviour_is_untested() -> None:
    assert len(MISBEHAVIOURS) == 10


def test_misbehaviours_are_wrong_in_the_way_they_say() -> None:
    first, second = frames("repeat")
    assert first == second
    one, two = (parse(f).control_id for f in frames("two-at-once"))
    assert one != two
    assert b"\rPID" not in frames("no-patient")[0]
    assert parse(frames("no-patient-id")[0]).text("PID-3.1") == ""
    assert "Müller".encode() in frames("wrong-charset")[0]
    assert b"8859/1" in frames("wrong-charset")[0]
    assert parse(frames("unknown-type")[0]).text("MSH-9") == "QRY"
    assert b"\r" not in frames("line-feeds")[0]


ITEM = {
    "StudyInstanceUID": "1.2.3", "PatientName": "Müller^Jürgen", "AccessionNumber": "A1", "RequestedProcedureID": "R1",
    "ScheduledProcedureStepSequence": [{"ScheduledProcedureStepID": "S1", "Modality": "MR"}],
}  # fmt: skip
NOON = datetime(2026, 7, 4, 12, 0)


def test_creation_names_the_scheduled_step_and_leaves_the_end_open() -> None:
    attributes = mpps.begin(ITEM, "MR1", NOON, "PPS1")
    (scheduled,) = attributes["ScheduledStepAttributesSequence"]
    named = [scheduled[k] for k in ("StudyInstanceUID", "AccessionNumber", "ScheduledProcedureStepID")]
    assert named == ["1.2.3", "A1", "S1"]
    assert (attributes["PerformedProcedureStepStatus"], attributes["Modality"]) == ("IN PROGRESS", "MR")
    assert (attributes["PerformedProcedureStepStartDate"], attributes["PerformedProcedureStepEndDate"]) == (
        "20260704", "",
    )  # fmt: skip


def test_the_end_has_a_series_with_images_or_a_reason_without() -> None:
    completed = mpps.end(ITEM, NOON, "2.25.9")
    assert completed["PerformedProcedureStepStatus"] == "COMPLETED"
    images = completed["PerformedSeriesSequence"][0]["ReferencedImageSequence"]
    assert len({i["ReferencedSOPInstanceUID"] for i in images}) == 24
    assert "PerformedProcedureStepDiscontinuationReasonCodeSequence" not in completed
    broken = mpps.end(ITEM, NOON, "2.25.9", "110514")
    assert broken["PerformedProcedureStepStatus"] == "DISCONTINUED"
    assert broken["PerformedSeriesSequence"][0]["ReferencedImageSequence"] == []
    (reason,) = broken["PerformedProcedureStepDiscontinuationReasonCodeSequence"]
    assert (reason["CodeValue"], reason["CodingSchemeDesignator"]) == ("110514", "DCM")
