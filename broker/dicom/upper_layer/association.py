"""The association state machine of an acceptor, without any input or output of its own (PS3.8 section 9.2).

Owns the state of one association: bytes and local primitives go in, outputs come out.  Whatever a peer sends, ``feed``
raises nothing; only a wrong use by our own side does (:class:`InvalidTransitionError`).  Sockets, clocks and handlers
belong to :mod:`.connection`.
"""

from collections.abc import Callable

from broker.dicom.upper_layer import pdus
from broker.dicom.upper_layer.assembler import MessageAssembler
from broker.dicom.upper_layer.negotiation import APPLICATION_CONTEXT, Agreement
from broker.dicom.upper_layer.outputs import (
    AbortIndication,
    AssociateIndication,
    CloseTransport,
    MessageIndication,
    Output,
    ProviderRejection,
    ReleaseConfirmation,
    ReleaseIndication,
    Send,
    StartArtim,
    StopArtim,
)
from broker.dicom.upper_layer.pdus import ASSOCIATE_FIXED_LENGTH, AbortReason, AbortSource, Pdu, PduError, PduType
from broker.dicom.upper_layer.policy import (
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    Admission,
)
from broker.dicom.upper_layer.proposal import Proposal, read_ae_title
from broker.dicom.upper_layer.states import NEXT_STATE, Action, Event, State, action_for

_EVENT_OF_PDU = {
    PduType.ASSOCIATE_RQ: Event.ASSOCIATE_RQ_PDU,
    PduType.ASSOCIATE_AC: Event.ASSOCIATE_AC_PDU,
    PduType.ASSOCIATE_RJ: Event.ASSOCIATE_RJ_PDU,
    PduType.P_DATA_TF: Event.DATA_PDU,
    PduType.RELEASE_RQ: Event.RELEASE_RQ_PDU,
    PduType.RELEASE_RP: Event.RELEASE_RP_PDU,
    PduType.ABORT: Event.ABORT_PDU,
}
_SILENT_CLOSE = "the peer closed the connection without a release"
_NO_REQUEST = "no A-ASSOCIATE-RQ arrived in time"


