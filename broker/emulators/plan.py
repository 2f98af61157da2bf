"""The plan of an invented day in a radiology department: who is ordered, booked, examined, canceled, and when.

Pure: the same seed and moment give the same plan.  Must not send anything (``day`` does).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from random import Random

from broker.emulators.orders import EXAMS, InventedOrder
from broker.emulators.people import InventedPatient, invent

ROOMS = (("CT1", "CT"), ("MR1", "MR"), ("DX1", "DX"), ("US1", "US"), ("MG1", "MG"))
SLOTS_BEFORE, SLOTS_AFTER = 6, 6
SLOT = timedelta(minutes=40)
_PHYSICIANS = (("Hartmann", "Clara"), ("Lindqvist", "Per"), ("Moretti", "Paola"), ("Okoye", "Daniel"))


class Act(StrEnum):
    """What somebody does."""

    ORDER = "orders"
    CHANGE = "reschedules"
    CANCEL = "cancels"
    UPDATE = "corrects the patient of"
    QUERY = "asks for its worklist"
    START = "starts"
    COMPLETE = "completes"
    DISCONTINUE = "discontinues"


@dataclass(frozen=True, slots=True)
class Move:
    """One act at a moment of the day; ``reason`` is the discontinuation code."""

    at: datetime
    act: Act
    station: str
    order: InventedOrder | None = None
    reason: str = ""


def anchor_for(now: datetime) -> datetime:
    """The moment the plan is made around: now, but late and early enough that the whole day stays on one date."""
    earliest, latest = time(4, 30), time(19, 30)
    chosen = min(max(now.time(), earliest), latest)
    return now.replace(hour=chosen.hour, minute=chosen.minute, second=0, microsecond=0)


def make_plan(anchor: datetime, seed: int) -> list[Move]:
    """Every move of the day in order of time; what is before ``anchor`` has happened when the day is joined."""
    return _Planner(anchor, Random(seed)).plan()


@dataclass(frozen=True, slots=True)
class _Booking:
    order: InventedOrder
    begins: datetime
    ends: datetime

    def shifted(self, by: timedelta) -> "_Booking":
        return replace(self, begins=self.begins + by, ends=self.ends + by)


class _Planner:
    def __init__(self, anchor: datetime, dice: Random) -> None:
        self._anchor = anchor
        self._dice = dice
        count = len(ROOMS) * (SLOTS_BEFORE + SLOTS_AFTER) + 1
        patients = invent(count, dice)
        dice.shuffle(patients)
        self._patients = iter(patients)
        self._number = 0

    def plan(self) -> list[Move]:
        rooms = {station: self._book(station, modality, n) for n, (station, modality) in enumerate(ROOMS)}
        moves = [move for bookings in rooms.values() for booking in bookings for move in self._usual(booking)]
        for special in (self._cancel, self._discontinue, self._wrong_entry, self._reschedule, self._correct):
            moves = special(moves, rooms)
        moves += self._walk_in()
        moves += self._queries(max(move.at for move in moves))
        return sorted(moves, key=lambda move: move.at)

    def _book(self, station: str, modality: str, offset: int) -> list[_Booking]:
        """A room's day: patients come ahead of and behind schedule, but one after another."""
        bookings = []
        free = self._anchor - SLOT * (SLOTS_BEFORE + 1)
        for slot in range(-SLOTS_BEFORE, SLOTS_AFTER):
            order = self._order(station, modality, self._anchor + SLOT * slot + timedelta(minutes=5 * offset))
            begins = max(order.start + timedelta(minutes=self._dice.randint(-8, 22)), free + timedelta(minutes=2))
            free = begins + timedelta(minutes=order.exam.minutes * self._dice.uniform(0.7, 1.4))
            bookings.append(_Booking(order, begins, free))
        return bookings

    def _order(self, station: str, modality: str, start: datetime, priority: str = "R") -> InventedOrder:
        self._number += 1
        exam = self._dice.choice([e for e in EXAMS if e.modality == modality])
        minute = start.minute - start.minute % 5
        patient: InventedPatient = next(self._patients)
        return InventedOrder(
            patient, exam, station, start.replace(minute=minute, second=0),
            f"{self._anchor:%y%m%d}{self._number:03}", f"2.25.{self._dice.getrandbits(120)}", priority,
            self._dice.choice(_PHYSICIANS),
        )  # fmt: skip

    def _usual(self, booking: _Booking) -> Iterator[Move]:
        order = booking.order
        known = self._anchor - SLOT * (SLOTS_BEFORE + 2) + timedelta(seconds=int(order.number[-3:]))
        if order.start > self._anchor + SLOT and self._dice.random() < 0.3:
            known = self._anchor + (order.start - self._anchor) * self._dice.uniform(0.1, 0.6)
        yield Move(known, Act.ORDER, "", order)
        yield Move(booking.begins, Act.START, order.station, order)
        yield Move(booking.ends, Act.COMPLETE, order.station, order)

    def _next(self, bookings: list[_Booking], after: int) -> _Booking:
        """The ``after``-th exam of a room that has not begun yet when the day is joined."""
        waiting = [b for b in bookings if b.begins > self._anchor + timedelta(minutes=8)]
        return waiting[min(after, len(waiting) - 1)]

    def _cancel(self, moves: list[Move], rooms: dict[str, list[_Booking]]) -> list[Move]:
        order = self._next(rooms["MR1"], 2).order
        kept = [m for m in moves if m.order is not order]
        known = self._anchor - SLOT * SLOTS_BEFORE
        cancels = Move(self._anchor + timedelta(minutes=5), Act.CANCEL, "", order)
        return [*kept, Move(known, Act.ORDER, "", order), cancels]

    def _discontinue(self, moves: list[Move], rooms: dict[str, list[_Booking]]) -> list[Move]:
        chosen = [rooms["US1"][1].order, self._next(rooms["CT1"], 0).order]
        return [
            replace(m, act=Act.DISCONTINUE, reason="110505") if m.act is Act.COMPLETE and m.order in chosen else m
            for m in moves
        ]

    def _wrong_entry(self, moves: list[Move], rooms: dict[str, list[_Booking]]) -> list[Move]:
        """The wrong entry of the list is picked, and noticed three minutes later."""
        booking = self._next(rooms["DX1"], 0)
        before = booking.begins
        order, station = booking.order, booking.order.station
        return [
            *moves,
            Move(before - timedelta(minutes=5), Act.START, station, order),
            Move(before - timedelta(minutes=2), Act.DISCONTINUE, station, order, "110514"),
        ]

    def _reschedule(self, moves: list[Move], rooms: dict[str, list[_Booking]]) -> list[Move]:
        booking = self._next(rooms["US1"], 3)
        later = timedelta(minutes=30)
        moved = replace(booking.order, start=booking.order.start + later)
        kept = [m for m in moves if m.order is not booking.order]
        shifted = booking.shifted(later)
        return [
            *kept,
            Move(self._anchor - SLOT * SLOTS_BEFORE, Act.ORDER, "", booking.order),
            Move(self._anchor + timedelta(minutes=3), Act.CHANGE, "", moved),
            Move(shifted.begins, Act.START, moved.station, moved),
            Move(shifted.ends, Act.COMPLETE, moved.station, moved),
        ]

    def _correct(self, moves: list[Move], rooms: dict[str, list[_Booking]]) -> list[Move]:
        """The patient of a booked exam has married."""
        order = self._next(rooms["MG1"], 1).order
        married = replace(order.patient, family=f"{order.patient.family}-Winter", representations=())
        known = min(m.at for m in moves if m.order is order)
        at = max(known, self._anchor) + timedelta(minutes=4)
        return [*moves, Move(at, Act.UPDATE, "", replace(order, patient=married))]

    def _walk_in(self) -> list[Move]:
        """An emergency, ordered now and examined in the next minutes."""
        comes = self._anchor + timedelta(minutes=4)
        order = self._order("CT1", "CT", comes + timedelta(minutes=5), priority="S")
        begins = comes + timedelta(minutes=6)
        return [
            Move(comes, Act.ORDER, "", order),
            Move(begins, Act.START, "CT1", order),
            Move(begins + timedelta(minutes=order.exam.minutes), Act.COMPLETE, "CT1", order),
        ]

    def _queries(self, last: datetime) -> Iterator[Move]:
        for number, (station, _) in enumerate(ROOMS):
            at = self._anchor + timedelta(minutes=1 + 2 * number)
            while at < last:
                yield Move(at, Act.QUERY, station)
                at += timedelta(minutes=15)
