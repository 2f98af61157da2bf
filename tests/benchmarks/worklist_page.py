"""Owns: the worklist figures as tables and charts for docs/performance.md. Must not: measure or judge."""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.benchmarks.page import put
from tests.benchmarks.worklist_chart import Points, chart

#: the day and modality that 20 steps have; a wildcard inside a name and nothing else, another one each time
PLAIN, WILDCARD = "", "wildcard"


@dataclass(frozen=True)
class Figure:
    """One server, one size, one number of clients: medians over the repetitions, and their spread."""

    server: str
    steps: int
    clients: int
    qps: float
    qps_low: float
    qps_high: float
    p50_ms: float
    p95_ms: float
    memory_mb: float
    #: what was asked besides day and modality
    query: str = PLAIN
    #: from the start of the process until it listened
    start_seconds: float = 0.0


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row for each size and number of clients, with the broker against the faster peer."""
    lines = [
        "| steps | clients | server | queries/s (low to high) | p50 | p95 | memory | broker against the faster peer |",
        "| ---: | ---: | --- | --- | ---: | ---: | ---: | --- |",
    ]
    return "\n".join([*lines, *(_row(figure, figures) for figure in figures if figure.query == PLAIN)])


def _row(figure: Figure, figures: Sequence[Figure]) -> str:
    spread = f"{figure.qps:,.4g} ({figure.qps_low:,.4g} to {figure.qps_high:,.4g})"
    times = f"{figure.p50_ms:,.3g} ms | {figure.p95_ms:,.3g} ms"
    return (
        f"| {figure.steps:,} | {figure.clients} | {figure.server} | {spread} | {times} | {figure.memory_mb:,.0f} MB | "
        f"{_ratio(figure, figures)} |"
    )


def _ratio(figure: Figure, figures: Sequence[Figure]) -> str:
    beside = [f for f in figures if (f.steps, f.clients) == (figure.steps, figure.clients) and f.server != "broker"]
    if figure.server != "broker" or not beside:
        return ""
    quickest = min(f.p50_ms for f in beside)
    return f"{figure.qps / max(f.qps for f in beside):,.3g}x; p50 {figure.p50_ms / quickest:.2g} of its"


def flatness(figures: Sequence[Figure]) -> str:
    """Markdown: what size does to the broker alone: start, and times with one client."""
    least = min(f.clients for f in figures)
    own = [f for f in figures if f.server == "broker" and (f.clients == least or f.query == WILDCARD)]
    base = next((f.p95_ms for f in own if f.steps == 1000 and f.query == PLAIN), None)
    lines = [
        "| steps | start to listening | one day and modality, p95 | against 1,000 steps | wildcard in a name alone |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for plain in (f for f in own if f.query == PLAIN):
        wild = next((f"{f.p50_ms:,.3g} ms" for f in own if f.steps == plain.steps and f.query == WILDCARD), "")
        ratio = f"{plain.p95_ms / base:.2g}x" if base else ""
        times = f"{plain.start_seconds:.2g} s | {plain.p95_ms:,.3g} ms | {ratio} | {wild}"
        lines.append(f"| {plain.steps:,} | {times} |")
    return "\n".join(lines)


def machine() -> str:
    """What the figures depend on besides the code."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    peers = ", ".join(filter(None, (_version("wlmscpfs", "--version"), _version("/usr/sbin/Orthanc", "--version"))))
    load = os.getloadavg()[0]
    return (
        f"{date.today()}, {os.cpu_count()} cores of {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}; {peers}; load average when it began {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _version(*command: str) -> str:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout.splitlines()
    except FileNotFoundError:
        return ""
    return told[0].strip("$ ") if told else ""


def write(figures: Sequence[Figure], about: str, notes: Sequence[str], docs: Path) -> None:
    """The tables into the page, between its markers, with a chart for each number of clients."""
    images = docs / "images"
    images.mkdir(exist_ok=True)
    plain = [f for f in figures if f.query == PLAIN]
    pictures = []
    for clients in sorted({f.clients for f in plain}):
        title = f"Worklist queries a second, {clients} client{'s' if clients > 1 else ''}, one association per query"
        picture = chart(title, ("scheduled steps", "queries a second"), _lines_of(plain, clients))
        (images / f"worklist-speed-{clients}.svg").write_text(picture, encoding="utf-8")
        pictures.append(f"![{title}](images/worklist-speed-{clients}.svg)")
    told = [f"{note}." for note in notes]
    parts = [" ".join([f"{about}.", *told]), table(figures), "\n".join(pictures), flatness(figures)]
    put(docs / "performance.md", "worklist", "\n\n".join(parts))


def _lines_of(figures: Sequence[Figure], clients: int) -> dict[str, Points]:
    names = dict.fromkeys(f.server for f in figures)
    lines = {n: [(f.steps, f.qps) for f in figures if f.server == n and f.clients == clients] for n in names}
    return {name: points for name, points in lines.items() if points}
