"""Mapping files as people see and save them."""

import pytest

from broker.intake.mapping_file import MappingError, load_mapping
from broker.intake.mapping_lines import mapping_names, mapping_text, rule_lines, write_atomically

OWN = """extends = "ihe-swf"
[attributes]
# the ward writes the room into PV1-3
"CurrentPatientLocation" = { from = ["PV1-3.2"], as = "text" }
"""


def test_lines_come_from_the_file_that_wins(tmp_path):
    (tmp_path / "site.toml").write_text(OWN, encoding="utf-8")
    lines = rule_lines("site", (tmp_path,))
    assert (lines["CurrentPatientLocation"].mapping, lines["CurrentPatientLocation"].number) == ("site", 4)
    assert lines["PatientName"].mapping == "ihe-swf"
    assert 'from = ["PID-5*"]' in lines["PatientName"].text
    assert mapping_names((tmp_path,)) == ["ihe-swf", "site"]
    assert mapping_text("site", (tmp_path,)) == OWN


def test_an_edited_text_counts_instead_of_its_file(tmp_path):
    (tmp_path / "site.toml").write_text(OWN, encoding="utf-8")
    edited = {"site": OWN.replace("PV1-3.2", "PV1-3.1")}
    assert "PV1-3.1" in rule_lines("site", (tmp_path,), edited)["CurrentPatientLocation"].text
    paths = [
        str(source)
        for rules in load_mapping("site", (tmp_path,), edited).rules.values()
        for rule in rules
        for source in rule.sources
        if rule.keyword == "CurrentPatientLocation"
    ]
    assert paths == ["PV1-3.1"]


def test_a_wrong_edited_text_says_where():
    with pytest.raises(MappingError, match=r"new\.toml:2: attributes\.PatientNme"):
        load_mapping("new", (), {"new": '[attributes]\nPatientNme = { from = ["PID-5"] }\n'})


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("old", encoding="utf-8")
    write_atomically(path, "new")
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [("site.toml", "new")]


def test_a_failed_save_leaves_the_old_text(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir()] == [("site.toml", "old")]
