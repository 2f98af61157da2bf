"""What is said in place of a device: who may say what when, and how it goes through the one state table, enumerated."""

from datetime import UTC, datetime
from itertools import combinations_with_replacement, product

import pytest

from broker.domain.errors import Reason, Refusal
from broker.domain.inferring import (
    RUNNING,
    SAYABLE,
    Inference,
    Performed,
    Saying,
    Situation,
    after_withdrawing,
    check,
    implied,
    newest_performing,
    offers,
    performed_with,
)
from broker.domain.model import Actor, Source
from broker.domain.states import PerformedStatus, StepStatus

S, P = StepStatus, PerformedStatus
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NINA = Actor(Source.PERSON, "nina.frei")
#: (status, its reason sends the step back): every kind of exam there is
KINDS: tuple[Performed, ...] = (
    (P.IN_PROGRESS, False),
    (P.COMPLETED, False),
    (P.DISCONTINUED, False),
    (P.DISCONTINUED, True),
)
EXAMS = [kinds for size in range(3) for kinds in combinations_with_replacement(KINDS, size)]
#: what can be said, and whether its reason sends the step back
SAID = ((S.STARTED, False), (S.COMPLETED, False), (S.DISCONTINUED, False), (S.DISCONTINUED, True))


def saying(status: StepStatus, **more: str) -> Saying:
    return Saying(status, "110501" if status is S.DISCONTINUED else "", **more)


def inference(
    status: StepStatus, before: StepStatus = S.SCHEDULED, *, overruled: bool = False, key: int = 1
) -> Inference:
    return Inference(key, 7, saying(status), before, NINA, AT, overruled)


def situation(status: StepStatus, exams: tuple[Performed, ...] = (), resting: StepStatus = S.ARRIVED) -> Situation:
    return Situation(status, resting, exams)


#: what may be said of a step in which state; everything else is refused
ALLOWED = {
    S.ARRIVED: {S.SCHEDULED},
    S.STARTED: {S.SCHEDULED, S.ARRIVED, S.READY},
    S.COMPLETED: {S.SCHEDULED, S.ARRIVED, S.READY, S.STARTED},
    S.DISCONTINUED: {S.SCHEDULED, S.ARRIVED, S.READY, S.STARTED},
}  # fmt: skip


@pytest.mark.parametrize(("present", "said"), list(product(S, S)))
def test_what_can_be_said_in_every_state(present: StepStatus, said: StepStatus) -> None:
    if present in ALLOWED.get(said, ()):
        check(saying(said), situation(present), although_running=False)
        assert said in offers(present)
        return
    with pytest.raises(Refusal) as refused:
        check(saying(said), situation(present), although_running=True)
    assert refused.value.reason is (Reason.WRONG_STATE if said in SAYABLE else Reason.INVALID_VALUE)
    assert said not in offers(present)


@pytest.mark.parametrize("exams", EXAMS)
def test_nobody_speaks_for_a_running_exam_unknowingly(exams: tuple[Performed, ...]) -> None:
    running = situation(S.STARTED, exams)
    check(saying(S.COMPLETED), running, although_running=True)
    if (P.IN_PROGRESS, False) not in exams:
        check(saying(S.COMPLETED), running, although_running=False)
        return
    with pytest.raises(Refusal) as refused:
        check(saying(S.COMPLETED), running, although_running=False)
    assert refused.value.where == RUNNING


REFUSED = [
    (Saying(S.DISCONTINUED), S.STARTED, "reason"),
    (Saying(S.COMPLETED, "110501"), S.STARTED, "reason"),
    (Saying(S.DISCONTINUED, "1" * 65), S.STARTED, "reason"),
    (Saying(S.COMPLETED, note="x" * 501), S.STARTED, "note"),
]


@pytest.mark.parametrize(("said", "present", "where"), REFUSED)
def test_what_is_said_wrong_is_named(said: Saying, present: StepStatus, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(said, situation(present), although_running=False)
    assert refused.value.where == where


def test_a_reason_that_returns_needs_something_that_began() -> None:
    with pytest.raises(Refusal):
        check(saying(S.DISCONTINUED), Situation(S.ARRIVED, S.ARRIVED, (), returns=True), although_running=False)
    check(saying(S.DISCONTINUED), Situation(S.STARTED, S.ARRIVED, (), returns=True), although_running=False)


def expected(said: tuple[StepStatus, bool], exams: tuple[Performed, ...]) -> StepStatus:
    """The reference's table from the top, written apart from the code: the exams that ended, and what is said."""
    states = {e for e in exams if e[0] is not P.IN_PROGRESS}
    if said[0] is S.STARTED:
        return S.STARTED
    if said[0] is S.COMPLETED or (P.COMPLETED, False) in states:
        return S.COMPLETED
    if said == (S.DISCONTINUED, False) or (P.DISCONTINUED, False) in states:
        return S.DISCONTINUED
    return S.ARRIVED


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("exams", EXAMS)
def test_what_is_said_goes_through_the_table_with_every_set_of_exams(
    said: tuple[StepStatus, bool], exams: tuple[Performed, ...]
) -> None:
    one = inference(said[0])
    for present in set(S) - {S.CANCELED}:
        found = implied(situation(present, exams), one, counts=one, returns=said[1])
        assert found is expected(said, exams), present
    assert implied(situation(S.CANCELED, exams), one, counts=one, returns=said[1]) is S.CANCELED


def test_an_arrival_is_not_performed() -> None:
    one = inference(S.ARRIVED)
    assert not one.performing
    assert implied(situation(S.SCHEDULED), one, counts=None, returns=False) is S.ARRIVED


def test_the_newest_counts_unless_a_device_spoke_since() -> None:
    begun, done, here = inference(S.STARTED), inference(S.COMPLETED, key=2), inference(S.ARRIVED, key=3)
    assert newest_performing([]) is None
    assert newest_performing([here]) is None
    assert newest_performing([begun, done, here]) is done
    assert newest_performing([begun, inference(S.COMPLETED, overruled=True)]) is None
    assert performed_with(KINDS, None, returns=False) == list(KINDS)


@pytest.mark.parametrize("before", [S.SCHEDULED, S.ARRIVED, S.READY, S.HELD, S.STARTED])
def test_undone_without_exams_the_step_is_what_it_was(before: StepStatus) -> None:
    done = inference(S.COMPLETED, before)
    wanted = S.ARRIVED if before is S.STARTED else before
    assert after_withdrawing(situation(S.COMPLETED), done, None, returns=False) is wanted
    arrival = inference(S.ARRIVED, before)
    assert after_withdrawing(situation(S.ARRIVED), arrival, None, returns=False) is before


@pytest.mark.parametrize("exams", EXAMS[1:])
def test_undone_beside_exams_the_step_is_what_they_say(exams: tuple[Performed, ...]) -> None:
    done = inference(S.COMPLETED, S.STARTED)
    rows = (
        ((P.IN_PROGRESS, False), S.STARTED),
        ((P.COMPLETED, False), S.COMPLETED),
        ((P.DISCONTINUED, False), S.DISCONTINUED),
    )
    wanted = next((state for kind, state in rows if kind in exams), S.ARRIVED)
    assert after_withdrawing(situation(S.COMPLETED, exams), done, None, returns=False) is wanted


def test_undone_the_older_saying_counts_again() -> None:
    begun, done = inference(S.STARTED), inference(S.COMPLETED, S.STARTED)
    assert after_withdrawing(situation(S.COMPLETED), done, begun, returns=False) is S.STARTED
