"""Templates of outgoing messages on the page: tried, judged, kept only when valid, then used for what is sent next."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from broker import parts
from broker.domain.errors import Refusal
from broker.domain.model import FactKind
from broker.domain.notifications import NotificationState
from broker.services import outbox
from broker.services.context import Context
from broker.services.people import Role
from broker.settings import Settings
from broker.template_desk import Desk
from broker.web.app import create_app
from broker.web.config import WebConfig
from tests.integration.web_client import BASE, sign_in
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.orders import happen, place
from tests.support.node import sending_node
from tests.support.wait import until

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
BASE_TEXT = 'extends = "omg-o19"\n[segments.OBR]\n21 = "FIRST"\n'
SECOND = BASE_TEXT.replace("FIRST", "SECOND")


@dataclass
class Room:
    context: Context
    desk: Desk
    receiver: MllpReceiver
    folder: Path


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    """A broker whose destination ris uses the site's template `own`, which `heir` extends; nobody uses `heir`."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "own.toml").write_text(BASE_TEXT, encoding="utf-8")
    (folder / "heir.toml").write_text('extends = "own"\n[segments.OBR]\n20 = "HEIR"\n', encoding="utf-8")
    with ExitStack() as stack:
        receiver = stack.enter_context(MllpReceiver())
        ris = {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": receiver.port, "profile": "heir"}
        settings = Settings.model_validate(
            {
                "data_dir": tmp_path, "database": {"url": sqlite_url}, "destinations": [ris],
                "delivery": {"templates_dir": str(folder), "first_retry": 0.05},
            }
        )  # fmt: skip
        node = sending_node(settings, stack)
        outgoing = parts.make_outgoing(settings, node.context, node.sender, node.subscribers, node.known)
        yield Room(node.context, outgoing.templates, receiver, folder)


@asynccontextmanager
async def staff(room: Room, role: Role = Role.OPERATOR) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    app = create_app(WebConfig(), room.context, outgoing=room.desk)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client, await sign_in(client, room.context, role)


async def test_a_template_is_looked_at_edited_and_used_from_then_on(room: Room) -> None:
    first = place(room.context, 1)
    happen(room.context, first, STARTED)
    until(lambda: room.receiver.received)
    async with staff(room) as (client, token):
        page = (await client.get("/templates")).text
        assert "Used by ris." in page
        assert "HEIR" in page
        (entry,) = outbox.list_notifications(room.context)
        assert "|P1^HIS|" in (await client.get(f"/templates?name=own&notification={entry.key}")).text
        form = {"csrf_token": token, "name": "own", "text": SECOND.replace("\n", "\r\n"), "event": "completed"}
        looked = await client.post("/templates", data=form, headers={"X-Fragment": "1"})
        for words in ("|SECOND|", "|SC|P100^HIS", "Valid by the dictionaries", "procedure.study_instance_uid"):
            assert words in looked.text
        assert "<html" not in looked.text
        assert (room.folder / "own.toml").read_text(encoding="utf-8") == BASE_TEXT
        assert "is saved" in (await client.post("/templates/save", data=form)).text
    assert (room.folder / "own.toml").read_text(encoding="utf-8") == SECOND
    happen(room.context, first, COMPLETED)
    until(lambda: len(room.receiver.received) == 2)
    assert [(m.field("OBR", 20), m.field("OBR", 21)) for m in room.receiver.received] == [
        ("HEIR", "FIRST"), ("HEIR", "SECOND"),
    ]  # fmt: skip
    until(lambda: {e.state for e in outbox.list_notifications(room.context)} == {NotificationState.DELIVERED})


WRONG = [
    ("own", "extends = ", "not readable as TOML"),
    ("own", 'extends = "omg-o19"\n[segments.OBR]\n21 = { from = "order.colour" }\n', "there is no 'order.colour' here"),
    ("own", 'extends = "omg-o19"\n[segments.OBR]\n4 = false\n', "OBR"),
    ("own", 'extends = "heir"\n', "goes in a circle"),
    ("own", 'extends = "nothing"\n', "there is no template 'nothing'"),
    ("own", 'extends = "omg-o19"\nversion = "9"\n', "version"),
    ("../own", BASE_TEXT, "name it with small letters"),
    ("", BASE_TEXT, "name it with small letters"),
]


async def test_what_is_not_valid_is_told_and_not_kept(room: Room) -> None:
    before = sorted(path.name for path in room.folder.parent.rglob("*.toml"))
    async with staff(room) as (client, token):
        for name, text, words in WRONG:
            form = {"csrf_token": token, "name": name, "text": text, "event": "started"}
            saved = await client.post("/templates/save", data=form)
            assert saved.status_code == 422, words
            assert words in saved.text.replace("&#39;", "'"), words
    assert (room.folder / "own.toml").read_text(encoding="utf-8") == BASE_TEXT
    assert sorted(path.name for path in room.folder.parent.rglob("*.toml")) == before


def test_a_template_that_another_in_use_extends_may_not_break_it(room: Room) -> None:
    with_notes = BASE_TEXT + '[segments.NTE]\n1 = "1"\n3 = "note"\n'
    room.desk.save("own", with_notes)
    steps = '{ each = "step", segments = ["ORC", "TQ1", "OBR", "NTE", "OBX"] }'
    heir = f'extends = "own"\nlayout = [{{ each = "message", segments = ["PID", "PV1"] }}, {steps}]\n'
    room.desk.save("heir", heir)
    assert "NTE|1||note" in room.desk.look("heir", heir, "started").segments
    with pytest.raises(Refusal, match=r"there is no .segments.NTE."):
        room.desk.save("own", BASE_TEXT)
    assert (room.folder / "own.toml").read_text(encoding="utf-8") == with_notes


async def test_who_may_and_where_nothing_can_be_saved(room: Room) -> None:
    for role in (Role.VIEWER, Role.SCHEDULER):
        async with staff(room, role) as (client, token):
            form = {"csrf_token": token, "name": "own", "text": SECOND}
            assert (await client.get("/templates")).status_code == 403
            assert (await client.post("/templates/save", data=form)).status_code == 403
    async with staff(room) as (client, _):
        assert (await client.post("/templates/save", data={**form, "csrf_token": "x"})).status_code == 403
        assert (await client.get("/templates?name=nothing")).status_code == 404
    for path in room.folder.glob("*.toml"):
        path.unlink()
    room.folder.rmdir()
    assert room.desk.can_save() == "the folder of delivery.templates_dir does not exist; make it"
    with pytest.raises(Refusal, match="does not exist"):
        room.desk.save("own", BASE_TEXT)
