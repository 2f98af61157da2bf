"""Owns: `make bench-worklist`: the broker beside the peers, same entries, same client, one run; table and chart.
Must not: decide whether a figure is good.

Measures one thing at a time. Results go to docs/performance-worklist.md (between its markers) and docs/images.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.worklist_chart import Points, chart
from tests.benchmarks.worklist_entries import KIT
from tests.benchmarks.worklist_servers import Server, missing, servers

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


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


def measure(running: Sequence[Server], steps: int, clients: int, options: argparse.Namespace) -> list[Figure]:
    """Queries of one association each, for the day and modality that 20 of all steps have (or all, when fewer).

    The servers take turns, so that a noisy minute hits all of them.

    :raises RuntimeError: an answer was wrong.
    """
    runs: dict[str, list[dict]] = {server.name: [] for server in running}
    for _ in range(options.repeat):
        for server in running:
            runs[server.name].append(_load(server, steps, clients, options.seconds))
    return [_figure(server, steps, clients, runs[server.name]) for server in running]


def _figure(server: Server, steps: int, clients: int, runs: Sequence[dict]) -> Figure:
    qps = [run["qps"] for run in runs]
    p50, p95 = (statistics.median(run["latency"][name] for run in runs) for name in ("p50_ms", "p95_ms"))
    return Figure(
        server.name, steps, clients, statistics.median(qps), min(qps), max(qps), p50, p95, _memory(server.pid)
    )


def _load(server: Server, steps: int, clients: int, seconds: float) -> dict:
    command = [
        sys.executable, str(KIT / "mwl_load.py"), "--port", str(server.port), "--aet", server.ae_title, "--duration",
        str(seconds), "--concurrency", str(clients), "--expect", str(min(20, steps)), "--verify", "--timeout", "300",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{server.name}, {steps} steps, {clients} clients: {done.stdout[-600:]} {done.stderr[-600:]}"
        )
    report: dict = json.loads(done.stdout)
    return report


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def run(options: argparse.Namespace) -> list[Figure]:
    """All figures, smallest number of steps first."""
    figures = []
    for steps in options.steps:
        with tempfile.TemporaryDirectory(prefix="bench-worklist-") as folder:
            with_peers = steps <= options.peers_up_to
            with servers(Path(folder), steps, with_peers=with_peers, database_url=options.database_url) as running:
                for clients in options.clients:
                    measured = measure(running, steps, clients, options)
                    figures += measured
                    _say("\n".join(map(str, measured)))
    return figures


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row for each size and number of clients, with the broker against the faster peer."""
    lines = [
        "| steps | clients | server | queries/s (low to high) | p50 | p95 | memory | broker against the faster peer |",
        "| ---: | ---: | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *(_row(figure, figures) for figure in figures)])


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
    return f"{figure.qps / max(f.qps for f in beside):,.3g}x"


def machine() -> str:
    """What the figures depend on besides the code."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    peers = ", ".join(filter(None, (_version("wlmscpfs", "--version"), _version("/usr/sbin/Orthanc", "--version"))))
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()}, Python {platform.python_version()}; {peers}; "
        f"load average when it began {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _version(*command: str) -> str:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    except FileNotFoundError:
        return ""
    return told[0].strip("$ ") if told else ""


def write(figures: Sequence[Figure], about: str, docs: Path) -> None:
    """The table into the page, between its markers; a chart for each number of clients."""
    images = docs / "images"
    images.mkdir(exist_ok=True)
    for clients in sorted({f.clients for f in figures}):
        title = f"Worklist queries a second, {clients} client{'s' if clients > 1 else ''}, one association per query"
        picture = chart(title, ("scheduled steps", "queries a second"), _lines_of(figures, clients))
        (images / f"worklist-speed-{clients}.svg").write_text(picture, encoding="utf-8")
    page = docs / "performance-worklist.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    page.write_text(f"{before}{_BEGIN}\n{about}.\n\n{table(figures)}\n{_END}{after}", encoding="utf-8")


def _lines_of(figures: Sequence[Figure], clients: int) -> dict[str, Points]:
    names = dict.fromkeys(f.server for f in figures)
    return {n: [(f.steps, f.qps) for f in figures if f.server == n and f.clients == clients] for n in names}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> int:
    """The command; 1 when something it needs is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=_numbers, default=[10, 1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--clients", type=_numbers, default=[1, 8, 32])
    parser.add_argument("--peers-up-to", type=int, default=100_000, help="steps with which the peers still run")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each repetition")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL database; only with one size")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where page and charts are; elsewhere for a trial")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    lacking = missing()
    for what in lacking:
        _say(f"missing: {what}")
    if any("kit" in what for what in lacking):
        return 1
    about = machine()
    figures = run(options)
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in figures], indent=1), encoding="utf-8")
    write(figures, about, options.docs)
    _say(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
