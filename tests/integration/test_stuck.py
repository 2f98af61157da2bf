"""The watch over exams that never end: alarm, proposal, answers of people and of the rule; on real databases."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from broker.domain.errors import Refusal
from broker.domain.inferring import Saying
from broker.domain.model import Actor, FactKind, Source
from broker.domain.states import StepStatus
from broker.domain.stuck import StuckPolicy
from broker.jobs import JobConfig, Jobs
from broker.services import inferring, reconciling, stuck
from broker.services.context import Context
from broker.store.database import Database
from tests.integration.mpps_peer import NOW, Peer, new_context
from tests.support.exams import final
from tests.support.wait import until

NINA = Actor(Source.PERSON, "nina.frei")
LEASE = timedelta(minutes=3)
S = StepStatus


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, **units: float) -> None:
        self.now += timedelta(**units)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def peer(database_url: str, clock: Clock) -> Iterator[Peer]:
    opened = Database(database_url)
    made = replace(new_context(opened), clock=clock)
    yield Peer(made)
    opened.close()


def with_policy(peer: Peer, policy: StuckPolicy) -> Context:
    return replace(peer.context, site=replace(peer.context.site, stuck=policy))


def look(context: Context, owner: str = "a") -> tuple[int, int] | None:
    found = stuck.look(context, owner, LEASE)
    return None if found is None else (found.stuck, found.closed)


def step(peer: Peer, number: str = "1") -> int:
    return reconciling.steps_of(peer.context, f"A{number}")[0].step_key


def listed(context: Context) -> list[str]:
    return [item.accession_number for item in stuck.listed(context)]


def test_an_exam_without_a_word_is_alarmed_once(peer: Peer, clock: Clock) -> None:
    request = peer.order()
    peer.create()
    clock.later(hours=2)
    assert peer.set(values={"PerformedProcedureStepStatus": "IN PROGRESS"}).status == 0
    clock.later(hours=2)
    assert look(peer.context) == (0, 0), "its device spoke two hours ago"
    clock.later(hours=1, seconds=1)
    assert look(peer.context) == (1, 0)
    assert look(peer.context) == (0, 0)
    (item,) = stuck.listed(peer.context)
    assert (item.accession_number, item.modality, item.reported) == ("A1", "CT", True)
    assert (item.stuck.silent_since, item.stuck.limit_minutes) == (NOW + timedelta(hours=2), 180)
    (alarm,) = peer.facts(FactKind.STEP_STUCK)
    assert (alarm.source, alarm.actor, alarm.step_id) == ("rule", "watchdog", step(peer))
    assert FactKind.STEP_STUCK in peer.history(request)


def test_the_proposal_is_confirmed_and_undone(peer: Peer, clock: Clock) -> None:
    peer.order()
    peer.create()
    clock.later(hours=4)
    look(peer.context)
    inferring.say(peer.context, NINA, step(peer), Saying(S.COMPLETED), although_running=True)
    assert listed(peer.context) == []
    assert look(peer.context) == (0, 0)
    assert inferring.undo(peer.context, NINA, step(peer)).status is S.STARTED
    clock.later(hours=3, seconds=1)
    assert look(peer.context) == (1, 0)
    assert peer.set().status == 0, "the own end of the device is taken whenever it comes"
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert listed(peer.context) == []


def test_an_exam_that_a_person_began_is_watched_too(peer: Peer, clock: Clock) -> None:
    peer.order()
    inferring.say(peer.context, NINA, step(peer), Saying(S.STARTED))
    clock.later(hours=4)
    assert look(peer.context) == (1, 0)
    assert [item.reported for item in stuck.listed(peer.context)] == [False]


def test_a_person_says_that_it_still_runs(peer: Peer, clock: Clock) -> None:
    peer.order()
    with pytest.raises(Refusal, match="not stuck"):
        stuck.postpone(peer.context, NINA, step(peer))
    peer.create()
    clock.later(hours=4)
    look(peer.context)
    assert stuck.postpone(peer.context, NINA, step(peer)) == clock.now + timedelta(hours=3)
    assert listed(peer.context) == []
    (said,) = peer.facts(FactKind.STILL_RUNNING)
    assert said.actor == "nina.frei"
    clock.later(hours=3)
    assert listed(peer.context) == ["A1"]


def test_limits_by_modality_and_code(peer: Peer, clock: Clock) -> None:
    peer.order()
    peer.create()
    clock.later(hours=4)
    never = with_policy(peer, StuckPolicy(modalities={"CT": None}))
    assert look(never) == (0, 0)
    assert look(with_policy(peer, StuckPolicy(modalities={"CT": timedelta(hours=5)}))) == (0, 0)
    assert look(with_policy(peer, StuckPolicy(None, {"CT": timedelta(hours=1)}))) == (1, 0)


@pytest.mark.parametrize(("apply_as", "code"), [(S.COMPLETED, ""), (S.DISCONTINUED, "110513")])
def test_the_rule_closes_after_a_further_time_where_the_site_says_so(
    peer: Peer, clock: Clock, apply_as: StepStatus, code: str
) -> None:
    peer.order()
    peer.create()
    rule = with_policy(peer, StuckPolicy(apply_after=timedelta(hours=12), apply_as=apply_as))
    clock.later(hours=4)
    assert look(rule) == (1, 0)
    stuck.postpone(rule, NINA, step(peer))
    clock.later(hours=14)
    assert look(rule) == (0, 0), "a person said that it still runs: the time begins when that is over"
    clock.later(hours=2)
    assert look(rule) == (0, 1)
    assert peer.statuses() == {"SPS1": apply_as.value}
    moved = peer.facts(FactKind.STEP_STATUS)[-1]
    assert (moved.source, moved.actor, moved.data["inferred"]) == ("rule", "watchdog", True)
    assert moved.data.get("discontinuation", {}).get("code", "") == code
    assert inferring.undo(peer.context, NINA, step(peer)).status is S.STARTED
    assert peer.set(values=final()).status == 0
    assert look(rule) == (0, 0)


def test_only_one_process_looks(peer: Peer, clock: Clock) -> None:
    assert look(peer.context, "a") == (0, 0)
    assert look(peer.context, "b") is None
    clock.later(minutes=2)
    assert look(peer.context, "a") == (0, 0)
    clock.later(minutes=2)
    assert look(peer.context, "b") is None, "the first renewed it"
    clock.later(minutes=1, seconds=1)
    assert look(peer.context, "b") == (0, 0), "the first is gone"


def test_processes_that_begin_at_once_do_not_both_hold_it(peer: Peer) -> None:
    found: list[tuple[int, int] | None] = []
    lookers = [threading.Thread(target=lambda n=n: found.append(look(peer.context, str(n)))) for n in range(6)]
    for one in lookers:
        one.start()
    for one in lookers:
        one.join()
    assert sorted(found, key=str) == [(0, 0), None, None, None, None, None]


def test_the_tick_of_a_running_broker_finds_it(peer: Peer, clock: Clock) -> None:
    peer.order()
    peer.create()
    clock.later(hours=4)
    config = JobConfig(timedelta(days=7), timedelta(days=1), watch=timedelta(hours=1), owner="here")
    jobs = Jobs(config, peer.context, lambda: None)
    jobs.start()
    try:
        until(lambda: listed(peer.context) == ["A1"], 20, "the first look at the start")
    finally:
        jobs.stop()
