"""Owns: `make bench-worklist`: the broker beside the peers, same entries, same client, one run.
Must not: decide whether a figure is good.

Measures one thing at a time. Results go to docs/performance.md (between its markers) and docs/images; a peer that is
missing, answers wrongly or not in time is named there and left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.worklist_entries import KIT
from tests.benchmarks.worklist_page import PLAIN, WILDCARD, Figure, machine, table, write
from tests.benchmarks.worklist_servers import Server, missing, servers

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: different wildcards that match nothing: a question asked before would be answered from memory
_WILDCARDS = 10
#: seconds that all queries of a repetition may take together beyond its duration
_PATIENCE = 300.0


class Wrong(RuntimeError):
    """A server answered wrongly, or not in time."""


class Run:
    """One run: what was measured, and what could not be."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.figures: list[Figure] = []
        self.notes: list[str] = []

    def everything(self) -> None:
        """All sizes, smallest number of steps first."""
        for steps in self.options.steps:
            with tempfile.TemporaryDirectory(prefix="bench-worklist-") as folder:
                with_peers = steps <= self.options.peers_up_to
                url = self.options.database_url
                with servers(Path(folder), steps, with_peers=with_peers, database_url=url) as running:
                    self._size(running, steps)
        larger = [steps for steps in self.options.steps if steps > self.options.peers_up_to]
        if larger:
            sizes = ", ".join(f"{steps:,}" for steps in larger)
            self.notes.append(f"The peers read every file for every query; with {sizes} steps they were not asked")

    def _size(self, running: Sequence[Server], steps: int) -> None:
        left = list(running)
        for clients in self.options.clients:
            left = self._measure(left, steps, clients)
        broker = next(server for server in left if server.name == "broker")
        asked = ["--count", "1", "--expect", "0", "--date", "", "--modality", ""]
        runs = [self._client(broker, *asked, "--key", f"PatientName=*Q{number}X*") for number in range(_WILDCARDS)]
        self._add([_figure(broker, steps, 1, runs, WILDCARD)])

    def _measure(self, running: Sequence[Server], steps: int, clients: int) -> list[Server]:
        """Queries of one association each; the servers take turns, so that a noisy minute hits all of them.

        Answers the servers that go on.  Raises Wrong when the broker is not among them.
        """
        runs: dict[Server, list[dict]] = {server: [] for server in running}
        for _ in range(self.options.repeat):
            for server in tuple(runs):
                try:
                    runs[server].append(self._load(server, steps, clients))
                except Wrong as problem:
                    if server.name == "broker":
                        raise
                    del runs[server]
                    since = f"{steps:,} steps and {clients} clients"
                    self.notes.append(f"{server.name} was left out from {since}: {problem}")
        self._add([_figure(server, steps, clients, found, PLAIN) for server, found in runs.items()])
        return list(runs)

    def _add(self, measured: list[Figure]) -> None:
        self.figures += measured
        say("\n".join(map(str, measured)))

    def _load(self, server: Server, steps: int, clients: int) -> dict:
        duration, expected = str(self.options.seconds), str(min(20, steps))
        return self._client(server, "--duration", duration, "--concurrency", str(clients), "--expect", expected)

    def _client(self, server: Server, *asked: str) -> dict:
        common = ["--port", str(server.port), "--aet", server.ae_title, "--verify", "--timeout", str(_PATIENCE)]
        command = [sys.executable, str(KIT / "mwl_load.py"), *common, *asked]
        limit = self.options.seconds + 2 * _PATIENCE
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Wrong("no answer in time") from None
        if done.returncode:
            raise Wrong(f"{(done.stdout + done.stderr).strip()[-300:]}")
        report: dict = json.loads(done.stdout)
        return report


def _figure(server: Server, steps: int, clients: int, runs: Sequence[dict], query: str) -> Figure:
    qps = [run["qps"] for run in runs]
    p50, p95 = (statistics.median(run["latency"][name] for run in runs) for name in ("p50_ms", "p95_ms"))
    rate = (statistics.median(qps), min(qps), max(qps))
    return Figure(server.name, steps, clients, *rate, p50, p95, _memory(server.pid), query, server.start_seconds)


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def say(text: str) -> None:
    """Progress, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=_numbers, default=[10, 1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--clients", type=_numbers, default=[1, 8, 32])
    parser.add_argument("--peers-up-to", type=int, default=100_000, help="steps with which the peers still run")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each repetition")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--database-url", default="", help="an empty PostgreSQL database; only with one size")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where page and charts are; elsewhere for a trial")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    return parser.parse_args()


def main() -> int:
    """The command; 1 when something it cannot do without is missing."""
    options = _options()
    lacking = missing()
    for what in lacking:
        say(f"missing: {what}")
    if any("kit" in what for what in lacking):
        return 1
    about, run = machine(), Run(options)
    run.notes += [f"Missing here: {what}" for what in lacking]
    try:
        run.everything()
    finally:  # what was measured until then is worth keeping
        if options.json:
            options.json.write_text(json.dumps([asdict(f) for f in run.figures], indent=1), encoding="utf-8")
        if run.figures:
            write(run.figures, about, run.notes, options.docs)
            say(table(run.figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
