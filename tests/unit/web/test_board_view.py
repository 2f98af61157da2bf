"""Addresses of the board, groups, and the drawing of the rooms."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from broker.domain.states import StepStatus
from broker.services.board import BoardQuery, BoardStep, Mark
from broker.store.board import ExamRow
from broker.web.board_view import ROOMS, View, by_day, by_modality, view_of
from broker.web.rooms import PLANNED, plan

TODAY = date(2026, 7, 9)
NOW = datetime(2026, 7, 9, 10, 42)


def step(key: int, start: str | None = "0900", modality: str = "CT", **more: Any) -> BoardStep:
    begins = datetime.strptime(f"20260709{start}", "%Y%m%d%H%M") if start else None
    base = BoardStep(
        step_key=key, request_key=key, scheduled_procedure_step_id=f"S{key}", status=StepStatus.SCHEDULED,
        modality=modality, stations=("CT1",), location="", start_at=begins, patient_name="MUSTER^Max", patient_id="1",
        birth_date="", sex="", procedure="CT head", accession_number="A1", marks=(),
    )  # fmt: skip
    return replace(base, **more)


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ({}, BoardQuery(TODAY)),
        ({"day": "2026-07-10", "modality": "CT"}, BoardQuery(date(2026, 7, 10), "CT")),
        ({"day": "tomorrow", "status": "ILL", "mark": "x"}, BoardQuery(TODAY)),
        ({"status": "STARTED", "mark": "late"}, BoardQuery(TODAY, status=StepStatus.STARTED, mark=Mark.LATE)),
        ({"station": "CT1", "day": "", "status": ""}, BoardQuery(TODAY, station="CT1")),
    ],
)
def test_an_address_is_understood(address: dict[str, str], query: BoardQuery) -> None:
    assert view_of(address, TODAY).query == query


def test_today_is_not_in_the_address_so_that_a_wall_screen_lives_through_midnight() -> None:
    view = View(BoardQuery(TODAY, "CT", status=StepStatus.STARTED), ROOMS, TODAY)
    assert view.address() == "/?modality=CT&status=STARTED&view=rooms"
    assert view.address(status=None, view=None) == "/?modality=CT"
    assert view.address(day=date(2026, 7, 10), modality=None, status=None, view=None) == "/?day=2026-07-10"
    assert view.address(day=TODAY, modality=None, status=None, view=None) == "/"


def test_what_an_address_says_comes_back() -> None:
    view = view_of({"day": "2026-07-12", "station": "A&B ?", "mark": "stuck"}, TODAY)
    assert view.address() == "/?day=2026-07-12&station=A%26B+%3F&mark=stuck"


def test_groups_by_modality_with_next_and_now() -> None:
    steps = [
        step(1, "0800", status=StepStatus.COMPLETED), step(2, "1000"), step(3, "1100"), step(4, "0700", "MR"),
        step(5, "0930", status=StepStatus.STARTED),
    ]  # fmt: skip
    ct, mr = by_modality(steps, NOW, today=True)
    assert [s.step_key for s in ct.steps] == [1, 5, 2, 3]
    assert (ct.next_step, ct.now_before, ct.waiting, ct.running, ct.finished) == (2, 3, 2, 1, 1)
    assert (mr.name, mr.now_before) == ("MR", 1)


def test_other_days_have_no_now() -> None:
    (group,) = by_modality([step(1)], NOW, today=False)
    assert (group.next_step, group.now_before) == (None, None)


def test_found_steps_by_day_newest_first() -> None:
    steps = [step(1), step(2, start_at=datetime(2026, 7, 11, 8, 0)), step(3, None), step(4, "0700")]
    assert [(day, [s.step_key for s in found]) for day, found in by_day(steps)] == [
        (None, [3]), (date(2026, 7, 11), [2]), (TODAY, [4, 1]),
    ]  # fmt: skip


def exam(start: str, end: str) -> ExamRow:
    return ExamRow(1, "COMPLETED", "CT1", f"20260709{start}00", f"20260709{end}00" if end else "", NOW, NOW)


def test_overlapping_bars_stand_below_each_other() -> None:
    drawn = plan([step(1, "0900"), step(2, "0910"), step(3, "0930")], NOW, datetime(2026, 7, 9))
    (room,) = drawn.rooms
    first, second, third = room.bars
    assert first.y == third.y < second.y
    assert room.height > third.y - room.y


def test_performed_bars_have_their_real_length() -> None:
    drawn = plan([step(1, "0900", exams=(exam("0905", "0935"),))], NOW, datetime(2026, 7, 9))
    bar = drawn.rooms[0].bars[0]
    assert bar.performed is not None
    assert bar.performed[1] == pytest.approx(bar.width)
    assert PLANNED.total_seconds() == 1800


def test_a_running_exam_reaches_to_now() -> None:
    drawn = plan([step(1, "0900", exams=(exam("1012", ""),))], NOW, datetime(2026, 7, 9))
    performed = drawn.rooms[0].bars[0].performed
    assert performed is not None
    assert drawn.now_x is not None
    assert performed[0] + performed[1] == pytest.approx(drawn.now_x)


def test_rooms_without_a_plan() -> None:
    drawn = plan([step(1, None)], datetime(2026, 7, 8, 10, 0), datetime(2026, 7, 9))
    assert drawn.rooms == ()
    assert drawn.now_x is None
