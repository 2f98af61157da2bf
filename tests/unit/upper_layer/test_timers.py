"""The lazy deadline on a clock that the test turns by hand."""

import asyncio
from typing import Any, cast

import pytest

from broker.dicom.upper_layer.timers import Deadline


class Handle:
    def __init__(self, due: float, callback: Any) -> None:
        self.due, self.callback, self.cancelled = due, callback, False

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """The two methods of an event loop that a deadline needs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Any) -> Handle:
        self.handles.append(Handle(when, callback))
        return self.handles[-1]

    def turn(self, seconds: float) -> None:
        self.now += seconds
        while due := [handle for handle in self.handles if handle.due <= self.now and not handle.cancelled]:
            self.handles.remove(due[0])
            due[0].callback()

    @property
    def armed(self) -> int:
        return sum(not handle.cancelled for handle in self.handles)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fired() -> list[float]:
    return []


@pytest.fixture
def deadline(clock: Clock, fired: list[float]) -> Deadline:
    return Deadline(cast(asyncio.AbstractEventLoop, clock), lambda: fired.append(clock.now))


def test_it_fires_once(clock: Clock, deadline: Deadline, fired: list[float]) -> None:
    deadline.set(10)
    for _ in range(30):
        clock.turn(1)
    assert fired == [110.0]


def test_moving_it_later_costs_no_timer_and_holds(clock: Clock, deadline: Deadline, fired: list[float]) -> None:
    for _ in range(50):
        deadline.set(10)
        clock.turn(1)
    assert (fired, clock.armed, len(clock.handles)) == ([], 1, 1)
    clock.turn(8)
    assert fired == []
    clock.turn(1)
    assert fired == [159.0]


def test_moving_it_earlier_holds(clock: Clock, deadline: Deadline, fired: list[float]) -> None:
    deadline.set(100)
    deadline.set(5)
    clock.turn(5)
    assert fired == [105.0]


def test_clearing_and_setting_again(clock: Clock, deadline: Deadline, fired: list[float]) -> None:
    deadline.set(5)
    deadline.clear()
    clock.turn(6)
    assert fired == []
    deadline.set(5)
    clock.turn(5)
    assert fired == [111.0]


def test_stopping_gives_the_timer_back(clock: Clock, deadline: Deadline, fired: list[float]) -> None:
    deadline.set(5)
    deadline.stop()
    assert clock.armed == 0
    clock.turn(10)
    assert fired == []
