"""What happens to associations, in the log: openings quietly, refusals and aborts with their reason."""

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

_log = logging.getLogger(__name__)


class AssociationLog:
    """The acceptor's ``Observer``: one log line an event.  ``more`` observers hear of it too."""

    def __init__(self, *more: Observer) -> None:
        self._more = more

    def observe(self, event: AssociationEvent) -> None:
        """Log one event; titles and addresses are not patient data."""
        for observer in self._more:
            observer.observe(event)
        match event:
            case AssociationOpened():
                _log.debug("%s associated", _name(event.association))
            case AssociationClosed():
                _log.debug("%s released after %d requests", _name(event.association), event.messages)
            case AssociationRejected():
                codes = (event.admission.result, event.admission.source, event.admission.reason)
                _log.warning(
                    "association of %r at %s to %r rejected: %s",
                    event.request.calling_ae_title, event.request.address, event.request.called_ae_title, codes,
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


def _name(association: Association) -> str:
    return f"{association.calling_ae_title!r} at {association.address}"
