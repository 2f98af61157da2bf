"""The status message field by field, judged by the parser that reads what others send us."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from broker.delivery.hl7_message import Profile, render
from broker.domain.model import FactKind, Identifier, Order, Patient, Procedure, Step, Visit
from broker.domain.notification_payload import PerformedSummary, Subjects, snapshot
from broker.domain.notifications import Notification, NotificationState
from broker.domain.states import StepStatus
from hl7.errors import ContentError
from hl7.parsing import parse

AT = datetime(2026, 7, 4, 7, 42, tzinfo=UTC)
CODE = {"CodeValue": "CTHEAD", "CodingSchemeDesignator": "LOCAL", "CodeMeaning": "CT head"}
PROTOCOL = {"CodeValue": "P-HEAD", "CodingSchemeDesignator": "99PROT", "CodeMeaning": "Head native"}


def step(number: int = 1, status: StepStatus = StepStatus.STARTED, **attributes: Any) -> Step:
    known: dict[str, Any] = {
        "Modality": "CT", "ScheduledProcedureStepStartDate": "20260704", "ScheduledProcedureStepStartTime": "0930",
        "ScheduledProtocolCodeSequence": [PROTOCOL],
    }  # fmt: skip
    return Step(f"SPS{number}", status, StepStatus.SCHEDULED, {**known, **attributes})


PROCEDURE = Procedure("RP1", "1.2.3.1", {"RequestedProcedureCodeSequence": [CODE]}, (step(),))
ORDER = Order(
    Identifier("P1", "HIS"), Identifier("F1", "1.2.3"), Identifier("A1"),
    {"RequestingPhysician": "WELBY^MARCUS^J^DR^JR"}, (PROCEDURE,),
)  # fmt: skip
PATIENT = Patient(
    (Identifier("4711", "1.2.3.4"), Identifier("X9", "HOSP")),
    {"PatientName": "MEIER^EVA^A^DR^II", "PatientBirthDate": "19700131", "PatientSex": "F"},
)
VISIT = Visit(Identifier("V99", "HOSP"), {"RouteOfAdmissions": "I"})
PERFORMED = PerformedSummary("1.2.9", "DISCONTINUED", "CT1", "20260704094200", "20260704095500", "110513")
ABOUT = Subjects(PATIENT, VISIT, ORDER, PERFORMED)


def notification(about: Subjects = ABOUT, kind: FactKind = FactKind.ORDER_STARTED) -> Notification:
    payload: Mapping[str, object] = snapshot(kind, AT, {}, about)
    return Notification(7, "M7", "ris", "order:1", kind, payload, NotificationState.PENDING, 0, AT, AT)


def rendered(about: Subjects = ABOUT, kind: FactKind = FactKind.ORDER_STARTED, **profile: Any):
    zone = timezone(timedelta(hours=2))
    return parse(render(notification(about, kind), Profile(**{"zone": zone, **profile})))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("MSH-3", "BROKER"),
        ("MSH-5", "HIS"),
        ("MSH-7", "20260704094200+0200"),
        ("MSH-9.1", "ORM"),
        ("MSH-9.2", "O01"),
        ("MSH-10", "M7"),
        ("MSH-12", "2.3.1"),
        ("MSH-18", "UNICODE UTF-8"),
        ("PID-3.1", "4711"),
        ("PID-3.4.1", ""),
        ("PID-3.4.2", "1.2.3.4"),
        ("PID-3.4.3", "ISO"),
        ("PID-3[2].1", "X9"),
        ("PID-3[2].4", "HOSP"),
        ("PID-5.1", "MEIER"),
        ("PID-5.2", "EVA"),
        ("PID-5.3", "A"),
        ("PID-5.4", "II"),
        ("PID-5.5", "DR"),
        ("PID-7", "19700131"),
        ("PID-8", "F"),
        ("PV1-2", "I"),
        ("PV1-19.1", "V99"),
        ("PV1-19.4", "HOSP"),
        ("ORC-1", "SC"),
        ("ORC-2.1", "P1"),
        ("ORC-2.2", "HIS"),
        ("ORC-3.1", "F1"),
        ("ORC-3.2", ""),
        ("ORC-3.3", "1.2.3"),
        ("ORC-3.4", "ISO"),
        ("ORC-5", "IP"),
        ("ORC-7.4", "20260704094200"),
        ("ORC-9", "20260704094200+0200"),
        ("ORC-12.2", "WELBY"),
        ("ORC-12.3", "MARCUS"),
        ("ORC-12.5", "JR"),
        ("ORC-12.6", "DR"),
        ("ORC-16.1", "110513"),
        ("OBR-1", "1"),
        ("OBR-2.1", "P1"),
        ("OBR-3.1", "F1"),
        ("OBR-4.1", "CTHEAD"),
        ("OBR-4.2", "CT head"),
        ("OBR-4.3", "LOCAL"),
        ("OBR-4.4", "P-HEAD"),
        ("OBR-4.6", "99PROT"),
        ("OBR-7", "20260704094200"),
        ("OBR-8", "20260704095500"),
        ("OBR-16.2", "WELBY"),
        ("OBR-18", "A1"),
        ("OBR-19", "RP1"),
        ("OBR-20", "SPS1"),
        ("OBR-22", "20260704094200+0200"),
        ("OBR-24", "CT"),
        ("OBR-25", "I"),
        ("OBR-27.4", "20260704094200"),
        ("ZDS-1.1", "1.2.3.1"),
        ("ZDS-1.2", "BROKER"),
        ("ZDS-1.3", "Application"),
        ("ZDS-1.4", "DICOM"),
    ],
)
def test_each_field(path: str, text: str) -> None:
    assert rendered(receiving_application="HIS").text(path) == text


def test_the_segments_stand_as_in_the_standards_structure() -> None:
    raw = render(notification(), Profile())
    assert [line[:3] for line in raw.decode().split("\r")] == ["MSH", "PID", "PV1", "ORC", "OBR", "ZDS", ""]


def test_the_same_entry_is_rendered_to_the_same_bytes() -> None:
    assert render(notification(), Profile()) == render(notification(), Profile())


def test_before_the_exam_the_scheduled_start_stands_there() -> None:
    message = rendered(replace(ABOUT, performed=None))
    assert message.text("ORC-7.4") == message.text("OBR-27.4") == "202607040930"
    assert (message.text("OBR-7"), message.text("ORC-16.1")) == ("", "")


def test_several_procedures_and_steps_are_told_one_by_one_without_canceled_ones() -> None:
    first = replace(PROCEDURE, steps=(step(1), step(2), step(3, StepStatus.CANCELED)))
    second = Procedure("RP2", "1.2.3.2", {}, (step(4, ScheduledProtocolCodeSequence=[]),))
    message = rendered(replace(ABOUT, order=replace(ORDER, procedures=(first, second))))
    assert message.values("OBR*-20") == ("SPS1", "SPS2", "SPS4")
    assert message.values("OBR*-1") == ("1", "2", "3")
    assert message.values("ZDS*-1.1") == ("1.2.3.1", "1.2.3.2")


def test_a_canceled_order_names_its_canceled_steps() -> None:
    canceled = replace(PROCEDURE, steps=(step(1, StepStatus.CANCELED), step(2, StepStatus.CANCELED)))
    message = rendered(replace(ABOUT, order=replace(ORDER, procedures=(canceled,))), FactKind.ORDER_CANCELED)
    assert message.values("OBR*-20") == ("SPS1", "SPS2")
    assert message.values("ORC*-1") == ("OC", "OC")


@pytest.mark.parametrize(
    ("procedure", "expected"),
    [
        (replace(PROCEDURE, attributes={"RequestedProcedureDescription": "CT of head"}), ("P-HEAD", "Head native")),
        (
            replace(PROCEDURE, attributes={"RequestedProcedureDescription": "CT of head"},
                    steps=(step(ScheduledProtocolCodeSequence=[]),)),
            ("", "CT of head"),
        ),
    ],
)  # fmt: skip
def test_without_a_procedure_code_the_next_best_stands_in_obr_4(procedure: Procedure, expected) -> None:
    message = rendered(replace(ABOUT, order=replace(ORDER, procedures=(procedure,))))
    assert (message.text("OBR-4.1"), message.text("OBR-4.2")) == expected


def named(name: str) -> Subjects:
    return replace(ABOUT, patient=replace(PATIENT, attributes={"PatientName": name}))


def test_each_group_of_a_name_is_a_repetition_with_its_code() -> None:
    message = rendered(named("YAMADA^TARO=山田^太郎=やまだ^たろう"))
    assert message.values("PID-5*.1") == ("YAMADA", "山田", "やまだ")
    assert message.values("PID-5*.8") == ("A", "I", "P")


@pytest.mark.parametrize(("sex", "told"), [("F", "F"), ("M", "M"), ("O", "O"), ("", "U"), ("X", "U")])
def test_sex(sex: str, told: str) -> None:
    about = replace(ABOUT, patient=replace(PATIENT, attributes={"PatientName": "A", "PatientSex": sex}))
    assert rendered(about).text("PID-8") == told


def test_delimiters_and_line_ends_in_values_are_escaped() -> None:
    about = replace(ABOUT, order=replace(ORDER, placer=Identifier("P|1&2~3\\4")))
    assert rendered(about).text("ORC-2.1") == "P|1&2~3\\4"


@pytest.mark.parametrize(
    ("charset", "name", "fits", "plain_fits"),
    [
        ("8859/1", "Müller^José", True, True),
        ("8859/1", "Łukasz^Żak", False, False),
        ("ASCII", "Müller^Weiß", False, True),
        ("8859/5", "Иванов^Пётр", True, True),
        ("ASCII", "YAMADA^TARO=山田^太郎", False, True),
    ],
)
def test_a_name_that_does_not_fit_is_an_error_never_a_question_mark(
    charset: str, name: str, fits: bool, plain_fits: bool
) -> None:
    for plain, expected in ((False, fits), (True, plain_fits)):
        if expected:
            raw = render(notification(named(name)), Profile(charset=charset), plain=plain)
            assert b"?" not in raw
        else:
            with pytest.raises(ContentError):
                render(notification(named(name)), Profile(charset=charset), plain=plain)


def test_an_order_without_visit_number_has_no_pv1() -> None:
    raw = render(notification(replace(ABOUT, visit=Visit(Identifier(""), {}))), Profile())
    assert b"\rPV1" not in raw
