"""Owns: the servers that are measured, each with the same entries: the broker, DCMTK's wlmscpfs, Orthanc's plugin.
Must not: measure.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.worklist_entries import KIT, fill
from tests.support.ports import free_port
from tests.support.process import BrokerProcess

#: what each peer needs to be there
PROGRAMS = {"wlmscpfs": "/usr/bin/wlmscpfs", "orthanc": "/usr/sbin/Orthanc"}


@dataclass(frozen=True)
class Server:
    """Something that answers worklist queries."""

    name: str
    port: int
    ae_title: str
    pid: int
    #: from the start of the process until it listened; 0 when that was not measured
    start_seconds: float = 0.0


def missing() -> list[str]:
    """What the measurement lacks on this machine, in words."""
    lacking = (
        [] if (KIT / "mwl_load.py").exists() else [f"the acceptance kit in {KIT} (BENCH_KIT names another folder)"]
    )
    return lacking + [f"{name} (Debian: {_package(name)})" for name in PROGRAMS if not installed(name)]


def installed(peer: str) -> bool:
    """True when the peer's program is there."""
    return shutil.which(PROGRAMS[peer]) is not None


def _package(peer: str) -> str:
    return "dcmtk" if peer == "wlmscpfs" else "orthanc"


@contextmanager
def servers(folder: Path, steps: int, *, with_peers: bool, database_url: str = "") -> Iterator[list[Server]]:
    """The broker and, if wanted, every installed peer, all with the same ``steps`` entries."""
    with ExitStack() as stack:
        running = []
        if with_peers:
            running += stack.enter_context(_peers(folder / "peers", steps))
        running.append(stack.enter_context(_broker(folder / "broker", steps, database_url)))
        yield running


@contextmanager
def _broker(folder: Path, steps: int, database_url: str) -> Iterator[Server]:
    folder.mkdir(parents=True)
    url = database_url or f"sqlite:///{folder / 'broker.db'}"
    fill(url, steps)
    began = time.perf_counter()
    with BrokerProcess(folder, environment={"BROKER__DATABASE__URL": url}) as process:
        yield Server("broker", process.ports["dicom"], "BROKER", process.pid, time.perf_counter() - began)


@contextmanager
def _peers(folder: Path, steps: int) -> Iterator[list[Server]]:
    """Peers as the kit starts them, with TCP_NODELAY=1: as shipped they wait 40 ms for an acknowledgement."""
    folder.mkdir(parents=True)
    _kit("gen", folder, "--n", str(steps))
    ports = {"wlmscpfs": free_port(), "orthanc": free_port()}
    found = []
    try:
        for peer in filter(installed, PROGRAMS):
            options = ["--wl-port", str(ports["wlmscpfs"]), "--orthanc-port", str(ports["orthanc"])]
            told = _kit("start", folder, "--peer", peer, "--nodelay", *options, "--orthanc-http", str(free_port()))
            state = json.loads(told)[peer]
            found.append(Server(peer, state["port"], state["aet"], state["pid"]))
        yield found
    finally:
        _kit("stop", folder)


def _kit(verb: str, folder: Path, *options: str) -> str:
    command = [sys.executable, str(KIT / "peer_servers.py"), verb, "--dir", str(folder), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800).stdout
