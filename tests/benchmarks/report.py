"""Owns: the figures of a benchmark as a table: machine, versions, median and spread of each row. Must not: measure."""

import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
"""Times that each row is measured: all once, then all again, so that a busy minute of the machine hits all alike."""


@dataclass
class Row:
    """One thing measured: how, and what came out of each round."""

    name: str
    measure: Callable[[], float]
    #: the process whose processor time is counted, and how many things it does in a measurement
    pid: int = 0
    count: int = 1
    #: what has to be there first; not measured
    prepare: Callable[[], object] | None = None
    values: list[float] = field(default_factory=list)
    #: milliseconds of processor for each thing done: what a busy machine distorts least
    costs: list[float] = field(default_factory=list)

    def once(self) -> None:
        """Measure once more."""
        if self.prepare is not None:
            self.prepare()
        before = processor_seconds(self.pid) if self.pid else 0.0
        self.values.append(self.measure())
        if self.pid:
            self.costs.append((processor_seconds(self.pid) - before) / self.count * 1000)

    @property
    def median(self) -> float:
        return median(self.values)


def measure(rows: Sequence[Row], rounds: int = ROUNDS) -> None:
    """Measure every row `rounds` times, in turns."""
    for _ in range(rounds):
        for row in rows:
            row.once()


def show(title: str, unit: str, rows: Sequence[Row], against: str = "", *packages: str) -> None:
    """Print the table; `against` names the row that the last column compares with."""
    base = next((row.median for row in rows if row.name == against), None)
    width = max(len(row.name) for row in rows)
    lines = [f"\n{title} ({unit}; median of {len(rows[0].values)}, least and most)", machine(*packages)]
    for row in rows:
        ratio = f"  {row.median / base:6.2f} x" if base else ""
        cost = f"  {median(row.costs):7.2f} ms processor each" if row.costs else ""
        spread = f"{min(row.values):9.1f} {max(row.values):9.1f}"
        lines.append(f"  {row.name:<{width}}  {row.median:9.1f}   {spread}{ratio}{cost}")
    sys.stdout.write("\n".join(lines) + "\n")


def processor_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine(*packages: str) -> str:
    """Processor, load and versions: a figure without them says nothing."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    known = ", ".join(f"{name} {version(name)}" for name in packages)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"  {os.cpu_count()} x {model}, load {load}; {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{', ' if known else ''}{known}"
    )
