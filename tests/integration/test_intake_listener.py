"""The listener over real sockets: connections, frames, and what happens when the database is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from broker.domain.site import Site
from broker.intake.listener import IntakeConfig, IntakeListener
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalFilter
from broker.store.database import Database
from hl7.acknowledge import read_acknowledgement
from hl7.framing import frame
from hl7.peers import ServerProblemKind
from tests.unit.intake import cases

NEW = cases.message("orm_ihe_new")


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    database = Database(sqlite_url)
    yield Context(database, Site(zone=UTC), lambda: datetime(2024, 7, 5, tzinfo=UTC))
    database.close()


@pytest.fixture
async def listening(context: Context) -> AsyncIterator[tuple[IntakeListener, list[ServerProblemKind]]]:
    problems: list[ServerProblemKind] = []
    config = IntakeConfig(port=0, max_frame=100_000, threads=4)
    listener = IntakeListener(
        config,
        context,
        {"ihe-swf": cases.usual_mapping()},
        cases.usual_site(),
        lambda problem: problems.append(problem.kind),
    )
    await listener.start()
    yield listener, problems
    await listener.stop()


async def answers(reader: asyncio.StreamReader, count: int) -> list[str]:
    found = []
    for _ in range(count):
        raw = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
        found.append(read_acknowledgement(raw[1:-2]).code.value)
    return found


async def test_many_messages_on_one_connection(listening, context):
    listener, _ = listening
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    for name in ("orm_ihe_new", "orm_change", "adt_a08", "orm_discontinue"):
        writer.write(frame(cases.message(name)))
        assert await answers(reader, 1) == ["AA"]
    assert listener.connection_count == 1
    writer.close()
    await writer.wait_closed()
    assert {entry.outcome for entry in journal.find(context, JournalFilter())} == {"applied"}


async def test_bad_frames_do_not_hurt_the_next_message(listening):
    listener, problems = listening
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"junk" + b"\x0bunfinished" + frame(b"garbage") + frame(NEW))
    assert await answers(reader, 2) == ["AR", "AA"]
    writer.close()
    await writer.wait_closed()
    assert problems[:2] == [ServerProblemKind.JUNK, ServerProblemKind.UNFINISHED]


async def test_oversize_frame_closes_only_its_connection(listening):
    listener, problems = listening
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"\x0b" + b"x" * 200_000)
    with contextlib.suppress(
        ConnectionResetError
    ):  # closed with bytes of ours unread: how the system reports it varies
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert problems == [ServerProblemKind.TOO_LARGE]
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(frame(NEW))
    assert await answers(reader, 1) == ["AA"]
    writer.close()
    await writer.wait_closed()


async def test_sender_that_wants_no_answer_keeps_its_connection(listening):
    listener, _ = listening
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(frame(NEW.replace(b"|2.3.1||||||", b"|2.3.1|||NE|NE||")))
    writer.write(frame(cases.message("adt_a08")))
    assert await answers(reader, 1) == ["AA"]
    writer.close()
    await writer.wait_closed()


async def test_many_connections_at_once(listening, context):
    listener, _ = listening

    async def one(number: int) -> list[str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        tag = str(number).encode()
        raw = NEW.replace(b"CASE0001", b"C" + tag).replace(b"P100", b"P" + tag).replace(b"F100", b"F" + tag)
        raw = raw.replace(b"A100", b"A" + tag).replace(b"1.2.3.4.5.100", b"1.2.3.4.5.1" + tag)
        writer.write(frame(raw))
        found = await answers(reader, 1)
        writer.close()
        await writer.wait_closed()
        return found

    assert await asyncio.gather(*(one(number) for number in range(20))) == [["AA"]] * 20
    assert len(journal.find(context, JournalFilter(outcome="applied", limit=100))) == 20


async def test_database_away_closes_without_an_answer():
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    context = Context(database, Site(zone=UTC), lambda: datetime(2024, 7, 5, tzinfo=UTC))
    listener = IntakeListener(IntakeConfig(port=0), context, {"ihe-swf": cases.usual_mapping()})
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(frame(NEW))
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    await listener.stop()
    database.close()
