"""Instance Availability Notifications from a foreign archive through the acceptor, and on to foreign receivers."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import InstanceAvailabilityNotification  # type: ignore[attr-defined]

from broker.delivery.base import RetryPlan
from broker.delivery.ian import IanDestination
from broker.delivery.sender import Sender, SenderConfig
from broker.dicom import datasets, reactor_gate, scu
from broker.domain.notifications import DestinationRule, Forwards, NotificationState
from broker.services import forwarding, outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.integration import mpps_peer
from tests.integration.mpps_peer import Peer
from tests.integration.test_availability import Archive
from tests.peers.mpps_provider import MppsProvider, mpps_provider
from tests.support import dicom
from tests.support.notices import Plain, dataset, encoded, notice
from tests.support.wait import until

DELIVERED, PARKED, PENDING = NotificationState.DELIVERED, NotificationState.PARKED, NotificationState.PENDING
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
IAN = str(InstanceAvailabilityNotification)
Start = Callable[..., Sender]


def rule(name: str = "reporting", **more: Any) -> DestinationRule:
    guard = {"not_from": frozenset({"REPORTING"}), **more}
    return DestinationRule(name, "ian", frozenset(), forwards=Forwards.AVAILABILITY, **guard)


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    made = mpps_peer.new_context(database)
    yield replace(made, site=replace(made.site, destinations=(rule(),)), clock=lambda: datetime.now(UTC))
    database.close()


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sender(*ports: int, used: Context = context, names: tuple[str, ...] = ("reporting",)) -> Sender:
            destinations = [
                IanDestination(name, peer(port), lambda payload: forwarding.notice(used, payload))
                for name, port in zip(names, ports, strict=True)
            ]
            sender = Sender(used, destinations, SenderConfig("one", QUICK, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def peer(port: int) -> scu.Peer:
    return scu.Peer("127.0.0.1", port, "REPORTING", "BROKER", connect_timeout=2, answer_timeout=2)


def settled(context: Context, *wanted: NotificationState) -> Callable[[], bool]:
    return lambda: [e.state for e in reversed(outbox.list_notifications(context))] == list(wanted)


@contextmanager
def receiver(script: list[int] | None = None, **more: Any) -> Iterator[MppsProvider]:
    with mpps_provider(script or [], sop_class=IAN, **more) as provider:
        yield provider


@pytest.mark.parametrize("syntax", datasets.TRANSFER_SYNTAXES)
def test_notices_are_handed_on_byte_for_byte(context: Context, start: Start, syntax: str) -> None:
    data = encoded(notice(), syntax)
    with receiver(syntaxes=datasets.TRANSFER_SYNTAXES) as provider:
        start(provider.port)
        assert Archive(context).tell(dataset=data, transfer_syntax_uid=syntax).status == 0
        until(settled(context, DELIVERED))
    (taken,) = provider.received
    assert (taken.service, taken.uid, taken.data, taken.transfer_syntax_uid, taken.calling_ae_title) == (
        "N-CREATE", "1.8.1", data, syntax, "BROKER",
    )  # fmt: skip


def test_a_receiver_that_knows_another_syntax_gets_the_same_content(context: Context, start: Start) -> None:
    with receiver(syntaxes=[datasets.IMPLICIT_LITTLE]) as provider:
        start(provider.port)
        Archive(context).tell()
        until(settled(context, DELIVERED))
    (taken,) = provider.received
    assert datasets.decode(taken.data, taken.transfer_syntax_uid).dataset == dataset(notice())


def test_several_receivers_none_of_them_the_sender_and_filters(context: Context, start: Start) -> None:
    destinations = (
        rule("one"), rule("two"), rule("archive", not_from=frozenset({"ARCHIVE"})),
        rule("ct", modalities=frozenset({"CT"})), rule("mr", modalities=frozenset({"MR"})),
        rule("ris", senders=frozenset({"ris"})),
    )  # fmt: skip
    used = replace(context, site=replace(context.site, destinations=destinations))
    Archive(used).tell(notice("1.2.3.404", ""))
    told = [e.destination for e in reversed(outbox.list_notifications(used))]
    assert told == ["one", "two"]
    Peer(used).order()
    Archive(used).tell(notice(performed=""), "1.8.2")
    told = [e.destination for e in reversed(outbox.list_notifications(used))][2:]
    assert told == ["one", "two", "ct", "ris"]
    with receiver() as one, receiver() as two, socket.create_server(("127.0.0.1", 0)) as silent:
        sender = start(one.port, two.port, silent.getsockname()[1], used=used, names=("one", "two", "ct"))
        until(lambda: [t.uid for t in one.received] == [t.uid for t in two.received] == ["1.8.1", "1.8.2"])
        sender.stop(0.1)


def test_a_refused_notice_holds_back_its_own_study_only(context: Context, start: Start) -> None:
    archive = Archive(context)
    archive.tell()
    archive.tell(uid="1.8.2")
    archive.tell(notice("1.2.3.9"), "1.8.3")
    with receiver([0x0106]) as provider:
        start(provider.port)
        until(settled(context, PARKED, PENDING, DELIVERED))
    assert [t.uid for t in provider.received] == ["1.8.1", "1.8.3"]


def test_what_may_pass_is_tried_again_and_a_repeat_is_a_receipt(context: Context, start: Start) -> None:
    with receiver([0x0110, 0x0111]) as provider:
        start(provider.port)
        Archive(context).tell()
        until(settled(context, DELIVERED))
    assert len(provider.received) == 2
    assert "an earlier attempt had arrived" in outbox.attempts(context, 1)[-1].detail


def test_a_preview_names_the_notice(context: Context) -> None:
    Archive(context).tell()
    (entry,) = outbox.list_notifications(context)
    destination = IanDestination("reporting", peer(104), lambda payload: forwarding.notice(context, payload))
    assert destination.preview(entry).startswith("N-CREATE 1.8.1 as received from ARCHIVE, ")


# a foreign archive, over the network


def pydicom_notice(values: Plain) -> Dataset:
    found: Dataset = Dataset.from_json(dataset(values))
    return found


@contextmanager
def archive(port: int) -> Iterator[Association]:
    entity = AE("ARCHIVE")
    entity.add_requested_context(InstanceAvailabilityNotification)
    association = entity.associate("127.0.0.1", port, ae_title="BROKER")
    assert association.is_established
    reactor_gate.guard(association)
    try:
        yield association
    finally:
        association.release()
        association.join()


def test_a_foreign_archive_is_answered_by_the_standard(database_url: str) -> None:
    commands: list[Dataset] = []
    with dicom.provider(database_url) as provider:
        Peer(provider.context).order()
        with archive(provider.port) as association:
            association.bind(evt.EVT_DIMSE_RECV, lambda event: commands.append(event.message.command_set))

            def tell(values: Plain, uid: str | None) -> int:
                status, _ = association.send_n_create(pydicom_notice(values), IAN, uid)
                return int(status.Status)

            assert tell(notice(), "1.8.1") == 0
            assert tell(notice(), "1.8.1") == 0x0111
            assert tell({k: v for k, v in notice().items() if k != "StudyInstanceUID"}, "1.8.2") == 0x0120
            assert commands[-1].AttributeIdentifierList == 0x0020000D
            assert commands[-1].ErrorComment == "missing: StudyInstanceUID"
            assert tell(notice(performed=""), None) == 0
            assert commands[-1].AffectedSOPInstanceUID.startswith("2.25.")
        kept = Archive(provider.context).rows()
        assert [row.calling_ae_title for row in kept] == ["ARCHIVE", "ARCHIVE"]
        assert [f.kind for f in Archive(provider.context).facts()] == ["study.available"] * 2


def test_images_are_never_accepted(database_url: str) -> None:
    """Neither the storage classes are offered, nor a C-STORE in the context of notices."""
    with dicom.provider(database_url) as provider:
        entity = AE("ARCHIVE")
        entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2")
        entity.add_requested_context(InstanceAvailabilityNotification)
        association = entity.associate("127.0.0.1", provider.port, ae_title="BROKER")
        assert [c.abstract_syntax for c in association.accepted_contexts] == [IAN]
        association.abort()


def test_the_service_user_tells_notices(context: Context) -> None:
    with receiver() as provider:
        answer = scu.create(peer(provider.port), {"StudyInstanceUID": "1.2"}, "1.8.9", sop_class=IAN)
    assert answer.status == 0
    assert [(taken.service, taken.uid) for taken in provider.received] == [("N-CREATE", "1.8.9")]
