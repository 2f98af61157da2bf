"""The MPPS services on real databases: states, links, statuses, and what is told to whom."""

import logging
from collections.abc import Iterator

import pytest

from broker.dicom import datasets
from broker.dicom.messages import Response
from broker.domain import dicom_json
from broker.domain.model import FactKind
from broker.domain.performed_faults import DEFAULT_TOLERATED, Quirk
from broker.domain.performed_table import TAG
from broker.domain.performing import PerformedPolicy
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import SERIES, create, dataset, final, reason, reference

STATUS = "PerformedProcedureStepStatus"
A710 = 0xA710
HALF_A_REFERENCE = {"ReferencedSOPClassUID": "1.2.840.10008.3.1.2.3.1"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def peer(database: Database) -> Peer:
    return Peer(new_context(database))


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Peer]:
    """For what does not depend on the database."""
    opened = Database(sqlite_url)
    yield Peer(new_context(opened))
    opened.close()


def ok(response: Response) -> None:
    assert (response.status, response.error_comment) == (0, None)


def text(response: Response, keyword: str, syntax: str = datasets.EXPLICIT_LITTLE) -> str:
    assert response.dataset is not None
    return dicom_json.text(datasets.decode(response.dataset, syntax).dataset, TAG[keyword])


@pytest.mark.parametrize("syntax", datasets.TRANSFER_SYNTAXES)
def test_a_simple_exam(peer: Peer, syntax: str) -> None:
    peer.syntax = syntax
    key = peer.order()
    ok(peer.create())
    assert peer.statuses() == {"SPS1": "STARTED"}
    ok(peer.set())
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == ["order.started", "order.completed"]
    assert peer.history(key) == [
        FactKind.ORDER_PLACED, FactKind.PERFORMED_STARTED, FactKind.STEP_STATUS, FactKind.ORDER_STARTED,
        FactKind.PERFORMED_COMPLETED, FactKind.STEP_STATUS, FactKind.ORDER_COMPLETED,
    ]  # fmt: skip
    assert [(m.service, m.dataset, m.transfer_syntax_uid) for m in peer.messages()] == [
        ("N-CREATE", peer.encode(create()), syntax), ("N-SET", peer.encode(final()), syntax),
    ]  # fmt: skip


