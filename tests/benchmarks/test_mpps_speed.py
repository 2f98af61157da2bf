"""How quickly exams are taken in: N-CREATE and N-SET on an association per pair, durable, linked, with outbox entries,
beside the plainest pynetdicom SCP, which stores nothing.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.benchmarks import stage
from tests.benchmarks.report import Row, measure, show
from tests.peers.mllp_receiver import MllpReceiver
from tests.support import databases, postgres
from tests.support.command import broker

COUNT = 150
CLIENTS = (1, 8)
PLAIN = "pynetdicom SCP, stores nothing"
HELD = "broker, SQLite, told later"
"""What is to be told waits in the outbox; the others deliver it meanwhile."""


def test_pairs(tmp_path: Path, sqlite_url: str, request: pytest.FixtureRequest) -> None:
    """Every pair is the exam of an order that was sent before the clock starts."""
    (tmp_path / "held").mkdir()
    with ExitStack() as stack:
        told = stack.enter_context(MllpReceiver())
        settings = {"BROKER__DESTINATIONS": _destination(told.port)}
        loads = {PLAIN: _Load(stack.enter_context(stage.peer(tmp_path, COUNT, stage.module("mpps_provider"))))}
        held = databases.sqlite_copy(request.getfixturevalue("_sqlite_template"), tmp_path / "held")
        urls = {"broker, SQLite": sqlite_url, HELD: held}
        if postgres.available():
            urls["broker, PostgreSQL"] = request.getfixturevalue("postgres_url")
        for name, url in urls.items():
            if name == HELD:
                pausing = {**settings, "BROKER__DATABASE__URL": url}
                broker("destinations", "pause", "ris", environment=pausing)
            process = stack.enter_context(stage.broker(tmp_path / name.partition(", ")[2], url, settings))
            receiver = stage.Receiver(process.ports["dicom"], process.pid, COUNT)
            loads[name] = _Load(receiver, process.ports["intake"])
        rows = {}
        for clients in CLIENTS:
            rows[clients] = [load.row(name, clients) for name, load in loads.items()]
            measure(rows[clients])
        assert told.received, "no status was told"
    for clients, measured in rows.items():
        title = f"MPPS pairs, an association each, {clients} client{'s' if clients > 1 else ''}"
        show(title, "pairs/s", measured, PLAIN, "pynetdicom", "SQLAlchemy")


class _Load:
    """Exams for one receiver; with `intake`, their orders are sent there first."""

    def __init__(self, receiver: stage.Receiver, intake: int = 0) -> None:
        self.receiver = receiver
        self.intake = intake
        self.first = 1 - COUNT

    def row(self, name: str, clients: int) -> Row:
        """What is measured with so many clients."""
        port = self.receiver.port
        return Row(
            name, lambda: stage.load("mpps_load", port, COUNT, clients, self.first), self.receiver.pid, COUNT,
            self.orders,
        )  # fmt: skip

    def orders(self) -> None:
        """Fresh orders."""
        self.first += COUNT
        if self.intake:
            stage.load("mllp_load", self.intake, COUNT, 8, self.first)


def _destination(port: int) -> str:
    return f'[{{"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": {port}}}]'
