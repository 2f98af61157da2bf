"""Owns: `make bench-costs`: what one order, exam and notification cost inside the broker, counted: calls of
functions, SQL statements, milliseconds of processor. Must not: measure sockets or the disk.

Calls and statements do not depend on what else the machine does, so they show what a change of the code changed.
"""

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from broker import parts, settings_source
from broker.delivery.hl7_message import Profile, render
from broker.dicom.datasets import encode
from broker.dicom.messages import Association, Request
from broker.dicom.mpps import MPPS, MppsHandler
from broker.domain.notifications import Outcome, Verdict
from broker.intake.handler import MessageHandler
from broker.services import delivering
from broker.services.context import Context
from broker.store import migrate
from broker.wiring import open_context
from tests.benchmarks.mpps_load import IMPLICIT, datasets_of
from tests.peers.order_messages import omi
from tests.support import databases, postgres

ORDER, EXAM, TOLD = "order message", "exam begun and ended", "notification claimed and settled"
_DESTINATION = '[{"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 1}]'
_WARM = 30


@dataclass(frozen=True)
class Cost:
    """Of one thing."""

    what: str
    calls: float
    statements: float
    milliseconds: float


class Bench:
    """The parts that do the work, on an empty database, called directly: no sockets, no threads but the writer's."""

    def __init__(self, context: Context, intake: MessageHandler) -> None:
        self._context = context
        self._intake = intake
        self._mpps = MppsHandler(context)
        self._modality = Association("CT1", "BROKER", "127.0.0.1", 1)
        self._claimant = delivering.Claimant("bench", timedelta(minutes=1))
        self._profile = Profile()

    def order(self, raw: bytes) -> None:
        """One HL7 message to its answer."""
        answer = self._intake.answer(raw, "bench") or b""
        assert b"|AA|" in answer, answer

    def exam(self, pair: tuple[str, bytes, bytes]) -> None:
        """N-CREATE and N-SET."""
        uid, begin, end = pair
        for number, (service, body) in enumerate(((self._mpps.create, begin), (self._mpps.set, end)), 1):
            response = service(Request(self._modality, number, MPPS, IMPLICIT, body, uid))
            assert response.status == 0, response

    def tell(self, most: int) -> int:
        """Claim, render and settle up to ``most`` notifications, as if each was acknowledged; answers how many."""
        entries = delivering.claim(self._context, "ris", self._claimant, most)
        for entry in entries:
            assert render(entry, self._profile)
        delivered = Outcome(Verdict.DELIVERED, "AA", b"MSA|AA|", summary={"answer": "AA"})
        if entries:
            made = [delivering.Settlement(entry, delivered, 1, timedelta()) for entry in entries]
            delivering.settle(self._context, self._claimant, made)
        return len(entries)

    def tell_all(self) -> int:
        """Until nothing is due; answers how many were told."""
        told = 0
        while count := self.tell(16):
            told += count
        return told

    @contextmanager
    def counted(self) -> Iterator[list[cProfile.Profile]]:
        """Profile this thread, and the writer's when that is another one."""
        mine, writers = cProfile.Profile(), cProfile.Profile()
        apart = self._context.database.is_sqlite
        if apart:
            self._context.database.write(lambda _: writers.enable())
        mine.enable()
        yield [mine, writers] if apart else [mine]
        mine.disable()
        if apart:
            self._context.database.write(lambda _: writers.disable())


