"""FHIR R4 served: what a client reads and finds, judged by fhir.resources; and what it is refused."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task

from broker.services import api_tokens
from broker.services.context import Context
from broker.services.people import Role
from broker.store.database import Database
from tests.integration.web_client import BASE, staff, visitor
from tests.peers.orders import make_context, place

PLACER = "urn:worklist-broker:placer:HIS"
Found = dict[str, Any]


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    database = Database(sqlite_url)
    yield make_context(database)
    database.close()


@asynccontextmanager
async def client_of(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client of a broker with two orders."""
    for number in (1, 2):
        place(context, number)
    async with staff(context) as (found, _):
        yield found


@pytest.fixture
async def client(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as found:
        yield found


async def get(client: httpx.AsyncClient, address: str, **parameters: str) -> Found:
    answer = await client.get(f"/fhir/r4/{address}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    found: Found = answer.json()
    return found


async def refused(client: httpx.AsyncClient, address: str, status: int, **headers: str) -> str:
    """The code of the OperationOutcome."""
    answer = await client.get(f"/fhir/r4/{address}", headers=headers)
    assert answer.status_code == status, answer.text
    OperationOutcome.model_validate(answer.json())
    code: str = answer.json()["issue"][0]["code"]
    return code


async def test_an_order_is_found_read_and_leads_to_its_steps(database_url: str) -> None:
    with closing(Database(database_url)) as database:
        async with client_of(make_context(database)) as client:
            await follow(client)


async def follow(client: httpx.AsyncClient) -> None:
    bundle = await get(client, "ServiceRequest", identifier=f"{PLACER}|P1")
    Bundle.model_validate(bundle)
    assert bundle["total"] == 1
    entry = bundle["entry"][0]
    order = entry["resource"]
    assert entry["fullUrl"] == f"{BASE}/fhir/r4/ServiceRequest/{order['id']}"
    assert await get(client, f"ServiceRequest/{order['id']}") == order
    ServiceRequest.model_validate(order)
    assert (order["status"], order["contained"][0]["name"][0]["family"]) == ("active", "MEIER")
    steps = await get(client, "Task", focus=f"ServiceRequest/{order['id']}")
    Bundle.model_validate(steps)
    (task,) = (e["resource"] for e in steps["entry"])
    Task.model_validate(task)
    assert task["focus"] == {"reference": f"ServiceRequest/{order['id']}"}
    assert await get(client, f"Task/{task['id']}") == task
    assert (await get(client, "Task", **{"based-on": order["id"]}))["total"] == 1


@pytest.mark.parametrize(
    ("kind", "identifier", "total"),
    [
        ("ServiceRequest", "A1", 1), ("ServiceRequest", "F2", 1), ("ServiceRequest", "P1,A2", 2),
        ("ServiceRequest", "urn:worklist-broker:accession|A1", 1), ("ServiceRequest", "urn:elsewhere|A1", 0),
        ("ServiceRequest", "|A1", 0), ("ServiceRequest", "A9", 0), ("ServiceRequest", r"A1\,A2", 0),
        ("Task", "SPS1", 1), ("Task", "urn:worklist-broker:scheduled-procedure-step|SPS2", 1), ("Task", "A1", 0),
    ],
)  # fmt: skip
async def test_searching_by_identifier(client: httpx.AsyncClient, kind: str, identifier: str, total: int) -> None:
    bundle = await get(client, kind, identifier=identifier)
    Bundle.model_validate(bundle)
    assert (bundle["total"], len(bundle.get("entry", ()))) == (total, total)
    posted = await client.post(f"/fhir/r4/{kind}/_search", data={"identifier": identifier})
    assert posted.json() == bundle


async def test_the_identifier_that_a_push_is_found_by_is_found_here(client: httpx.AsyncClient) -> None:
    for kind, known in (("ServiceRequest", "A1"), ("Task", "SPS2")):
        resource = (await get(client, kind, identifier=known))["entry"][0]["resource"]
        key = resource["identifier"][0]
        again = await get(client, kind, identifier=f"{key['system']}|{key['value']}")
        assert [entry["resource"] for entry in again["entry"]] == [resource]


async def test_what_is_given_twice_must_be_met_twice(client: httpx.AsyncClient) -> None:
    for other, total in (("F1", 1), ("F2", 0)):
        answer = await client.get(f"/fhir/r4/ServiceRequest?identifier=A1&identifier={other}")
        assert answer.json()["total"] == total


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("ServiceRequest", 400, "invalid"), ("ServiceRequest?patient=4711", 400, "invalid"),
        ("ServiceRequest?identifier=", 400, "invalid"), ("Task?identifier=|", 400, "invalid"),
        ("Patient?identifier=4711", 404, "not-supported"), ("Patient/1", 404, "not-supported"),
        ("ServiceRequest/1", 404, "not-found"), ("ServiceRequest/999-1", 404, "not-found"),
        ("Task/x", 404, "not-found"), ("ServiceRequest?identifier=A1&_format=xml", 406, "not-supported"),
        ("nothing/at/all", 404, "not-found"),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_says_why(
    client: httpx.AsyncClient, address: str, status: int, code: str
) -> None:
    assert await refused(client, address, status) == code


async def test_xml_is_not_served(client: httpx.AsyncClient) -> None:
    assert await refused(client, "metadata", 406, Accept="application/fhir+xml") == "not-supported"


async def test_a_program_reads_with_its_token(context: Context) -> None:
    place(context, 1)
    token = api_tokens.issue(context, "ehr", Role.VIEWER)
    async with visitor(context) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert (await get(client, "Task", identifier="SPS1"))["total"] == 1
        api_tokens.revoke(context, "ehr")
        assert await refused(client, "Task?identifier=SPS1", 401) == "login"


async def test_nobody_reads_orders_without_signing_in(context: Context) -> None:
    place(context, 1)
    async with visitor(context) as client:
        for address in ("ServiceRequest?identifier=A1", "Task/1-1-1"):
            assert await refused(client, address, 401) == "login"
        statement = await get(client, "metadata")
    CapabilityStatement.model_validate(statement)
    assert statement["fhirVersion"] == "4.0.1"
    assert [r["type"] for r in statement["rest"][0]["resource"]] == ["ServiceRequest", "Task"]
