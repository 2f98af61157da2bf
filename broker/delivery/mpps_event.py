"""MPPS event destination: state changes of performed steps told by N-EVENT-REPORT (MPPS Notification, PS3.4 F.9).

Owns which event a fact is, and what each answer means for the entry (PS3.7 Annex C.4).  An event names the performed
step and nothing of the patient; who wants more reads it by N-GET.  Must not retry or wait: the sender does.
"""

from typing import Protocol

from broker.delivery.base import CannotRender
from broker.dicom import scu
from broker.domain.model import FactKind
from broker.domain.notifications import Notification, Outcome, Verdict

#: Event Type IDs of PS3.4 Table F.9.2-1.  The broker deletes no performed step, so 5 (deleted) is never sent.
EVENT_TYPES = {
    FactKind.PERFORMED_STARTED: 1,
    FactKind.PERFORMED_COMPLETED: 2,
    FactKind.PERFORMED_DISCONTINUED: 3,
    FactKind.PERFORMED_UPDATED: 4,
}
#: in words
EVENT_NAMES = {1: "in progress", 2: "completed", 3: "discontinued", 4: "updated"}
_UNKNOWN, _OUT_OF_RESOURCES = 0x0112, 0x0213
#: the receiver does not take this event, now or later
_PERMANENT = frozenset({0x0113, 0x0114, 0x0115, 0x0117, 0x0119, 0x0212})
#: the receiver does not offer the service to us: its settings or ours
_CONFIGURATION = frozenset({0x0118, 0x0122, 0x0124, 0x0211})
#: a receiver that keeps book of performed steps may hear of this one by another way first, so many tries long
_TRIES_WHILE_UNKNOWN = 5


class Line(Protocol):
    """How events reach one receiver."""

    @property
    def patience(self) -> float:
        """Seconds that one event takes at most."""

    @property
    def is_open(self) -> bool:
        """Whether there is any use in trying now."""

    @property
    def receiver(self) -> str:
        """Who is at the other end, in words."""

    def report(self, event_type: int, sop_instance_uid: str) -> scu.Answer:
        """One event and its answer.  Raises scu.ScuError."""

    def interrupt(self) -> None:
        """Called from another thread: ``report`` returns soon."""


class DialledLine:
    """A receiver that is called: an association for each event, with the role of a provider proposed for us."""

    def __init__(self, peer: scu.Peer) -> None:
        self._peer = peer
        self._session: scu.Session | None = None

    @property
    def patience(self) -> float:
        """Connection, association, event, release."""
        return self._peer.connect_timeout + 3 * self._peer.answer_timeout

    @property
    def is_open(self) -> bool:
        """It can always be called."""
        return True

    @property
    def receiver(self) -> str:
        """AE title and address."""
        return f"{self._peer.called_ae_title} at {self._peer.host}:{self._peer.port}"

    def report(self, event_type: int, sop_instance_uid: str) -> scu.Answer:
        """One event on an association of its own."""
        try:
            with scu.connect(self._peer, scu.MPPS_NOTIFICATION) as session:
                self._session = session
                return session.report(event_type, sop_instance_uid)
        finally:
            self._session = None

    def interrupt(self) -> None:
        """Abort the association."""
        running = self._session
        if running is not None:
            running.abort()


class Present(Protocol):
    """Devices that connect by themselves and take events on the association they keep open."""

    def is_there(self, ae_title: str) -> bool:
        """Whether this one is connected now."""

    def report(self, ae_title: str, event_type: int, sop_instance_uid: str, timeout: float) -> scu.Answer:
        """One event and its answer.  Raises scu.ScuError."""

    def give_up(self, ae_title: str) -> None:
        """From another thread: end a running ``report``."""