class AssociationMachine:
    """One association.  Every method gives the outputs to carry out, in order."""

    def __init__(self, read_proposal: Callable[[bytes], Proposal], max_pdu: int, max_dataset: int) -> None:
        self.state = State.IDLE
        #: complete messages received
        self.messages = 0
        self._read_proposal = read_proposal
        self._max_dataset = max_dataset
        self._reader = pdus.PduReader(max_pdu)
        self._assembler = MessageAssembler((), 0)
        self._request = b""
        self._framing_lost = False
        self._outputs: list[Output] = []

    @property
    def partial(self) -> bool:
        """True while a PDU or a message has begun and not ended."""
        return self._reader.partial or self._assembler.partial

    def feed(self, data: bytes) -> list[Output]:
        """Bytes arrived on the transport connection."""
        if self._is_over() or self._framing_lost:
            return []
        try:
            for pdu in self._reader.feed(data):
                self._receive(pdu)
                if self._is_over():
                    break
        except PduError as problem:
            self._framing_lost = True
            self._invalid(problem)
        return self._take()

    def connected(self) -> list[Output]:
        """Transport connection indication (Evt5)."""
        return self._local(Event.CONNECTED)

    def closed(self) -> list[Output]:
        """Transport connection closed indication (Evt17); nothing to do when we closed it ourselves."""
        return [] if self._is_over() else self._local(Event.CLOSED)

    def artim_expired(self) -> list[Output]:
        """ARTIM timer expired (Evt18)."""
        return self._local(Event.ARTIM_EXPIRED)

    def accept(self, agreement: Agreement) -> list[Output]:
        """A-ASSOCIATE response, accept (Evt7)."""
        self._step(Event.ACCEPT)
        self._assembler = MessageAssembler(agreement.contexts, self._max_dataset)
        self._emit(Send(pdus.accept(self._request, agreement.encoded)))
        return self._take()

    def reject(self, admission: Admission) -> list[Output]:
        """A-ASSOCIATE response, reject (Evt8)."""
        self._step(Event.REJECT)
        self._send_rejection(admission)
        return self._take()

    def send_data(self, encoded: bytes) -> list[Output]:
        """P-DATA request (Evt9): P-DATA-TF PDUs made by :func:`.pdus.data_pdus`."""
        self._step(Event.SEND_DATA)
        self._emit(Send(encoded))
        return self._take()

    def release(self) -> list[Output]:
        """A-RELEASE request (Evt11)."""
        self._step(Event.RELEASE)
        self._emit(Send(pdus.RELEASE_RQ))
        return self._take()

    def respond_release(self) -> list[Output]:
        """A-RELEASE response (Evt14)."""
        return self._local(Event.RELEASE_RESPONSE)

    def abort(self, detail: str) -> list[Output]:
        """A-ABORT request of the service user (Evt15)."""
        return self._local(Event.ABORT, AbortIndication(False, AbortSource.SERVICE_USER, 0, detail))

    @property
    def may_abort(self) -> bool:
        """True where an A-ABORT request is possible: after a request arrived and before the end."""
        return self.state not in (State.IDLE, State.AWAITING_REQUEST, State.AWAITING_CLOSE)

    # -- the table at work

    def _is_over(self) -> bool:
        return self.state is State.IDLE

    def _take(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def _emit(self, *outputs: Output) -> None:
        self._outputs += outputs

    def _step(self, event: Event) -> Action:
        action = action_for(event, self.state)
        self.state = NEXT_STATE[action]
        return action

    def _local(self, event: Event, why: AbortIndication | None = None) -> list[Output]:
        before = self.state
        action = self._step(event)
        self._emit(*_EFFECTS.get(action, ()))
        if action is Action.AA_1:
            self._emit(Send(pdus.abort(AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)), StartArtim())
        elif action is Action.AA_4:
            why = AbortIndication(True, AbortSource.SERVICE_PROVIDER, 0, _SILENT_CLOSE)
        elif action is Action.AA_2 and before is State.AWAITING_REQUEST:
            why = AbortIndication(False, AbortSource.SERVICE_PROVIDER, 0, _NO_REQUEST)
        if why is not None:
            self._emit(why)
        return self._take()

    def _receive(self, pdu: Pdu) -> None:
        try:
            if pdu.kind is PduType.ASSOCIATE_RQ and self.state is State.AWAITING_REQUEST:
                self._receive_request(pdu.body)
            elif pdu.kind is PduType.P_DATA_TF and self.state in (State.ESTABLISHED, State.AWAITING_RELEASE_REPLY):
                self._receive_data(pdu.body)
            else:
                self._receive_other(pdu)
        except PduError as problem:
            self._invalid(problem)

    def _receive_request(self, body: bytes) -> None:
        """AE-6: indicate a request that this provider can accept, reject any other."""
        proposal = self._read_proposal(body[ASSOCIATE_FIXED_LENGTH:])
        self._emit(*_EFFECTS[self._step(Event.ASSOCIATE_RQ_PDU)])
        self._request = body
        called, calling = read_ae_title(body[4:20]), read_ae_title(body[20:36])
        refusal = _refusal(body, proposal)
        if refusal is None:
            self._emit(AssociateIndication(called, calling, proposal))
            return
        self.state = State.AWAITING_CLOSE
        self._send_rejection(refusal)
        self._emit(ProviderRejection(called, calling, proposal, refusal))

    def _receive_data(self, body: bytes) -> None:
        """DT-2 and AR-6, with the fragments put together to messages."""
        messages = list(self._assembler.feed(pdus.read_pdvs(body)))
        self._step(Event.DATA_PDU)
        self.messages += len(messages)
        self._emit(*(MessageIndication(message) for message in messages))

    def _receive_other(self, pdu: Pdu) -> None:
        before = self.state
        action = self._step(_EVENT_OF_PDU[pdu.kind])
        self._emit(*_EFFECTS.get(action, ()))
        if action is Action.AA_3:
            self._emit(AbortIndication(True, pdu.body[2], pdu.body[3], "the peer aborted"))
        elif action in (Action.AA_1, Action.AA_7, Action.AA_8):
            detail = f"{pdu.kind.name} is not expected in {before}"
            self._abort_by(action, PduError(AbortReason.UNEXPECTED_PDU, detail))

    def _invalid(self, problem: PduError) -> None:
        """Unrecognized or invalid PDU (Evt19)."""
        self._abort_by(self._step(Event.INVALID_PDU), problem)

    def _abort_by(self, action: Action, problem: PduError) -> None:
        """AA-1, AA-7 and AA-8: their source differs, and AA-7 tells nobody (the association is over already)."""
        source = AbortSource.SERVICE_USER if action is Action.AA_1 else AbortSource.SERVICE_PROVIDER
        reason = AbortReason.NOT_SPECIFIED if action is Action.AA_1 else problem.reason
        self._emit(Send(pdus.abort(source, reason)))
        if action is not Action.AA_7:
            self._emit(StartArtim(), AbortIndication(False, source, reason, problem.detail))

    def _send_rejection(self, admission: Admission) -> None:
        self._emit(Send(pdus.reject(admission.result, admission.source, admission.reason)), StartArtim())


def _refusal(body: bytes, proposal: Proposal) -> Admission | None:
    """Why this provider can accept the request of nobody (PS3.8 Table 9-11: only bit 0 of the version counts)."""
    if not body[1] & 1:
        return PROTOCOL_VERSION_NOT_SUPPORTED
    if proposal.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_NOT_SUPPORTED
    return None


#: The part of each action that depends on nothing but the action.
_EFFECTS: dict[Action, tuple[Output, ...]] = {
    Action.AE_5: (StartArtim(),),
    Action.AE_6: (StopArtim(),),
    Action.AR_2: (ReleaseIndication(),),
    Action.AR_3: (ReleaseConfirmation(), CloseTransport()),
    Action.AR_4: (Send(pdus.RELEASE_RP), StartArtim()),
    Action.AR_5: (StopArtim(),),
    Action.AR_8: (ReleaseIndication(),),
    Action.AR_10: (ReleaseConfirmation(is_collision=True),),
    Action.AA_2: (StopArtim(), CloseTransport()),
    Action.AA_3: (CloseTransport(),),
    Action.AA_5: (StopArtim(),),
}
