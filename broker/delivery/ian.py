"""IAN destination: Instance Availability Notifications handed on as received, with their UID (PS3.4 Annex R, RAD-49).

Owns what each answer means for the entry (PS3.7 Annex C).  Must not retry, wait or touch the database by itself: the
sender does, and stored notices come from the use case it is given.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from broker.delivery.base import CannotRender
from broker.dicom import scu
from broker.domain.notifications import Notification, Outcome, Verdict
from broker.services.forwarding import StoredNotice

_DUPLICATE, _OUT_OF_RESOURCES = 0x0111, 0x0213
#: the receiver does not take this notice, now or later
_PERMANENT = frozenset({0x0105, 0x0106, 0x0117, 0x0119, 0x0120, 0x0121})
#: the receiver does not offer the service to us: its settings or ours
_CONFIGURATION = frozenset({0x0118, 0x0122, 0x0124, 0x0211})


class IanDestination:
    """A ``Destination`` that takes Instance Availability Notifications; one association for each delivery."""

    def __init__(
        self, name: str, peer: scu.Peer, stored: Callable[[Mapping[str, object]], StoredNotice | None]
    ) -> None:
        """:param stored: the notice that an entry's payload names, or None."""
        self._name = name
        self._peer = peer
        self._stored = stored
        self._session: scu.Session | None = None

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._name

    @property
    def patience(self) -> float:
        """Connection, association, N-CREATE, release."""
        return self._peer.connect_timeout + 3 * self._peer.answer_timeout

    def deliver(self, notification: Notification) -> Outcome:
        """Hand one notice on."""
        notice = self._stored(notification.payload)
        if notice is None:
            return Outcome(Verdict.PARK, "the notice received is no longer kept")
        peer = replace(self._peer, preferred_syntax=notice.transfer_syntax_uid)
        encoded = scu.Encoded(notice.dataset, notice.transfer_syntax_uid)
        try:
            with scu.connect(peer, scu.INSTANCE_AVAILABILITY) as session:
                self._session = session
                sop_class = scu.INSTANCE_AVAILABILITY
                return _outcome(session.create_encoded(encoded, notice.sop_instance_uid, sop_class=sop_class))
        except scu.UnreadableDataset as error:
            return Outcome(Verdict.PARK, str(error))
        except scu.ScuError as error:
            # a refused association is a matter of settings or of load: either way nothing else would fare better
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        finally:
            self._session = None

    def preview(self, notification: Notification) -> str:
        """What would be handed on; the data set itself is not shown."""
        payload = notification.payload
        notice = self._stored(payload) if "availability_notice" in payload else None
        if notice is None:
            raise CannotRender("notices are handed on as received: name a notification of this destination")
        return (
            f"N-CREATE {notice.sop_instance_uid} as received from {notice.calling_ae_title}, {len(notice.dataset)} "
            f"bytes in {notice.transfer_syntax_uid}, to {self._peer.called_ae_title} at "
            f"{self._peer.host}:{self._peer.port}"
        )

    def close(self) -> None:
        """Nothing stays open between deliveries."""

    def interrupt(self) -> None:
        """End a running delivery."""
        running = self._session
        if running is not None:
            running.abort()


def _outcome(answer: scu.Answer) -> Outcome:
    """The class of a result: done, transient, permanent or a matter of configuration."""
    said = f"N-CREATE answered 0x{answer.status:04X}"
    detail = f"{said}: {answer.error_comment}" if answer.error_comment else said
    summary = {"answer": f"0x{answer.status:04X}"}
    if answer.succeeded:
        return Outcome(Verdict.DELIVERED, detail, summary=summary)
    if answer.status == _DUPLICATE:
        return Outcome(Verdict.DELIVERED, f"{detail} (an earlier attempt had arrived)", summary=summary)
    if answer.status in _PERMANENT:
        return Outcome(Verdict.PARK, detail, summary=summary)
    if answer.status in _CONFIGURATION:
        return Outcome(Verdict.RETRY, f"{detail} (see the receiver's settings)", reachable=False, summary=summary)
    return Outcome(Verdict.RETRY, detail, reachable=answer.status != _OUT_OF_RESOURCES, summary=summary)
