"""hl7apy's dictionaries: names, structures, conformance on demand."""

from pathlib import Path

import pytest

from hl7 import parse, parse_path
from hl7.grammar import Misplaced, Missing, Slot, walk
from hl7.segment_names import segment_name
from hl7.validation import (
    check,
    field_definition,
    field_definitions,
    field_name,
    nearest_version,
    path_name,
    structure_name,
)

CASES = Path(__file__).parents[2] / "cases" / "messages"


@pytest.mark.parametrize(
    ("segment", "number", "version", "name"),
    [
        ("OBR", 4, "2.5.1", "Universal Service Identifier"),
        ("PID", 3, "2.5.1", "Patient Identifier List"),
        ("MSH", 10, "2.3.1", "Message Control ID"),
        ("IPC", 9, "2.5.1", "Scheduled AE Title"),
        ("OBR", 1, "2.5.1", "Set ID OBR"),
        ("EVN", 2, "2.8", "Recorded Date Time"),
        ("EVN", 1, "2.8", ""),
        ("IPC", 1, "2.3.1", ""),
        ("ZDS", 1, "2.3.1", ""),
        ("PID", 99, "2.5.1", ""),
    ],
)
def test_field_names(segment: str, number: int, version: str, name: str) -> None:
    assert field_name(segment, number, version) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("PID-5.1.1", "Patient Name / Family Name / Surname"),
        ("PID-3.4.2", "Patient Identifier List / Assigning Authority / Universal ID"),
        ("PID-3", "Patient Identifier List"),
        ("PID-8.4", "Administrative Sex"),
        ("ZDS-1.1", ""),
    ],
)
def test_path_names(path: str, name: str) -> None:
    assert path_name(parse_path(path), "2.5.1") == name


def test_field_definitions() -> None:
    definition = field_definition("PID", 3, "2.5.1")
    assert definition is not None
    assert (definition.datatype, definition.required, definition.repeats) == ("CX", True, True)
    sex = field_definition("PID", 8, "2.5.1")
    assert sex is not None
    assert (sex.datatype, sex.required, sex.repeats, sex.table) == ("IS", False, False, "HL70001")
    assert field_definitions("QQQ", "2.5.1") == {}


@pytest.mark.parametrize(
    ("version", "nearest"),
    [
        ("2.5.1", "2.5.1"),
        ("2.9", "2.8.2"),
        ("3.0", "2.8.2"),
        ("2.0", "2.1"),
        ("", "2.5.1"),
        ("x", "2.5.1"),
        ("2.5.2", "2.5.1"),
    ],
)
def test_nearest_version(version: str, nearest: str) -> None:
    assert nearest_version(version) == nearest


@pytest.mark.parametrize(
    ("type_", "trigger", "version", "structure"),
    [
        ("ADT", "A08", "2.5.1", "ADT_A01"),
        ("ADT", "A04", "2.3.1", "ADT_A01"),
        ("ADT", "A31", "2.5.1", "ADT_A05"),
        ("ADT", "A31", "2.3.1", "ADT_A01"),
        ("ADT", "A40", "2.5.1", "ADT_A39"),
        ("ADT", "A08", "2.2", "ADT_A08"),
        ("ORM", "O01", "2.3.1", "ORM_O01"),
        ("OMI", "O23", "2.5.1", "OMI_O23"),
        ("OMI", "O23", "2.3.1", ""),
        ("SIU", "S14", "2.3", "SIU_S12"),
        ("ACK", "O01", "2.3.1", "ACK"),
        ("QQQ", "Q01", "2.5.1", ""),
    ],
)
def test_structure_names(type_: str, trigger: str, version: str, structure: str) -> None:
    assert structure_name(type_, trigger, version) == structure


def test_segment_names() -> None:
    assert segment_name("IPC") == "Imaging Procedure Control"
    assert segment_name("ZXX") == "Site-defined segment"
    assert segment_name("QQQ") == ""


