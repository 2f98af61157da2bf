"""MPPS handed on to foreign providers, good and bad: the bytes, the order, and what each answer means."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import pytest

from broker.delivery.base import RetryPlan
from broker.delivery.mpps import MppsDestination, MppsDestinationConfig, StoredRequests
from broker.delivery.sender import Sender, SenderConfig
from broker.dicom import datasets, scu
from broker.domain.notifications import DestinationRule, Forwards, NotificationState
from broker.services import outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.integration import mpps_peer
from tests.integration.mpps_peer import Peer
from tests.peers.mpps_provider import MppsProvider, mpps_provider
from tests.support import exams
from tests.support.wait import until

DELIVERED, PARKED, PENDING = NotificationState.DELIVERED, NotificationState.PARKED, NotificationState.PENDING
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
Start = Callable[..., Sender]


def rule(name: str = "archive", **more: Any) -> DestinationRule:
    guard = frozenset({"ARCHIVE"})
    return DestinationRule(
        name, "mpps", frozenset(), forwards=Forwards.PERFORMED, **{"not_from": guard, **more}
    )  # fmt: skip


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    made = mpps_peer.new_context(database)
    yield replace(made, site=replace(made.site, destinations=(rule(),)), clock=lambda: datetime.now(UTC))
    database.close()


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sender(*ports: int, used: Context = context, names: tuple[str, ...] = ("archive",)) -> Sender:
            stored = StoredRequests.of(used)
            peers = [scu.Peer("127.0.0.1", p, "ARCHIVE", "BROKER", connect_timeout=2, answer_timeout=2) for p in ports]
            destinations = [
                MppsDestination(MppsDestinationConfig(name, peer), stored)
                for name, peer in zip(names, peers, strict=True)
            ]
            sender = Sender(used, destinations, SenderConfig("one", QUICK, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def states(context: Context) -> list[NotificationState]:
    return [e.state for e in reversed(outbox.list_notifications(context))]


def settled(context: Context, *wanted: NotificationState) -> Callable[[], bool]:
    return lambda: states(context) == list(wanted)


def services(provider: MppsProvider) -> list[str]:
    return [taken.service for taken in provider.received]


@pytest.mark.parametrize("syntax", datasets.TRANSFER_SYNTAXES)
def test_requests_are_handed_on_byte_for_byte(context: Context, start: Start, syntax: str) -> None:
    device = Peer(context, syntax=syntax)
    sent = [device.encode(exams.create()), device.encode(exams.final())]
    with mpps_provider(syntaxes=datasets.TRANSFER_SYNTAXES) as provider:
        start(provider.port)
        device.create()
        device.set()
        until(settled(context, DELIVERED, DELIVERED))
    assert [(t.service, t.uid, t.data, t.transfer_syntax_uid) for t in provider.received] == [
        ("N-CREATE", "1.9.1", sent[0], syntax),
        ("N-SET", "1.9.1", sent[1], syntax),
    ]
    assert {t.calling_ae_title for t in provider.received} == {"BROKER"}


def test_a_provider_that_knows_another_syntax_gets_the_same_content(context: Context, start: Start) -> None:
    with mpps_provider(syntaxes=[datasets.IMPLICIT_LITTLE]) as provider:
        start(provider.port)
        device = Peer(context)
        device.create()
        until(settled(context, DELIVERED))
    (taken,) = provider.received
    assert taken.transfer_syntax_uid == datasets.IMPLICIT_LITTLE
    told = datasets.decode(taken.data, taken.transfer_syntax_uid).dataset
    original = datasets.decode(device.encode(exams.create()), datasets.EXPLICIT_LITTLE).dataset
    assert told == original


def test_unscheduled_exams_are_handed_on_too_and_nothing_is_sent_back(context: Context, start: Start) -> None:
    with mpps_provider() as provider:
        start(provider.port)
        Peer(context, calling_ae_title="ARCHIVE").create("1.9.7")
        Peer(context).create("1.9.8", exams.create([exams.reference("99")]))
        until(settled(context, DELIVERED))
    assert [t.uid for t in provider.received] == ["1.9.8"]


def test_filters_choose_by_modality_and_sender(context: Context, start: Start) -> None:
    destinations = (
        rule("ct", modalities=frozenset({"CT"})), rule("mr", modalities=frozenset({"MR"})),
        rule("ris", senders=frozenset({"ris"})), rule("his", senders=frozenset({"his"})),
    )  # fmt: skip
    used = replace(context, site=replace(context.site, destinations=destinations))
    device = Peer(used)
    device.order()
    device.create()
    assert sorted(e.destination for e in outbox.list_notifications(used)) == ["ct", "ris"]


def test_several_providers_get_each_request_and_a_dead_one_delays_nobody(context: Context, start: Start) -> None:
    used = replace(context, site=replace(context.site, destinations=(rule("one"), rule("two"))))
    with mpps_provider() as provider, socket.create_server(("127.0.0.1", 0)) as silent:
        sender = start(provider.port, silent.getsockname()[1], used=used, names=("one", "two"))
        device = Peer(used)
        assert device.create().status == device.set().status == 0
        until(lambda: services(provider) == ["N-CREATE", "N-SET"])
        dead = outbox.list_notifications(used, outbox.Filter("two"))
        assert {e.state for e in dead} == {PENDING}
        sender.stop(0.1)


def test_after_an_outage_everything_comes_in_order(context: Context, start: Start) -> None:
    device = Peer(context)
    with mpps_provider([0x0213] * 5, strict=True) as provider:
        start(provider.port)
        for number in (1, 2, 3):
            device.create(f"1.9.{number}")
        for number in (3, 2, 1):
            device.set(f"1.9.{number}", {**exams.final(), "PerformedProcedureStepStatus": "IN PROGRESS"})
            device.set(f"1.9.{number}")
        until(settled(context, *[DELIVERED] * 9), timeout=20)
        assert not provider.script
    told = [t for t in provider.received if t.uid in provider.known]
    for number in (1, 2, 3):
        mine = [t.service for t in told if t.uid == f"1.9.{number}"]
        assert [service for service, _ in groupby(mine)] == ["N-CREATE", "N-SET"]
        assert mine.count("N-SET") == 2


def test_a_provider_that_lost_the_step_gets_its_creation_first(context: Context, start: Start) -> None:
    with mpps_provider(strict=True) as provider:
        start(provider.port)
        device = Peer(context)
        device.create()
        until(settled(context, DELIVERED))
        provider.known.clear()
        device.set()
        until(settled(context, DELIVERED, DELIVERED))
    assert services(provider) == ["N-CREATE", "N-SET", "N-CREATE", "N-SET"]


def test_a_repeat_of_what_had_arrived_counts_as_delivered(context: Context, start: Start) -> None:
    with mpps_provider(strict=True) as provider:
        provider.known.add("1.9.1")
        start(provider.port)
        Peer(context).create()
        until(settled(context, DELIVERED))
    assert outbox.attempts(context, 1)[0].detail == "N-CREATE answered 0x0111 (an earlier attempt had arrived)"


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0x0107, 0x0116])
def test_success_and_warnings_are_receipts(context: Context, start: Start, status: int) -> None:
    with mpps_provider([status]) as provider:
        start(provider.port)
        Peer(context).create()
        until(settled(context, DELIVERED))


@pytest.mark.parametrize("status", [0x0105, 0x0106, 0x0117, 0x0119, 0x0120, 0x0121])
def test_a_refused_request_waits_for_a_person_and_holds_back_only_its_own_step(
    context: Context, start: Start, status: int
) -> None:
    with mpps_provider([status]) as provider:
        device = Peer(context)
        device.create()
        device.set()
        device.create("1.9.2")
        start(provider.port)
        until(settled(context, PARKED, PENDING, DELIVERED))
    assert services(provider) == ["N-CREATE", "N-CREATE"]
    assert f"0x{status:04X}" in outbox.list_notifications(context)[-1].last_error


@pytest.mark.parametrize("status", [0x0110, 0x0213, 0x0118, 0x0122, 0x0124, 0xC001])
def test_what_may_pass_is_tried_again(context: Context, start: Start, status: int) -> None:
    with mpps_provider([status, status]) as provider:
        start(provider.port)
        device = Peer(context)
        device.create()
        device.set()
        until(settled(context, DELIVERED, DELIVERED))
    assert services(provider) == ["N-CREATE"] * 3 + ["N-SET"]


@pytest.mark.parametrize(("final", "expected"), [(True, DELIVERED), (False, PENDING)])
def test_a_step_that_is_final_there_is_done_only_when_it_is_final_here(
    context: Context, start: Start, final: bool, expected: NotificationState
) -> None:
    closed = (0x0110, 0xA710)
    with mpps_provider([0, *[closed] * 50]) as provider:
        sender = start(provider.port)
        device = Peer(context)
        device.create()
        device.set(values=exams.final() if final else {"PerformedProcedureStepStatus": "IN PROGRESS"})
        until(lambda: states(context)[1] is DELIVERED or outbox.list_notifications(context)[0].attempts > 1)
        sender.stop()
    assert states(context) == [DELIVERED, expected]


def test_a_provider_with_another_name_is_a_matter_of_settings(context: Context, start: Start) -> None:
    with mpps_provider(called="SOMEBODY") as provider:
        sender = start(provider.port)
        Peer(context).create()
        until(lambda: outbox.list_notifications(context)[0].attempts)
        sender.stop()
    assert "association rejected" in outbox.list_notifications(context)[0].last_error
    assert states(context) == [PENDING]


def test_a_preview_names_the_request_and_shows_no_patient(context: Context) -> None:
    Peer(context).create()
    (entry,) = outbox.list_notifications(context)
    config = MppsDestinationConfig("archive", scu.Peer("127.0.0.1", 104, "ARCHIVE"))
    told = MppsDestination(config, StoredRequests.of(context)).preview(entry)
    assert told.startswith("N-CREATE 1.9.1 as received from CT1, ")
    assert "MÜLLER" not in told
