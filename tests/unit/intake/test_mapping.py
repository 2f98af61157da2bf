"""Which source wins, what is deleted, what fills gaps, what refuses; and lengths."""

from datetime import UTC, datetime

import pytest

from broker.domain.attributes import Level
from broker.domain.model import Identifier
from broker.intake.environment import Environment
from broker.intake.mapping import evaluate
from broker.intake.mapping_file import load_mapping
from broker.intake.pieces import Index, Scope
from hl7.parsing import parse


@pytest.fixture
def apply(tmp_path):
    def run(level, rules, segments, *, creating=True, head=""):
        (tmp_path / "own.toml").write_text(
            f'{head}\n[attributes]\n{rules}\n[tables.modality]\nCT = "CT"\n', encoding="utf-8"
        )
        mapping = load_mapping("own", (tmp_path,))
        message = parse(("MSH|^~\\&|A|B|||20240101||ORM^O01|1|P|2.5\r" + segments).encode())
        env = Environment(UTC, UTC, datetime(2024, 7, 5, 12, 34, 56, tzinfo=UTC), mapping.tables)
        env.primary_authorities, env.default_issuer = mapping.primary_authorities, mapping.default_issuer
        return evaluate(mapping.rules[level], Scope(Index(message), message), env, creating=creating)

    return run


DESCRIPTION = 'RequestedProcedureDescription = { from = ["OBR-44.2", "OBR-4.2"] }'
NULLS = [
    ("|||||||||||||||||||||||||||||||||||||||||^A", "^B", "A"),
    ("", "^B", "B"),
    ("", "", KeyError),
    ('""', "^B", "B"),
    ('""', "", None),
    ("", '""', None),
    ("", "^  ", KeyError),
]


@pytest.mark.parametrize(("alternative", "service", "expected"), NULLS)
def test_absent_null_and_value(apply, alternative, service, expected):
    fields = [""] * 45
    fields[0], fields[4], fields[44] = "OBR", service, alternative.replace("|", "")
    mapped = apply(Level.PROCEDURE, DESCRIPTION, "|".join(fields))
    if expected is KeyError:
        assert "RequestedProcedureDescription" not in mapped.values
        assert "RequestedProcedureDescription" not in mapped.trace
    else:
        assert mapped.values["RequestedProcedureDescription"] == expected


def test_weak_value_is_kept_apart(apply):
    rule = 'ScheduledProcedureStepDescription = { from = ["OBR-4.5", { path = "OBR-4.2", weak = true }] }'
    assert apply(Level.STEP, rule, "OBR||||X^Y^Z").weak == {"ScheduledProcedureStepDescription": "Y"}
    assert apply(Level.STEP, rule, "OBR||||X^Y^Z^X2^Y2").values == {"ScheduledProcedureStepDescription": "Y2"}


def test_condition_looks_at_the_same_segment(apply):
    rule = (
        'PatientWeight = { from = [{ path = "OBX*-5", where = "OBX-3.1 in [W]", unit = "OBX-6" }], as = "kilograms" }'
    )
    segments = "OBX|1|NM|H||170|cm\rOBX|2|NM|w||65|kg"
    mapped = apply(Level.VISIT, rule, segments)
    assert mapped.values == {"PatientWeight": "65"}
    assert str(mapped.trace["PatientWeight"]) == "OBX[2]-5"


@pytest.mark.parametrize(
    ("where", "holds"),
    [("MSH-9.2 in [O01, X]", True), ("MSH-9.2 not in [O01]", False), ("MSH-8 absent", True), ("MSH-8 present", False)],
)
def test_constant_under_a_condition(apply, where, holds):
    rule = f'VisitStatusID = {{ from = [{{ value = "ADMITTED", where = "{where}" }}] }}'
    assert apply(Level.VISIT, rule, "PV1||I").values == ({"VisitStatusID": "ADMITTED"} if holds else {})


def test_comment_belongs_to_what_it_stands_after(apply):
    rule = 'PatientComments = { from = [{ path = "NTE*-3", after = "PID" }], as = "lines" }'
    segments = "PID|||1\rNTE|||a\rNTE|||b\rOBR||||X\rNTE|||c"
    assert apply(Level.PATIENT, rule, segments).values == {"PatientComments": "a\r\nb"}


def test_gathered_from_all_sources(apply):
    rule = 'PatientTelephoneNumbers = { from = ["PID-13*", "PID-14*"], as = "phone", gather = true }'
    assert apply(Level.PATIENT, rule, "PID" + "|" * 13 + "1~2|2~3").values == {
        "PatientTelephoneNumbers": ["1", "2", "3"]
    }


START = (
    'ScheduledProcedureStepStartDate = { from = ["TQ1-7", "OBR-27.4"], as = "date", missing = "now", '
    'unusable = "refuse" }\n'
    'ScheduledProcedureStepStartTime = { follows = "ScheduledProcedureStepStartDate", as = "time", default = "000000" }'
)
STARTS = [
    (
        "TQ1|||||||20240705",
        {"ScheduledProcedureStepStartDate": "20240705", "ScheduledProcedureStepStartTime": "000000"},
        {},
    ),
    (
        "OBR" + "|" * 27 + "^^^202407060915",
        {"ScheduledProcedureStepStartDate": "20240706", "ScheduledProcedureStepStartTime": "091500"},
        {},
    ),
    (
        "TQ1|||||||20240705\rOBR" + "|" * 27 + "^^^202407060915",
        {"ScheduledProcedureStepStartDate": "20240705", "ScheduledProcedureStepStartTime": "000000"},
        {},
    ),
    ('TQ1|||||||""', {"ScheduledProcedureStepStartDate": None, "ScheduledProcedureStepStartTime": None}, {}),
    ("OBR||||X", {}, {"ScheduledProcedureStepStartDate": "20240705", "ScheduledProcedureStepStartTime": "123400"}),
]