def test_what_is_kept_of_a_performed_step(peer: Peer) -> None:
    peer.order()
    ok(peer.create())
    ok(peer.set(values=final("DISCONTINUED", **reason("110504"))))
    (row,) = peer.performed()
    assert (row.status, row.calling_ae_title, row.performed_station_ae_title) == ("DISCONTINUED", "CT1", "CT1")
    assert (row.modality, row.patient_id_value, row.accession_number) == ("CT", "4711", "A1")
    assert (row.started_at, row.ended_at, row.discontinuation_code) == ("20261123093100", "20261123094512", "110504")
    merged = dataset(create() | final("DISCONTINUED", **reason("110504")))
    assert row.dataset == merged | {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    (link,) = peer.links()
    assert (link.origin, link.rule) == ("named", "study_uid+step_id")


# section 2 of the reference, whole: (state, request) -> answer

CREATIONS = [
    ("IN PROGRESS", 0x0000, ()),
    ("COMPLETED", 0x0106, (TAG[STATUS],)),
    ("DISCONTINUED", 0x0106, (TAG[STATUS],)),
    (None, 0x0120, (TAG[STATUS],)),
    ("", 0x0121, (TAG[STATUS],)),
]


@pytest.mark.parametrize(("status", "answer", "offending"), CREATIONS)
def test_creation(one: Peer, status: str | None, answer: int, offending: tuple[int, ...]) -> None:
    values = create() | {STATUS: status}
    if status is None:
        del values[STATUS]
    response = one.create(values=values)
    assert (response.status, response.offending) == (answer, offending)
    assert len(one.performed()) == (answer == 0)
    assert len(one.messages()) == (answer == 0)


@pytest.mark.parametrize("values", [create(), create() | {STATUS: "COMPLETED"}, {}])
@pytest.mark.parametrize("state", [None, "COMPLETED"])
def test_creation_of_a_known_instance(one: Peer, values: dict[str, object], state: str | None) -> None:
    ok(one.create())
    if state:
        ok(one.set(values=final(state)))
    before = one.performed()
    assert one.create(values=values).status == 0x0111
    assert one.performed() == before


UPDATES = [
    ({}, "IN PROGRESS", 0x0000),
    ({STATUS: "IN PROGRESS"}, "IN PROGRESS", 0x0000),
    (final("COMPLETED"), "COMPLETED", 0x0000),
    (final("DISCONTINUED"), "DISCONTINUED", 0x0000),
    ({STATUS: "COMPLETED"}, "IN PROGRESS", 0x0121),
    ({STATUS: "DISCONTINUED"}, "IN PROGRESS", 0x0121),
    ({STATUS: "FINISHED"}, "IN PROGRESS", 0x0106),
    ({STATUS: ""}, "IN PROGRESS", 0x0121),
    ({"PerformedSeriesSequence": [{}]}, "IN PROGRESS", 0x0121),
]


@pytest.mark.parametrize(("values", "after", "answer"), UPDATES)
def test_update_while_in_progress(one: Peer, values: dict[str, object], after: str, answer: int) -> None:
    one.order()
    ok(one.create())
    response = one.set(values=values)
    assert (response.status, response.error_id) == (answer, None)
    assert one.performed()[0].status == after
    assert one.statuses()["SPS1"] == {"IN PROGRESS": "STARTED"}.get(after, after)


@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("values", [case[0] for case in UPDATES])
def test_update_after_the_end(one: Peer, state: str, values: dict[str, object]) -> None:
    ok(one.create())
    ok(one.set(values=final(state)))
    before = one.performed()
    response = one.set(values=values)
    assert (response.status, response.error_id) == (0x0110, A710)
    assert response.error_comment == "Performed Procedure Step Object may no longer be updated"
    assert one.performed() == before
    assert len(one.messages()) == 2


@pytest.mark.parametrize(("uid", "answer"), [("1.9.404", 0x0112), ("1.9.0404", 0x0117), (None, 0x0117), ("", 0x0117)])
def test_update_and_retrieve_of_unknown_instances(one: Peer, uid: str | None, answer: int) -> None:
    assert one.set(uid).status == answer
    assert one.get(uid).status == answer


def test_many_updates_in_progress(one: Peer) -> None:
    one.order()
    ok(one.create())
    for count in range(1, 6):
        ok(one.set(values={STATUS: "IN PROGRESS", "PerformedSeriesSequence": [SERIES] * count}))
    ok(one.set())
    (row,) = one.performed()
    assert len(dicom_json.items(row.dataset, TAG["PerformedSeriesSequence"])) == 1
    assert len(one.facts(FactKind.PERFORMED_UPDATED)) == 5
    assert one.told() == ["order.started", "order.completed"]


def test_without_instance_uid_one_is_assigned_and_returned(one: Peer) -> None:
    first, second = one.create(None), one.create(None)
    ok(first)
    assert first.sop_instance_uid is not None
    assert first.sop_instance_uid.startswith("2.25.")
    assert first.sop_instance_uid != second.sop_instance_uid
    ok(one.set(first.sop_instance_uid))


@pytest.mark.parametrize(
    ("values", "answer", "comment", "tag"),
    [
        ({"Modality": None}, 0x0120, "missing: Modality", "Modality"),
        ({"PerformedProcedureStepID": ""}, 0x0121, "no value: PerformedProcedureStepID", "PerformedProcedureStepID"),
        ({"PatientName": "X" * 65}, 0x0106, "invalid value: PatientName", "PatientName"),
        (
            {"ScheduledStepAttributesSequence": [{"StudyInstanceUID": ""}]}, 0x0121,
            "no value: ScheduledStepAttributesSequence>StudyInstanceUID", "StudyInstanceUID",
        ),
        (
            {"ScheduledStepAttributesSequence": [reference(StudyInstanceUID="1.02")]}, 0x0106,
            "invalid value: ScheduledStepAttributesSequence>StudyInstanceUID", "StudyInstanceUID",
        ),
        (
            {"ScheduledStepAttributesSequence": [reference(ReferencedStudySequence=[HALF_A_REFERENCE])]}, 0x0120,
            "missing: ReferencedSOPInstanceUID", "ReferencedSOPInstanceUID",
        ),
    ],
)  # fmt: skip
def test_the_answer_names_the_attribute(
    one: Peer, values: dict[str, object], answer: int, comment: str, tag: str
) -> None:
    whole = {k: v for k, v in (create() | values).items() if v is not None}
    response = one.create(values=whole)
    assert (response.status, response.error_comment) == (answer, comment)
    assert TAG[tag] in response.offending


@pytest.mark.parametrize("data", [b"\x10", b"\x08\x00\x60\x00CS\x40\x00CT"])
def test_undecodable_data_sets(one: Peer, data: bytes) -> None:
    for service in (one.handler.create, one.handler.set):
        response = service(one.request("1.9.1", data))
        assert (response.status, response.error_id) == (0x0110, None)
        assert response.error_comment
    assert one.performed() == []


def test_sop_classes_and_services(one: Peer) -> None:
    for service in (one.handler.create, one.handler.set):
        assert service(one.request("1.9.1", sop_class_uid="1.2.840.10008.3.1.2.3.4")).status == 0x0211
        assert service(one.request("1.9.1", sop_class_uid="1.2.3")).status == 0x0118
    ok(one.create())
    # the class of the instance in place of that of the service: some requestors do so
    assert one.handler.get(one.request("1.9.1")).status == 0x0000
    assert one.handler.get(one.request("1.9.1", sop_class_uid="1.2.3")).status == 0x0118


def test_refusals_are_logged_without_contents(one: Peer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="broker"):
        one.create(values=create(PatientName="SECRET^" + "X" * 65))
        one.create(values=create(PatientID="SECRET", PerformedProcedureStepID=""))
    assert len(caplog.records) == 2
    assert "SECRET" not in caplog.text
    assert "PatientName" in caplog.text


def test_tolerations_are_recorded(one: Peer) -> None:
    values = create()
    del values["PerformedLocation"]
    ok(one.create(values=values))
    (fact,) = one.facts(FactKind.PERFORMED_STARTED)
    assert fact.data["tolerated"] == [{"quirk": "missing_type_2", "where": "PerformedLocation"}]


# repeats, by policy


@pytest.mark.parametrize("allowed", [False, True])
def test_repeated_requests(database: Database, allowed: bool) -> None:
    quirks = {Quirk.REPEATED_CREATE, Quirk.REPEATED_FINAL} if allowed else set()
    peer = Peer(new_context(database, PerformedPolicy(DEFAULT_TOLERATED | quirks)))
    peer.order()
    ok(peer.create())
    assert peer.create().status == (0 if allowed else 0x0111)
    ok(peer.set())
    assert peer.set().status == (0 if allowed else 0x0110)
    assert (len(peer.messages()), peer.told()) == (2, ["order.started", "order.completed"])


def test_only_the_very_same_repeat_passes(database: Database) -> None:
    peer = Peer(new_context(database, PerformedPolicy(frozenset({Quirk.REPEATED_CREATE, Quirk.REPEATED_FINAL}))))
    ok(peer.create())
    assert peer.create(values=create(PatientID="0815")).status == 0x0111
    peer.calling_ae_title = "CT2"
    assert peer.create().status == 0x0111
    ok(peer.set())
    assert peer.create().status == 0x0111
    assert peer.set(values=final(PerformedProcedureStepEndTime="1000")).error_id == A710
    peer.calling_ae_title = "CT1"
    assert peer.set().error_id == A710


# character sets


def test_the_update_has_another_character_set_than_the_creation(peer: Peer) -> None:
    latin = datasets.encode(dataset(create()), datasets.EXPLICIT_LITTLE)
    latin = latin.replace(b"ISO_IR 192", b"ISO_IR 100")
    name, recoded = "MÜLLER^Eva".encode(), "MÜLLER^Eva ".encode("latin-1")
    latin = latin.replace(name + b" ", recoded + b" ") if len(name) % 2 else latin.replace(name, recoded)
    ok(peer.handler.create(peer.request("1.9.1", latin)))
    ok(peer.set(values=final(PerformedProcedureStepDescription="КТ головы")))
    found = peer.get()
    assert text(found, "PatientName") == "MÜLLER^Eva"
    assert text(found, "PerformedProcedureStepDescription") == "КТ головы"
    assert text(found, "SpecificCharacterSet") == "ISO_IR 192"


@pytest.mark.parametrize("allowed", [True, False])
def test_text_that_its_character_set_cannot_explain(database: Database, allowed: bool) -> None:
    peer = Peer(new_context(database, PerformedPolicy(DEFAULT_TOLERATED if allowed else frozenset())))
    data = peer.encode(create()).replace("MÜLLER".encode(), b"M\xff\xffLLER")
    response = peer.handler.create(peer.request("1.9.1", data))
    if allowed:
        ok(response)
        (fact,) = peer.facts(FactKind.PERFORMED_STARTED)
        assert fact.data["tolerated"][0]["quirk"] == "undecodable_text"
    else:
        assert (response.status, response.offending) == (0x0106, (TAG["SpecificCharacterSet"],))


# retrieve


@pytest.mark.parametrize("syntax", datasets.TRANSFER_SYNTAXES)
def test_retrieve_all(peer: Peer, syntax: str) -> None:
    peer.syntax = syntax
    ok(peer.create())
    ok(peer.set())
    response = peer.get()
    ok(response)
    assert response.dataset is not None
    found = datasets.decode(response.dataset, syntax).dataset
    assert found == dataset(create() | final()) | {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}


def test_retrieve_all_of_a_step_without_type_2_attributes(one: Peer) -> None:
    """What may be empty is there, empty; what is optional and was never said is not."""
    values = create()
    absent = {"PerformedLocation", "PatientBirthDate", "ReferencedPatientSequence"}
    ok(one.create(values={k: v for k, v in values.items() if k not in absent}))
    response = one.get()
    ok(response)
    assert response.dataset is not None
    found = datasets.decode(response.dataset, one.syntax).dataset
    for keyword in absent:
        assert found[f"{TAG[keyword]:08X}"] == dataset({keyword: ""})[f"{TAG[keyword]:08X}"]
    assert set(found) == {f"{TAG[k]:08X}" for k in [*values, "SpecificCharacterSet"]}


@pytest.mark.parametrize(
    ("keywords", "answer", "returned", "unknown"),
    [
        ([STATUS, "Modality"], 0x0000, {STATUS, "Modality"}, ()),
        (["PerformedLocation"], 0x0000, {"PerformedLocation"}, ()),
        ([STATUS, "EntranceDose"], 0x0001, {STATUS}, ()),
        ([STATUS, 0x00187777], 0x0107, {STATUS}, (0x00187777,)),
        # only whole sequences can be asked for (PS3.4 F.8.2.1.2): the study is inside one
        ([STATUS, 0x0020000D, "EntranceDose"], 0x0107, {STATUS}, (0x0020000D,)),
    ],
)
def test_retrieve_by_list(
    one: Peer, keywords: list[str | int], answer: int, returned: set[str], unknown: tuple[int, ...]
) -> None:
    values = create()
    del values["PerformedLocation"]
    ok(one.create(values=values))
    response = one.get(tags=tuple(TAG[k] if isinstance(k, str) else k for k in keywords))
    assert (response.status, response.offending) == (answer, unknown)
    assert response.dataset is not None
    found = datasets.decode(response.dataset, one.syntax).dataset
    assert set(found) == {f"{TAG[k]:08X}" for k in returned}
