"""FHIR R4 resources as tables of cases; whether they are valid is judged by fhir.resources."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B.imagingstudy import ImagingStudy
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task

from broker.delivery.hl7_check import sample
from broker.domain import fhir_times
from broker.domain.fhir_codes import Naming
from broker.domain.fhir_patient import patient
from broker.domain.fhir_resources import service_request, tasks
from broker.domain.fhir_study import OrderExams, PerformedExam, imaging_studies
from broker.domain.fhir_style import FhirStyle, Links, PatientMode
from broker.domain.states import StepStatus
from tests.support.exams import SERIES, create, dataset, final, reference

S = StepStatus
LINKS = Links("17-2026", "ServiceRequest/17", "Patient/4")
ZURICH = FhirStyle(zone=ZoneInfo("Europe/Zurich"))
NAMED = FhirStyle(patient=PatientMode.CONTAINED)
Plain = dict[str, Any]


def payload(*statuses: StepStatus, order: Plain | None = None, step: Plain | None = None) -> Plain:
    """The invented order with one step for each status, and other values where given."""
    whole: Any = dict(sample().payload)
    (procedure,) = whole["procedures"]
    (first,) = procedure["steps"]
    steps = [
        {**first, "scheduled_procedure_step_id": f"SPS{n}", "status": status.value, **(step or {})}
        for n, status in enumerate(statuses or (S.SCHEDULED,), start=1)
    ]
    return {**whole, "order": whole["order"] | (order or {}), "procedures": [procedure | {"steps": steps}]}


def requested(about: Plain, style: FhirStyle = ZURICH) -> Plain:
    made = service_request(about, style, LINKS)
    ServiceRequest.model_validate(made)
    return made


def tasked(about: Plain, style: FhirStyle = ZURICH) -> list[Plain]:
    made = tasks(about, style, LINKS)
    for task in made:
        Task.model_validate(task)
    return made


@pytest.mark.parametrize(
    ("steps", "request_status", "task_statuses"),
    [
        ((S.SCHEDULED,), "active", ["ready"]),
        ((S.ARRIVED, S.READY), "active", ["ready", "ready"]),
        ((S.STARTED,), "active", ["in-progress"]),
        ((S.HELD, S.CANCELED), "on-hold", ["on-hold", "cancelled"]),
        ((S.HELD, S.SCHEDULED), "active", ["on-hold", "ready"]),
        ((S.COMPLETED, S.SCHEDULED), "active", ["completed", "ready"]),
        ((S.COMPLETED, S.DISCONTINUED), "completed", ["completed", "failed"]),
        ((S.DISCONTINUED,), "revoked", ["failed"]),
        ((S.CANCELED,), "revoked", ["cancelled"]),
    ],
)
def test_states(steps: tuple[StepStatus, ...], request_status: str, task_statuses: list[str]) -> None:
    about = payload(*steps)
    assert requested(about)["status"] == request_status
    assert [task["status"] for task in tasked(about)] == task_statuses
    assert [task["businessStatus"]["text"] for task in tasked(about)] == [s.value for s in steps]


def test_a_step_without_a_time_is_received() -> None:
    about = payload(S.SCHEDULED, step={"start_date": "", "start_time": ""})
    (task,) = tasked(about)
    assert task["status"] == "received"
    assert "restriction" not in task
    assert "occurrenceDateTime" not in requested(about)


@pytest.mark.parametrize(
    ("priority", "told"),
    [("STAT", "stat"), ("HIGH", "asap"), ("MEDIUM", "urgent"), ("ROUTINE", "routine"), ("LOW", "routine"), ("", None),
     ("NOW", None)],
)  # fmt: skip
def test_priorities(priority: str, told: str | None) -> None:
    about = payload(order={"priority": priority})
    assert requested(about).get("priority") == told
    assert tasked(about)[0].get("priority") == told


@pytest.mark.parametrize(
    ("kind", "issuer", "system"),
    [
        ("accession", "", "urn:worklist-broker:accession"),
        ("accession", "HOSP", "urn:oid:1.2.3"),
        ("placer", "HOSP", "urn:oid:1.2.4"),
        ("visit", "", "https://hosp.example/visits"),
        ("placer", "HIS EAST", "urn:worklist-broker:placer:HIS%20EAST"),
        ("patient", "2.16.756.5", "urn:oid:2.16.756.5"),
        ("patient", "https://ids.example/mrn", "https://ids.example/mrn"),
        ("patient", "1", "urn:worklist-broker:patient:1"),
    ],
)
def test_systems_of_identifiers(kind: str, issuer: str, system: str) -> None:
    named = {"HOSP": "urn:oid:1.2.3", "placer:HOSP": "urn:oid:1.2.4", "visit:": "https://hosp.example/visits"}
    assert Naming(systems=named).system(kind, issuer) == system


def test_a_base_of_the_site() -> None:
    assert Naming("https://rad.example/ids/").system("placer", "HIS") == "https://rad.example/ids/placer/HIS"
    assert Naming().code_system("SCT") == "http://snomed.info/sct"
    assert Naming().code_system("LOCAL") == "urn:worklist-broker:code:LOCAL"


def test_tasks_are_told_apart_by_their_place() -> None:
    about = payload(S.SCHEDULED, S.SCHEDULED)
    twice = {**about, "procedures": [*about["procedures"], about["procedures"][0] | {"study_instance_uid": "1.2.9"}]}
    keys = [task["identifier"][0] for task in tasked(twice)]
    assert [key["value"] for key in keys] == ["17-2026/1/1", "17-2026/1/2", "17-2026/2/1", "17-2026/2/2"]
    assert {key["system"] for key in keys} == {"urn:worklist-broker:step"}


def test_numbers_without_an_issuer_are_the_senders() -> None:
    about = payload(order={"placer": {"value": "P1", "issuer": ""}, "filler": None})
    found = [(i["system"], i["value"]) for i in requested(about)["identifier"]]
    assert found == [
        ("urn:worklist-broker:order", "17-2026"), ("urn:worklist-broker:placer:ris", "P1"),
        ("urn:worklist-broker:accession", "A100"),
    ]  # fmt: skip


def test_nobody_is_named_by_reference() -> None:
    text = str(requested(payload())) + str(tasked(payload()))
    for private in ("MEIER", "EVA", "1970", "WELBY", "V99"):
        assert private not in text
    named = requested(payload(), NAMED)
    assert named["requester"] == {"display": "WELBY, MARCUS"}
    assert named["encounter"]["identifier"]["value"] == "V99"
    assert named["contained"][0]["birthDate"] == "1970-01-31"
    assert named["subject"] == {"reference": "#patient"}


def test_several_procedures_have_words_and_no_code() -> None:
    about = payload()
    other = about["procedures"][0] | {"study_instance_uid": "1.2.9", "description": "CT chest"}
    code = requested({**about, "procedures": [*about["procedures"], other]})["code"]
    assert code == {"text": "CT head; CT chest"}


def test_times_of_an_exam_are_told_of_the_only_step_it_can_belong_to() -> None:
    (alone, canceled) = tasked(payload(S.DISCONTINUED, S.CANCELED))
    assert alone["executionPeriod"] == {"start": "2026-07-04T09:42:00+02:00", "end": "2026-07-04T09:55:00+02:00"}
    assert alone["statusReason"]["coding"][0]["code"] == "110513"
    assert "executionPeriod" not in canceled
    assert not any("executionPeriod" in task for task in tasked(payload(S.STARTED, S.SCHEDULED)))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MEIER^EVA^MARIA^DR^JR",
         [{"family": "MEIER", "given": ["EVA", "MARIA"], "prefix": ["DR"], "suffix": ["JR"]}]),
        ("TELLER", [{"family": "TELLER"}]),
        ("", []),
        ("Yamada^Tarou=山田^太郎",
         [{"family": "Yamada", "given": ["Tarou"]}, {"family": "山田", "given": ["太郎"]}]),
    ],
)  # fmt: skip
def test_names(name: str, told: list[Plain]) -> None:
    about = payload()
    made: Any = patient({**about, "patient": about["patient"] | {"name": name}}, NAMED)
    Patient.model_validate(made)
    plain = [{key: value for key, value in one.items() if key != "extension"} for one in made.get("name", [])]
    assert plain == told


@pytest.mark.parametrize(
    ("day", "time", "told"),
    [
        ("20260704", "0930", "2026-07-04T09:30:00+02:00"), ("20261123", "09", "2026-11-23T09:00:00+01:00"),
        ("20260704", "093015.25", "2026-07-04T09:30:15+02:00"), ("20260704", "", "2026-07-04"),
        ("20260704", "2561", "2026-07-04"), ("20260231", "0930", ""), ("", "0930", ""), ("2026", "", ""),
    ],
)  # fmt: skip
def test_times(day: str, time: str, told: str) -> None:
    assert fhir_times.local(day, time, ZoneInfo("Europe/Zurich")) == told
    assert fhir_times.stamp("", UTC) == ""


def exam(*numbers: str, code: str = "", **more: object) -> PerformedExam:
    values = create([reference(number) for number in numbers]) | final() | more
    return PerformedExam(dataset(values), "20261123093100", code)


OTHER_SERIES = SERIES | {"SeriesInstanceUID": "1.2.826.9.2", "ReferencedImageSequence": []}
AVAILABLE = frozenset({"1.2.3.3", "1.2.3.4"})
STUDIES = [
    pytest.param([exam("1")], [("1.2.3.1", "registered", 1, 1)], id="one exam"),
    pytest.param([exam("1"), exam("1", PerformedSeriesSequence=[OTHER_SERIES])],
                 [("1.2.3.1", "registered", 2, 1)], id="a second exam of the study"),
    pytest.param([exam("1"), exam("1")], [("1.2.3.1", "registered", 1, 1)], id="the same series again"),
    pytest.param([exam("1"), exam("2")],
                 [("1.2.3.1", "registered", 1, 1), ("1.2.3.2", "registered", 1, 1)], id="two studies"),
    pytest.param([exam("3")], [("1.2.3.3", "available", 1, 1)], id="an archive has it"),
    pytest.param([exam("4", code="110514")], [("1.2.3.4", "entered-in-error", 1, 1)], id="has the wrong one"),
    pytest.param([exam("1", "2")], [], id="a group of two studies"),
    pytest.param([exam("1", PerformedSeriesSequence=[])], [], id="no series yet"),
    pytest.param([exam("1", Modality="")], [], id="no modality"),
    pytest.param([exam("1", code="110514")], [("1.2.3.1", "entered-in-error", 1, 1)], id="wrong patient"),
    pytest.param([exam("1", code="110514", PerformedSeriesSequence=[OTHER_SERIES]), exam("1")],
                 [("1.2.3.1", "registered", 1, 1)], id="wrong patient, then the right one"),
]  # fmt: skip


@pytest.mark.parametrize(("exams", "told"), STUDIES)
def test_studies(exams: list[PerformedExam], told: list[tuple[str, str, int, int]]) -> None:
    made: list[Any] = imaging_studies(payload(), OrderExams("1", tuple(exams), AVAILABLE), ZURICH, LINKS)
    for study in made:
        ImagingStudy.model_validate(study)
    assert [
        (s["identifier"][0]["value"].removeprefix("urn:oid:"), s["status"], s["numberOfSeries"], s["numberOfInstances"])
        for s in made
    ] == told
