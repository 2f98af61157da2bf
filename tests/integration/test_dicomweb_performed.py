"""Performed procedure steps over DICOMweb: the same as over DIMSE, a table of answers, who may, and hostile bodies."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from broker.dicom import datasets, json_model, xml_reader
from broker.domain.model import FactKind
from broker.domain.performed_faults import Quirk
from broker.domain.performing import PerformedPolicy
from broker.services import device_registry
from broker.services.device_registry import DeviceDirectory
from broker.services.people import Role
from broker.store.database import Database
from broker.web.config import WebConfig
from tests.integration.dicomweb_client import JSON, PERFORMED, XML, boxed, web_peer, written
from tests.integration.mpps_peer import Peer, new_context
from tests.integration.web_client import sign_in
from tests.support.exams import create, dataset, final, reason

UNICODE = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
STATUS = "PerformedProcedureStepStatus"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def peer(database: Database) -> Peer:
    """The eyes of the test, and the same device over DIMSE."""
    return Peer(new_context(database))


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Peer]:
    """For what does not depend on the database."""
    opened = Database(sqlite_url)
    yield Peer(new_context(opened))
    opened.close()


@pytest.mark.parametrize("form", [JSON, XML, f"boxed {JSON}", f"boxed {XML}"])
async def test_an_exam_is_the_same_as_over_dimse(peer: Peer, form: str) -> None:
    key = peer.order()
    discontinued = final("DISCONTINUED", **reason("110504", "Patient died"))
    async with web_peer(peer.context) as device:
        device.form = form
        created = await device.post("1.9.1", create())
        assert (created.status_code, created.content) == (201, b"")
        assert created.headers["location"] == f"{PERFORMED}/1.9.1"
        assert peer.statuses() == {"SPS1": "STARTED"}
        updated = await device.post("1.9.1", discontinued, update=True)
        assert (updated.status_code, updated.content) == (200, b"")
    assert peer.statuses() == {"SPS1": "DISCONTINUED"}
    (row,) = peer.performed()
    assert row.dataset == dataset(create() | discontinued) | UNICODE
    assert (row.status, row.calling_ae_title, row.accession_number) == ("DISCONTINUED", "CT1", "A1")
    assert [(m.service, m.dataset, m.transfer_syntax_uid, m.calling_ae_title) for m in peer.messages()] == [
        ("N-CREATE", peer.encode(create()), datasets.EXPLICIT_LITTLE, "CT1"),
        ("N-SET", peer.encode(discontinued), datasets.EXPLICIT_LITTLE, "CT1"),
    ], "what a forwarding destination hands on is what the device would have sent over DIMSE"
    (link,) = peer.links()
    assert (link.origin, link.rule) == ("named", "study_uid+step_id")
    assert peer.told() == ["order.started", "order.discontinued"]
    assert peer.history(key) == [
        FactKind.ORDER_PLACED, FactKind.PERFORMED_STARTED, FactKind.STEP_STATUS, FactKind.ORDER_STARTED,
        FactKind.PERFORMED_DISCONTINUED, FactKind.STEP_STATUS, FactKind.ORDER_DISCONTINUED,
    ]  # fmt: skip
    (fact,) = peer.facts(FactKind.PERFORMED_STARTED)
    assert (fact.source, fact.actor, fact.data["token"]) == ("device", "CT1", "token-CT1-integration")


async def test_an_exam_may_go_on_another_way(peer: Peer) -> None:
    peer.order()
    async with web_peer(peer.context) as device:
        assert peer.create().status == 0
        assert (await device.post("1.9.1", create())).status_code == 409
        assert (await device.post("1.9.1", final(), update=True)).status_code == 200
        assert peer.set().error_id == 0xA710
        over_dimse = peer.get()
        assert over_dimse.dataset is not None
        stored = datasets.decode(over_dimse.dataset, peer.syntax).dataset
        for accept, read in ((JSON, json_model.read), (XML, xml_reader.read)):
            answer = await device.client.get(f"{PERFORMED}/1.9.1", headers={"Accept": accept})
            assert (answer.status_code, answer.headers["content-type"]) == (200, accept)
            again = datasets.encode(read(answer.content), datasets.EXPLICIT_LITTLE)
            assert datasets.decode(again, datasets.EXPLICIT_LITTLE).dataset == stored


async def test_an_exam_that_fits_no_order_waits_for_people(peer: Peer) -> None:
    async with web_peer(peer.context) as device:
        assert (await device.post("1.9.1", create())).status_code == 201
    assert [f.kind for f in peer.facts(FactKind.PERFORMED_UNMATCHED)] == ["performed.unmatched"]


def without(*keywords: str) -> dict[str, object]:
    return {k: v for k, v in create().items() if k not in keywords}


#: state before, body by keyword, update or create -> status, fault, offending paths
ANSWERS: list[tuple[str | None, dict[str, object], bool, int, str, list[str]]] = [
    (None, create(), False, 201, "", []),
    (None, create() | {STATUS: "COMPLETED"}, False, 400, "invalid", [STATUS]),
    (None, create() | {STATUS: ""}, False, 400, "empty", [STATUS]),
    (None, without(STATUS), False, 400, "missing", [STATUS]),
    (None, without("Modality", "PerformedProcedureStepID"), False, 400, "missing",
     ["PerformedProcedureStepID", "Modality"]),
    (None, create() | {"PerformedProcedureStepStartDate": "yesterday"}, False, 400, "invalid",
     ["PerformedProcedureStepStartDate"]),
    (None, create(references=[{"StudyInstanceUID": ""}]), False, 400, "empty",
     ["ScheduledStepAttributesSequence>StudyInstanceUID"]),
    ("IN PROGRESS", create(), False, 409, "duplicate", []),
    ("COMPLETED", create(), False, 409, "duplicate", []),
    (None, final(), True, 404, "unknown", []),
    ("IN PROGRESS", {"PerformedProcedureStepDescription": "more"}, True, 200, "", []),
    ("IN PROGRESS", final(), True, 200, "", []),
    ("IN PROGRESS", final("DISCONTINUED"), True, 200, "", []),
    ("IN PROGRESS", {STATUS: "PAUSED"}, True, 400, "invalid", [STATUS]),
    ("IN PROGRESS", {STATUS: "COMPLETED"}, True, 400, "empty",
     ["PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "PerformedSeriesSequence"]),
    ("COMPLETED", final(), True, 409, "final", []),
    ("DISCONTINUED", {"PerformedProcedureStepDescription": "more"}, True, 409, "final", []),
]  # fmt: skip


async def test_answers(one: Peer) -> None:
    async with web_peer(one.context) as device:
        for number, (state, values, update, status, fault, paths) in enumerate(ANSWERS):
            uid, case = f"1.9.{number}", f"case {number}"
            if state is not None:
                assert one.create(uid).status == 0, case
                if state != "IN PROGRESS":
                    assert one.set(uid, final(state)).status == 0, case
            before = one.performed()
            answer = await device.post(uid, values, update=update)
            assert answer.status_code == status, (case, answer.text)
            if status < 400:
                continue
            error = answer.json()["error"]
            assert (error["fault"], [a["path"] for a in error["attributes"]]) == (fault, paths), case
            assert all(error[word] for word in ("what", "why", "remedy", "incident"))
            assert "4711" not in answer.text
            assert "yesterday" not in answer.text
            assert one.performed() == before


async def test_what_only_creation_may_say_is_a_conflict_where_the_site_is_strict(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    peer = Peer(new_context(database, PerformedPolicy(tolerate=frozenset())))
    peer.order()
    async with web_peer(peer.context) as device:
        assert (await device.post("1.9.1", create())).status_code == 201
        answer = await device.post("1.9.1", {"PatientName": "OTHER"}, update=True)
    assert (answer.status_code, answer.json()["error"]["fault"]) == (409, "not_settable")
    assert answer.json()["error"]["attributes"] == [{"path": "PatientName", "tag": "00100010"}]
    database.close()


async def test_what_a_device_is_let_pass_is_told_and_counted(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    devices = {"CT1": frozenset({Quirk.MISSING_TYPE_2, Quirk.FINAL_AT_CREATE})}
    peer = Peer(new_context(database, PerformedPolicy(tolerate=frozenset(), devices=devices)))
    peer.order()
    values = without("PatientSex") | final()
    async with web_peer(peer.context) as device:
        answer = await device.post("1.9.1", values)
    assert answer.status_code == 201, answer.text
    assert answer.headers.get_list("warning") == [
        f'299 http://localhost/dicomweb "Let pass: final_at_create at {STATUS}"',
        '299 http://localhost/dicomweb "Let pass: missing_type_2 at PatientSex"',
    ]
    async with web_peer(peer.context, ae_title="CT2") as other:
        assert (await other.post("1.9.2", values)).status_code == 400
    page = device_registry.find(peer.context, DeviceDirectory(peer.context), "CT1")
    assert page is not None
    assert {t.quirk for t in page.tolerations} == {"final_at_create", "missing_type_2"}
    assert page.seen is not None
    database.close()


async def test_addresses_without_a_uid(one: Peer) -> None:
    async with web_peer(one.context) as device:
        for uid in ("1.02.3", "x", "1." + "2" * 70):
            for answer in (await device.post(uid, create()), await device.client.get(f"{PERFORMED}/{uid}")):
                assert (answer.status_code, answer.json()["error"]["fault"]) == (400, "invalid_uid")
        assert (await device.post("..%2Fboard", create())).status_code == 404
    assert one.performed() == []


async def test_retrieving_what_is_not_there_or_not_acceptable(one: Peer) -> None:
    one.create()
    async with web_peer(one.context) as device:

        async def get(path: str, accept: str = "*/*") -> tuple[int, str]:
            answer = await device.client.get(f"{PERFORMED}/{path}", headers={"Accept": accept})
            return answer.status_code, answer.headers["content-type"].partition(";")[0]

        assert await get("1.9.9") == (404, "application/json")
        assert await get("1.9.1") == (200, JSON)
        assert await get("1.9.1", "application/json") == (200, "application/json")
        assert await get("1.9.1", f"text/html, {XML};q=0.4, */*;q=0.1") == (200, XML)
        assert await get("1.9.1", f'multipart/related; type="{XML}"') == (200, "multipart/related")
        assert await get("1.9.1", f"{JSON};q=0, text/html") == (406, "application/json")
        assert await get(f"1.9.1?accept={XML.replace('+', '%2B')}") == (200, XML)
        assert await get("1.9.1?charset=latin-1") == (406, "application/json")
        assert await get("1.9.1?includefield=all") == (400, "application/json")


async def test_a_misspelt_update_creates_nothing(one: Peer) -> None:
    async with web_peer(one.context) as device:
        content_type, body = written(JSON, create())
        headers = {"Content-Type": content_type}
        answer = await device.client.post(f"{PERFORMED}/1.9.1?updat", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["parameter"]) == (400, "updat")
    assert one.performed() == []


@pytest.mark.parametrize(
    ("role", "ae_title", "why"),
    [
        (Role.VIEWER, "CT1", "The role viewer may look at exams, not report them."),
        (Role.INTEGRATION, "", "Exams are reported by devices; this is nobody's."),
    ],
)
async def test_who_may_not_report(one: Peer, role: Role, ae_title: str, why: str) -> None:
    one.create("1.9.9")
    async with web_peer(one.context, role=role, ae_title=ae_title) as device:
        answer = await device.post("1.9.1", create())
        assert (answer.status_code, answer.json()["error"]["why"]) == (403, why)
        assert (await device.client.get(f"{PERFORMED}/1.9.9")).status_code == 200
    assert len(one.performed()) == 1


async def test_people_may_look_with_their_session_but_report_nothing(one: Peer) -> None:
    one.create()
    async with web_peer(one.context) as device:
        del device.client.headers["Authorization"]
        assert (await device.post("1.9.2", create())).status_code == 401
        csrf = await sign_in(device.client, one.context)
        assert (await device.client.get(f"{PERFORMED}/1.9.1")).status_code == 200
        assert (await device.post("1.9.2", create())).status_code == 403
        device.client.headers["X-CSRF-Token"] = csrf
        assert "nobody's" in (await device.post("1.9.2", create())).text
    assert len(one.performed()) == 1


GOOD = written(JSON, create())[1]
LAUGHS = "".join(f'<!ENTITY {name} "{other * 10}">' for name, other in [("b", "&a;"), ("c", "&b;"), ("d", "&c;")])
BOMB = f'<!DOCTYPE x [<!ENTITY a "ha">{LAUGHS}]><NativeDicomModel>&d;</NativeDicomModel>'
#: Content-Type, body -> status, the beginning of the reason
HOSTILE: list[tuple[str | None, bytes, int, str]] = [
    (XML, BOMB.encode(), 400, "the document has a document type declaration"),
    (JSON, b"[" * 200_000, 400, "the document is nested too deeply"),
    (XML, b"<NativeDicomModel>" * 100_000, 400, "an element stands where"),
    (JSON, b"", 400, "the document is no JSON"),
    (XML, b"", 400, "the document is no XML"),
    (JSON, b"\xff\xfe", 400, "the document is not UTF-8"),
    (None, GOOD, 415, "The media type is not named."),
    ("text/plain", GOOD, 415, "The media type is text/plain."),
    ("application/dicom", GOOD, 415, "The media type is application/dicom."),
    (f"{JSON}; charset=iso-8859-1", GOOD, 415, "The character set is not UTF-8."),
    ("multipart/related", GOOD, 400, "the header Content-Type names no boundary"),
    (f'multipart/related; type="{JSON}"; boundary=edge', GOOD, 400, "the parts cannot be told apart"),
    (f'multipart/related; type="{JSON}"; boundary=edge', boxed(JSON, GOOD)[1][:-6], 400, "the closing boundary"),
    (f'multipart/related; type="{JSON}"; boundary=edge', boxed(JSON, GOOD)[1][:-2] + boxed(JSON, GOOD)[1][6:], 400,
     "there are several parts"),
    (boxed("text/plain", GOOD)[0], boxed("text/plain", GOOD)[1], 415, "The media type is text/plain."),
    (JSON, json.dumps({"00080018": {"vr": "UI", "Value": ["1.9.2"]}}).encode(), 400, "00080018: another SOP Instance"),
    (JSON, json.dumps({"00400302": {"vr": "US", "Value": [70000]}}).encode(), 400, "the element (0040,0302)"),
]  # fmt: skip


async def test_hostile_bodies_are_refused_with_a_reason(one: Peer) -> None:
    async with web_peer(one.context) as device:
        for content_type, body, status, why in HOSTILE:
            headers = {"Content-Type": content_type} if content_type else {}
            answer = await device.client.post(f"{PERFORMED}/1.9.1", content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["why"][: len(why)]) == (status, why)
    assert one.performed() == []
    assert one.messages() == []


async def test_large_documents_are_refused_unread(one: Peer) -> None:
    read: list[int] = []
    async with web_peer(one.context, web=WebConfig(document_limit=100_000)) as device:

        async def post(body: Any, **headers: str) -> int:
            headers = {"Content-Type": JSON, **headers}
            answer = await device.client.post(f"{PERFORMED}/1.9.1", content=body, headers=headers)
            return answer.status_code

        async def large() -> AsyncIterator[bytes]:
            for number in range(50):
                read.append(number)
                yield b" " * 1024 * 1024

        assert await post(large(), **{"Content-Length": str(50 * 1024 * 1024)}) == 413
        assert await post(large()) == 411
        assert read == []
        spaces = b" " * 90_000
        assert await post(GOOD + spaces) == 201, "larger than a form may be"
