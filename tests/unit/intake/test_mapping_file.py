"""Mapping files: extension, and every mistake reported at once with file, line and remedy."""

import pytest

from broker.domain.attributes import TABLE, Level
from broker.intake.mapping_file import MappingError, load_mapping
from tests.unit.intake import cases


def test_shipped_mapping_loads_and_covers_every_identity():
    mapping = cases.usual_mapping()
    keywords = {rule.keyword for rules in mapping.rules.values() for rule in rules}
    assert {"PatientID", "AccessionNumber", "StudyInstanceUID", "ScheduledProcedureStepID", "AdmissionID"} <= keywords
    assert keywords <= TABLE.keys()


@pytest.mark.parametrize(
    ("control", "status", "effect"),
    [
        ("NW", "", "place"),
        ("nw", "SC", "place"),
        ("XO", "CM", "complete"),
        ("XO", "", "change"),
        ("NW", "CM", None),
        ("SC", "SC", "change"),
        ("SC", "CM", "complete"),
        ("CA", "ZZ", "cancel"),
        ("SC", "", None),
        ("CA", "CA", "cancel"),
        ("DC", "", "discontinue"),
        ("HD", "", "hold"),
        ("RL", "SC", "release"),
        ("SN", "", "ignore"),
        ("ZZ", "", None),
    ],
)
def test_order_control_of_the_shipped_mapping(control, status, effect):
    assert cases.usual_mapping().effect(control, status) == effect


def write(folder, name, text):
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def test_extension_replaces_only_what_it_names(tmp_path):
    write(
        tmp_path,
        "site",
        """
extends = "ihe-swf"
local_scheme = "99SITE"
[attributes]
AccessionNumber = { from = ["ORC-3"], missing = "require" }
[tables.modality]
KT = "CT"
[order_control]
ZZ = "ignore"
""",
    )
    mapping, base = load_mapping("site", (tmp_path,)), cases.usual_mapping()
    by_keyword = {rule.keyword: rule for rule in mapping.rules[Level.REQUEST]}
    assert [str(s) for s in by_keyword["AccessionNumber"].sources] == ["ORC-3"]
    assert {r.keyword for r in mapping.rules[Level.REQUEST]} == {r.keyword for r in base.rules[Level.REQUEST]}
    assert mapping.tables["modality"]["kt"] == "CT"
    assert mapping.tables["modality"]["nmr"] == "MR"
    assert (mapping.effect("ZZ", ""), mapping.effect("NW", ""), mapping.local_scheme) == ("ignore", "place", "99SITE")


MISTAKES = [
    ('[attributes]\nPatientNam = { from = ["PID-5"] }', ":2: attributes.PatientNam"),
    ('[attributes]\nPatientName = { from = ["PID-5"], as = "text" }', "makes no PN"),
    ('[attributes]\nPatientSex = { from = ["PID.8"], as = "sex" }', "no HL7 path"),
    ('[attributes]\nPatientSex = { from = ["PID-8"], as = "sexx" }', "'sexx' is unknown"),
    ('[attributes]\nPatientSex = { form = ["PID-8"], as = "sex" }', "'form' is unknown"),
    ('[attributes]\nPatientSex = "PID-8"', "write { from"),
    ('[attributes]\nPatientSex = { from = "PID-8", as = "sex" }', "from takes a list"),
    ('[attributes]\nPatientSex = { from = [{ value = "female" }] }', "'female' is no code"),
    ('[attributes]\nModality = { from = ["OBR-24"], default = "a long modality name" }', "is no code"),
    ('[attributes]\nAccessionNumber = { from = [{ value = "A1" }] }', "a constant cannot identify"),
    ('[attributes]\nEthnicGroup = { from = [{ value = "more than sixteen letters" }] }', "longer than the 16"),
    ('[attributes]\nAdmittingTime = { follows = "PatientBirthDate", as = "time" }', "is of another level"),
    ('[attributes]\nPatientBirthTime = { from = ["PID-7"], follows = "PatientBirthDate", as = "time" }', "either from"),
    ('[attributes]\nPatientTelephoneNumbers = { from = ["PID-13"], as = "phone", gather = "yes" }', "gather is true"),
    ('[order_control]\nNW = "place + ignore"', ":2: order_control.NW: 'place + ignore' is unknown"),
    ('[order_control]\nNW = "place + halt"', "is unknown; known are"),
    ('[order_control]\n"NW SC X" = "place"', ":2: order_control.NW SC X: write ORC-1"),
    ('[tables]\nsex = "M"', "tables.sex: write a table"),
    ('[tables.sexx]\nM = "M"', "no conversion uses this table"),
    ('[tables.sex]\nM = "Male"', "M = 'Male' is not possible; write M, F, O"),
    ('[tables.pregnancy]\nB6 = "yes"', "'yes' is not possible"),
    ('[tables.scheme]\nX = "more than sixteen letters"', "at most 16"),
    ('local_scheme = "99 and more than sixteen letters"', "local_scheme: write 99"),
    ('[attributes]\nAccessionNumber = { from = ["OBR-18"], long = "cut" }', "long = 'cut' is not possible"),
    ('[attributes]\nAccessionNumber = { from = ["OBR-18"], default = "X" }', "default takes a text"),
    ('[attributes]\nPatientSex = { from = ["PID-8"], as = "sex", missing = "generate" }', "missing = 'generate'"),
    ('[attributes]\nPatientComments = { from = [{ path = "NTE-3", where = "NTE-1 like X" }] }', "no condition"),
    ('[attributes]\nPatientComments = { from = [{ after = "PID" }] }', "either a path or a value"),
    ('[attributes]\nEthnicGroup = { from = ["PID-22"], long = "split" }', "long = 'split'"),
    ('[order_control]\nNW = "make"', "'make' is unknown"),
    ("[tables.sex]\nM = 1", "tables.sex"),
    ('extends = "nowhere"', "no mapping 'nowhere'"),
    ('extends = "own"', "goes in a circle"),
    ("attributes = 3", "write a table"),
    ("[attributes", "not readable as TOML"),
    ('primary_authorities = "HOSP"', "write a list"),
    ('local_schema = "99X"', "unknown; known are"),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_mistake_is_reported(tmp_path, text, said):
    write(tmp_path, "own", text)
    with pytest.raises(MappingError) as caught:
        load_mapping("own", (tmp_path,))
    assert said in str(caught.value)
    assert str(tmp_path / "own.toml") in str(caught.value)


def test_all_mistakes_at_once(tmp_path):
    write(
        tmp_path,
        "own",
        '[attributes]\nNo = {}\nPatientSex = { from = ["PID8"], as = "sex" }\n[order_control]\nNW = "x"\n',
    )
    with pytest.raises(MappingError) as caught:
        load_mapping("own", (tmp_path,))
    assert len(caught.value.problems) == 3


def test_a_mistake_is_told_of_the_file_that_has_it(tmp_path):
    write(tmp_path, "base", 'extends = "ihe-swf"\n[attributes]\nPatientSex = { from = ["PID.8"], as = "sex" }')
    write(tmp_path, "site", 'extends = "base"\n[attributes]\nPatientName = { from = ["PID-5"], as = "patient_name" }')
    with pytest.raises(MappingError) as error:
        load_mapping("site", (tmp_path,))
    assert [p.split(": ")[0] for p in error.value.problems] == [f"{tmp_path / 'base.toml'}:3"]
