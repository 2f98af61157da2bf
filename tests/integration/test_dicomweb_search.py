"""Scheduled procedure steps over DICOMweb: the same as C-FIND for the same device, parameters, paging, explanations."""

import json
import logging
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydicom import Dataset

from broker.dicom import datasets, search_keys, xml_reader
from broker.dicom.datasets import EXPLICIT_LITTLE
from broker.dicom.messages import Association, Request
from broker.dicom.worklist import MODALITY_WORKLIST_FIND, WorklistConfig, WorklistHandler
from broker.dicom.worklist_search import SearchConfig
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.device_settings import profile_of
from broker.domain.devices import DeviceProfile
from broker.domain.site import Site
from broker.domain.states import StepStatus
from broker.services import device_registry, explaining
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.dicomweb import Search
from broker.services.people import Role
from broker.services.worklist import ItemFilter
from broker.store.database import Database
from tests.integration.dicomweb_client import JSON, SCHEDULED, XML, WebPeer, web_peer
from tests.integration.web_client import sign_in
from tests.support.worklist import NOW, Item, fill, pydicom_bytes

CODE = {"CodeValue": "P1", "CodingSchemeDesignator": "99X", "CodeMeaning": "plain"}
ITEMS = [
    Item({"PatientName": "Müller^Eva=山田^花子"}, {"ScheduledStationAETitle": ["CT1", "CT2"]}),
    Item({"PatientName": "MILLER^EVE"}, {"Modality": "MR", "ScheduledStationAETitle": ["MR1"]}),
    Item({"PatientID": "p3", "MedicalAlerts": ["a", "b"]}, {"ScheduledProcedureStepStartDate": "20261201"}),
    Item({"PatientName": "DOE^JOHN"}, {"ScheduledProtocolCodeSequence": [CODE]}, StepStatus.ARRIVED),
    Item({}, {}, StepStatus.STARTED),
    Item({"AccessionNumber": "A" * 17}),
    Item({"PatientID": None}, complete=False),
]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    database.write(lambda c: fill(c, ITEMS))
    yield Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.close()


@pytest.fixture
def one(sqlite_url: str) -> Iterator[Context]:
    """For what does not depend on the database."""
    database = Database(sqlite_url)
    database.write(lambda c: fill(c, ITEMS))
    yield Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.close()


def by_c_find(device: WebPeer, profile: DeviceProfile, search: Search) -> list[Any]:
    """What C-FIND answers the same device to the same keys, written by pydicom."""
    keys = pydicom_bytes(search_keys.identifier_of(search).keys, EXPLICIT_LITTLE)
    registry = DeviceDirectory(device.context, [profile])
    handler = WorklistHandler(device.context, WorklistConfig(), registry, device.log)
    association = Association(profile.ae_title, "BROKER", "127.0.0.1", 1, fuzzy_names=search.fuzzy_names)
    *pending, last = handler.find(Request(association, 1, MODALITY_WORKLIST_FIND, EXPLICIT_LITTLE, keys))
    assert last.status == 0
    return [datasets.decode(r.dataset or b"", EXPLICIT_LITTLE).dataset for r in pending]


SEARCHES = [
    Search(),
    Search([("PatientName", "m*ller^e*")]),
    Search([("PatientName", "MILLER^EVA")], fuzzy_names=True),
    Search([(f"{SPS_SEQUENCE}.Modality", "CT\\MR"), ("00100020", "PID1\\PID2")]),
    Search([(f"{SPS_SEQUENCE}.ScheduledProcedureStepStartDate", "20261124-")], ["all"]),
    Search([("00400100.00400008.00080100", "P1")], ["MedicalAlerts", "00400100.00400400"]),
    Search([(f"{SPS_SEQUENCE}.ScheduledProcedureStepStatus", "STARTED")]),
    Search([("StudyInstanceUID", "1.2.3.1,1.2.3.4")]),
    Search([(f"{SPS_SEQUENCE}.ScheduledStationAETitle", "CT1")]),
]
PROFILES = [
    profile_of("CT1", {}),
    profile_of(
        "CT1",
        {"stations": ["CT2", "MR1"], "strip": ["MedicalAlerts"], "clip": {"RequestedProcedureDescription": 3},
         "rename": {"PatientTransportArrangements": "PatientID"}, "too_long": "whole", "ignore_case": True},
    ),
]  # fmt: skip


