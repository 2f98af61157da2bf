"""What each answer to an event means for its entry (PS3.7 Annex C.4), and which event a fact is."""

from datetime import UTC, datetime

import pytest

from broker.delivery.base import CannotRender
from broker.delivery.mpps_event import EVENT_TYPES, MppsEventDestination
from broker.dicom import scu
from broker.domain.model import FactKind
from broker.domain.notifications import Notification, NotificationState, Verdict

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DELIVERED, RETRY, PARK = Verdict.DELIVERED, Verdict.RETRY, Verdict.PARK


class Line:
    """A line on which every event gets the same answer."""

    patience, is_open, receiver = 1.0, True, "VIEWER"

    def __init__(self, answer: scu.Answer | Exception) -> None:
        self._answer = answer
        self.told: list[tuple[int, str]] = []

    def report(self, event_type: int, sop_instance_uid: str) -> scu.Answer:
        self.told.append((event_type, sop_instance_uid))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def interrupt(self) -> None:
        """Nothing runs."""


def entry(kind: FactKind = FactKind.PERFORMED_COMPLETED, attempts: int = 0, **payload: object) -> Notification:
    return Notification(
        1, "ID", "viewer", "performed:1", kind, payload or {"sop_instance_uid": "1.2.3"}, NotificationState.PENDING,
        attempts, NOW, NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "attempts", "verdict", "reachable"),
    [
        *((status, 0, DELIVERED, True) for status in (0x0000, 0x0001, 0x0107, 0x0116)),
        *((status, 9, PARK, True) for status in (0x0113, 0x0114, 0x0115, 0x0117, 0x0119, 0x0212)),
        *((0x0112, attempts, RETRY, True) for attempts in range(4)),
        (0x0112, 4, PARK, True),
        *((status, 99, RETRY, True) for status in (0x0110, 0x0210, 0xC001)),
        *((status, 0, RETRY, False) for status in (0x0118, 0x0122, 0x0124, 0x0211, 0x0213)),
    ],
)
def test_statuses(status: int, attempts: int, verdict: Verdict, reachable: bool) -> None:
    outcome = MppsEventDestination("viewer", Line(scu.Answer(status))).deliver(entry(attempts=attempts))
    assert (outcome.verdict, outcome.reachable) == (verdict, reachable)
    assert outcome.detail.startswith(f"event 2 (completed) answered 0x{status:04X}")


def test_the_receivers_words_are_kept() -> None:
    line = Line(scu.Answer(0x0110, error_comment="database full"))
    assert MppsEventDestination("viewer", line).deliver(entry()).detail.endswith(": database full")


def test_facts_are_the_events_of_the_standard() -> None:
    """PS3.4 Table F.9.2-1; nothing is ever deleted."""
    line = Line(scu.Answer(0))
    for kind in EVENT_TYPES:
        MppsEventDestination("viewer", line).deliver(entry(kind))
    assert line.told == [(1, "1.2.3"), (2, "1.2.3"), (3, "1.2.3"), (4, "1.2.3")]


@pytest.mark.parametrize("error", [scu.RoleRefused("no role"), scu.NoAnswer("gone"), scu.NotReachable("away")])
def test_an_event_that_could_not_be_sent_holds_back_the_others(error: scu.ScuError) -> None:
    outcome = MppsEventDestination("viewer", Line(error)).deliver(entry())
    assert (outcome.verdict, outcome.reachable, outcome.detail) == (RETRY, False, str(error))


def test_an_invented_order_has_no_event() -> None:
    with pytest.raises(CannotRender):
        MppsEventDestination("viewer", Line(scu.Answer(0))).preview(entry(order={}))