MSH_ORM = "MSH|^~\\&|A|B|C|D|20240705||ORM^O01|1|P|2.3.1"
PID = "PID|||1||N^V"
OBR = "OBR||||CT"


def findings(*lines: str) -> list[tuple[str, str]]:
    return [(str(found.location), found.text) for found in check(parse("\r".join(lines).encode()))]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((MSH_ORM, PID, "ORC|NW", OBR), []),
        ((MSH_ORM, PID, "ORC|NW", OBR, "ZDS|1"), []),
        ((MSH_ORM, PID, "ORC|NW", OBR, "ORC|NW", OBR, "NTE|1", "OBX|1|NM|W|1|5||||||F"), []),
        ((MSH_ORM, "PID|||||N^V", "ORC|NW"), [("PID-3", "required field missing: Patient Identifier List")]),
        ((MSH_ORM, PID), [("PID", "ORM_O01 requires ORM_O01_ORDER after this segment")]),
        (
            (MSH_ORM, PID, OBR),
            [
                ("OBR", "ORM_O01 requires ORM_O01_ORDER before this segment"),
                ("OBR", "the segment does not belong here in ORM_O01; the order after it was not looked at"),
            ],
        ),
        ((MSH_ORM, PID, "TQ1|1", "ORC|NW"), [("TQ1", "ORM_O01 has no segment TQ1")]),
        ((MSH_ORM, "PID|||1||N^V||||A~B", "ORC|NW"), []),
        ((MSH_ORM, "PID|||1||N^V|||M~F", "ORC|NW"), [("PID-8", "Sex may not repeat: the first repetition counts")]),
        (
            (MSH_ORM, "PID|||1||N^V||31.1.1970", "ORC|NW"),
            [("PID-7", "Date Time of Birth is no date and time: write YYYYMMDD[HHMM[SS]]")],
        ),
        ((MSH_ORM, PID, "ORC|NW", "OBR|one|||CT"), [("OBR-1", "Set ID OBR is no number")]),
        ((MSH_ORM, PID + "|" * 30 + "x||", "ORC|NW"), [("PID-35", "version 2.3.1 ends the segment at field 30")]),
        (
            (MSH_ORM.replace("2.3.1", "2.9"), PID, "ORC|NW"),
            [
                ("MSH-12", "no dictionary for this version: compared with 2.8.2"),
                ("MSH-9", "version 2.8.2 defines no structure for this message type and event"),
            ],
        ),
    ],
)
def test_findings(lines: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert findings(*lines) == expected


@pytest.mark.parametrize("name", ["ihe_orm_o01_231_zds", "omi_o23_251", "adt_a08_24"])
def test_our_own_samples_conform(name: str) -> None:
    assert check(parse((CASES / f"{name}.hl7").read_bytes())) == []


MUST, MAY, MANY = (1, 1), (0, 1), (0, None)
CHOICE = Slot("X_OR_Y", 1, 1, (Slot("X", 1, 1), Slot("Y", 1, 1)), choice=True)
GROUP = Slot("G", 0, None, (Slot("B", 1, 1), Slot("C", 0, 2)))
STRUCTURE = Slot("S", 1, 1, (Slot("A", 1, 1), GROUP, CHOICE, Slot("E", 0, 1)))


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        ("A X", []),
        ("A Y E", []),
        ("A B C C B X E", []),
        ("X", [Missing("A", 0)]),
        ("A", [Missing("X_OR_Y", 1)]),
        ("A E", [Missing("X_OR_Y", 1)]),
        ("A C X", [Missing("X_OR_Y", 1), Misplaced(1)]),
        ("A B C C C X", [Missing("X_OR_Y", 4), Misplaced(4)]),
        ("A X X", [Misplaced(2)]),
        ("", [Missing("A", 0), Missing("X_OR_Y", 0)]),
    ],
)
def test_walking_a_grammar(names: str, problems: list[Missing | Misplaced]) -> None:
    assert walk(STRUCTURE, names.split()) == problems
