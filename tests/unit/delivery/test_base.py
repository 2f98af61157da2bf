"""Back-off and breaker as tables."""

import pytest

from broker.delivery.base import RetryPlan
from broker.delivery.pacing import Breaker, Pace


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 15), (3, 45), (4, 135), (5, 300), (6, 300), (5000, 300)])
def test_waits_grow_to_the_ceiling(failures: int, seconds: float) -> None:
    assert RetryPlan(jitter=0).delay(failures) == seconds


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_jitter_spreads_the_wait(chance: float, seconds: float) -> None:
    assert RetryPlan(first=10, jitter=0.2).delay(1, chance) == pytest.approx(seconds)


def test_without_a_given_chance_the_wait_stays_within_the_jitter() -> None:
    waits = {RetryPlan(first=10, jitter=0.2).delay(1) for _ in range(200)}
    assert len(waits) > 100
    assert all(8 <= wait <= 12 for wait in waits)


@pytest.mark.parametrize(
    "wrong", [{"first": 0}, {"first": 10, "ceiling": 5}, {"factor": 0.5}, {"jitter": 1.0}, {"jitter": -0.1}]
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="retry plan"):
        RetryPlan(**wrong)


def test_the_breaker_opens_longer_with_each_failure_and_closes_on_success() -> None:
    now = [100.0]
    breaker = Breaker(RetryPlan(first=5, factor=3, jitter=0), lambda: now[0])
    assert breaker.allows()
    assert breaker.failed() == 5
    assert not breaker.allows()
    now[0] += 5
    assert breaker.allows()
    assert breaker.failed() == 15
    now[0] += 14.9
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.failed() == 5


def test_what_the_receiver_asks_for_is_the_least_wait() -> None:
    breaker = Breaker(RetryPlan(first=1, ceiling=10, jitter=0), clock=lambda: 100.0)
    assert breaker.failed(7.5) == 7.5
    assert breaker.failed(1.0) == 3.0


def test_a_pace_spaces_deliveries_and_none_does_not() -> None:
    now = [0.0]
    pace = Pace(4.0, clock=lambda: now[0])
    assert (pace.limited, pace.delay()) == (True, 0.0)
    pace.used()
    assert pace.delay() == 0.25
    now[0] = 0.2
    assert pace.delay() == pytest.approx(0.05)
    now[0] = 9.0
    pace.used()
    assert pace.delay() == 0.25
    free = Pace(None, clock=lambda: now[0])
    free.used()
    assert (free.limited, free.delay()) == (False, 0.0)
