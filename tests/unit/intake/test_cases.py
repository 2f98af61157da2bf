"""Messages of our own, beside what they must be mapped to; and the foreign ones of the corpus."""

import tomllib

import pytest

from broker.intake.dry_run import map_message
from tests.unit.intake import cases

MAPPING = cases.usual_mapping()
SITE = cases.usual_site()


@pytest.mark.parametrize("name", cases.CASES)
def test_case_is_mapped_as_its_neighbour_says(name):
    expected = tomllib.loads((cases.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    report = map_message(cases.message(name), MAPPING, SITE)
    assert report.errors + report.errors_if_new + report.held == []
    assert len(report.warnings) == expected["warnings"], report.warnings
    assert [(c.where, c.asked) for c in report.changes] == [(c["where"], c["asked"]) for c in expected["changes"]]
    for change, wanted in zip(report.changes, expected["changes"], strict=True):
        found = {f"{v.entity} {v.keyword}": v for v in change.values}
        assert {k: cases.shown(found[k].value) for k in wanted["values"]} == wanted["values"]
        assert {k: found[k].source for k in wanted.get("sources", {})} == wanted.get("sources", {})
        assert all(found[k].value is None for k in wanted.get("deleted", []))
        assert not set(wanted.get("absent", [])) & set(found)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_line_ends_make_no_difference(ending):
    usual = map_message(cases.message("orm_ihe_new"), MAPPING, SITE)
    assert map_message(cases.message("orm_ihe_new").replace(b"\r", ending), MAPPING, SITE) == usual


@pytest.mark.parametrize("path", cases.CORPUS_FILES, ids=lambda path: path.stem)
def test_foreign_message_is_mapped_or_refused_with_a_reason(path):
    report = map_message(path.read_bytes(), MAPPING, SITE)
    assert report.errors or report.held or report.changes or report.ignored
    said = report.errors + report.errors_if_new + report.held
    assert all(error[:3].isupper() for error in said), "each error begins with its place"
    for change in report.changes:
        for value in change.values:
            assert value.source, (value.entity, value.keyword)


@pytest.mark.skipif(not cases.CORPUS_FILES, reason="the corpus is not beside this repository")
def test_imaging_order_of_dcm4che_says_exactly_what_it_says():
    report = map_message((cases.CORPUS / "dcm4che_OMI_O23_imaging_order.hl7").read_bytes(), MAPPING, SITE)
    assert report.errors + report.errors_if_new + report.held == []
    (change,) = report.changes
    values = {v.keyword: cases.shown(v.value) for v in change.values}
    assert (
        values
        | {
            "PatientID": "PID_1 (ADT1)",
            "PatientName": "Smith^Lucy^Mark",
            "AccessionNumber": "AccessionNumber",
            "RequestedProcedureID": "RequestedProcID",
            "StudyInstanceUID": "1.2.392.200036.9125.0.198811291108.7",
            "ScheduledProcedureStepID": "ScheduledProcStepID",
            "ScheduledStationAETitle": "ScheduledStationAET1; ScheduledStationAET2",
            "Modality": "CT",
            "ScheduledProtocolCodeSequence": "10637-7|LN|Microscopic Observation",
            "ScheduledProcedureStepStartDate": "20000816",
            "ScheduledProcedureStepStartTime": "151000",
            "PatientWeight": "65",
            "PatientSize": "1.65",
            "PregnancyStatus": "3",
        }
        == values
    )
    assert any("ScheduledStationAETitle" in warning for warning in report.warnings)
    assert any("ScheduledProcedureStepID" in warning for warning in report.warnings)