@pytest.mark.parametrize(("segments", "values", "defaults"), STARTS)
def test_time_comes_from_where_the_date_came_from(apply, segments, values, defaults):
    mapped = apply(Level.STEP, START, segments)
    assert mapped.values == values
    assert mapped.defaults == defaults


def test_unusable_start_refuses(apply):
    (problem,) = [p for p in apply(Level.STEP, START, "TQ1|||||||soon").problems if p.fatal]
    assert (problem.code, str(problem.location), problem.keyword) == ("102", "TQ1-7", "ScheduledProcedureStepStartDate")
    assert "soon" not in problem.text


def test_required_content_only_when_something_may_be_created(apply):
    rule = 'PatientName = { from = ["PID-5"], as = "patient_name", missing = "require" }'
    (problem,) = apply(Level.PATIENT, rule, "PID|||1").problems
    assert (problem.code, str(problem.location), problem.fatal) == ("101", "PID-5", True)
    assert apply(Level.PATIENT, rule, "PID|||1", creating=False).problems == []


IDENTIFIERS = [
    ("1^^^HOSP&1.2&ISO^MR", "", (Identifier("1", "HOSP"),)),
    ("1^^^&1.2&ISO", "", (Identifier("1", "1.2"),)),
    ("1", 'default_issuer = "X"', (Identifier("1", "X"),)),
    ("9^^^B~1^^^A", "", (Identifier("9", "B"), Identifier("1", "A"))),
    ("9^^^B~1^^^A", 'primary_authorities = ["a"]', (Identifier("1", "A"), Identifier("9", "B"))),
    ("1^^^A~9^^^B", 'primary_authorities = ["a"]', (Identifier("1", "A"), Identifier("9", "B"))),
    (" 007 ^^^A", "", (Identifier("007", "A"),)),
]


@pytest.mark.parametrize(("written", "head", "expected"), IDENTIFIERS)
def test_patient_identifiers(apply, written, head, expected):
    mapped = apply(
        Level.PATIENT, 'PatientID = { from = ["PID-3*", "PID-2"], missing = "require" }', f"PID|||{written}", head=head
    )
    assert mapped.identifiers["PatientID"] == expected


def test_expired_identifier_is_not_the_primary_one(apply):
    segment = "PID|||9^^^B^MR^^20000101^20100101~1^^^A"
    mapped = apply(Level.PATIENT, 'PatientID = { from = ["PID-3*"] }', segment)
    assert mapped.identifiers["PatientID"][0] == Identifier("1", "A")


REFUSED = [
    ("AccessionNumber", Level.REQUEST, "OBR-18", "A" * 17),
    ("AccessionNumber", Level.REQUEST, "OBR-18", "A\\E\\B"),
    ("StudyInstanceUID", Level.PROCEDURE, "ZDS-1", "1.2.03"),
    ("StudyInstanceUID", Level.PROCEDURE, "ZDS-1", "1." + "2" * 63),
    ("StudyInstanceUID", Level.PROCEDURE, "ZDS-1", "abc"),
    ("PatientID", Level.PATIENT, "PID-3", "9" * 65),
]


@pytest.mark.parametrize(("keyword", "level", "path", "value"), REFUSED)
def test_identifier_is_never_cut_or_changed(apply, keyword, level, path, value):
    segment, _, number = path.partition("-")
    mapped = apply(level, f'{keyword} = {{ from = ["{path}"] }}', f"{segment}{'|' * int(number)}{value}")
    (problem,) = mapped.problems
    assert problem.fatal
    assert problem.code == "102"
    assert problem.location is not None
    assert value not in problem.text
    assert mapped.identifiers == {}


LENGTHS = [
    ("cut", "x" * 70, ["x" * 64], 1),
    ("split", " ".join(["word"] * 20), [" ".join(["word"] * 13), " ".join(["word"] * 7)], 0),
    ("keep", "x" * 70, ["x" * 70], 1),
]


@pytest.mark.parametrize(("policy", "written", "expected", "warnings"), LENGTHS)
def test_length_policies(apply, policy, written, expected, warnings):
    mapped = apply(
        Level.PATIENT, f'MedicalAlerts = {{ from = ["OBR-13"], long = "{policy}" }}', "OBR" + "|" * 13 + written
    )
    assert mapped.values["MedicalAlerts"] == expected
    assert len(mapped.problems) == warnings


def test_cut_leaves_no_half_character(apply):
    mapped = apply(
        Level.PATIENT, 'PatientAddress = { from = ["PID-11.1"] }', "PID" + "|" * 11 + "x" * 63 + "e\u0301tail"
    )
    assert mapped.values["PatientAddress"] == "x" * 63


def test_unknown_modality_is_a_reason_to_refuse(apply):
    (problem,) = apply(
        Level.STEP, 'Modality = { from = ["OBR-24"], as = "modality", unusable = "refuse" }', "OBR" + "|" * 24 + "HM"
    ).problems
    assert (problem.code, problem.fatal) == ("103", True)