class KeptLine:
    """A receiver that connects by itself: events go over the association that its AE title keeps open."""

    def __init__(self, present: Present, ae_title: str, answer_timeout: float) -> None:
        self._present = present
        self._ae_title = ae_title
        self._answer_timeout = answer_timeout

    @property
    def patience(self) -> float:
        """An event, and the event loop's own time."""
        return 2 * self._answer_timeout

    @property
    def is_open(self) -> bool:
        """Only while the device is connected."""
        return self._present.is_there(self._ae_title)

    @property
    def receiver(self) -> str:
        """AE title, and whether it is connected."""
        return f"{self._ae_title} on the association it keeps open ({'' if self.is_open else 'not '}connected now)"

    def report(self, event_type: int, sop_instance_uid: str) -> scu.Answer:
        """One event on the open association."""
        return self._present.report(self._ae_title, event_type, sop_instance_uid, self._answer_timeout)

    def interrupt(self) -> None:
        """Wait no longer for the answer."""
        self._present.give_up(self._ae_title)


class NobodyPresent:
    """``Present`` where no acceptor runs, as in commands."""

    def is_there(self, ae_title: str) -> bool:
        """Nobody connects here."""
        return False

    def report(self, ae_title: str, event_type: int, sop_instance_uid: str, timeout: float) -> scu.Answer:
        """Raises scu.NotReachable."""
        raise scu.NotReachable(f"{ae_title} keeps no association open for events")

    def give_up(self, ae_title: str) -> None:
        """Nothing runs."""


class MppsEventDestination:
    """A ``Destination`` that is a user of MPPS Notification."""

    def __init__(self, name: str, line: Line) -> None:
        self._name = name
        self._line = line

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._name

    @property
    def patience(self) -> float:
        """As long as the line needs."""
        return self._line.patience

    @property
    def receiver_is_there(self) -> bool:
        """False while a receiver that connects by itself is not connected: entries then wait untouched."""
        return self._line.is_open

    def deliver(self, notification: Notification) -> Outcome:
        """Send one event."""
        event_type = EVENT_TYPES[notification.kind]
        try:
            answer = self._line.report(event_type, str(notification.payload["sop_instance_uid"]))
        except scu.ScuError as error:
            # an association or a role that is refused is a matter of settings or of load: no other event fares better
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        return _outcome(event_type, answer, notification.attempts)

    def preview(self, notification: Notification) -> str:
        """The event in words."""
        if "sop_instance_uid" not in notification.payload:
            raise CannotRender("events are about performed steps: name a notification of this destination")
        event_type = EVENT_TYPES[notification.kind]
        uid = notification.payload["sop_instance_uid"]
        return f"N-EVENT-REPORT {event_type} ({EVENT_NAMES[event_type]}) about {uid}, to {self._line.receiver}"

    def close(self) -> None:
        """Nothing of ours stays open between deliveries."""

    def interrupt(self) -> None:
        """End a running delivery."""
        self._line.interrupt()


def _outcome(event_type: int, answer: scu.Answer, attempts: int) -> Outcome:
    """The class of a result: done, transient, permanent or a matter of configuration."""
    said = f"event {event_type} ({EVENT_NAMES[event_type]}) answered 0x{answer.status:04X}"
    detail = f"{said}: {answer.error_comment}" if answer.error_comment else said
    summary = {"answer": f"0x{answer.status:04X}"}
    if answer.succeeded:
        return Outcome(Verdict.DELIVERED, detail, summary=summary)
    if answer.status == _UNKNOWN and attempts + 1 < _TRIES_WHILE_UNKNOWN:
        return Outcome(Verdict.RETRY, f"{detail} (it does not know this performed step yet)", summary=summary)
    if answer.status in _PERMANENT or answer.status == _UNKNOWN:
        return Outcome(Verdict.PARK, detail, summary=summary)
    if answer.status in _CONFIGURATION:
        return Outcome(Verdict.RETRY, f"{detail} (see the receiver's settings)", reachable=False, summary=summary)
    return Outcome(Verdict.RETRY, detail, reachable=answer.status != _OUT_OF_RESOURCES, summary=summary)
