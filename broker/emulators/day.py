"""A lively hospital day for ``broker demo``: a RIS and five rooms live through a plan, at adjustable speed.

Uses nothing but the broker's public ports.  What lies before the present moment is caught up at once, so that the board
shows a department at work within seconds.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from random import Random

from broker.dicom.scu import Answer, ScuError
from broker.emulators.modality import Exam, Modality, ModalityConfig
from broker.emulators.orders import InventedOrder
from broker.emulators.plan import ROOMS, Act, Move, anchor_for, make_plan
from broker.emulators.ris import Ris, RisConfig, accepted
from hl7.client import Outcome

Narrate = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DayConfig:
    """Where the broker listens, and how the day is lived; ``speed`` is seconds of the day per second."""

    intake_host: str
    intake_port: int
    dicom_host: str
    dicom_port: int
    ae_title: str = "BROKER"
    zone: tzinfo = UTC
    seed: int = 1
    speed: float = 30.0
    #: the moment the day is joined; None: now
    joined_at: datetime | None = None


@dataclass(slots=True)
class DayReport:
    """What was done, and what did not go as planned."""

    done: Counter[Act] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Day:
    """One day; ``run`` it once, on a thread of its own if need be."""

    def __init__(self, config: DayConfig, narrate: Narrate) -> None:
        self._config = config
        self._narrate = narrate
        self._anchor = anchor_for((config.joined_at or datetime.now(UTC)).astimezone(config.zone))
        self._now = self._anchor
        self._exams: dict[str, Exam] = {}
        self._report = DayReport()
        numbers = itertools.count(1)
        self._ris = Ris(
            RisConfig(
                config.intake_host, config.intake_port, clock=lambda: self._now,
                control_id=lambda: f"DAY{config.seed}-{self._anchor:%y%m%d%H%M}-{next(numbers)}"[:20],
            )
        )  # fmt: skip
        self._devices = {station: self._device(station, n) for n, (station, _) in enumerate(ROOMS)}

    def run(self, stop: threading.Event) -> DayReport:
        """Live until the plan ends or ``stop`` is set; answers what happened."""
        plan = make_plan(self._anchor, self._config.seed)
        with self._ris:
            began: float | None = None
            for move in plan:
                if move.at > self._anchor and began is None:
                    self._narrate("the past of today is told; now the day goes on")
                    began = time.monotonic()
                if stop.wait(self._seconds_until(move, began)):
                    break
                self._now = move.at
                self._do(move)
        return self._report

    def _device(self, station: str, number: int) -> Modality:
        config = self._config
        dice = Random(config.seed * 1000 + number)
        return Modality(
            ModalityConfig(
                station, config.dicom_host, config.dicom_port, config.ae_title, clock=lambda: self._now, dice=dice
            )
        )

    def _seconds_until(self, move: Move, began: float | None) -> float:
        if began is None:
            return 0.0
        due = began + (move.at - self._anchor) / timedelta(seconds=self._config.speed)
        return max(0.0, due - time.monotonic())

    def _do(self, move: Move) -> None:
        try:
            problem = self._act(move)
        except ScuError as error:
            problem = str(error)
        who = move.station or "RIS"
        what = f"{move.at:%H:%M} {who} {move.act.value} {move.order.accession_number if move.order else ''}".rstrip()
        if problem:
            self._report.problems.append(f"{what}: {problem}")
            self._narrate(f"{what}: {problem}")
        else:
            self._report.done[move.act] += 1
            self._narrate(what)

    def _act(self, move: Move) -> str:
        """Do it; answers what went wrong, or nothing."""
        if move.act is Act.QUERY:
            self._devices[move.station].worklist(self._date)
            return ""
        if move.order is None:
            raise ValueError("only a query is about no order")
        if move.station:
            return self._at_the_device(move, move.order)
        return _refused(self._tell(move.act, move.order))

    def _tell(self, act: Act, order: InventedOrder) -> Outcome:
        match act:
            case Act.ORDER:
                return self._ris.place(order)
            case Act.CHANGE:
                return self._ris.change(order)
            case Act.CANCEL:
                return self._ris.cancel(order)
            case _:
                return self._ris.update(order.patient)

    def _at_the_device(self, move: Move, order: InventedOrder) -> str:
        device = self._devices[move.station]
        if move.act is Act.START:
            for item in device.worklist(self._date):
                if item["StudyInstanceUID"] == order.study_instance_uid:
                    self._exams[order.number], answer = device.start(item)
                    return _failed(answer)
            return "it is not on the list"
        exam = self._exams.pop(order.number, None)
        if exam is None:
            return "the exam was never started"
        return _failed(device.discontinue(exam, move.reason) if move.reason else device.complete(exam))

    @property
    def _date(self) -> str:
        return self._anchor.strftime("%Y%m%d")


def _refused(outcome: Outcome) -> str:
    return "" if accepted(outcome) else f"not accepted ({type(outcome).__name__})"


def _failed(answer: Answer) -> str:
    return "" if answer.succeeded else f"status 0x{answer.status:04X} {answer.error_comment}".rstrip()
