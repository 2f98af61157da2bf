"""How quickly orders are received: durable and applied, AA after the commit, beside receivers that keep nothing."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.benchmarks import stage
from tests.benchmarks.report import Row, measure, show
from tests.support import postgres
from tests.support.requirements import FOREIGN_BIN

COUNT = 400
CONNECTIONS = (1, 8)
PARSES = "hl7apy MLLPServer, parse_message"


def test_intake(tmp_path: Path, sqlite_url: str, request: pytest.FixtureRequest) -> None:
    """Every receiver gets the same kind of orders from the same sender; the ratio is the figure that travels."""
    numbers = stage.Numbers()
    with ExitStack() as stack:
        receivers = {
            "hl7apy MLLPServer, trivial handler": _hl7apy(stack, tmp_path, COUNT, "trivial"),
            PARSES: _hl7apy(stack, tmp_path, COUNT // 4, "parse"),
            "broker, SQLite": _broker(stack, tmp_path / "sqlite", sqlite_url),
        }
        if (FOREIGN_BIN / "python").is_file():
            receiver = Path(__file__).with_name("python_hl7_receiver.py")
            foreign = stage.peer(tmp_path, COUNT, f"{FOREIGN_BIN / 'python'}|{receiver}")
            receivers["python-hl7, keeps nothing"] = stack.enter_context(foreign)
        if postgres.available():
            url = request.getfixturevalue("postgres_url")
            receivers["broker, PostgreSQL"] = _broker(stack, tmp_path / "postgres", url)
        rows = {}
        for connections in CONNECTIONS:
            rows[connections] = [
                Row(name, _loaded(receiver, connections, numbers), receiver.pid, receiver.count)
                for name, receiver in receivers.items()
            ]
            rows[connections].append(Row("raw commits, SQLite (one row each)", lambda: _raw_commits(tmp_path)))
            measure(rows[connections])
    for connections, measured in rows.items():
        title = f"Orders over MLLP, {connections} connection{'s' if connections > 1 else ''}"
        show(title, "messages/s", measured, PARSES, "SQLAlchemy", "hl7apy")
        assert all(row.median > 0 for row in measured)


def _loaded(receiver: stage.Receiver, connections: int, numbers: stage.Numbers) -> Callable[[], float]:
    port, count = receiver.port, receiver.count
    return lambda: stage.load("mllp_load", port, count, connections, numbers.take(count), *receiver.options)


def _hl7apy(stack: ExitStack, folder: Path, count: int, mode: str) -> stage.Receiver:
    program = stage.module("hl7apy_receiver")
    return stack.enter_context(stage.peer(folder, count, program, mode, options=("--reconnect",)))


def _broker(stack: ExitStack, folder: Path, url: str) -> stage.Receiver:
    process = stack.enter_context(stage.broker(folder, url))
    return stage.Receiver(process.ports["intake"], process.pid, COUNT)


def _raw_commits(folder: Path) -> float:
    """Commits per second of a table with one row of 2 kB each, in the journal mode the broker uses."""
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS message (body BLOB)")
    began = time.perf_counter()
    for _ in range(COUNT):
        connection.execute("INSERT INTO message VALUES (?)", (bytes(2000),))
    rate = COUNT / (time.perf_counter() - began)
    connection.close()
    return rate
