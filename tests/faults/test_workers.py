"""Several processes on the same ports: one worklist, one effect of each message, and ends of any of them survived."""

import asyncio
import multiprocessing
import os
import re
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker import settings_source
from broker.workers import Workers
from tests.peers.mllp_receiver import MllpReceiver
from tests.peers.mllp_sender import MllpSender
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess
from tests.support.wait import until

ORDERS, CONNECTIONS = 48, 12
WORKERS = {"BROKER__DICOM__WORKERS": "3", "BROKER__INTAKE__WORKERS": "2"}


@pytest.fixture
def broker(settings: dict[str, str], start_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    return start_broker(settings | WORKERS)


def workers(broker: BrokerProcess) -> set[int]:
    """The processes that the broker has started for devices and senders."""
    found = Path(f"/proc/{broker.pid}/task/{broker.pid}/children").read_text(encoding="ascii").split()
    return {int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def send(port: int, numbers: range) -> list[str]:
    with MllpSender(port) as sender:
        return [sender.exchange(omi(number)).code for number in numbers]


def seen(broker: BrokerProcess) -> set[frozenset[str]]:
    """What a dozen devices are told at once, each by whichever process has its connection."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        lists = pool.map(lambda _: Modality(broker.ports["dicom"]).worklist(), range(CONNECTIONS))
        return {frozenset(item["AccessionNumber"] for item in found) for found in lists}


def test_they_work_as_one_and_survive_each_other(broker: BrokerProcess, receiver: MllpReceiver) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [range(first, ORDERS, CONNECTIONS) for first in range(CONNECTIONS)]
        answers = list(pool.map(lambda share: send(broker.ports["intake"], share), shares))
        again = list(pool.map(lambda share: send(broker.ports["intake"], share), shares))
    assert {code for codes in answers + again for code in codes} == {"AA"}
    orders = frozenset(f"A{number}" for number in range(ORDERS))
    assert seen(broker) == {orders}

    device = Modality(broker.ports["dicom"])
    begun = {f"1.9.{n}": device.worklist(f"A{n}")[0] for n in range(6)}
    assert {device.start(item, uid).status for uid, item in begun.items()} == {0}
    assert seen(broker) == {orders - {f"A{n}" for n in range(6)}}
    assert {device.finish(uid).status for uid in begun} == {0}
    until(lambda: len(receiver.received) == 12, 30, "each exam was told to the RIS when it began and when it ended")

    first = workers(broker)
    assert len(first) == 2
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    until(lambda: "is started again" in broker.log, 30, "its end is noticed")
    until(lambda: len(workers(broker)) == 2, 30, "another takes its place")
    assert victim not in workers(broker)
    until(lambda: len(re.findall(r"worker process \d listens", broker.log)) == 3, 30, "it listens")
    assert send(broker.ports["intake"], range(ORDERS, ORDERS + 1)) == ["AA"]
    assert len(seen(broker).pop()) == ORDERS - 6 + 1

    assert broker.terminate() == 0
    assert len(receiver.received) == 12


def test_without_their_parent_they_end(broker: BrokerProcess) -> None:
    left = workers(broker)
    os.kill(broker.pid, signal.SIGKILL)
    for pid in left:
        until(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 30, "the worker has ended")  # type: ignore[misc]


def test_a_worker_that_cannot_start_is_a_broker_that_cannot_start(sqlite_url: str, tmp_path: Path) -> None:
    """A port that somebody else has for himself."""
    environment = {"DATABASE__URL": sqlite_url, "DATA_DIR": str(tmp_path), "DICOM__WORKERS": "2"}
    settings = settings_source.load(None, {f"BROKER__{key}": value for key, value in environment.items()})

    async def start(port: int) -> None:
        with pytest.raises(OSError, match="worker process 1 did not start"):
            await Workers(settings, {"dicom": port, "intake": 0}, lambda: None).start()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(start(taken.getsockname()[1]))
    assert not [p for p in multiprocessing.active_children() if p.name == "worker-1"]
