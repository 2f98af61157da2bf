"""Reading messages: paths, numbers, absent and null, order groups, headers, custom delimiters."""

from pathlib import Path

import pytest

from hl7 import Message, Presence, parse
from hl7.elements import Field

CASES = Path(__file__).parents[2] / "cases" / "messages"


def load(name: str) -> Message:
    return parse((CASES / f"{name}.hl7").read_bytes())


def line(text: str) -> Message:
    return parse(b"MSH|^~\\&|A|B|C|D|2024||ADT^A08|1|P|2.5\r" + text.encode())


ORM = load("ihe_orm_o01_231_zds")
THREE = load("orm_o01_three_orders_231")
SIU = load("siu_s12_25_custom_delimiters")
STAMP = "20240705080000+0200"
OMI = load("omi_o23_251")


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (ORM, "MSH-1", "|"),
        (ORM, "MSH-2", "^~\\&"),
        (ORM, "MSH-3", "RIS"),
        (ORM, "MSH-9.2", "O01"),
        (ORM, "MSH-18", "8859/1"),
        (ORM, "PID-3", "4711"),
        (ORM, "PID-3.4", "HOSP"),
        (ORM, "PID-3.4.2", "1.2.3.4"),
        (ORM, "PID-5.5", "DR"),
        (ORM, "PID-99.9.9", ""),
        (ORM, "ORC-7.4", "20240705093000"),
        (ORM, "OBR-4.5", "CT head plain"),
        (ORM, "OBR-44.1", "CTHEAD"),
        (ORM, "ZDS-1.1", "1.2.3.4.5.100"),
        (ORM, "OBR[2]-4.1", ""),
        (THREE, "OBR[2]-4.1", "CTABD"),
        (THREE, "OBR[3]-18", "A303"),
        (THREE, "OBX-5", "82.5"),
        (SIU, "MSH-1", "#"),
        (SIU, "MSH-2", "*?!@"),
        (SIU, "PID-3.4.2", "1.2.3.4"),
        (SIU, "PID-3[2].4", "INS"),
        (SIU, "PID-5.1", "O*NEILL"),
        (SIU, "PID-5.2", "ANN#E"),
        (SIU, "SCH-11.4", "20240707101500"),
        (OMI, "PID-5.1", "GRØNDAL"),
        (OMI, "NTE-3", "Pain since May\nno trauma"),
        (OMI, "PID-13[2].4", "ase@example.org"),
    ],
)
def test_text_by_path(message: Message, path: str, value: str) -> None:
    assert message.text(path) == value
    assert message.values(path) == ((value,) if value else ())


@pytest.mark.parametrize(
    ("message", "path", "values"),
    [
        (THREE, "NTE*-3", ("First note", "Second note")),
        (THREE, "OBR*-18", ("A301", "A302", "A303")),
        (THREE, "ORC*-2.1", ("P301", "P302", "P303")),
        (OMI, "PID-3*.1", ("0042", "99-1")),
        (OMI, "PID-3*.4.1", ("HOSP", "INSURANCE")),
        (OMI, "ZZZ*-1*", ()),
    ],
)
def test_every_match_by_path(message: Message, path: str, values: tuple[str, ...]) -> None:
    assert message.values(path) == values


@pytest.mark.parametrize(
    ("segment", "path", "state", "text"),
    [
        ("PID|||", "PID-3", Presence.ABSENT, "default"),
        ("PID|||4711", "PID-3", Presence.VALUE, "4711"),
        ("PID|||4711", "PID-3.2", Presence.ABSENT, "default"),
        ("PID|||4711", "PV1-3", Presence.ABSENT, "default"),
        ('PID|||""', "PID-3", Presence.NULL, ""),
        ('PID|||""', "PID-3.4.1", Presence.NULL, ""),
        ('PID|||""', "PID-3[2].1", Presence.NULL, ""),
        ('PID|||1^""^3', "PID-3.2", Presence.NULL, ""),
        ('PID|||1^""^3', "PID-3", Presence.VALUE, "1"),
        ('PID|||1^""&x', "PID-3.2.1", Presence.NULL, ""),
        ('PID|||1^""^3', "PID-3.2.2", Presence.NULL, ""),
        ("PID|||   ^b", "PID-3.1", Presence.ABSENT, "default"),
        ("PID|||  ^ & ~ ", "PID-3", Presence.ABSENT, "default"),
        ("PID|||^b", "PID-3", Presence.VALUE, "default"),
        ('PID|||""~5', "PID-3*.1", Presence.VALUE, "5"),
        ('PID|||""~""', "PID-3*.1", Presence.NULL, ""),
        ("PID|||  x y  ^b", "PID-3.1", Presence.VALUE, "x y"),
        ("PID|||\\X20\\x", "PID-3", Presence.VALUE, " x"),
        ("PID", "PID-3", Presence.ABSENT, "default"),
        ("", "MSH-2", Presence.VALUE, "^~\\&"),
        ("", "MSH-2.2", Presence.ABSENT, "default"),
    ],
)
def test_absent_null_and_value_are_kept_apart(segment: str, path: str, state: Presence, text: str) -> None:
    message = line(segment)
    assert message.state(path) is state
    assert message.text(path, "default") == text


