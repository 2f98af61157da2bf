"""What all connections of one acceptor share: configuration, admission, slots, observer and worker threads.

Owns the decision path of an association request (limits first, then ``admit``) and the count of associations.  Knows
no sockets.
"""

import asyncio
from collections.abc import Callable

from broker.dicom.messages import AnswersAtOnce, Handlers
from broker.dicom.upper_layer.config import AcceptorConfig
from broker.dicom.upper_layer.faults import attempt
from broker.dicom.upper_layer.listeners import Listeners, Nobody
from broker.dicom.upper_layer.negotiation import Negotiator
from broker.dicom.upper_layer.observer import AssociationEvent, Observer
from broker.dicom.upper_layer.policy import (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARILY_UNAVAILABLE,
    TEMPORARY_CONGESTION,
    Admission,
    AssociationRequest,
)
from broker.dicom.upper_layer.workers import Workers

Admit = Callable[[AssociationRequest], Admission]


class Host:
    """One acceptor's shared parts."""

    def __init__(
        self, config: AcceptorConfig, handlers: Handlers, admit: Admit, observer: Observer | None,
        listeners: Listeners | None = None,
    ) -> None:  # fmt: skip
        self.config = config
        self.handlers = handlers
        #: who is told which associations take events
        self.listeners: Listeners = listeners or Nobody()
        #: asked on the event loop before ``handlers.find``; None when these handlers keep no answers
        self.find_at_once = handlers.find_at_once if isinstance(handlers, AnswersAtOnce) else None
        self.negotiator = Negotiator(config)
        loop = asyncio.get_running_loop()
        self.workers = Workers(loop, config.handler_threads)
        #: lists are read while exams wait for a database that cannot be written to
        self.query_workers = Workers(loop, config.handler_threads)
        #: set once the acceptor stops: no new associations
        self.draining = False
        #: associations accepted or being decided
        self.associations = 0
        self._admit = admit
        self._observer = observer

    def decide(self, request: AssociationRequest, done: Callable[[Admission], None]) -> None:
        """Calls ``done`` with the answer, at once or later; an accepted request holds a slot until ``leave``."""
        refusal = self._refusal(request)
        if refusal is not None:
            done(refusal)
            return
        self.associations += 1
        if self.config.admit_in_worker:
            self.workers.submit(lambda: self._ask(request), lambda admission: self._decided(admission, done))
        else:
            self._decided(self._ask(request), done)

    def leave(self) -> None:
        """An association that was accepted is over."""
        self.associations -= 1

    def observe(self, event: AssociationEvent) -> None:
        """Tells the observer, whose failure is not the association's."""
        observer = self._observer
        if observer is not None:
            attempt("association observer", lambda: observer.observe(event), lambda: None)

    def _refusal(self, request: AssociationRequest) -> Admission | None:
        if self.draining:
            return TEMPORARY_CONGESTION
        if self.associations >= self.config.max_associations:
            return LOCAL_LIMIT_EXCEEDED
        if self.config.ae_title and request.called_ae_title != self.config.ae_title:
            return CALLED_AE_TITLE_NOT_RECOGNIZED
        return None

    def _ask(self, request: AssociationRequest) -> Admission:
        return attempt("association policy", lambda: self._admit(request), lambda: TEMPORARILY_UNAVAILABLE)

    def _decided(self, admission: Admission, done: Callable[[Admission], None]) -> None:
        if not admission.accepted:
            self.associations -= 1
        done(admission)
