"""The history of an order in words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.domain.model import Actor, FactKind, Identifier, Order, Patient, Procedure, Source, Step
from broker.domain.states import StepStatus
from broker.services.timeline import HistoryEvent, Message, Moment, Notification, OrderRecord, Query, Subject, Told
from broker.store.timeline import AttemptRow
from broker.web.config import plain_segments
from broker.web.datasets import lines as dataset_lines
from broker.web.timeline_words import Line, answer_code, lines

AT = datetime(2026, 7, 9, 8, 42, tzinfo=UTC)
ACK = b"MSH|^~\\&|RIS\rMSA|AA|1\r"


def line(subject: Subject) -> Line:
    step = Step("SPS1", StepStatus.STARTED, StepStatus.SCHEDULED, {}, key=7)
    order = Order(None, None, Identifier("A1"), {}, (Procedure("RP1", "1.2", {}, (step,)),))
    record = OrderRecord(order, Patient((Identifier("1"),), {}), None, (), (Moment(AT, subject),))
    (found,) = lines(record, plain_segments)
    return found


def fact(kind: FactKind, source: Source = Source.DEVICE, name: str = "CT1", **data: object) -> HistoryEvent:
    return HistoryEvent(at=AT, kind=kind, actor=Actor(source, name), data=data, step_key=7, key=1)


def status_fact(before: str, after: str) -> HistoryEvent:
    data = {"from": before, "to": after}
    return HistoryEvent(
        at=AT, kind=FactKind.STEP_STATUS, actor=Actor(Source.DEVICE, "CT1"), data=data, step_key=7, key=1
    )


def message(outcome: str, raw: bytes = b"MSH|", answer: bytes | None = None) -> Message:
    return Message(1, AT, "RIS", "10.0.0.1", "M1", "OMI^O23", outcome, raw, answer)


@pytest.mark.parametrize("kind", list(FactKind))
def test_every_kind_of_fact_has_words(kind: FactKind) -> None:
    said = line(fact(kind))
    assert said.words
    assert "{" not in said.words


@pytest.mark.parametrize(
    ("subject", "words", "tone"),
    [
        (fact(FactKind.PERFORMED_STARTED), "CT1 started the exam", "started"),
        (fact(FactKind.ORDER_PLACED, Source.SENDER, "RIS"), "RIS ordered the exam", ""),
        (status_fact("SCHEDULED", "STARTED"), "Step SPS1: Scheduled → In progress", "started"),
        (fact(FactKind.MISMATCH_FOUND), "CT1 named another patient than the order", "alarm"),
        (Query(7, "CT1", AT, AT, 1), "CT1 asked for its list and got this step", ""),
        (Query(7, "CT1", AT, AT, 3), "CT1 asked for its list and got this step (3 times so far)", ""),
        (message("applied"), "Message received from RIS: OMI O23", ""),
        (message("refused"), "Message received from RIS: OMI O23", "alarm"),
    ],
)  # fmt: skip
def test_words(subject: Subject, words: str, tone: str) -> None:
    assert (line(subject).words, line(subject).tone) == (words, tone)


@pytest.mark.parametrize(
    ("kind", "data", "words", "note"),
    [
        (
            FactKind.STUDY_AVAILABLE, {"at": ["A", "B"], "available": 2, "expected": 2, "missing": 0, "unavailable": 0},
            "Images of the study are available at A, B", "2 of the 2 instances that the device reported",
        ),
        (
            FactKind.STUDY_PARTLY_AVAILABLE,
            {"at": ["A"], "available": 1, "expected": 2, "missing": 1, "unavailable": 1},
            "Some images of the study are available at A",
            "1 of the 2 instances that the device reported, 1 not to be retrieved",
        ),
        (
            FactKind.STUDY_AVAILABLE, {"at": ["A"], "available": 1, "missing": 0, "unavailable": 0},
            "Images of the study are available at A", "1 instance; no device reported any to compare with",
        ),
    ],
)  # fmt: skip
def test_images(kind: FactKind, data: dict[str, Any], words: str, note: str) -> None:
    said = line(fact(kind, **data))
    assert (said.words, said.note) == (words, note)


def told(result: str | None, state: str = "pending", detail: str = "", answer: bytes | None = None) -> Told:
    notification = Notification(3, "M3", "RIS", "order.started", state, AT, AT, None, "", ())
    attempt = None if result is None else AttemptRow(AT, result, 12, detail, answer)
    return Told(notification, attempt, 0 if result is None else 2)


@pytest.mark.parametrize(
    ("subject", "words", "note", "tone"),
    [
        (told("delivered", "delivered", answer=ACK), "RIS told: exam started", "acknowledged AA in 12 ms", "completed"),
        (told("delivered", "delivered", "200"), "RIS told: exam started", "acknowledged in 12 ms: 200", "completed"),
        (told("superseded", "skipped", "a newer one"), "RIS is not told: exam started", "a newer one", "wait"),
        (told("resent", detail="nina"), "Sent once more by hand: RIS, exam started", "nina", ""),
        (told("failed", detail="no answer"), "RIS could not be told: exam started", "try 2: no answer", "wait"),
        (told("refused", "parked", "unknown order"), "RIS could not be told: exam started", "unknown order", "alarm"),
        (told(None), "RIS will be told: exam started", "waiting to be sent", "wait"),
        (told(None, "skipped"), "RIS is not told: exam started", "skipped by hand", "wait"),
        (told("retried", detail="nina"), "Sent again by hand: RIS, exam started", "nina", ""),
    ],
)
def test_notifications(subject: Told, words: str, note: str, tone: str) -> None:
    said = line(subject)
    assert (said.words, said.note, said.tone) == (words, note, tone)


def test_alarms_say_what_to_do() -> None:
    assert line(fact(FactKind.MISMATCH_FOUND)).remedy
    assert line(told("refused", "parked")).remedy


def test_what_changed_is_named_but_not_endlessly() -> None:
    few = fact(FactKind.ORDER_CHANGED, Source.SENDER, "RIS", changed=["Modality", "PatientBirthDate"])
    many = fact(FactKind.ORDER_CHANGED, Source.SENDER, "RIS", changed=["A", "B", "C", "D", "E"])
    assert line(few).note == "modality, patient birth date"
    assert line(many).note == "a, b, c and 2 more values"


def test_a_message_shows_its_segments() -> None:
    raw = "MSH|^~\\&|RIS\rPID|||1||MÜLLER^Eva\r".encode()
    details = line(message("applied", raw, ACK)).details
    assert [list(d.lines) for d in details] == [["MSH|^~\\&|RIS", "PID|||1||MÜLLER^Eva"], ["MSH|^~\\&|RIS", "MSA|AA|1"]]


@pytest.mark.parametrize(("raw", "text"), [(b"M\xfcller\r\n\r", ["Müller"]), (b"", []), (b"a\nb", ["a", "b"])])
def test_segments_of_any_bytes(raw: bytes, text: list[str]) -> None:
    assert plain_segments(raw) == text


@pytest.mark.parametrize(("answer", "code"), [(["MSH|", "MSA|AE|1"], "AE"), (["MSH|"], ""), ([], "")])
def test_the_code_of_an_answer(answer: list[str], code: str) -> None:
    assert answer_code(answer) == code


def test_datasets_are_indented_lines() -> None:
    dataset = {
        "00400252": {"vr": "CS", "Value": ["COMPLETED"]},
        "00400340": {"vr": "SQ", "Value": [{"0008103E": {"vr": "LO", "Value": ["thin"]}}]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "山^田"}]},
        "00091001": {"vr": "LO"}, "junk": "x",
    }  # fmt: skip
    assert dataset_lines(dataset) == [
        "(0009,1001): ", "Patient name: A^B = 山^田", "Performed status: COMPLETED", "Performed series (1)",
        "  Series description: thin",
    ]  # fmt: skip


def test_endless_datasets_are_cut_with_a_word() -> None:
    dataset = {f"0009{n:04X}": {"vr": "LO", "Value": ["x"]} for n in range(250)}
    assert dataset_lines(dataset)[-1] == "... and 50 more"
    assert dataset_lines(None) == []
