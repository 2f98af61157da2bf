"""Worklist queries as devices send them, as bytes, against the standard's rules written down a second time."""

from collections.abc import Iterator
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.dicom import identifiers
from broker.dicom.datasets import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile
from broker.domain.site import Site
from broker.services import worklist
from broker.services.context import Context
from broker.store.database import Database
from tests.support.matching_oracle import DATE, TIME, fulfils
from tests.support.worklist import NOW, Item, document, fill, pydicom_bytes

CODES = {"CodeValue": ["A", "B", "A1"], "CodingSchemeDesignator": ["DCM", "99L"], "CodeMeaning": ["alpha", "beta x"]}
STEPS: dict[str, list[Any]] = {
    "Modality": ["CT", "MR", "US"], "ScheduledStationAETitle": [["CT1"], ["CT1", "CT2"], ["MR1"]],
    DATE: ["20261122", "20261123", "20261124"], TIME: ["0000", "0930", "093059", "235959", "12", "100000.5"],
    "ScheduledPerformingPhysicianName": [None, "CURIE^M", "Röntgen^W=X^Y"],
    "ScheduledProcedureStepEndDate": [None, "20261124"], "ScheduledProcedureStepEndTime": [None, "101500"],
}  # fmt: skip
ROOTS: dict[str, list[Any]] = {
    "PatientName": ["DOE^JANE", "Doe^John^^Dr", "MÜLLER^Eva", "Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田^花子",
                    "O'NEIL^X", "50%^A_B", "Σίσυφος", "DOE"],
    "PatientID": ["P1", "p1", "P12"], "AccessionNumber": [None, "A1", "a1", "A 1"], "PatientSex": [None, "M", "F"],
    "PatientBirthDate": [None, "19700131", "19991231"], "PatientWeight": [None, "70", "70.5"],
    "PregnancyStatus": [None, "1", "4"], "MedicalAlerts": [None, ["Latex", "Pacemaker"], ["Latex"]],
    "PatientComments": [None, "a\\b", "x*y", "two\r\nlines"],
}  # fmt: skip


def corpus() -> list[Item]:
    """Items with every combination of values that chance makes of the lists above; always the same ones."""
    chance = Random(4)

    def code() -> dict[str, str]:
        return {k: chance.choice(v) for k, v in CODES.items() if k != "CodeMeaning" or chance.random() < 0.5}

    def one() -> Item:
        step = {k: chance.choice(v) for k, v in STEPS.items()}
        step["ScheduledProtocolCodeSequence"] = [code() for _ in range(chance.choice([0, 1, 2]))] or None
        root = {k: chance.choice(v) for k, v in ROOTS.items()}
        root["RequestedProcedureCodeSequence"] = chance.choice([None, [code()]])
        others = [{"PatientID": "X1", "IssuerOfPatientID": "HOSP"}, {"PatientID": "X2"}]
        root["OtherPatientIDsSequence"] = chance.choice([None, others])
        study = [{"ReferencedSOPClassUID": "1.2.3", "ReferencedSOPInstanceUID": "1.2.4"}]
        root["ReferencedStudySequence"] = chance.choice([None, study])
        return Item(root, step)

    return [one() for _ in range(120)]


def keys(**values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Two keys at most: more of them find nothing."""
    pair = st.lists(st.sampled_from(sorted(values)), unique=True, max_size=2)
    return pair.flatmap(lambda chosen: st.fixed_dictionaries({k: st.sampled_from(values[k]) for k in chosen}))


def one_item(item: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.just([]) | item.map(lambda found: [found])


names = ["DOE*", "doe^jane", "*", "", "MULLER*", "müller^eva", "山田*", "=山田*", "Yamada^*=*=やまだ*", "?OE*",
         "O'NEIL*", "50%*", "*_B", "*^J*", "DOE^JOHN^^DR^", "==や*", "YAMADA^TAROU=", "DOE^*", "σισυφ*", "CURIE*",
         "rontgen^w", "=X*", "X^Y", "DOE^JANE\\MULLER*", "^", "??E*"]  # fmt: skip
codes = one_item(keys(
    CodeValue=["A", "A*", "*", "", "?1", "B", "A\\B"], CodingSchemeDesignator=["DCM", "99L", "", "99*"],
    CodeMeaning=["", "alpha", "b*", "*x"],
))  # fmt: skip
plain_step = keys(
    Modality=["CT", "", "*", "C*", "CT\\MR"], ScheduledStationAETitle=["CT1", "CT2", "CT*", "", "CT2\\MR1"],
    ScheduledPerformingPhysicianName=names, ScheduledProcedureStepEndDate=["20261124", "-20261124", "20261125-", ""],
    ScheduledProcedureStepEndTime=["1015", "10", "1000-1100", "-1014", "", "1015-"],
    **{DATE: ["20261123", "20261122-20261123", "-20261123", "20261123-", "", "20261123-20261123", "*"],
       TIME: ["0930", "0900-1000", "1000-", "-0930", "", "12", "093059", "2300-0100", "09:30:00", "*"]},
)  # fmt: skip
steps = plain_step | st.fixed_dictionaries({"ScheduledProtocolCodeSequence": codes})
plain_root = keys(
    PatientName=names, PatientID=["P1", "p1", "P*", "P?", "P1?", "", "P1 "], AccessionNumber=["A1", "A?1", "a*", ""],
    PatientSex=["M", "", "?", "*"], PatientBirthDate=["19700131", "19700101-19701231", "19990101-", ""],
    PatientWeight=["70", "70.0", "70.50", ""], PregnancyStatus=[1, 4, 0],
    MedicalAlerts=["Latex", "Pace*", "", "X"], PatientComments=["a\\b", "a*", "x?y", "*", "", "two*lines"],
)  # fmt: skip
others = one_item(keys(PatientID=["X1", "X2", "X*", ""], IssuerOfPatientID=["HOSP", "", "H*"]))
studies = one_item(keys(ReferencedSOPClassUID=["1.2.3", "1.2.9", ""], ReferencedSOPInstanceUID=["1.2.4", ""]))
sequences = st.one_of(
    st.fixed_dictionaries({SPS_SEQUENCE: one_item(steps)}),
    st.fixed_dictionaries({"RequestedProcedureCodeSequence": codes}),
    st.fixed_dictionaries({"OtherPatientIDsSequence": others, SPS_SEQUENCE: st.just([])}),
    st.fixed_dictionaries({"ReferencedStudySequence": studies, SPS_SEQUENCE: one_item(plain_step)}),
)
syntaxes = st.sampled_from([IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.close()


def test_queries_find_what_the_standard_says(context: Context) -> None:
    items = corpus()
    step_keys = context.database.write(lambda c: fill(c, items))
    documents = {key: document(item, n) for n, (key, item) in enumerate(zip(step_keys, items, strict=True), 1)}
    selective = 0

    @settings(
        max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )
    @given(plain_root, sequences, syntaxes)
    def agree(root: dict[str, Any], more: dict[str, Any], syntax: str) -> None:
        nonlocal selective
        asked = {**root, **more, "RequestedProcedureID": ""}
        data = pydicom_bytes({"SpecificCharacterSet": "ISO_IR 192", **asked}, syntax)
        query = worklist.query_for(context, identifiers.read(data, syntax).keys, DeviceProfile())
        found = {entry.step_key for entry in worklist.find(context, query)}
        expected = {key for key, stored in documents.items() if fulfils(asked, stored)}
        assert found == expected
        selective += 0 < len(expected) < len(items)

    agree()
    assert selective > 500, "the generated queries find all or nothing: they prove nothing"
