"""What the counts of a device say in words."""

from datetime import UTC, datetime

import pytest

from broker.domain.habits import Habits

FIRST, LAST = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("counts", "completes", "words"),
    [
        ({}, None, ()),
        ({"started": 5, "completed": 2, "left_open": 3, "linked": 5}, 0.4,
         ("completes 40 % of what it starts", "left 3 open")),
        ({"started": 5, "completed": 4, "running": 1, "linked": 3}, 1.0,
         ("completes 100 % of what it starts", "2 of 5 without a scheduled step")),
        ({"started": 1, "running": 1, "linked": 1}, None, ()),
        ({"started": 3, "discontinued": 3, "linked": 3}, 0.0, ("completes 0 % of what it starts",)),
        ({"queries": 7}, None, ("fetches its list but never reports",)),
        ({"steps_given": 7}, None, ("fetches its list but never reports",)),
    ],
)  # fmt: skip
def test_habits_in_words(counts: dict[str, int], completes: float | None, words: tuple[str, ...]) -> None:
    habits = Habits("CT2", FIRST, LAST, **counts)
    assert (habits.completes, habits.words) == (completes, words)
