"""FHIR against a server that validates: what it ends up with over the life of an order, and what each answer means."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from broker.delivery.fhir import READ_LIMIT, FhirConfig, FhirDestination
from broker.delivery.hl7_check import sample
from broker.delivery.http import Target
from broker.delivery.login import Login
from broker.delivery.signature import SecretSource
from broker.destination_settings import FhirDestination as FhirSettings
from broker.dicom.availability import AvailabilityHandler
from broker.dicom.n_services import INSTANCE_AVAILABILITY
from broker.domain.correcting import Correction
from broker.domain.fhir_style import FhirStyle, PatientMode
from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import Outcome, Verdict
from broker.domain.states import PerformedStatus
from broker.services import correcting, order_exams, outbox, reconciling
from broker.services.context import Context
from broker.store.database import Database
from broker.wiring import make_rule
from tests.integration.mpps_peer import Peer, new_context
from tests.peers.fhir_server import FhirServer, Refused, outcome, validate
from tests.peers.http_receiver import HANG_UP, SILENT, Say
from tests.peers.orders import happen, place
from tests.peers.sending import Start, starter, told, wait_delivered, wait_tried
from tests.support.exams import create, final, reason, reference
from tests.support.notices import encoded, instance, notice

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
SECRET = "Xyzzy-Geheim-42"
NINA = Actor(Source.PERSON, "nina.frei")
UID = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.1"}


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    with told(sqlite_url, "ehr") as found:
        yield found


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with starter(context) as found:
        yield found


def destination(
    server: FhirServer, context: Context | None = None, mode: PatientMode = PatientMode.REFERENCE, **more: Any
) -> FhirDestination:
    target = Target(f"http://127.0.0.1:{server.port}/fhir/r4", True, None, 5.0, 2.0, READ_LIMIT)
    config = FhirConfig("ehr", target, FhirStyle(zone=ZoneInfo("Europe/Zurich"), patient=mode), **more)
    return FhirDestination(config, lambda key: order_exams.of_order(context, key) if context else None)


def tell(server: FhirServer, context: Context, mode: PatientMode = PatientMode.REFERENCE) -> list[Outcome]:
    """Every notification so far, in order, as a sender would."""
    used = destination(server, context, mode)
    return [used.deliver(entry) for entry in reversed(outbox.list_notifications(context))]


@pytest.mark.parametrize("mode", PatientMode)
def test_an_order_is_found_again_by_its_identifiers_and_not_made_twice(
    context: Context, start: Start, mode: PatientMode
) -> None:
    with FhirServer() as server:
        start(destination(server, context, mode))
        happen(context, place(context, 1), STARTED, COMPLETED)
        wait_delivered(context, 2)
        happen(context, place(context, 2), STARTED)
        wait_delivered(context, 3)
        assert len(server.of_type("ServiceRequest")) == len(server.of_type("Task")) == 2
        assert len(server.of_type("Patient")) == (2 if mode is PatientMode.CREATE else 0)
        (first, second, *_) = (json.loads(posted.body) for posted in server.received)
    assert [e["fullUrl"] for e in first["entry"]] == [e["fullUrl"] for e in second["entry"]]
    newest = outbox.list_notifications(context)[-1]
    assert first["identifier"]["value"] == server.received[0].headers["x-request-id"] == newest.message_id
    assert server.received[0].path == "/fhir/r4"
    assert server.received[0].headers["content-type"] == "application/fhir+json; charset=utf-8"
    words = "HTTP 200 OK: 201 Created, 201 Created" + (", 201 Created" if mode is PatientMode.CREATE else "")
    assert wait_tried(context) == [("delivered", words)]


def test_references_lead_to_each_other(context: Context) -> None:
    with FhirServer() as server:
        happen(context, place(context, 1), STARTED)
        (outcome_,) = tell(server, context, PatientMode.CREATE)
        assert outcome_.verdict is Verdict.DELIVERED
        places = {resource["resourceType"]: where for where, resource in server.stored.items()}
        order, task = server.one("ServiceRequest"), server.one("Task")
    assert task["focus"] == task["basedOn"][0] == {"reference": places["ServiceRequest"]}
    assert order["subject"] == task["for"] == {"reference": places["Patient"]}


def archive_tells(peer: Peer, uid: str, *instances: dict[str, object]) -> None:
    """An Instance Availability Notification about the exam 1.9.1."""
    request = peer.request(uid)
    data = encoded(notice(instances=instances))
    told = replace(request, sop_class_uid=INSTANCE_AVAILABILITY, dataset=data)
    assert AvailabilityHandler(peer.context).create(told).status == 0


def test_an_exam_from_start_to_void(sqlite_url: str) -> None:
    ehr = make_rule(FhirSettings(name="ehr", kind="fhir", url="https://ehr.example"))
    with closing(Database(sqlite_url)) as database, FhirServer() as server:
        made = new_context(database)
        peer = Peer(replace(made, site=replace(made.site, destinations=(ehr,))))
        peer.order()
        peer.create()
        tell(server, peer.context)
        assert (server.one("ServiceRequest")["status"], server.one("Task")["status"]) == ("active", "in-progress")
        assert server.of_type("ImagingStudy") == []
        peer.set()
        tell(server, peer.context)
        order, task, study = (server.one(name) for name in ("ServiceRequest", "Task", "ImagingStudy"))
        assert (order["status"], task["status"]) == ("completed", "completed")
        assert task["executionPeriod"] == {"start": "2026-11-23T09:31:00+01:00", "end": "2026-11-23T09:45:12+01:00"}
        assert study["identifier"][0] == UID == task["input"][1]["valueIdentifier"]
        assert (study["status"], study["numberOfSeries"], study["numberOfInstances"]) == ("registered", 1, 1)
        assert study["started"] == "2026-11-23T09:31:00+01:00"
        (series,) = study["series"]
        assert (series["uid"], series["modality"]["code"], series["description"]) == ("1.2.826.9.1", "CT", "HEAD")
        assert series["instance"][0]["uid"] == "1.2.826.9.1.1"
        assert "performer" not in series, "nobody is named"
        archive_tells(peer, "1.8.1", instance("1.2.826.9.1.9"))
        tell(server, peer.context)
        assert server.one("ImagingStudy")["status"] == "registered", "not what the device reported"
        archive_tells(peer, "1.8.2", instance("1.2.826.9.1.1"))
        newest = outbox.list_notifications(peer.context)[0]
        assert newest.kind is FactKind.STUDY_AVAILABLE
        assert destination(server, peer.context).deliver(newest).verdict is Verdict.DELIVERED
        assert server.one("ImagingStudy")["status"] == "available"
        key = reconciling.find_key(peer.context, "1.9.1")
        assert key is not None
        void = Correction(PerformedStatus.DISCONTINUED, "wrong patient", "110514", "Incorrect worklist entry selected")
        correcting.correct(peer.context, NINA, key, void)
        tell(server, peer.context)
        assert server.one("ImagingStudy")["status"] == "entered-in-error"
        assert (server.one("ServiceRequest")["status"], server.one("Task")["status"]) == ("active", "ready")


def test_what_was_discontinued_says_why_and_series_of_a_group_belong_to_nobody(sqlite_url: str) -> None:
    with closing(Database(sqlite_url)) as database, FhirServer() as server:
        peer = Peer(new_context(database))
        peer.order("1")
        peer.order("2")
        peer.create(values=create_for("1", "2"))
        peer.set(values=final("DISCONTINUED", **reason("110504")))
        assert {o.verdict for o in tell(server, peer.context)} == {Verdict.DELIVERED}
        task = server.of_type("Task")[0]
        assert task["status"] == "failed"
        assert task["statusReason"]["coding"][0]["code"] == "110504"
        assert {order["status"] for order in server.of_type("ServiceRequest")} == {"revoked"}
        assert server.of_type("ImagingStudy") == []


def create_for(*numbers: str) -> dict[str, object]:
    return create([reference(number) for number in numbers])


AWAY, HERE = False, True
JSON = {"Content-Type": "application/fhir+json;charset=UTF-8"}
ANSWERS = [
    (Say(201), Verdict.DELIVERED, HERE, "HTTP 201 Created"),
    (Say(200, {"Content-Type": "text/html"}, b"<html>"), Verdict.RETRY, AWAY, "is not FHIR JSON (text/html)"),
    (Say(400, body=outcome("invalid", "no code")), Verdict.PARK, HERE, "HTTP 400 Bad Request: error invalid no code"),
    (Say(422, body=outcome("business-rule", "closed")), Verdict.PARK, HERE, "Entity: error business-rule closed"),
    (Say(412, body=outcome("multiple-matches", "2")), Verdict.PARK, HERE, "HTTP 412 Precondition Failed: error"),
    (Say(409), Verdict.RETRY, HERE, "HTTP 409 Conflict"),
    (Say(500, body=b"stack trace"), Verdict.RETRY, HERE, "HTTP 500 Internal Server Error"),
    (Say(401), Verdict.RETRY, AWAY, "HTTP 401 Unauthorized"),
    (Say(404), Verdict.RETRY, AWAY, "HTTP 404 Not Found"),
    (Say(429, {"Retry-After": "7"}), Verdict.RETRY, AWAY, "HTTP 429 Too Many Requests"),
    (Say(503), Verdict.RETRY, AWAY, "HTTP 503 Service Unavailable"),
    (Say(302, {"Location": "/x"}), Verdict.RETRY, AWAY, "redirects are not followed; set url to the final address"),
    (Say(200, JSON, b'{"resourceType":"Bundle","entry":[{"response":{"status":"409"}}]}'), Verdict.RETRY, HERE,
     "an entry of the transaction was answered 409"),
    (HANG_UP, Verdict.RETRY, AWAY, "the answer was cut short"),
    (SILENT, Verdict.RETRY, AWAY, "time-out"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "verdict", "reachable", "words"), ANSWERS)
def test_what_an_answer_means(answer: Say, verdict: Verdict, reachable: bool, words: str) -> None:
    with FhirServer([answer]) as server:
        found = destination(server).deliver(sample())
    assert (found.verdict, found.reachable) == (verdict, reachable), found.detail
    assert words in found.detail
    assert found.wait == (7 if answer.status == 429 else None)


@pytest.mark.parametrize("spoil", [{"status": "started"}, {"subject": None}, {"intent": 7}, {"colour": "red"}])
def test_the_judge_judges(spoil: dict[str, object]) -> None:
    with FhirServer() as server:
        bundle = json.loads(destination(server).preview(sample()))
    validate(bundle)
    bundle["entry"][0]["resource"] |= spoil
    with pytest.raises(Refused):
        validate(bundle)


@pytest.mark.parametrize("user", ["", "broker"])
def test_who_we_are_is_told_and_never_written_down(
    user: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("EHR", SECRET)
    with FhirServer() as server:
        used = destination(server, login=Login(user, SecretSource("EHR")))
        assert used.deliver(sample()).verdict is Verdict.DELIVERED
        shown = used.preview(sample())
    pair = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    assert server.received[0].headers["authorization"] == (f"Basic {pair}" if user else f"Bearer {SECRET}")
    assert SECRET not in shown + caplog.text


def test_without_its_secret_nothing_is_sent() -> None:
    with FhirServer() as server:
        found = destination(server, login=Login("", SecretSource("NOT_SET"))).deliver(sample())
    assert (found.verdict, found.reachable) == (Verdict.RETRY, False)
    assert found.detail == "the environment variable NOT_SET holds no secret"
    assert server.received == []
