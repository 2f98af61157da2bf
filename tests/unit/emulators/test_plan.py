"""The invented day: the same for the same seed, alive at its start, with every special event in it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from broker.emulators.people import invent
from broker.emulators.plan import ROOMS, Act, Move, anchor_for, make_plan

ANCHOR = datetime(2026, 7, 4, 11, 0, tzinfo=UTC)
PLAN = make_plan(ANCHOR, 1)
SEEDS = pytest.mark.parametrize("seed", range(25))


def of(plan: list[Move], act: Act) -> list[Move]:
    return [move for move in plan if move.act is act]


def test_the_same_seed_gives_the_same_day() -> None:
    assert make_plan(ANCHOR, 1) == PLAN
    assert make_plan(ANCHOR, 2) != PLAN


@SEEDS
def test_every_exam_is_ordered_before_it_begins_and_begins_before_it_ends(seed: int) -> None:
    ordered: set[str] = set()
    running: set[str] = set()
    for move in make_plan(ANCHOR, seed):
        if move.order is None:
            continue
        number = move.order.number
        if move.act is Act.ORDER:
            assert number not in ordered
            ordered.add(number)
            continue
        assert number in ordered, move
        if move.act is Act.START:
            assert number not in running, move
            running.add(number)
        elif move.act in (Act.COMPLETE, Act.DISCONTINUE):
            running.remove(number)
    assert not running


@SEEDS
def test_every_special_event_is_in_every_day(seed: int) -> None:
    plan = make_plan(ANCHOR, seed)
    assert [len(of(plan, act)) for act in (Act.CHANGE, Act.CANCEL, Act.UPDATE)] == [1, 1, 1]
    reasons = Counter(move.reason for move in of(plan, Act.DISCONTINUE))
    assert reasons == {"110505": 2, "110514": 1}
    wrong = next(move for move in plan if move.reason == "110514").order
    assert [m.act for m in plan if m.order is wrong][-2:] == [Act.START, Act.COMPLETE]
    canceled = of(plan, Act.CANCEL)[0].order
    assert [m.act for m in plan if m.order is canceled] == [Act.ORDER, Act.CANCEL]
    urgent = {m.order.number for m in plan if m.order and m.order.priority == "S"}
    assert len(urgent) == 1


@SEEDS
def test_the_department_is_at_work_when_the_day_is_joined(seed: int) -> None:
    past = [move for move in make_plan(ANCHOR, seed) if move.at <= ANCHOR]
    assert len(of(past, Act.COMPLETE)) >= 15
    assert len(of(past, Act.START)) > len(of(past, Act.COMPLETE))
    assert len(of(past, Act.ORDER)) >= 45
    soon = [m for m in make_plan(ANCHOR, seed) if ANCHOR < m.at <= ANCHOR + timedelta(minutes=10)]
    assert len(soon) >= 8


def test_all_rooms_work_and_ask_for_their_lists() -> None:
    for act in (Act.START, Act.QUERY):
        assert {move.station for move in of(PLAN, act)} == {station for station, _ in ROOMS}


def test_numbers_and_uids_are_unique_and_fit_their_fields() -> None:
    orders = [move.order for move in of(PLAN, Act.ORDER) if move.order]
    assert len({o.number for o in orders}) == len({o.study_instance_uid for o in orders}) == len(orders) == 61
    assert all(len(o.accession_number) <= 16 and len(o.study_instance_uid) <= 64 for o in orders)


@pytest.mark.parametrize(
    ("now", "anchor"),
    [("00:10", "04:30"), ("04:30", "04:30"), ("11:07", "11:07"), ("19:31", "19:30"), ("23:59", "19:30")],
)  # fmt: skip
def test_the_day_stays_on_one_date(now: str, anchor: str) -> None:
    moment = datetime.fromisoformat(f"2026-07-04T{now}:12+00:00")
    chosen = anchor_for(moment)
    assert f"{chosen:%H:%M}" == anchor
    starts = {move.order.start.date() for move in make_plan(chosen, 3) if move.order}
    assert starts == {moment.date()}


def test_patients_are_many_and_write_in_several_scripts() -> None:
    patients = invent(60, Random(1))
    assert len({(p.family, p.given, p.representations) for p in patients}) == 60
    assert len({p.patient_id for p in patients}) == 60
    assert {p.charset for p in patients} >= {"UNICODE UTF-8", "8859/1", "8859/5", "8859/7"}
