"""Which notifications and notices of images are forgotten after their days, and what stays."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from broker.dicom.availability import AvailabilityHandler
from broker.dicom.n_services import INSTANCE_AVAILABILITY
from broker.domain.model import FactKind
from broker.domain.notifications import DestinationRule, NotificationState, Outcome, Verdict
from broker.services import delivering, housekeeping, outbox, timeline
from broker.store.availability_tables import availability_notice
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.notices import encoded, notice

WHO = delivering.Claimant("one", timedelta(minutes=1))
MONTH = timedelta(days=30)
DELIVERED, PENDING = NotificationState.DELIVERED, NotificationState.PENDING


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    database = Database(database_url)
    made = new_context(database)
    rules = (DestinationRule("ris"), DestinationRule("pacs", "webhook", frozenset({FactKind.STUDY_AVAILABLE})))
    yield Peer(replace(made, site=replace(made.site, destinations=rules)))
    database.close()


def deliver_all(peer: Peer, destination: str) -> None:
    outcome = Outcome(Verdict.DELIVERED, "AA", b"MSA|AA|", summary={"answer": "AA"})
    while entries := delivering.claim(peer.context, destination, WHO, 16):
        made = [delivering.Settlement(entry, outcome, 1, timedelta()) for entry in entries]
        delivering.settle(peer.context, WHO, made)


def archive_tells(peer: Peer, number: str) -> None:
    request = replace(
        peer.request(f"1.8.{number}"), sop_class_uid=INSTANCE_AVAILABILITY,
        dataset=encoded(notice(f"1.2.3.{number}", performed="")),
    )  # fmt: skip
    assert AvailabilityHandler(peer.context).create(request).status == 0


def later(peer: Peer, days: int) -> Peer:
    then: datetime = peer.context.clock() + timedelta(days=days)
    return Peer(replace(peer.context, clock=lambda: then))


def left(peer: Peer) -> list[tuple[str, NotificationState]]:
    return sorted((entry.destination, entry.state) for entry in outbox.list_notifications(peer.context))


def notices(peer: Peer) -> list[str]:
    return [row.study_instance_uid for row in peer.rows(select(availability_notice).order_by(availability_notice.c.id))]


def test_what_was_told_goes_and_what_somebody_still_needs_stays(peer: Peer) -> None:
    closed = peer.order("1")
    peer.order("2")
    peer.create("1.9.1")
    peer.set("1.9.1")
    for number in ("1", "2", "9"):
        archive_tells(peer, number)
    deliver_all(peer, "ris")
    waiting = [("pacs", PENDING), ("pacs", PENDING)]
    assert left(peer) == [*waiting, ("ris", DELIVERED), ("ris", DELIVERED)]
    receipts = peer.history(closed).count(FactKind.NOTIFICATION_DELIVERED)

    assert housekeeping.sweep_notifications(later(peer, 20).context, MONTH) == 0, "they are too young"
    assert housekeeping.sweep_notifications(later(peer, 31).context, MONTH) == 2
    assert left(peer) == waiting, "nothing that waits is ever forgotten"
    assert notices(peer) == ["1.2.3.1", "1.2.3.2", "1.2.3.9"], "what they are about is kept meanwhile"
    assert peer.history(closed).count(FactKind.NOTIFICATION_DELIVERED) == receipts == 2
    record = timeline.of_order(peer.context, closed)
    assert record is not None
    shown = [m.subject.kind for m in record.moments if isinstance(m.subject, timeline.HistoryEvent)]
    assert shown.count(FactKind.NOTIFICATION_DELIVERED) == 2, "the page of the order still tells who was told"

    deliver_all(peer, "pacs")
    assert housekeeping.sweep_notifications(later(peer, 40).context, MONTH) == 2
    assert left(peer) == [("pacs", DELIVERED)], "the second order is open"
    assert notices(peer) == ["1.2.3.2", "1.2.3.9"], "an open order needs one, nobody has decided about the other"
