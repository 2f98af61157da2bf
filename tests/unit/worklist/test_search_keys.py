"""Parameters of a search as a C-FIND identifier: how attributes are named, what comes back, what is refused."""

from typing import Any

import pytest

from broker.dicom import search_keys
from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL
from broker.services.dicomweb import ParameterRefused, Search

USUAL_ROOT = {k for k, a in ROOT_LEVEL.items() if a.return_type[0] in "12"} | {SPS_SEQUENCE}
USUAL_STEP = {k for k, a in STEP_LEVEL.items() if a.return_type[0] in "12"}


def keys(*match: tuple[str, str], include: tuple[str, ...] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of the request and of its step."""
    found: Any = search_keys.identifier_of(Search(match, include)).keys
    return found, found[SPS_SEQUENCE][0]


def test_without_parameters_the_usual_attributes_come_back() -> None:
    root, step = keys()
    assert set(root) == USUAL_ROOT
    assert set(step) == USUAL_STEP
    assert not any(value for keyword, value in root.items() if keyword != SPS_SEQUENCE)


@pytest.mark.parametrize(
    "name", ["00400100.00080060", "ScheduledProcedureStepSequence.Modality", "00400100.Modality"]
)  # fmt: skip
def test_attributes_by_tag_keyword_and_path(name: str) -> None:
    assert keys((name, "CT"))[1]["Modality"] == ["CT"]


MATCHES = [
    (("PatientID", "4711"), ["4711"]),
    (("00100020", " 4711 "), ["4711"]),
    (("PatientID", "4711\\4712"), ["4711", "4712"]),
    (("PatientName", "DOE^J*=*"), ["DOE^J*=*"]),
    (("StudyInstanceUID", "1.2,1.3\\1.4"), ["1.2", "1.3", "1.4"]),
    (("AccessionNumber", "A,1"), ["A,1"]),
    (("AccessionNumber", ""), []),
    (("VisitComments", "a\\b"), ["a\\b"]),
    (("PregnancyStatus", "4"), ["4"]),
]


@pytest.mark.parametrize(("match", "values"), MATCHES)
def test_values(match: tuple[str, str], values: list[str]) -> None:
    root, _ = keys(match)
    keyword = search_keys.named(int(match[0], 16)) if match[0][0] == "0" else match[0]
    assert root[keyword] == values
    assert set(root) == USUAL_ROOT | {keyword}


def test_more_attributes_come_back_when_asked_for() -> None:
    root, step = keys(include=("00102160,OtherPatientIDsSequence", "00400100.00400400"))
    assert set(root) == USUAL_ROOT | {"EthnicGroup", "OtherPatientIDsSequence"}
    assert set(step) == USUAL_STEP | {"CommentsOnTheScheduledProcedureStep"}
    assert root["OtherPatientIDsSequence"] == [], "as a whole"
    root, step = keys(include=("all",))
    assert set(root) == {*ROOT_LEVEL, SPS_SEQUENCE}
    assert set(step) == set(STEP_LEVEL)


def test_what_a_sequence_must_match_does_not_lessen_what_comes_back() -> None:
    path = "ScheduledProcedureStepSequence.ScheduledProtocolCodeSequence.CodeValue"
    root, step = keys((path, "P1"), include=("RequestedProcedureCodeSequence",))
    (code,) = step["ScheduledProtocolCodeSequence"]
    assert code["CodeValue"] == ["P1"]
    assert {"CodeMeaning", "CodingSchemeDesignator"} <= set(code)
    assert root["RequestedProcedureCodeSequence"] == []
    root, _ = keys(("OtherPatientIDsSequence.PatientID", "77"))
    assert root["OtherPatientIDsSequence"] == [{"PatientID": ["77"]}]


def test_what_the_worklist_does_not_have_is_told() -> None:
    search = Search([("StationName", "X"), ("00091001", "X")], ["SeriesInstanceUID"])
    found = search_keys.identifier_of(search)
    assert sorted(map(search_keys.named, found.unsupported)) == ["(0009,1001)", "SeriesInstanceUID", "StationName"]


REFUSED = [
    (("Modalität", "CT"), "a parameter", "neither a tag"),
    (("PatientIDs", "1"), "PatientIDs", "neither a tag"),
    (("0010002", "1"), "0010002", "neither a tag"),
    (("", "1"), "a parameter", "neither a tag"),
    ((".".join(["00400100"] * 9), "1"), ".".join(["00400100"] * 9), "neither a tag"),
    (("PatientID.Modality", "CT"), "PatientID.Modality", "only sequences"),
    (("ScheduledProcedureStepSequence", "CT"), "ScheduledProcedureStepSequence", "it is a sequence"),
    (("PatientID", "47\x0011"), "PatientID", "control character"),
]


@pytest.mark.parametrize(("match", "where", "why"), REFUSED)
def test_what_is_refused(match: tuple[str, str], where: str, why: str) -> None:
    with pytest.raises(ParameterRefused) as refused:
        search_keys.identifier_of(Search([match]))
    assert refused.value.where == where
    assert why in refused.value.text
    if match[1]:
        assert match[1] not in refused.value.text.split()


def test_an_attribute_is_matched_once() -> None:
    with pytest.raises(ParameterRefused, match="given twice"):
        search_keys.identifier_of(Search([("PatientID", "1"), ("00100020", "2")]))
    with pytest.raises(ParameterRefused) as refused:
        search_keys.identifier_of(Search(include=["PatientID,Nonsense"]))
    assert refused.value.where == "includefield"
