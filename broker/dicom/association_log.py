"""What happens to associations, in the log and on the device page: openings quietly, refusals and aborts with their
reason."""

import logging

from broker.dicom.messages import Association
from broker.dicom.upper_layer.observer import (
    AssociationAborted,
    AssociationClosed,
    AssociationEvent,
    AssociationOpened,
    AssociationRejected,
    ContextsRejected,
    Observer,
)
from broker.services.devices import DeviceLog, WarningKind

_CALLED_UNKNOWN = 7
#: (source, reason) of PS3.8 Table 9-21 in words
_REJECTIONS = {
    (1, 3): "it is not registered, and unknown devices are refused",
    (1, 7): "it called an AE title that is not the broker's",
    (3, 2): "too many associations were open",
}
_log = logging.getLogger(__name__)


class AssociationLog:
    """The acceptor's ``Observer``: one log line an event, and a warning about the device when something is odd.

    ``more`` observers hear of it too.
    """

    def __init__(self, devices: DeviceLog | None = None, *more: Observer) -> None:
        self._devices = devices
        self._more = more

    def observe(self, event: AssociationEvent) -> None:
        """Log one event; titles and addresses are not patient data."""
        for observer in self._more:
            observer.observe(event)
        self._warn(event)
        match event:
            case AssociationOpened():
                _log.debug("%s associated", _name(event.association))
            case AssociationClosed():
                _log.debug("%s released after %d requests", _name(event.association), event.messages)
            case AssociationRejected():
                codes = (event.admission.result, event.admission.source, event.admission.reason)
                _log.warning(
                    "association of %r at %s to %r rejected: %s %s",
                    event.request.calling_ae_title, event.request.address, event.request.called_ae_title, codes,
                    event.admission.detail,
                )  # fmt: skip
            case ContextsRejected():
                refused = ", ".join(f"{c.name or c.abstract_syntax} ({c.result})" for c in event.contexts)
                _log.warning("%s asked for more than it got: %s", _name(event.association), refused)
            case AssociationAborted():
                who = _name(event.association) if event.association else event.address
                _log.warning(
                    "%s: aborted by %s: %s (%d, %d)",
                    who, "the peer" if event.by_peer else "us", event.detail, event.source, event.reason,
                )  # fmt: skip
            case _:
                _log.warning("connection from %s dropped: too many are open", event.address)

    def _warn(self, event: AssociationEvent) -> None:
        if self._devices is None:
            return
        match event:
            case AssociationRejected():
                codes = (event.admission.source, event.admission.reason)
                why = event.admission.detail
                words = f"refused: {why}" if why else _REJECTIONS.get(codes, "its association was rejected")
                # the policy has noted those that it was asked about
                if event.admission.reason == _CALLED_UNKNOWN and event.admission.source == 1:
                    self._devices.seen(event.request.calling_ae_title, event.request.address, known=False)
                    words = f"{words}, {event.request.called_ae_title!r}"
                self._devices.warned(event.request.calling_ae_title, WarningKind.REJECTED, words)
            case ContextsRejected():
                names = ", ".join(c.name or c.abstract_syntax for c in event.contexts)
                text = f"not served here, or in no transfer syntax it offers: {names}"
                self._devices.warned(event.association.calling_ae_title, WarningKind.CONTEXTS, text)
            case AssociationAborted() if event.association is not None:
                text = f"aborted by {'the device' if event.by_peer else 'the broker'}: {event.detail}"
                self._devices.warned(event.association.calling_ae_title, WarningKind.ABORTED, text)


def _name(association: Association) -> str:
    return f"{association.calling_ae_title!r} at {association.address}"