def query_of(search: Search) -> str:
    pairs = [*search.match, *(("includefield", name) for name in search.include)]
    return urlencode([*pairs, ("fuzzymatching", str(search.fuzzy_names).lower())])


@pytest.mark.parametrize("profile", PROFILES, ids=["plain", "treated"])
async def test_a_search_finds_what_c_find_finds(context: Context, profile: DeviceProfile) -> None:
    found = 0
    async with web_peer(context, profile) as device:
        for search in SEARCHES:
            expected = by_c_find(device, profile, search)
            answer = await device.search(query_of(search))
            assert answer.status_code == (200 if expected else 204), answer.text
            assert (answer.json() if expected else []) == expected, search
            found += len(expected)
    assert found > len(SEARCHES)


async def test_json_and_xml_say_the_same_to_readers_of_others_make(context: Context) -> None:
    async with web_peer(context) as device:
        as_json = await device.search("includefield=all")
        as_xml = await device.search("includefield=all", f'multipart/related; type="{XML}"')
        boxed = await device.search("includefield=all", f'multipart/related; type="{JSON}"')
    read = [Dataset.from_json(item) for item in as_json.json()]
    assert [(str(ds.PatientName), ds.ScheduledProcedureStepSequence[0].Modality) for ds in read] == [
        ("Müller^Eva=山田^花子", "CT"), ("DOE^JOHN", "CT"), ("MILLER^EVE", "MR"), ("DOE^JANE", "CT"),
    ]  # fmt: skip
    assert {kind for kind, _ in unboxed(as_xml)} == {XML}
    encoded = [datasets.encode(xml_reader.read(d), EXPLICIT_LITTLE) for _, d in unboxed(as_xml)]
    assert [datasets.decode(e, EXPLICIT_LITTLE).dataset for e in encoded] == as_json.json()
    ((kind, document),) = unboxed(boxed)
    assert (kind, json.loads(document)) == (JSON, as_json.json())


def unboxed(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """The parts of a multipart answer, as Python's mail reader tells them apart."""
    head = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n"
    parts: Any = message_from_bytes(head + answer.content).get_payload()
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in parts]


async def test_one_xml_document_holds_one_result(one: Context) -> None:
    async with web_peer(one) as device:
        single = await device.search("limit=1", XML)
        assert (single.status_code, single.headers["content-type"]) == (200, XML)
        several = await device.search("", XML)
        assert several.status_code == 406
        assert "multipart/related" in several.json()["error"]["remedy"]
        either = await device.search("", f"{XML}, {JSON};q=0.1")
        assert (either.status_code, either.headers["content-type"]) == (200, JSON)
        nothing = await device.search("PatientID=none", XML)
        assert (nothing.status_code, nothing.content) == (204, b"")


async def test_paging_and_the_limits_of_an_answer(one: Context) -> None:
    profile = DeviceProfile("CT1", limit=3)
    more = "Additional results can be requested."

    async def ids(device: WebPeer, query: str) -> tuple[list[str], bool]:
        answer = await device.search(query)
        items = answer.json() if answer.status_code == 200 else []
        told = any(more in warning for warning in answer.headers.get_list("warning"))
        return [item["00400100"]["Value"][0]["00400009"]["Value"][0] for item in items], told

    async with web_peer(one, config=SearchConfig(limit=2)) as device:
        assert await ids(device, "") == (["SPS1", "SPS4"], True)
        assert await ids(device, "offset=2") == (["SPS2", "SPS3"], False)
        assert await ids(device, "limit=1") == (["SPS1"], False), "no more were asked for"
        assert await ids(device, "limit=3&offset=1") == (["SPS4", "SPS2"], True)
        assert await ids(device, "limit=0") == ([], False)
        assert await ids(device, "offset=99") == ([], False)
    async with web_peer(one, profile, ae_title="CT1", role=Role.VIEWER) as device:
        assert await ids(device, "") == (["SPS1", "SPS4", "SPS2"], True)


REFUSED = [
    ("PatientIDs=1", "PatientIDs"), ("Modality.CodeValue=1", "Modality.CodeValue"),
    (f"{SPS_SEQUENCE}=CT", SPS_SEQUENCE), ("PatientID=1&00100020=2", "00100020"),
    ("includefield=Nonsense", "includefield"), ("limit=many", "limit"), ("limit=-1", "limit"),
    ("offset=1.5", "offset"), ("limit=1&limit=2", "limit"), ("fuzzymatching=perhaps", "fuzzymatching"),
    (f"{SPS_SEQUENCE}.ScheduledProcedureStepStartDate=tomorrow", "ScheduledProcedureStepStartDate"),
    ("TimezoneOffsetFromUTC=Zurich", "TimezoneOffsetFromUTC"), ("K%C3%A4se=1", "a parameter"),
]  # fmt: skip


