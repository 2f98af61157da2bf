"""Five destinations, two of them dead for a while, two sender processes on PostgreSQL, one killed: nothing is lost.

The suite runs it small.  With BROKER_TEST_EVENTS=10000 in the environment, and ``pytest -s``, it is the measurement.
"""

import base64
import json
import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.domain.model import FactKind
from broker.services import outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.conftest import StartBroker
from tests.peers.http_receiver import HttpReceiver, Say
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.orders import happen, make_context, place
from tests.support.ports import free_port
from tests.support.wait import until

EVENTS = int(os.environ.get("BROKER_TEST_EVENTS", "120"))
NAMES = ("ris", "his", "hook", "board", "drop")
FACTS = (FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED)
#: destination -> (order, what was told, message ID), in the order of arrival
Told = Mapping[str, list[tuple[str, str, str]]]

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(max(300, EVENTS))]


def settings(ports: Mapping[str, int], folder: Path, url: str) -> dict[str, str]:
    common = {"kind": "hl7", "host": "127.0.0.1"}
    hook = {"kind": "webhook", "secret_env": "HOOK_SECRET", "allow_private": True}
    destinations = [
        {"name": "ris", **common, "port": ports["ris"]},
        {"name": "his", **common, "port": ports["his"], "profile": "omg-o19"},
        {"name": "hook", **hook, "url": f"http://127.0.0.1:{ports['hook']}/"},
        {"name": "board", **hook, "url": f"http://127.0.0.1:{ports['board']}/"},
        {"name": "drop", "kind": "file", "folder": str(folder)},
    ]
    return {
        "BROKER__DATABASE__URL": url, "BROKER__DESTINATIONS": json.dumps(destinations),
        "BROKER__DELIVERY__FIRST_RETRY": "0.2", "BROKER__DELIVERY__CEILING": "1",
        "BROKER__DELIVERY__ANSWER_TIMEOUT": "5", "HOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 32).decode(),
    }  # fmt: skip


def make_events(context: Context, count: int) -> float:
    """Facts on `count` / 2 orders from four threads; answers the seconds it took."""
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: happen_to(context, number), range(1, count // 2 + 1)))
    return time.monotonic() - began


def happen_to(context: Context, number: int) -> None:
    key = place(context, number)
    for fact in FACTS:
        happen(context, key, fact)


def from_hl7(receiver: MllpReceiver) -> list[tuple[str, str, str]]:
    words = {"IP": "order.started", "CM": "order.completed"}
    return [(m.field("ORC", 2), words[m.field("ORC", 5)], m.control_id) for m in receiver.received]


def from_json(bodies: list[bytes]) -> list[tuple[str, str, str]]:
    events = [json.loads(body) for body in bodies]
    return [(e["subject"], e["data"]["fact"], e["id"]) for e in events]


def from_http(receiver: HttpReceiver) -> list[tuple[str, str, str]]:
    return from_json([posted.body for posted in receiver.received])


def from_files(folder: Path) -> list[tuple[str, str, str]]:
    return from_json([path.read_bytes() for path in sorted(folder.glob("2*.json"))])


def judge(told: Told, orders: int) -> dict[str, int]:
    """Every fact of every order, in order, repeats with the same ID; answers the number of repeats."""
    repeats = {}
    for name, arrivals in told.items():
        by_order: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for order, fact, message_id in arrivals:
            by_order[order].append((fact, message_id))
        assert len(by_order) == orders, name
        for order, facts in by_order.items():
            kinds = [fact for fact, _ in facts]
            assert kinds == sorted(kinds, key=[f.value for f in FACTS].index), (name, order)
            assert len(set(facts)) == len(FACTS), (name, order)
        repeats[name] = len(arrivals) - orders * len(FACTS)
    return repeats


def waiting(context: Context) -> int:
    return sum(b.pending + b.parked for b in outbox.backlogs(context))


def test_nothing_is_lost_and_nothing_overtakes(postgres_url: str, start_broker: StartBroker, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    database = Database(postgres_url)
    context = make_context(database, *NAMES, clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    awake = threading.Event()
    dead = free_port()
    with ExitStack() as stack:
        stack.callback(database.close)
        ris, hook = stack.enter_context(MllpReceiver()), stack.enter_context(HttpReceiver())
        board = stack.enter_context(HttpReceiver(decide=lambda: Say(204) if awake.is_set() else Say(503)))
        ports = {"ris": ris.port, "his": dead, "hook": hook.port, "board": board.port}
        environment = settings(ports, folder, postgres_url)
        senders = [start_broker(environment, data_dir=tmp_path / name) for name in ("one", "two")]
        began = time.monotonic()
        enqueued = make_events(context, EVENTS)
        until(lambda: len(ris.received) > EVENTS // 3, timeout=EVENTS)
        victim = random.choice(senders)
        victim.kill9()
        victim.start()
        awake.set()
        his = stack.enter_context(MllpReceiver(port=dead))
        until(lambda: waiting(context) == 0, timeout=max(120, EVENTS), interval=0.1)
        seconds = time.monotonic() - began
        refused = len(board.refused)
        told = {
            "ris": from_hl7(ris), "his": from_hl7(his), "hook": from_http(hook), "drop": from_files(folder),
            "board": from_json([posted.body for posted in board.accepted]),
        }  # fmt: skip
        repeats = judge(told, EVENTS // 2)
    print(  # noqa: T201 - the measurement
        f"\n{EVENTS} events x {len(NAMES)} destinations: enqueued in {enqueued:.1f} s, all told after {seconds:.1f} s, "
        f"repeats {repeats}, refused while away {refused}"
    )
