"""Owns: the broker, peers and load generators of a benchmark, each as a process of its own. Must not: judge figures."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import ROOT, BrokerProcess
from tests.support.wait import until

LIMIT = 600
"""Seconds that no load may take."""


@contextlib.contextmanager
def broker(folder: Path, url: str, settings: Mapping[str, str] | None = None) -> Iterator[BrokerProcess]:
    """`broker serve` on the database `url`."""
    environment = {"BROKER__DATABASE__URL": url, **(settings or {})}
    with BrokerProcess(folder, environment=environment) as process:
        yield process


@dataclass(frozen=True)
class Receiver:
    """Something under load: where it listens, its process, how many things to send at once, options of the load."""

    port: int
    pid: int
    count: int
    options: tuple[str, ...] = ()


@contextlib.contextmanager
def peer(folder: Path, count: int, *command: str, options: tuple[str, ...] = ()) -> Iterator[Receiver]:
    """A peer that writes its port to the file named by its first argument."""
    port_file = folder / f"{abs(hash(command))}.port"
    program, *arguments = command
    log_path = port_file.with_suffix(".log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*program.split("|"), str(port_file), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: port_file.exists() or process.poll() is not None, 30, f"{program} listens")
        assert process.poll() is None, log_path.read_text()
        yield Receiver(int(port_file.read_text()), process.pid, count, options)
    finally:
        process.kill()
        process.wait(10)


def module(name: str) -> str:
    """The program of `peer` for a module of this folder."""
    return f"{sys.executable}|-m|tests.benchmarks.{name}"


def load(name: str, *arguments: str | int) -> float:
    """Run a load generator of this folder in a process of its own; the figure it prints."""
    command: Sequence[str] = [sys.executable, "-m", f"tests.benchmarks.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return float(done.stdout)


class Numbers:
    """Order numbers never given twice, so that every message is a new order."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int) -> int:
        """The first of `count` fresh numbers."""
        first = self._next
        self._next += count
        return first
