"""What is forgotten about devices, and what stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from broker.services import device_registry, housekeeping
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog, WarningKind
from broker.store.database import Database
from tests.peers.orders import Clock, make_context

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WEEK, DAY = timedelta(days=7), timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def context(database_url: str, clock: Clock) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, clock=clock)
    database.close()


def came(context: Context, title: str, *, known: bool) -> None:
    log = DeviceLog(context)
    log.seen(title, "10.0.0.7", known=known)
    log.warned(title, WarningKind.ABORTED, "aborted by the device")
    log.stop()


def test_strangers_and_old_oddities_are_forgotten(context: Context, clock: Clock) -> None:
    directory = DeviceDirectory(context)
    for title, known in (("CT1", True), ("STRANGER", False), ("ACCEPTED", False)):
        came(context, title, known=known)
    device_registry.register(context, directory, "ACCEPTED")
    clock.now = NOW + timedelta(days=20)
    came(context, "NEW", known=False)
    assert housekeeping.sweep(context, WEEK, DAY).strangers == 0
    clock.now = NOW + timedelta(days=31)
    assert housekeeping.sweep(context, WEEK, DAY).strangers == 7
    left = {d.ae_title: (len(d.warnings), len(d.addresses)) for d in device_registry.listed(context, directory)}
    assert left == {"CT1": (0, 0), "ACCEPTED": (0, 0), "NEW": (1, 1)}
    assert housekeeping.sweep(context, WEEK, DAY).strangers == 0
