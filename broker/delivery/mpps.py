"""MPPS destination: N-CREATE and N-SET handed on as received, with their instance UID (IHE PPS Manager, RAD-6 and 7).

Owns what each answer means for the entry (PS3.7 Annex C, PS3.4 F.7.2).  Must not retry, wait or touch the database by
itself: the sender does, and stored requests come from the use cases it is given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from broker.delivery.base import CannotRender
from broker.dicom import scu
from broker.domain.notifications import Notification, Outcome, Verdict
from broker.services import forwarding
from broker.services.context import Context
from broker.services.forwarding import StoredRequest

_DUPLICATE, _UNKNOWN, _FAILURE, _OUT_OF_RESOURCES = 0x0111, 0x0112, 0x0110, 0x0213
#: may no longer be updated (PS3.4 Table F.7.2-2)
_FINAL = 0xA710
#: the receiver does not take this request, now or later
_PERMANENT = frozenset({0x0105, 0x0106, 0x0117, 0x0119, 0x0120, 0x0121})
#: the receiver does not offer the service to us: its settings or ours
_CONFIGURATION = frozenset({0x0118, 0x0122, 0x0124})


@dataclass(frozen=True, slots=True)
class MppsDestinationConfig:
    """Where requests go."""

    name: str
    peer: scu.Peer


@dataclass(frozen=True, slots=True)
class StoredRequests:
    """Where the requests that entries name are found."""

    request: Callable[[Mapping[str, object]], StoredRequest | None]
    creation: Callable[[int], StoredRequest | None]

    @classmethod
    def of(cls, context: Context) -> "StoredRequests":
        """Those of the database."""
        return cls(lambda payload: forwarding.request(context, payload), lambda key: forwarding.creation(context, key))


class MppsDestination:
    """A ``Destination`` that is an MPPS provider; one association for each delivery."""

    def __init__(self, config: MppsDestinationConfig, stored: StoredRequests) -> None:
        self._config = config
        self._stored = stored
        self._session: scu.Session | None = None

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._config.name

    @property
    def patience(self) -> float:
        """Connection, association, an N-SET, the N-CREATE it may need before, the N-SET again, release."""
        peer = self._config.peer
        return peer.connect_timeout + 5 * peer.answer_timeout

    def deliver(self, notification: Notification) -> Outcome:
        """Hand one request on."""
        request = self._stored.request(notification.payload)
        if request is None:
            return Outcome(Verdict.PARK, "the request received is no longer kept")
        peer = replace(self._config.peer, preferred_syntax=request.transfer_syntax_uid)
        try:
            with scu.connect(peer, scu.MPPS) as session:
                self._session = session
                return self._hand_on(session, request)
        except scu.UnreadableDataset as error:
            return Outcome(Verdict.PARK, str(error))
        except scu.ScuError as error:
            # a refused association is a matter of settings or of load: either way nothing else would fare better
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        finally:
            self._session = None

    def preview(self, notification: Notification) -> str:
        """What would be handed on; the data set itself is not shown."""
        request = self._stored.request(notification.payload) if "performed_message" in notification.payload else None
        if request is None:
            raise CannotRender("requests are handed on as received: name a notification of this destination")
        peer = self._config.peer
        return (
            f"{request.service} {request.sop_instance_uid} as received from {request.calling_ae_title}, "
            f"{len(request.dataset)} bytes in {request.transfer_syntax_uid}, "
            f"to {peer.called_ae_title} at {peer.host}:{peer.port}"
        )

    def close(self) -> None:
        """Nothing stays open between deliveries."""

    def interrupt(self) -> None:
        """End a running delivery."""
        running = self._session
        if running is not None:
            running.abort()

    def _hand_on(self, session: scu.Session, request: StoredRequest) -> Outcome:
        answer = _send(session, request)
        if request.service == "N-SET" and answer.status == _UNKNOWN:
            creation = self._stored.creation(request.performed_key)
            if creation is not None:
                before = _outcome(creation, _send(session, creation))
                if before.verdict is not Verdict.DELIVERED:
                    return before
                answer = _send(session, request)
        return _outcome(request, answer)


def _send(session: scu.Session, request: StoredRequest) -> scu.Answer:
    encoded = scu.Encoded(request.dataset, request.transfer_syntax_uid)
    send = session.create_encoded if request.service == "N-CREATE" else session.set_encoded
    return send(encoded, request.sop_instance_uid)


def _outcome(request: StoredRequest, answer: scu.Answer) -> Outcome:
    """The class of a result: done, transient, permanent or a matter of configuration."""
    said = f"{request.service} answered 0x{answer.status:04X}"
    detail = f"{said}: {answer.error_comment}" if answer.error_comment else said
    summary = {"answer": f"0x{answer.status:04X}"}
    if answer.succeeded:
        return Outcome(Verdict.DELIVERED, detail, summary=summary)
    if answer.status == _DUPLICATE and request.service == "N-CREATE":
        return Outcome(Verdict.DELIVERED, f"{detail} (an earlier attempt had arrived)", summary=summary)
    if answer.status == _FAILURE and answer.error_id == _FINAL and request.status.final:
        return Outcome(Verdict.DELIVERED, f"{detail} (it was final there already)", summary=summary)
    if answer.status in _PERMANENT or (answer.status == _DUPLICATE):
        return Outcome(Verdict.PARK, detail, summary=summary)
    if answer.status in _CONFIGURATION:
        return Outcome(Verdict.RETRY, f"{detail} (see the receiver's settings)", reachable=False, summary=summary)
    return Outcome(Verdict.RETRY, detail, reachable=answer.status != _OUT_OF_RESOURCES, summary=summary)
