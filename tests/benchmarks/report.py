"""Owns: the figures of a benchmark as a table: machine, versions, median and spread of each row, printed and kept for
docs/performance.md. Must not: measure.
"""

import os
import platform
import re
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

from tests.benchmarks.page import keep

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
"""Times that each row is measured: all once, then all again, so that a busy minute of the machine hits all alike."""

_ENOUGH_FOR_TAIL = 20


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
    """Print the table and keep it for the page; `against` names the row that others are compared with."""
    base = next((row.median for row in rows if row.name == against), None)
    count = len(rows[0].values)
    headings = ["", f"{unit}, median of {count}", "least to most"]
    headings += ["95 of 100 below"] if count >= _ENOUGH_FOR_TAIL else []
    headings += [f"against {against}"] if base else []
    headings += ["ms processor each"] if any(row.costs for row in rows) else []
    cells = [_cells(row, base, headings) for row in rows]
    widths = [max(len(line[n]) for line in (headings, *cells)) for n in range(len(headings))]
    printed = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    about = machine(*packages)
    sys.stdout.write("\n".join([f"\n{title} ({', '.join(headings[1:])})", about, *printed, ""]))
    lines = [f"**{title}**", "", about.strip() + ".", "", f"| {' | '.join(headings)} |", "| --- " * len(headings) + "|"]
    lines += [f"| {' | '.join(line)} |" for line in cells]
    keep(re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"), "\n".join(lines))


def _cells(row: Row, base: float | None, headings: Sequence[str]) -> list[str]:
    cells = [row.name, _figure(row.median), f"{_figure(min(row.values))} to {_figure(max(row.values))}"]
    if "95 of 100 below" in headings:
        cells.append(_figure(quantiles(row.values, n=20)[-1]))
    if base:
        cells.append(f"{row.median / base:.2f} x")
    if "ms processor each" in headings:
        cells.append(f"{median(row.costs):.2f}" if row.costs else "")
    return cells


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
        f"  {date.today()}, {os.cpu_count()} x {model}, load {load}; {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}{', ' if known else ''}{known}"
    )