@pytest.mark.parametrize(
    ("segment", "path", "text"),
    [
        ("NTE|1||R&D, 5^6~7", "NTE-3", "R"),
        ("NTE|1||R&D, 5^6", "NTE-3.*", "R&D, 5^6"),
        ("OBR|1|||C^knee & hip^L", "OBR-4.2.*", "knee & hip"),
        ("OBR|1|||C^knee & hip^L", "OBR-4.2", "knee"),
    ],
)
def test_the_whole_can_be_asked_for(segment: str, path: str, text: str) -> None:
    assert line(segment).text(path) == text


def test_what_is_missing_is_empty_at_every_level() -> None:
    field = line("PID|||1").of("PID")[0].field(77)
    assert (field.text, field.repetitions, field.repetition(3).component(2).subcomponent(9)) == ("", (), "")
    assert field.component(4).part(2) == ""
    assert field.presence is Presence.ABSENT
    assert field.repetition(1).components == ()


def test_parts_by_number() -> None:
    field = line("PID|||1^^^A&1.2&ISO~2^^^B").of("PID")[0].field(3)
    assert [repetition.text for repetition in field.repetitions] == ["1", "2"]
    assert field.component(4).subcomponents == ("A", "1.2", "ISO")
    assert [component.text for component in field.repetition(2).components] == ["2", "", "", "B"]
    assert field.repetition(2).component(4).part(1) == "B"


def test_an_order_group_is_a_scope_of_its_own() -> None:
    second = THREE.scope([*THREE.of("PID"), *THREE[8:10]])
    assert [segment.name for segment in second] == ["PID", "ORC", "OBR"]
    assert (second.text("OBR-18"), second.text("PID-5.1"), second.text("NTE-3")) == ("A302", "TELL", "")
    assert second.first("ZDS") is None
    assert len(THREE) == 13
    assert THREE[-1].name == "ZDS"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (ORM, ("RIS", "RAD", "BROKER", "RAD", "ORM", "O01", "", "MSG00001", "P", "2.3.1", "20240705080000")),
        (
            OMI,
            ("RIS", "RAD", "BROKER", "RAD", "OMI", "O23", "OMI_O23", "MSG00002", "P", "2.5.1", STAMP),
        ),
        (SIU, ("SCHED", "RAD", "BROKER", "RAD", "SIU", "S12", "SIU_S12", "MSG00005", "P", "2.5", "20240705")),
    ],
)
def test_the_header_is_read(message: Message, expected: tuple[str, ...]) -> None:
    assert (
        message.sending_application,
        message.sending_facility,
        message.receiving_application,
        message.receiving_facility,
        message.message_type,
        message.trigger,
        message.structure,
        message.control_id,
        message.processing_id,
        message.version,
        message.timestamp,
    ) == expected


def test_an_application_may_have_only_a_universal_id() -> None:
    message = parse(b"MSH|^~\\&|^1.2.3^ISO|||||||1|P|2.5|||AL|NE\r")
    assert message.sending_application == "1.2.3"
    assert (message.accept_acknowledgement, message.application_acknowledgement) == ("AL", "NE")


def test_no_content_shows_in_representations() -> None:
    shown = f"{ORM!r} {ORM[1]!r} {ORM[1].field(5)!r} {Field('MEIER', ORM._escapes)!r}"
    assert "MEIER" not in shown
    assert "4711" not in shown


def test_segment_ids_are_upper_cased_and_unknown_ones_kept() -> None:
    message = line("pid|||7\rZXY|1\rXX1|2")
    assert message.text("PID-3") == "7"
    assert (message.text("ZXY-1"), message.text("XX1-1")) == ("1", "2")
