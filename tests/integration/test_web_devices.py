"""The device pages and the programming interface for devices: list, accept, settings, explanations, who may."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest

from broker.domain.devices import DeviceProfile
from broker.domain.site import Site
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog, QueryRecord, WarningKind
from broker.services.people import Role
from broker.store.database import Database
from tests.integration.web_client import device_staff
from tests.support.worklist import NOW, Item, fill

KEYS = {"PatientName": ["DOE*"], "ScheduledProcedureStepSequence": [{"Modality": ["MR"]}]}


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    context = Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.write(lambda c: fill(c, [Item(), Item({"PatientID": None}, complete=False)]))
    log = DeviceLog(context)
    log.seen("CT_1", "10.0.0.7", known=False)
    log.seen("CT_1", "10.0.0.8", known=False)
    log.warned("CT_1", WarningKind.KEYS, "it asks for what the worklist does not have: (0020,0010)")
    log.queried(QueryRecord(NOW, "CT_1", "10.0.0.7", KEYS, 0, 0, 3))
    log.stop()
    yield context
    database.close()


@pytest.fixture
def directory(context: Context) -> DeviceDirectory:
    return DeviceDirectory(context, [DeviceProfile("CT1", stations=("CT1",))])


async def test_the_list_shows_who_knocks_and_what_is_wrong(context: Context, directory: DeviceDirectory) -> None:
    async with device_staff(context, directory) as (client, _):
        page = (await client.get("/devices")).text
    assert "CT_1" in page
    assert "differs in spaces, underscores or dashes" in page
    assert "and from another address within a day" in page
    assert "Patient ID" in page.partition('id="gaps"')[2]
    assert page.count('action="/devices/accept"') == 1


async def test_the_device_page_has_queries_with_keys_as_sent(context: Context, directory: DeviceDirectory) -> None:
    async with device_staff(context, directory) as (client, _):
        page = (await client.get("/devices/CT_1")).text
        assert (await client.get("/devices/NEVER")).status_code == 404
        fixed = (await client.get("/devices/CT1")).text
    for text in ("PatientName = DOE*", "Modality = MR", "(0020,0010)", "10.0.0.8", "Perhaps"):
        assert text in page
    assert "settings file" in fixed
    assert 'action="/devices/settings"' not in fixed


async def test_accepting_in_one_click_and_setting(context: Context, directory: DeviceDirectory) -> None:
    async with device_staff(context, directory) as (client, token):
        answer = await client.post("/devices/accept", data={"ae_title": "CT_1", "csrf_token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/devices/CT_1")
        assert directory.known("CT_1")
        form = {"ae_title": "CT_1", "csrf_token": token, "stations": "CT1;CT2", "charset": "ascii", "limit": ""}
        assert (await client.post("/devices/settings", data=form)).status_code == 303
        assert directory.profile("CT_1") == DeviceProfile("CT_1", stations=("CT1", "CT2"), charset="ascii")
        wrong = await client.post("/devices/settings", data={**form, "charset": "LATIN"})
        assert wrong.status_code == 422
        assert "charset: " in wrong.text
        assert 'value="LATIN"' in wrong.text
        assert (await client.post("/devices/warnings", data=form)).status_code == 303
        assert "(0020,0010)" not in (await client.get("/devices/CT_1")).text
        assert (await client.post("/devices/forget", data=form)).status_code == 303
        assert not directory.known("CT_1")


@pytest.mark.parametrize("action", ["accept", "settings", "forget", "warnings"])
async def test_who_may_not(context: Context, directory: DeviceDirectory, action: str) -> None:
    async with device_staff(context, directory, Role.VIEWER) as (client, token):
        form = {"ae_title": "CT_1", "csrf_token": token}
        assert (await client.post(f"/devices/{action}", data=form)).status_code == 403
    async with device_staff(context, directory) as (client, _):
        assert (await client.post(f"/devices/{action}", data={"ae_title": "CT_1"})).status_code == 403
    assert not directory.known("CT_1")


async def test_an_explanation(context: Context, directory: DeviceDirectory) -> None:
    async with device_staff(context, directory, Role.VIEWER) as (client, token):
        form = {"ae_title": "CT_1", "csrf_token": token, "accession_number": "A1"}
        page = await client.post("/devices/explain", data=form)
        assert page.status_code == 200
        assert "The device asks for another Modality." in page.text
        assert "0 of 1 step shown" in page.text
        now = await client.post("/devices/explain", data={**form, "now": "true"})
        assert "1 of 1 step shown" in now.text
        wrong = await client.post("/devices/explain", data={**form, "date": "soon"})
        assert wrong.status_code == 422
        assert (await client.post("/devices/explain", data={**form, "csrf_token": "x"})).status_code == 403


async def test_the_programming_interface(context: Context, directory: DeviceDirectory) -> None:
    async with device_staff(context, directory) as (client, token):
        client.headers["X-CSRF-Token"] = token
        listed = (await client.get("/api/v1/devices")).json()["devices"]
        assert [(d["ae_title"], d["source"]) for d in listed] == [("CT1", "settings"), ("CT_1", "knocking")]
        put = await client.put("/api/v1/devices/CT_1", json={"stations": ["CT1"], "grace": {"STARTED": 30}})
        assert put.json()["settings"] == {"stations": ["CT1"], "grace": {"STARTED": 30.0}}
        assert put.json()["queries"][0]["keys"] == KEYS
        assert directory.known("CT_1")
        wrong = await client.put("/api/v1/devices/CT_1", json={"limit": "many"})
        assert (wrong.status_code, wrong.json()["error"]["why"]) == (422, "limit: a number is expected")
        assert (await client.put("/api/v1/devices/CT1", json={})).status_code == 422
        asked = {"device": "CT_1", "accession_number": "A1"}
        (step,) = (await client.post("/api/v1/explain", json=asked)).json()["steps"]
        assert (step["shown"], step["obstacle"], step["keyword"]) == (False, "key", "Modality")
        empty = {"Content-Length": "0"}
        assert (await client.delete("/api/v1/devices/CT_1", headers=empty)).status_code == 204
        assert (await client.delete("/api/v1/devices/CT_1", headers=empty)).status_code == 404
        del client.headers["X-CSRF-Token"]
        assert (await client.post("/api/v1/explain", json=asked)).status_code == 403
        assert (await client.put("/api/v1/devices/CT_1", json={})).status_code == 403
