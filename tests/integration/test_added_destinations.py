"""Destinations that people add: checked by field, counting at once in every process, sent to, changed and removed."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from broker import parts
from broker.destination_desk import Desk
from broker.destination_fields import WORDS, fields, read
from broker.destination_list import DestinationList
from broker.destination_settings import KINDS
from broker.domain.model import FactKind
from broker.domain.notifications import NotificationState
from broker.services import added_destinations, destinations, outbox
from broker.services.context import Context
from broker.services.destination_desk import WrongSettings
from broker.services.people import Role
from broker.settings import Settings
from broker.web.app import create_app
from broker.web.config import WebConfig
from tests.conftest import StartBroker
from tests.integration.web_client import BASE, sign_in
from tests.peers.mllp_receiver import MllpReceiver, silent
from tests.peers.order_messages import omi
from tests.peers.orders import happen, place
from tests.support.command import broker
from tests.support.node import sending_node
from tests.support.wait import until

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
DELIVERED = NotificationState.DELIVERED
FILE = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 1}


@dataclass
class Node:
    """One process on the database: its senders follow its list."""

    context: Context
    known: DestinationList
    desk: Desk


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": tmp_path / "node", "database": {"url": database_url}, "destinations": [FILE],
            "delivery": {"first_retry": 0.05, "ceiling": 0.2},
        }
    )  # fmt: skip


@pytest.fixture
def node(settings: Settings) -> Iterator[Node]:
    with ExitStack() as stack:
        yield make_node(settings, stack)


def make_node(settings: Settings, stack: ExitStack) -> Node:
    made = sending_node(settings, stack)
    parts.follow_destinations(settings, made.context, made.sender, made.subscribers, made.known)
    made.known.start()
    stack.callback(made.known.stop)
    return Node(made.context, made.known, Desk(settings, made.context, made.known))


@asynccontextmanager
async def staff(node: Node, role: Role = Role.ADMINISTRATOR) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    app = create_app(WebConfig(), node.context, destinations=node.desk)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client, await sign_in(client, node.context, role)


def told(context: Context, name: str) -> list[NotificationState]:
    return [e.state for e in reversed(outbox.list_notifications(context, outbox.Filter(name)))]


async def test_added_on_the_page_told_at_once_changed_and_removed(node: Node) -> None:
    with MllpReceiver() as first, MllpReceiver() as second:
        async with staff(node) as (client, token):
            form = {"csrf_token": token, "kind": "hl7", "name": "pacs", "host": "127.0.0.1", "profile": "omg-o19",
                    "port": str(first.port), "events": ["started"], "charset": "UNICODE UTF-8"}  # fmt: skip
            assert 'name="profile" value="orm-o01"' in (await client.get("/destinations/new/hl7")).text
            added = await client.post("/destinations/save", data=form)
            assert (added.status_code, added.headers["location"]) == (303, "/destinations/pacs")
            happen(node.context, place(node.context, 1), STARTED, COMPLETED)
            until(lambda: told(node.context, "pacs") == [DELIVERED])
            assert first.received[0].field("MSH", 9).startswith("OMG^O19")
            (row,) = added_destinations.listed(node.context)
            assert row.settings == {
                "kind": "hl7", "host": "127.0.0.1", "port": first.port, "profile": "omg-o19", "events": ["started"],
            }  # fmt: skip
            page = (await client.get("/destinations/pacs")).text
            assert "Set here by nina.frei" in page
            assert "here" in (await client.get("/destinations")).text

            edit = (await client.get("/destinations/pacs/edit")).text
            assert f'name="port" value="{first.port}"' in edit
            assert 'name="name" value="pacs" readonly' in edit
            changed = {**form, "old": "pacs", "port": str(second.port), "events": ["started", "completed"]}
            assert (await client.post("/destinations/save", data=changed)).status_code == 303
            happen(node.context, place(node.context, 2), COMPLETED)
            until(lambda: told(node.context, "pacs") == [DELIVERED] * 2)
            assert (len(first.received), len(second.received)) == (1, 1)

            assert (await client.post("/destinations/pacs/remove", data=form)).status_code == 303
            happen(node.context, place(node.context, 3), STARTED)
            assert told(node.context, "pacs") == [DELIVERED] * 2
            assert (await client.post("/destinations/pacs/remove", data=form)).status_code == 404
            assert (await client.get("/destinations/ris/edit")).status_code == 404
    assert told(node.context, "ris") == [NotificationState.PENDING] * 4


async def test_what_waits_for_a_removed_one_stays_and_goes_on_when_it_is_back(node: Node) -> None:
    with MllpReceiver(after=silent) as deaf:
        node.desk.put("pacs", {**FILE, "port": deaf.port} | {"name": "pacs"}, "anna")
        happen(node.context, place(node.context, 1), STARTED)
        until(lambda: deaf.received)
        assert node.desk.remove("pacs", "anna")
    assert destinations.find(node.context, "pacs").standing == "not in the settings"
    happen(node.context, place(node.context, 2), COMPLETED)
    node.desk.put("late", {"kind": "hl7", "host": "127.0.0.1", "port": 1}, "anna")
    happen(node.context, place(node.context, 3), STARTED)
    node.desk.remove("late", "anna")
    async with staff(node) as (client, token):
        client.headers["X-CSRF-Token"] = token
        cleared = await client.post("/api/v1/destinations/late/skip-waiting", json={})
        assert cleared.json() == {"destination": None, "changed": 1}
    assert told(node.context, "late") == [NotificationState.SKIPPED]
    with MllpReceiver() as receiver:
        node.desk.put("pacs", {"kind": "hl7", "host": "127.0.0.1", "port": receiver.port}, "anna")
        until(lambda: told(node.context, "pacs") == [DELIVERED])
        assert {m.control_id for m in receiver.received} == {deaf.received[0].control_id}


def test_another_process_knows_within_a_moment_and_only_one_of_them_sends(node: Node, settings: Settings) -> None:
    other_settings = settings.model_copy(update={"data_dir": settings.data_dir.parent / "other"})
    with ExitStack() as stack, MllpReceiver() as receiver:
        other = make_node(other_settings, stack)
        node.desk.put("pacs", {"kind": "hl7", "host": "127.0.0.1", "port": receiver.port}, "anna")
        until(lambda: other.known.find("pacs"))
        happen(other.context, place(other.context, 1), STARTED, COMPLETED)
        until(lambda: told(node.context, "pacs") == [DELIVERED] * 2)
        assert len(receiver.received) == 2
        node.desk.remove("pacs", "anna")
        until(lambda: other.known.find("pacs") is None)
        assert [rule.name for rule in other.context.destinations] == ["ris"]


HOOK = {"kind": "webhook", "url": "https://dashboard.hospital.example/x", "secret_env": "DESTINATION_HOOK"}
WRONG = [
    ({"kind": "fax"}, "kind", "is expected, not 'fax'"),
    ({"kind": "hl7", "port": 1}, "host", "is required"),
    ({"kind": "hl7", "host": "h", "port": 70000}, "port", "less than or equal to 65535"),
    ({"kind": "hl7", "host": "h", "port": 1, "colour": "red"}, "colour", "there is no such setting"),
    ({"kind": "hl7", "host": "h", "port": 1, "events": ["birthday"]}, "events", "is expected, not 'birthday'"),
    ({"kind": "hl7", "host": "h", "port": 1, "profile": "own"}, "profile", "own"),
    ({"kind": "hl7", "host": "h", "port": 1, "charset": "klingon"}, "charset", "no name of HL7 table 0211"),
    ({"kind": "hl7", "host": "h", "port": 1, "tls": True, "tls_ca": "/none.pem"}, "tls", "No such file"),
    ({"kind": "hl7", "host": "h", "port": 1, "profile": "raw", "latest_only": True}, "", "leave events and"),
    ({"kind": "file", "folder": "/nowhere"}, "folder", "does not exist"),
    (HOOK, "secret_env", "the environment variable DESTINATION_HOOK holds no secret"),
    ({**HOOK, "secret_env": "BROKER__DATABASE__URL"}, "secret_env", "must begin with DESTINATION_"),
    ({**HOOK, "secret_env": "", "secret_file": "/etc/passwd"}, "secret_file", "only for destinations of the settings"),
    ({**HOOK, "url": "http://dashboard/x"}, "", "http is only for private networks"),
    ({**HOOK, "sites": ["north"]}, "sites", "no sender has one of these sites"),
]


async def test_wrong_settings_are_told_by_field_and_nothing_is_kept(node: Node) -> None:
    async with staff(node) as (client, token):
        client.headers["X-CSRF-Token"] = token
        for given, field, words in WRONG:
            answer = await client.put("/api/v1/destinations/hook", json=given)
            assert answer.status_code == 422, given
            assert words in answer.json()["error"]["fields"][field], given
        odd = await client.put("/api/v1/destinations/not%20a%20name", json={"kind": "hl7", "host": "h", "port": 1})
        assert "name" in odd.json()["error"]["fields"]
        file = await client.put("/api/v1/destinations/ris", json={"kind": "hl7", "host": "h", "port": 1})
        assert (file.status_code, "settings file" in file.json()["error"]["why"]) == (409, True)
        assert (await client.delete("/api/v1/destinations/ris")).status_code == 409
        form = {"csrf_token": token, "kind": "hl7", "name": "pacs", "host": "h", "port": "many", "profile": "own"}
        page = await client.post("/destinations/save", data=form)
        assert page.status_code == 422
        for words in ('<span class="wrong">a whole number is expected', 'value="many"', 'value="own"'):
            assert words in page.text
    assert added_destinations.listed(node.context) == []


def test_a_device_that_connects_by_itself_needs_one_process(node: Node, settings: Settings) -> None:
    several = settings.model_copy(update={"dicom": settings.dicom.model_copy(update={"workers": 2})})
    given = {"kind": "mpps_event", "ae_title": "VIEWER"}
    with pytest.raises(WrongSettings, match=r"dicom.workers is above 1"):
        Desk(several, node.context, node.known).put("viewer", given, "anna")
    node.desk.put("viewer", given, "anna")
    assert node.known.find("viewer")


async def test_secrets_are_named_and_never_stored_or_shown(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION_HOOK", "whsec_" + "QUJD" * 10)
    node.desk.put("hook", HOOK, "anna")
    async with staff(node) as (client, _):
        for address in ("/destinations/hook", "/destinations/hook/edit", "/api/v1/destinations/hook"):
            text = (await client.get(address)).text
            assert "DESTINATION_HOOK" in text
            assert "QUJD" not in text
    assert "QUJD" not in str(added_destinations.listed(node.context))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.INTEGRATION])
async def test_only_administrators_say_who_is_told(node: Node, role: Role) -> None:
    async with staff(node, role) as (client, token):
        form = {"csrf_token": token, "kind": "hl7", "name": "pacs", "host": "h", "port": "1"}
        assert (await client.post("/destinations/save", data=form)).status_code == 403
        assert (await client.post("/destinations/ris/remove", data=form)).status_code == 403
        assert (await client.get("/destinations/new/hl7")).status_code == 403
        headers = {"X-CSRF-Token": token}
        given = {"kind": "hl7", "host": "h", "port": 1}
        assert (await client.put("/api/v1/destinations/pacs", headers=headers, json=given)).status_code == 403
        assert (await client.delete("/api/v1/destinations/pacs", headers=headers)).status_code == 403
        assert ("settings" in (await client.get("/api/v1/destinations/ris")).json()) == (role is Role.OPERATOR)
    async with staff(node) as (client, _):
        assert (await client.post("/destinations/save", data={**form, "csrf_token": "x"})).status_code == 403
        assert (await client.put("/api/v1/destinations/pacs", json=given)).status_code == 403


async def test_what_a_newer_version_added_is_shown_with_the_reason_and_harms_nobody(node: Node) -> None:
    added_destinations.put(node.context, "future", {"kind": "hl7", "host": "h", "port": 1, "colour": "red"}, "anna")
    added_destinations.put(node.context, "ris", {"kind": "hl7", "host": "h", "port": 2}, "anna")
    lost = {"kind": "hl7", "host": "h", "port": 3, "tls": True, "tls_ca": "/lost.pem"}
    added_destinations.put(node.context, "sealed", lost, "anna")
    node.known.refresh()
    assert [rule.name for rule in node.context.destinations] == ["ris", "sealed"]
    async with staff(node) as (client, _):
        page = (await client.get("/destinations")).text
        assert "Nothing is sent: it cannot be used" in (await client.get("/destinations/sealed")).text
    for words in ("colour: there is no such setting", "No such file or directory"):
        assert words in page
    happen(node.context, place(node.context, 1), STARTED)
    assert told(node.context, "sealed") == [NotificationState.PENDING]


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_every_kind_has_words_and_survives_the_form(kind: str) -> None:
    only_in_the_file = {"name", "kind", "secret_file", "credentials_file"}
    assert {one.name for one in fields(kind)} == KINDS[kind].model_fields.keys() - only_in_the_file
    assert {one.name for one in fields(kind)} <= WORDS.keys()


def test_reading_names_the_destination() -> None:
    assert read("pacs", {"kind": "hl7", "host": "h", "port": 1}).name == "pacs"


@pytest.mark.slow
def test_a_running_broker_takes_it_up_without_a_restart(start_broker: StartBroker, tmp_path: Path) -> None:
    running = start_broker()
    environment = {"BROKER__DATA_DIR": str(tmp_path / "data")}
    token = broker("users", "token", "setup", "--role", "administrator", environment=environment).split()[0]
    with MllpReceiver() as receiver, httpx.Client(base_url=f"http://127.0.0.1:{running.ports['web']}") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        settings = {"kind": "hl7", "host": "127.0.0.1", "port": receiver.port, "events": ["placed"]}
        assert client.put("/api/v1/destinations/pacs", json=settings).json()["source"] == "added"
        order = tmp_path / "order.hl7"
        order.write_bytes(omi(1))
        broker("orders", "send", order, "--to", f"127.0.0.1:{running.ports['intake']}", environment=environment)
        until(lambda: receiver.received)
        assert "pages" in broker("destinations", "list", environment=environment)
        assert client.delete("/api/v1/destinations/pacs").status_code == 204
