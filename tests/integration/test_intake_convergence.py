"""Messages in any order, split anywhere: the result is the same."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from broker.domain.site import Site
from broker.intake.handler import HandlerConfig
from broker.intake.listener import IntakeConfig, IntakeListener
from broker.intake.senders import Sender, Senders
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalFilter
from broker.store.database import Database
from hl7.framing import FrameDecoder, frame
from tests.peers.feed import NOW, Feed, obr, orc, pid
from tests.support import databases
from tests.support.ports import free_port
from tests.unit.intake import cases

#: (kind, segments, time): the life of one order and its patient
_MESSAGES: list[tuple[str, tuple[str, ...], str]] = [
    ("ORM^O01", (pid(), orc("NW", "SC"), obr(start="20240706093000")), "20240705080000"),
    ("ORM^O01", (pid(), orc("XO"), obr(start="20240707100000")), "20240705081000"),
    ("ORM^O01", (pid(), orc("XO"), obr(start="20240708110000", priority="S")), "20240705082000"),
    ("ORM^O01", (pid(), orc("XO"), obr(priority='""')), "20240705083000"),
    ("ORM^O01", (pid(), orc("HD", "HD"), obr()), "20240705084000"),
    ("ORM^O01", (pid(), orc("RL"), obr()), "20240705085000"),
    ("ADT^A08", ("EVN|A08|20240705081500", pid(name="SAMPLE^SAMUEL"), "PV1||I|W1"), "20240705081500"),
    ("ADT^A08", ("EVN|A08|20240705082500", pid(name="SAMPLE^SAMANTHA"), "PV1||I|W2"), "20240705082500"),
    ("ORU^R01", ("OBR|1||F1^RIS" + "|" * 22 + "P",), "20240705090000"),
]
_CANCEL = ("ORM^O01", (pid(), orc("CA", "CA"), obr()), "20240705091000")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.sqlite_template(tmp_path_factory.mktemp("converging"))


def outcome(url: str, messages: list[tuple[str, tuple[str, ...], str]]) -> object:
    """What stands after the messages; one that is refused for now is sent again, as a RIS does."""
    feed = Feed(url)
    try:
        waiting, before = list(messages), len(messages) + 1
        while waiting and len(waiting) < before:
            before = len(waiting)
            waiting = [m for m in waiting if feed.send(m[0], *m[1], at=m[2]) != "AA"]
        return feed.items()
    finally:
        feed.close()


@pytest.fixture(scope="module")
def in_order(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, object]:
    """What stands after the messages came as they were sent, without and with a cancellation at the end."""
    return {
        canceled: outcome(
            databases.sqlite_copy(template, tmp_path_factory.mktemp("usual")), _MESSAGES + [_CANCEL] * canceled
        )
        for canceled in (False, True)
    }


@pytest.mark.timeout(300)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(_MESSAGES))), canceled=st.booleans())
@example(order=[2, 1, 0, 3, 6, 7, 5, 4, 8], canceled=False)
@example(order=[8, 7, 6, 5, 4, 3, 2, 1, 0], canceled=True)
@example(order=[3, 1, 2, 0, 4, 5, 6, 7, 8], canceled=False)
def test_messages_of_an_order_converge(template, in_order, tmp_path_factory, order, canceled):
    permuted = [_MESSAGES[i] for i in order] + [_CANCEL] * canceled
    url = databases.sqlite_copy(template, tmp_path_factory.mktemp("feed"))
    assert outcome(url, permuted) == in_order[canceled]


@pytest.mark.parametrize("name", ["orm_ihe_new", "omi_two_steps", "adt_a08"])
def test_a_message_split_at_any_byte_is_the_same_message(name):
    whole = frame(cases.message(name))
    for cut in range(1, len(whole)):
        decoder = FrameDecoder()
        frames = [*decoder.feed(whole[:cut]), *decoder.feed(whole[cut:])]
        assert [getattr(f, "payload", None) for f in frames] == [cases.message(name)], cut


async def test_split_on_a_socket_gives_the_same_items(sqlite_url):
    database = Database(sqlite_url)
    context = Context(database, Site(zone=NOW.tzinfo), lambda: NOW)  # type: ignore[arg-type]
    listener = IntakeListener(IntakeConfig(port=0), context, {"ihe-swf": cases.usual_mapping()}, cases.usual_site())
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        for byte in frame(cases.message("orm_ihe_new")):
            writer.write(bytes([byte]))
            await writer.drain()
        assert b"MSA|AA" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
        writer.close()
        (entry,) = journal.find(context, JournalFilter())
        assert (entry.outcome, entry.control_id) == ("applied", "CASE0001")
    finally:
        await listener.stop()
        database.close()


async def test_a_port_of_its_own_names_the_sender(sqlite_url):
    main, own = free_port(), free_port()
    database = Database(sqlite_url)
    context = Context(database, Site(zone=NOW.tzinfo), lambda: NOW)  # type: ignore[arg-type]
    senders = Senders((Sender("main", "HIS"), Sender("north", "HIS", port=own)), "refuse")
    config = IntakeConfig(port=main, extra_ports=(own,), handler=HandlerConfig(senders))
    listener = IntakeListener(config, context, {"ihe-swf": cases.usual_mapping()}, cases.usual_site())
    await listener.start()
    try:
        assert listener.ports == (main, own)
        for port in (main, own):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(frame(cases.message("adt_a08")))
            assert b"MSA|AA" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
            writer.close()
        assert [entry.sender for entry in journal.find(context, JournalFilter())] == ["north", "main"]
    finally:
        await listener.stop()
        database.close()
