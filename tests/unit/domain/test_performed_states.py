"""The one table from performed steps to the step: every state and every set of performed states, enumerated.

The oracle below is written from the reference's table, not from the code: rows are read from top to bottom.
"""

from itertools import combinations_with_replacement, product

import pytest

from broker.domain.states import (
    PerformedStatus,
    Reopening,
    StepStatus,
    after_unlinking,
    derive_step,
    may_reopen,
)

S, P = StepStatus, PerformedStatus
#: (status, the reason sends the step back): each kind of performed step there is
RUNNING, DONE, GIVEN_UP, RETURNED = (
    (P.IN_PROGRESS, False), (P.COMPLETED, False), (P.DISCONTINUED, False), (P.DISCONTINUED, True)
)  # fmt: skip
KINDS = (RUNNING, DONE, GIVEN_UP, RETURNED)
SETS = [kinds for size in range(4) for kinds in combinations_with_replacement(KINDS, size)]
#: kinds present (strongest first) -> state; the resting state where nothing stronger is there
TABLE = ((RUNNING, S.STARTED), (DONE, S.COMPLETED), (GIVEN_UP, S.DISCONTINUED))
ROWS = list(product(S, SETS, (S.SCHEDULED, S.ARRIVED, S.READY)))


def expected(
    present: StepStatus, performed: tuple[tuple[PerformedStatus, bool], ...], resting: StepStatus
) -> StepStatus:
    if present is S.CANCELED or not performed:
        return present
    return next((state for kind, state in TABLE if kind in performed), resting)


def test_the_enumeration_is_whole() -> None:
    assert len(SETS) == 1 + 4 + 10 + 20
    assert len(ROWS) == len(S) * len(SETS) * 3


@pytest.mark.parametrize("present", list(S))
def test_every_state_and_every_set_of_performed_steps(present: StepStatus) -> None:
    for _, performed, resting in (row for row in ROWS if row[0] is present):
        assert derive_step(present, resting, performed) is expected(present, performed, resting), performed


@pytest.mark.parametrize("present", list(S))
def test_a_finished_step_is_not_reopened_where_the_policy_says_so(present: StepStatus) -> None:
    for _, performed, resting in (row for row in ROWS if row[0] is present):
        wanted = expected(present, performed, resting)
        if RUNNING in performed and present in {S.COMPLETED, S.DISCONTINUED}:
            wanted = present
        assert derive_step(present, resting, performed, reopens=False) is wanted, performed


@pytest.mark.parametrize("present", list(S))
def test_unlinking_gives_what_the_others_say_or_the_state_before(present: StepStatus) -> None:
    for _, performed, resting in (row for row in ROWS if row[0] is present):
        by_exams = present in {S.STARTED, S.COMPLETED, S.DISCONTINUED}
        wanted = resting if by_exams and not performed else expected(present, performed, resting)
        assert after_unlinking(present, resting, performed) is wanted, performed


@pytest.mark.parametrize(
    ("exams", "always", "same_device", "never"),
    [
        ([(P.COMPLETED, "CT1"), (P.IN_PROGRESS, "CT1")], True, True, False),
        ([(P.COMPLETED, "CT1"), (P.IN_PROGRESS, "CT2")], True, False, False),
        ([(P.DISCONTINUED, "CT1"), (P.IN_PROGRESS, "CT1")], True, True, False),
        ([(P.IN_PROGRESS, "CT1"), (P.IN_PROGRESS, "CT1")], True, False, False),
        ([(P.COMPLETED, "CT1"), (P.IN_PROGRESS, "CT2"), (P.IN_PROGRESS, "CT1")], True, True, False),
        ([], True, False, False),
    ],
)
def test_who_may_reopen(exams: list[tuple[PerformedStatus, str]], always: bool, same_device: bool, never: bool) -> None:
    found = [may_reopen(policy, exams) for policy in (Reopening.ALWAYS, Reopening.SAME_DEVICE, Reopening.NEVER)]
    assert found == [always, same_device, never]
