"""Each conversion over what senders write, through the real parser."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from broker.intake.conversions import CONVERSIONS
from broker.intake.environment import Environment, Unknown, Unusable
from broker.intake.pieces import Index, Scope, Source
from hl7.elements import Presence
from hl7.parsing import parse
from hl7.paths import parse_path
from tests.unit.intake import cases

ZURICH = ZoneInfo("Europe/Zurich")
TABLES = cases.usual_mapping().tables


def convert(conversion, path, segments, *, unit=0, source_zone=ZURICH, **more):
    message = parse(("MSH|^~\\&|A|B|||20240101||ORM^O01|1|P|2.5\r" + segments).encode(), charset_override="UTF-8")
    env = Environment(ZURICH, source_zone, datetime(2024, 7, 5, tzinfo=UTC), TABLES, facility="HOSP", **more)
    scope = Scope(Index(message), message)
    pieces = [p for p in scope.pieces(Source(parse_path(path), unit=unit)) if p.presence is Presence.VALUE]
    return CONVERSIONS[conversion].convert(pieces, env), env.warnings


NAMES = [
    ("DOE^JOHN^Q^JR^DR^MD", "DOE^JOHN^Q^DR^JR MD"),
    ("van Beek&van&Beek^LUDWIG", "van Beek^LUDWIG"),
    ("&van&Beek^LUDWIG", "van Beek^LUDWIG"),
    ("DOE, JOHN", "DOE, JOHN"),
    ("山田^太郎^^^^^L^I~Yamada^Tarou^^^^^L^A~やまだ^たろう^^^^^L^P", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    # representations that say neither their type nor that they are the alphabetic one
    ("Yamada^Tarou~山田^太郎^^^^^^I~やまだ^たろう^^^^^^P", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("Yamada^Tarou^^^^^L~山田^太郎^^^^^^I", "Yamada^Tarou=山田^太郎"),
    ("山田^太郎^^^^^L^I", "=山田^太郎"),
    ("NICK^^^^^^N~LEGAL^LEO^^^^^L", "LEGAL^LEO"),
    ("A\\S\\B^C\\E\\D", "A B^C/D"),
    (f"{'F' * 30}^{'G' * 30}^{'M' * 20}^III^Prof", f"{'F' * 30}^{'G' * 30}"),
    (f"{'F' * 60}^{'G' * 30}", f"{'F' * 60}^GGG"),
]


@pytest.mark.parametrize(("written", "expected"), NAMES)
def test_patient_name(written, expected):
    assert convert("patient_name", "PID-5*", f"PID|||||{written}")[0] == expected


def test_shortened_name_is_reported():
    assert convert("patient_name", "PID-5*", f"PID|||||{'F' * 70}")[1] != []


def test_other_and_birth_names():
    segment = "PID|||||MEIER^EVA^^^^^L~ROTH^EVA^^^^^M~EVI^^^^^^N"
    assert convert("other_names", "PID-5*", segment)[0] == ["ROTH^EVA", "EVI"]
    assert convert("birth_name", "PID-5*", segment)[0] == "ROTH^EVA"


STARTS = [
    ("20240705093000", ("20240705", "093000")),
    ("202407050930", ("20240705", "093000")),
    ("2024070509", ("20240705", "090000")),
    ("20240705", ("20240705", None)),
    ("20240705073000+0000", ("20240705", "093000")),
    ("20240704233000+0000", ("20240705", "013000")),
    ("202407042400", ("20240705", "000000")),
    ("20240705093060", ("20240705", "093059")),
    ("20240331023000", ("20240331", "033000")),  # no zone: wall time of the site as written
    ("20240331003000+0000", ("20240331", "013000")),
    ("20241027013000+0000", ("20241027", "023000")),
    ("20241027003000+0000", ("20241027", "023000")),
]


@pytest.mark.parametrize(("written", "expected"), STARTS)
def test_start_in_the_wall_time_of_the_site(written, expected):
    segment = f"TQ1|||||||{written}"
    assert (convert("date", "TQ1-7", segment)[0], convert("time", "TQ1-7", segment)[0]) == expected


SENDERS_IN_NEW_YORK = [
    ("202407050930", "153000"),
    ("202403100230", "083000"),  # skipped by the sender's clocks: moved forward to 03:30
    ("202411030130", "063000"),  # happens twice: the first
]


@pytest.mark.parametrize(("written", "expected"), SENDERS_IN_NEW_YORK)
def test_sender_in_another_zone(written, expected):
    assert convert("time", "TQ1-7", f"TQ1|||||||{written}", source_zone=ZoneInfo("America/New_York"))[0] == expected


@pytest.mark.parametrize("written", ["2024", "202407", "20241305", "tomorrow", "2024-07-05"])
def test_start_that_is_no_day_is_unusable(written):
    with pytest.raises(Unusable):
        convert("date", "TQ1-7", f"TQ1|||||||{written}")


def test_birth_date_is_never_shifted():
    assert convert("birth_date", "PID-7", "PID|||||||197001312330-0500")[0] == "19700131"
    with pytest.raises(Unusable):
        convert("birth_date", "PID-7", "PID|||||||1970")


CODES = [
    ("CTH^CT head^99RIS", {"CodeValue": "CTH", "CodeMeaning": "CT head", "CodingSchemeDesignator": "99RIS"}),
    ("CTH^CT head^L", {"CodeValue": "CTH", "CodeMeaning": "CT head", "CodingSchemeDesignator": "99LOCAL"}),
    ("CTH^CT head", {"CodeValue": "CTH", "CodeMeaning": "CT head", "CodingSchemeDesignator": "99LOCAL"}),
    ("CTH^^LOCAL", {"CodeValue": "CTH", "CodeMeaning": "CTH", "CodingSchemeDesignator": "99LOCAL"}),
    ("X^Y^C4", {"CodeValue": "X", "CodeMeaning": "Y", "CodingSchemeDesignator": "C4"}),
    (
        "1^Y^SCT^^^^2023",
        {"CodeValue": "1", "CodeMeaning": "Y", "CodingSchemeDesignator": "SCT", "CodingSchemeVersion": "2023"},
    ),
    (
        "12345678901234567^Y^LN",
        {"LongCodeValue": "12345678901234567", "CodeMeaning": "Y", "CodingSchemeDesignator": "LN"},
    ),
    ("urn:oid:1.2^Y", {"URNCodeValue": "urn:oid:1.2", "CodeMeaning": "Y"}),
]


@pytest.mark.parametrize(("written", "item"), CODES)
def test_code_item(written, item):
    assert convert("code", "OBR-4", f"OBR||||{written}")[0] == [item]


def test_code_without_a_possible_designator_is_left_out_and_reported():
    value, warnings = convert("code", "OBR-4", "OBR||||X^Y^A_VERY_LONG_SCHEME_NAME")
    assert value == []
    assert len(warnings) == 1


def test_text_only_is_no_code():
    assert convert("code", "OBR-4", "OBR||||^CT head")[0] == []


MEASURES = [
    ("kilograms", "65", "kg", "65"),
    ("kilograms", "65,5", "KG", "65.5"),
    ("kilograms", "143", "[lb_av]", "64.864"),
    ("kilograms", "3500", "g", "3.5"),
    ("metres", "171", "cm", "1.71"),
    ("metres", "70", "[in_i]", "1.778"),
    ("metres", "100", "cm", "1"),
]


@pytest.mark.parametrize(("conversion", "amount", "unit", "expected"), MEASURES)
def test_measure(conversion, amount, unit, expected):
    assert convert(conversion, "OBX*-5", f"OBX|1|NM|||{amount}|{unit}", unit=6)[0] == expected


@pytest.mark.parametrize(
    ("amount", "unit"), [("65", ""), ("65", "stone"), ("650", "kg"), ("heavy", "kg"), ("NaN", "kg"), ("0", "kg")]
)
def test_implausible_measure_is_unusable(amount, unit):
    with pytest.raises(Unusable):
        convert("kilograms", "OBX*-5", f"OBX|1|NM|||{amount}|{unit}", unit=6)


@pytest.mark.parametrize(("written", "expected"), [("M", "M"), ("f", "F"), ("A", "O"), ("N", "O")])
def test_sex(written, expected):
    assert convert("sex", "PID-8", f"PID||||||||{written}")[0] == expected


@pytest.mark.parametrize("written", ["U", "X", "MALE"])
def test_unknown_sex_is_said_to_be_unknown(written):
    with pytest.raises(Unknown):
        convert("sex", "PID-8", f"PID||||||||{written}")


@pytest.mark.parametrize(("written", "expected"), [("S", "STAT"), ("TM10", "MEDIUM"), ("r", "ROUTINE")])
def test_priority(written, expected):
    assert convert("priority", "OBR-5", f"OBR|||||{written}")[0] == expected


OTHERS = [
    ("address", "PID-11*", "PID|||||||||||B^^X^^1^DE^B~STR 1^^ULM^^89073^DE^H", "STR 1, 89073 ULM, DE"),
    ("address", "PID-11*", "PID|||||||||||1 MAIN^^TOWN^IL^62701", "1 MAIN, TOWN, IL 62701"),
    (
        "phone",
        "PID-13*",
        "PID|||||||||||||^PRN^PH^^49^731^12345~(031) 555 12 12 ext 9",
        ["+49 731 12345", "0315551212x9"],
    ),
    ("location", "PV1-3", "PV1|||W1^101^2^HOSP", "W1^101^2"),
    ("location", "PV1-3", "PV1|||^^^HOSP", ""),
    ("coded_text", "OBR-31", "OBR" + "|" * 31 + "R51^^I10^^^^^^head ache", ["head ache"]),
    ("lines", "NTE*-3", "NTE|||a\\.br\\b\rNTE|||\\E\\c", "a\r\nb\r\n\\c"),
    ("needs", "PV1-15*", "PV1" + "|" * 15 + "A2~A6", "Wheelchair or stretcher bound, Hearing impaired"),
    (
        "designator_parts",
        "ORC-2.2",
        "ORC|NW|1^HIS^1.2.3^ISO",
        [{"LocalNamespaceEntityID": "HIS", "UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"}],
    ),
    ("designator_parts", "ORC-2.2", "ORC|NW|1^HIS^x^L", [{"LocalNamespaceEntityID": "HIS"}]),
    (
        "person_identification",
        "OBR-16",
        "OBR" + "|" * 16 + "77^ROE^RICHARD^^^^^^HOSPA",
        [
            {
                "PersonIdentificationCodeSequence": [
                    {"CodeValue": "77", "CodeMeaning": "RICHARD ROE", "CodingSchemeDesignator": "99HOSPA"}
                ],
                "InstitutionName": "HOSPA",
            }
        ],
    ),
]


@pytest.mark.parametrize(("conversion", "path", "segments", "expected"), OTHERS)
def test_other_conversions(conversion, path, segments, expected):
    assert convert(conversion, path, segments)[0] == expected


def test_qualifiers_are_those_of_the_primary_identifier():
    segment = "PID|||9^^^REGION&9.9&ISO^PI~1^^^HOSP&1.2.3&ISO^MR"
    value, _ = convert("patient_id_qualifiers", "PID-3*", segment, primary_authorities=("HOSP",))
    assert value == [{"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO", "IdentifierTypeCode": "MR"}]