@contextmanager
def opened(kind: str) -> Iterator[Bench]:
    """On a fresh SQLite or PostgreSQL database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-costs-")))
        url = f"sqlite:///{folder / 'broker.db'}"
        if kind == "postgresql":
            server = stack.enter_context(postgres.server())
            url = stack.enter_context(databases.postgres_database(server))[1]
        migrate.upgrade(url)
        environment = {"DATABASE__URL": url, "DATA_DIR": str(folder), "DESTINATIONS": _DESTINATION}
        settings = settings_source.load(None, {f"BROKER__{key}": value for key, value in environment.items()})
        context = open_context(settings)
        stack.callback(context.database.close)
        reading = parts.make_reading(settings)
        intake = MessageHandler(parts.handler_config(settings), context, reading.mappings, reading.site)
        yield Bench(context, intake)


def measure(bench: Bench, count: int) -> list[Cost]:
    """Every cost: processor time over ``count`` of each, calls and statements over as many again."""
    orders = [omi(number) for number in range(1, 2 * count + _WARM + 1)]
    exams = [_exam(number) for number in range(1, 2 * count + _WARM + 1)]
    costs = [_cost(bench, ORDER, bench.order, orders, count)]
    costs.append(_cost(bench, EXAM, bench.exam, exams, count))
    costs.append(_told(bench, count))
    return costs


def _exam(number: int) -> tuple[str, bytes, bytes]:
    uid, begin, end = datasets_of(number)
    return uid, encode(begin, IMPLICIT), encode(end, IMPLICIT)


def _cost(bench: Bench, what: str, work: Callable[[Any], object], things: list[Any], count: int) -> Cost:
    for thing in things[:_WARM]:
        work(thing)
    began = time.process_time()
    for thing in things[_WARM : _WARM + count]:
        work(thing)
    seconds = time.process_time() - began
    with bench.counted() as profiles:
        for thing in things[_WARM + count :]:
            work(thing)
    return Cost(what, _calls(profiles) / count, _statements(profiles) / count, seconds / count * 1000)


def _told(bench: Bench, count: int) -> Cost:
    """What the exams have to tell: first half for the time, the rest for the counts."""
    for _ in range(_WARM):
        bench.tell(1)
    began, told = time.process_time(), 0
    while told < count:
        told += bench.tell(16)
    seconds = time.process_time() - began
    with bench.counted() as profiles:
        rest = bench.tell_all()
    return Cost(TOLD, _calls(profiles) / rest, _statements(profiles) / rest, seconds / told * 1000)


def _calls(profiles: Iterable[cProfile.Profile]) -> int:
    return sum(vars(pstats.Stats(profile))["total_calls"] for profile in profiles)


def _statements(profiles: Iterable[cProfile.Profile]) -> int:
    """Calls of the drivers' own functions; each is a round trip on PostgreSQL."""
    found = 0
    for profile in profiles:
        for (file, _, name), (_, calls, *_) in vars(pstats.Stats(profile))["stats"].items():
            of_sqlite = name.startswith("<method 'execute") and "sqlite3." in name
            found += calls if of_sqlite or ("/psycopg/cursor.py" in file and name.startswith("execute")) else 0
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="of each thing, twice")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--profile", choices=("order", "exam", "told"), help="instead: where the time of one goes")
    options = parser.parse_args()
    for kind in options.database or ("sqlite", *(("postgresql",) if postgres.available() else ())):
        with opened(kind) as bench:
            if options.profile:
                _show_profile(bench, options.profile, options.count)
            else:
                for cost in measure(bench, options.count):
                    sys.stdout.write(
                        f"{kind:<11} {cost.what:<33} {cost.calls:8.0f} calls {cost.statements:6.1f} statements"
                        f" {cost.milliseconds:7.2f} ms processor\n"
                    )


def _show_profile(bench: Bench, what: str, count: int) -> None:
    for number in range(1, count + 1):
        bench.order(omi(number))
    if what == "told":
        for number in range(1, count + 1):
            bench.exam(_exam(number))
    bench.tell_all() if what == "exam" else None
    with bench.counted() as profiles:
        if what == "told":
            bench.tell_all()
        for number in range(1, count + 1):
            if what == "order":
                bench.order(omi(number + count))
            elif what == "exam":
                bench.exam(_exam(number))
    for profile in profiles:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(90)


if __name__ == "__main__":
    _main()
