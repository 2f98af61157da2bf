"""Exams whose device reported no end, concluded by their images: when, when not, marked, overruled and taken back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from broker.domain.model import Actor, FactKind, OrderControl, Source
from broker.domain.performing import PerformedPolicy
from broker.services import availability, concluding, inferring
from broker.services.context import Context
from broker.store.database import Database
from broker.store.tables import scheduled_procedure_step
from tests.integration import mpps_peer
from tests.integration.mpps_peer import Peer
from tests.integration.test_availability import TWO, Archive
from tests.support import exams
from tests.support.notices import instance, notice

ANNA = Actor(Source.PERSON, "anna")
DELAY = timedelta(minutes=30)


@dataclass
class Clock:
    now: datetime = mpps_peer.NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context(database_url: str, clock: Clock) -> Iterator[Context]:
    database = Database(database_url)
    made = mpps_peer.new_context(database, PerformedPolicy(conclude_by_images=DELAY))
    yield replace(made, clock=clock)
    database.close()


@pytest.fixture
def archive(context: Context) -> Archive:
    return Archive(context)


@pytest.fixture
def device(context: Context) -> Peer:
    return Peer(context)


def step_key(device: Peer) -> int:
    key = device.rows(select(scheduled_procedure_step.c.id))[0].id
    assert isinstance(key, int)
    return key


def test_an_exam_whose_device_fell_silent(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.create()
    clock.forward(10)
    archive.tell()
    clock.forward(29)
    assert concluding.look(archive.context) == 0
    clock.forward(1)
    assert concluding.look(archive.context) == 1
    assert concluding.look(archive.context) == 0
    assert device.statuses() == {"SPS1": "COMPLETED"}
    (moved,) = [f for f in device.facts(FactKind.STEP_STATUS) if f.data["to"] == "COMPLETED"]
    assert (moved.source, moved.actor, moved.data["inferred"]) == ("rule", "availability of images", True)
    assert moved.data["note"] == "images are available at ARCHIVE"
    (told,) = device.facts(FactKind.ORDER_COMPLETED)
    assert told.data["inferred"] is True
    assert device.told() == ["order.started", "order.completed"]


def test_the_devices_own_end_goes_first_whenever_it_comes(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.create()
    archive.tell()
    clock.forward(30)
    assert concluding.look(archive.context) == 1
    assert device.set(values=exams.final("DISCONTINUED") | exams.reason("110513")).status == 0
    assert device.statuses() == {"SPS1": "DISCONTINUED"}
    assert device.told() == ["order.started", "order.completed", "order.discontinued"]


@pytest.mark.parametrize("named", ["", "1.9.404"])
def test_a_device_without_mpps(archive: Archive, device: Peer, clock: Clock, named: str) -> None:
    """Named or not: an exam that never reached us."""
    device.order()
    archive.tell(notice(performed=named))
    clock.forward(30)
    assert concluding.look(archive.context) == 1
    assert device.statuses() == {"SPS1": "COMPLETED"}


def test_a_person_takes_it_back_for_good(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    archive.tell(notice(performed=""))
    clock.forward(30)
    assert concluding.look(archive.context) == 1
    inferring.undo(archive.context, ANNA, step_key(device))
    assert device.statuses() == {"SPS1": "SCHEDULED"}
    archive.tell(notice(performed=""), "1.8.2")
    clock.forward(30)
    assert concluding.look(archive.context) == 0
    assert device.statuses() == {"SPS1": "SCHEDULED"}


def test_while_archive_or_device_speak_nothing_is_concluded(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.create()
    archive.tell()
    clock.forward(20)
    archive.tell(uid="1.8.2")
    clock.forward(20)
    assert concluding.look(archive.context) == 0
    device.set(values={"PerformedProcedureStepDescription": "still here"})
    clock.forward(20)
    assert concluding.look(archive.context) == 0
    clock.forward(10)
    assert concluding.look(archive.context) == 1


def test_images_that_are_missing_conclude_nothing(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.create(values=exams.create(PerformedSeriesSequence=[{**exams.SERIES, "ReferencedImageSequence": TWO}]))
    archive.tell(notice(instances=[instance("1.1")]))
    clock.forward(30)
    assert concluding.look(archive.context) == 0
    archive.tell(notice(instances=[instance("1.2")]), "1.8.2")
    clock.forward(30)
    assert concluding.look(archive.context) == 1


def test_a_study_with_several_steps_says_nothing_about_one(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order(steps=("A", "B"))
    archive.tell(notice(performed=""))
    clock.forward(30)
    assert concluding.look(archive.context) == 0
    assert device.statuses() == {"A": "SCHEDULED", "B": "SCHEDULED"}


def test_two_exams_of_one_study_are_told_apart(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order(steps=("A", "B"))
    for uid, step in (("1.9.1", "A"), ("1.9.2", "B")):
        device.create(uid, exams.create([exams.reference(ScheduledProcedureStepID=step)]))
    archive.tell(notice(performed="1.9.1"))
    clock.forward(5)
    archive.tell(notice(performed="1.9.2"), "1.8.2")
    clock.forward(25)
    assert concluding.look(archive.context) == 1
    assert device.statuses() == {"A": "COMPLETED", "B": "STARTED"}
    clock.forward(5)
    assert concluding.look(archive.context) == 1
    assert device.statuses() == {"A": "COMPLETED", "B": "COMPLETED"}


def test_every_step_of_a_group_is_concluded(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.order("2")
    device.create(values=exams.create([exams.reference("1"), exams.reference("2")]))
    archive.tell()
    clock.forward(30)
    assert concluding.look(archive.context) == 2
    assert device.statuses() == {"SPS1": "COMPLETED", "SPS2": "COMPLETED"}


@pytest.mark.parametrize("end", ["COMPLETED", "DISCONTINUED"])
def test_what_the_device_ended_is_left_alone(archive: Archive, device: Peer, clock: Clock, end: str) -> None:
    device.order()
    device.create()
    device.set(values=exams.final(end) | (exams.reason("110513") if end == "DISCONTINUED" else {}))
    archive.tell()
    archive.tell(notice(performed=""), "1.8.2")
    clock.forward(30)
    assert concluding.look(archive.context) == 0
    assert device.statuses() == {"SPS1": end}


def test_an_order_on_hold_is_left_to_people(archive: Archive, device: Peer, clock: Clock) -> None:
    device.order()
    device.order(control=OrderControl.HOLD)
    archive.tell(notice(performed=""))
    clock.forward(30)
    assert concluding.look(archive.context) == 0
    assert device.statuses() == {"SPS1": "HELD"}


def test_an_order_that_comes_after_its_images(archive: Archive, device: Peer, clock: Clock) -> None:
    archive.tell(notice(performed=""))
    clock.forward(60)
    assert concluding.look(archive.context) == 0
    device.order()
    assert availability.attach_waiting(archive.context) == 1
    assert concluding.look(archive.context) == 1


def test_without_the_setting_nothing_is_inferred(archive: Archive, device: Peer, clock: Clock) -> None:
    used = replace(archive.context, site=replace(archive.context.site, performed=PerformedPolicy()))
    device.order()
    device.create()
    archive.tell()
    clock.forward(600)
    assert concluding.look(used) == 0
    assert device.statuses() == {"SPS1": "STARTED"}


def test_old_notices_conclude_nothing_when_the_setting_is_turned_on(
    archive: Archive, device: Peer, clock: Clock
) -> None:
    device.order()
    device.create()
    archive.tell()
    clock.forward(8 * 24 * 60)
    assert concluding.look(archive.context) == 0
