"""The state tables, by enumeration."""

from itertools import product

import pytest

from broker.domain.states import (
    FINAL,
    OPEN,
    WAITING,
    OrderStatus,
    PerformedStatus,
    StepAction,
    StepStatus,
    after_action,
    derive_step,
    order_status,
)

S, A, P, O = StepStatus, StepAction, PerformedStatus, OrderStatus  # noqa: E741

#: (action) -> {status: next}; every status that is missing refuses the action
EXPECTED = {
    A.SCHEDULE: {S.SCHEDULED: S.SCHEDULED, S.ARRIVED: S.SCHEDULED, S.READY: S.SCHEDULED, S.STARTED: S.STARTED,
                 S.HELD: S.HELD},
    A.ARRIVE: {S.SCHEDULED: S.ARRIVED, S.ARRIVED: S.ARRIVED, S.READY: S.ARRIVED, S.STARTED: S.STARTED, S.HELD: S.HELD},
    A.READY: {S.SCHEDULED: S.READY, S.ARRIVED: S.READY, S.READY: S.READY},
    A.START: {S.SCHEDULED: S.STARTED, S.ARRIVED: S.STARTED, S.READY: S.STARTED, S.STARTED: S.STARTED, S.HELD: S.HELD},
    A.HOLD: {S.SCHEDULED: S.HELD, S.ARRIVED: S.HELD, S.READY: S.HELD, S.HELD: S.HELD},
    A.RELEASE: {S.SCHEDULED: S.SCHEDULED, S.ARRIVED: S.ARRIVED, S.READY: S.READY, S.HELD: S.SCHEDULED},
    A.CANCEL: {S.SCHEDULED: S.CANCELED, S.ARRIVED: S.CANCELED, S.READY: S.CANCELED, S.HELD: S.CANCELED,
               S.CANCELED: S.CANCELED, S.DISCONTINUED: S.DISCONTINUED},
    A.DISCONTINUE: {S.SCHEDULED: S.DISCONTINUED, S.ARRIVED: S.DISCONTINUED, S.READY: S.DISCONTINUED,
                    S.HELD: S.DISCONTINUED, S.STARTED: S.DISCONTINUED, S.DISCONTINUED: S.DISCONTINUED,
                    S.COMPLETED: S.COMPLETED, S.CANCELED: S.CANCELED},
    A.COMPLETE: {S.SCHEDULED: S.COMPLETED, S.ARRIVED: S.COMPLETED, S.READY: S.COMPLETED, S.HELD: S.COMPLETED,
                 S.STARTED: S.COMPLETED, S.COMPLETED: S.COMPLETED},
}  # fmt: skip


@pytest.mark.parametrize(("status", "action"), list(product(S, A)))
def test_every_status_and_action(status: StepStatus, action: StepAction) -> None:
    assert after_action(status, action) == EXPECTED[action].get(status)


def test_every_status_is_open_or_final() -> None:
    assert set(S) == OPEN | FINAL
    assert not OPEN & FINAL
    assert WAITING < OPEN


PERFORMED = [
    # what was performed, as (status, its reason sends the step back) -> the step's state
    ([(P.IN_PROGRESS, False)], S.STARTED),
    ([(P.COMPLETED, False)], S.COMPLETED),
    ([(P.DISCONTINUED, False)], S.DISCONTINUED),
    ([(P.DISCONTINUED, True)], S.ARRIVED),
    ([(P.COMPLETED, False), (P.IN_PROGRESS, False)], S.STARTED),
    ([(P.DISCONTINUED, True), (P.IN_PROGRESS, False)], S.STARTED),
    ([(P.DISCONTINUED, False), (P.COMPLETED, False)], S.COMPLETED),
    ([(P.DISCONTINUED, True), (P.COMPLETED, False)], S.COMPLETED),
    ([(P.DISCONTINUED, True), (P.DISCONTINUED, False)], S.DISCONTINUED),
    ([(P.DISCONTINUED, True), (P.DISCONTINUED, True)], S.ARRIVED),
]


@pytest.mark.parametrize(("performed", "expected"), PERFORMED)
@pytest.mark.parametrize("present", sorted(set(S) - {S.CANCELED}))
def test_a_step_follows_what_was_performed(
    present: StepStatus, performed: list[tuple[PerformedStatus, bool]], expected: StepStatus
) -> None:
    assert derive_step(present, S.ARRIVED, performed) == expected


def test_nothing_performed_changes_nothing() -> None:
    assert all(derive_step(s, S.SCHEDULED, []) == s for s in S)


def test_a_canceled_step_stays_canceled() -> None:
    assert derive_step(S.CANCELED, S.SCHEDULED, [(P.IN_PROGRESS, False)]) == S.CANCELED


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([S.SCHEDULED], O.SCHEDULED),
        ([S.HELD, S.ARRIVED, S.READY], O.SCHEDULED),
        ([S.STARTED, S.SCHEDULED], O.IN_PROGRESS),
        ([S.COMPLETED, S.SCHEDULED], O.IN_PROGRESS),
        ([S.DISCONTINUED, S.SCHEDULED], O.IN_PROGRESS),
        ([S.COMPLETED], O.COMPLETED),
        ([S.COMPLETED, S.DISCONTINUED], O.COMPLETED),
        ([S.COMPLETED, S.CANCELED], O.COMPLETED),
        ([S.DISCONTINUED, S.CANCELED], O.DISCONTINUED),
        ([S.CANCELED], O.CANCELED),
        ([S.CANCELED, S.SCHEDULED], O.SCHEDULED),
        ([], O.CANCELED),
    ],
)
def test_an_order_is_what_its_steps_are(steps: list[StepStatus], expected: OrderStatus) -> None:
    assert order_status(steps) == expected