async def test_what_is_not_understood_is_named(one: Context) -> None:
    async with web_peer(one) as device:
        for query, parameter in REFUSED:
            answer = await device.search(query)
            assert answer.status_code == 400, query
            error = answer.json()["error"]
            assert error["parameter"] == parameter
            assert error["why"].startswith(f"{parameter}: ")
            assert "tomorrow" not in answer.text
        assert (await device.search("", "text/html")).status_code == 406
        device.log.flush()
    last, *_ = device_registry.recent_queries(one, "CT1", 20)
    assert last.status == 0xC002


async def test_warnings(one: Context) -> None:
    async with web_peer(one, config=SearchConfig(fuzzy_names=False, timezone_adjustment=False)) as device:

        async def told(query: str) -> str:
            return " ".join((await device.search(query)).headers.get_list("warning"))

        assert await told("PatientID=*&fuzzymatching=false") == ""
        assert "The fuzzymatching parameter is not supported" in await told("fuzzymatching=true")
        assert "ignored: StationName, SeriesInstanceUID" in await told("StationName=X&includefield=SeriesInstanceUID")
        assert "The emptyvaluematching parameter is not supported" in await told("emptyvaluematching=true")
        assert "TimezoneOffsetFromUTC is not applied" in await told("TimezoneOffsetFromUTC=%2B0100")
    page = device_registry.find(one, DeviceDirectory(one), "CT1")
    assert page is not None
    assert any("(0008,1010)" in warning.text for warning in page.warnings)
    async with web_peer(one, DeviceProfile("CT1", warn_unsupported=False), role=Role.VIEWER) as device:
        assert "warning" not in (await device.search("StationName=X")).headers


async def test_start_times_in_the_zone_of_the_caller(one: Context) -> None:
    async with web_peer(one) as device:
        start = f"{SPS_SEQUENCE}.ScheduledProcedureStepStartTime=113000"
        answer = await device.search(f"{start}&TimezoneOffsetFromUTC=%2B0200&limit=1")
    (item,) = answer.json()
    assert item["00080201"]["Value"] == ["+0200"]
    assert item["00400100"]["Value"][0]["00400003"]["Value"] == ["1130"]


async def test_a_search_can_be_explained(context: Context) -> None:
    profile = DeviceProfile("CT1", stations=("CT1",))
    async with web_peer(context, profile) as device:
        answer = await device.search(f"{SPS_SEQUENCE}.Modality=CT&limit=2")
        assert len(answer.json()) == 2
    devices = DeviceDirectory(context, [profile])
    (query, *_) = device_registry.recent_queries(context, "CT1")
    assert (query.answers, query.status) == (2, 0)
    account = explaining.explain_device(context, devices, "CT1", ItemFilter())
    found = {e.entry.scheduled_procedure_step_id: e.verdict and e.verdict.obstacle.name for e in account.explanations}
    assert found == {
        "SPS1": None, "SPS2": "DEVICE", "SPS3": None, "SPS4": None, "SPS5": "STATUS", "SPS6": "WITHHELD",
        "SPS7": "INCOMPLETE",
    }  # fmt: skip


async def test_who_acts_as_no_device_sees_the_list_of_the_site(one: Context) -> None:
    profile = DeviceProfile("CT1", stations=("CT1",))
    async with web_peer(one, profile, ae_title="", role=Role.VIEWER) as device:
        assert len((await device.search()).json()) == 4
        del device.client.headers["Authorization"]
        assert (await device.client.get(SCHEDULED)).status_code == 401
        await sign_in(device.client, one)
        assert len((await device.search()).json()) == 4
        device.log.flush()
    assert device_registry.recent_queries(one, "") == []


async def test_searched_patients_are_not_in_the_log(one: Context, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="broker")
    async with web_peer(one) as device:
        await device.search("PatientName=KELLER*&PatientID=47110815")
        await device.search("PatientName=KELLER*&PatientID.X=47110815")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("broker")]
    assert any(line.startswith(f"GET {SCHEDULED} 204 ") for line in lines)
    assert not [line for line in lines if "KELLER" in line or "47110815" in line]
