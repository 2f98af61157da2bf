"""One transport connection on asyncio: carries out what the association machine asks for.

Owns the transport, the deadlines and the association's facts.  What is legal is :mod:`.association`'s decision, what a
request means is :mod:`.conversation`'s.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from broker.dicom.upper_layer import sockets
from broker.dicom.upper_layer.association import AssociationMachine
from broker.dicom.upper_layer.conversation import Conversation, Outlet
from broker.dicom.upper_layer.host import Host
from broker.dicom.upper_layer.negotiation import association_of
from broker.dicom.upper_layer.observer import (
    AssociationAborted,
    AssociationClosed,
    AssociationOpened,
    AssociationRejected,
    ConnectionDropped,
    ContextsRejected,
)
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
from broker.dicom.upper_layer.policy import Admission, AssociationRequest
from broker.dicom.upper_layer.proposal import Proposal
from broker.dicom.upper_layer.states import State
from broker.dicom.upper_layer.timers import Deadline
from broker.dicom.upper_layer.watch import ARTIM_STATES, Watch

_SENDING_STATES = (State.ESTABLISHED, State.RELEASE_REQUESTED)
_RELEASE_DUE_STATES = (State.RELEASE_REQUESTED, State.COLLISION_AWAITING_DECISION)


class Connections(Protocol):
    """Where connections are counted."""

    def add(self, connection: "Connection") -> bool:
        """False when there are too many."""

    def remove(self, connection: "Connection") -> None:
        """The transport is closed."""


class Connection(asyncio.Protocol):
    """The asyncio protocol of one connection."""

    def __init__(self, host: Host, connections: Connections) -> None:
        self._host = host
        self._config = host.config
        self._connections = connections
        self._loop = host.workers.loop
        self._machine = AssociationMachine(host.negotiator.read, self._config.max_pdu, self._config.max_dataset)
        self._watch = Watch(self._loop, self._config, self._waited_too_long)
        self._sending = Deadline(self._loop, self._sent_too_long)
        self._address, self._port = "", 0
        self._conversation: Conversation | None = None
        self._opened_at = 0.0
        self._holds_slot = False
        #: the peer waits for events: it may be silent as long as it likes
        self._waits_for_events = False
        self._reading = True
        self._writable = True
        self._is_carrying = False
        #: writes so far
        self._sent = 0

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer connected; with TLS: and completed the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self._address, self._port = sockets.peer_address(transport)
        if not self._connections.add(self):
            self._host.observe(ConnectionDropped(self._address, self._port))
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=self._config.send_buffer)
        self._carry_out(self._machine.connected())

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        sent = self._sent
        self._carry_out(self._machine.feed(data))
        if self._sent == sent:
            # otherwise the acknowledgement travelled with what was sent
            sockets.acknowledge_now(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed, by whichever side."""
        self._carry_out(self._machine.closed())
        self._watch.stop()
        self._sending.stop()
        self._leave()
        self._connections.remove(self)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we answer."""
        self._writable = False
        self._sending.set(self._config.send_timeout)
        if self._conversation is not None:
            self._conversation.hold()

    def resume_writing(self) -> None:
        """The peer caught up."""
        self._writable = True
        self._sending.clear()
        if self._conversation is not None:
            self._conversation.resume()

    # -- the server's side

    @property
    def is_silent(self) -> bool:
        """True before an association and after it: only the peer is waited for."""
        return self._machine.state in ARTIM_STATES

    def give_way(self) -> None:
        """Ends a silent connection: others need its place."""
        self._host.observe(ConnectionDropped(self._address, self._port))
        self._transport.abort()

    def drain(self) -> None:
        """Ends the association as soon as nothing runs in it; a connection without one at once."""
        if self._machine.state is State.AWAITING_REQUEST:
            self._transport.close()
        else:
            self._update()

    def abort(self, detail: str) -> None:
        """Ends whatever there is, now."""
        if self._machine.may_abort:
            self._carry_out(self._machine.abort(detail))
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._transport.abort()

    # -- outputs of the machine

    def _carry_out(self, outputs: list[Output]) -> None:
        """Carries out outputs; what follows from them is looked at once, after the last of them."""
        was_carrying, self._is_carrying = self._is_carrying, True
        for output in outputs:
            _HANDLERS[type(output)](self, output)
        self._is_carrying = was_carrying
        self._update()

    def _write(self, output: Send) -> None:
        self._sent += 1
        self._transport.write(output.data)

    def _start_artim(self, _: StartArtim) -> None:
        self._watch.start_artim()

    def _stop_artim(self, _: StopArtim) -> None:
        self._watch.stop_artim()

    def _close(self, _: CloseTransport) -> None:
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def _asked(self, output: AssociateIndication) -> None:
        request = self._request(output.called_ae_title, output.calling_ae_title, output.proposal)
        self._host.decide(request, lambda admission: self._decided(request, output.proposal, admission))

    def _rejected_by_provider(self, output: ProviderRejection) -> None:
        request = self._request(output.called_ae_title, output.calling_ae_title, output.proposal)
        self._host.observe(AssociationRejected(request, output.admission))

    def _received(self, output: MessageIndication) -> None:
        # PS3.8 AR-6: what arrives after our own release request finds nobody to answer it
        if self._conversation is not None and self._machine.state in _SENDING_STATES:
            self._conversation.receive(output.message)

    def _release_requested(self, _: ReleaseIndication) -> None:
        """Answered by ``_update`` once nothing runs any more."""
        if self._conversation is not None:
            self._host.listeners.left(self._conversation)
            self._conversation.end_events()

    def _release_confirmed(self, output: ReleaseConfirmation) -> None:
        if not output.is_collision:
            self._closed_in_order()

    def _aborted(self, output: AbortIndication) -> None:
        conversation, self._conversation = self._conversation, None
        association = conversation.association if conversation is not None else None
        if conversation is not None:
            self._host.listeners.left(conversation)
            conversation.abandon()
        self._leave()
        where = (self._address, self._port, association)
        self._host.observe(AssociationAborted(*where, output.by_peer, output.source, output.reason, output.detail))

    # -- association establishment

    def _request(self, called: str, calling: str, proposal: Proposal) -> AssociationRequest:
        return AssociationRequest(
            calling_ae_title=calling,
            called_ae_title=called,
            address=self._address,
            port=self._port,
            implementation_class_uid=proposal.implementation_class_uid,
            implementation_version=proposal.implementation_version,
            abstract_syntaxes=proposal.abstract_syntaxes,
            tls=sockets.tls_peer(self._transport),
            user_identity=proposal.user_identity,
        )

    def _decided(self, request: AssociationRequest, proposal: Proposal, admission: Admission) -> None:
        if self._machine.state is not State.AWAITING_DECISION:
            # the peer left, or broke a rule, while the policy was asked
            if admission.accepted:
                self._host.leave()
            return
        if admission.accepted:
            self._accept(request, proposal, admission)
        else:
            self._host.observe(AssociationRejected(request, admission))
            self._carry_out(self._machine.reject(admission))

    def _accept(self, request: AssociationRequest, proposal: Proposal, admission: Admission) -> None:
        agreement = self._host.negotiator.agree(proposal, admission.server_response).limited(admission.max_pdu)
        association = association_of(request, agreement)
        outlet = Outlet(self._send, self._update, self.abort)
        self._conversation = Conversation(association, agreement, self._host, outlet)
        self._holds_slot = True
        self._opened_at = self._loop.time()
        accepted = tuple(context.sop_class.uid for context in agreement.contexts.values())
        self._host.observe(AssociationOpened(association, accepted, request.tls is not None))
        if agreement.rejected:
            self._host.observe(ContextsRejected(association, agreement.rejected))
        self._carry_out(self._machine.accept(agreement))
        if self._conversation is not None and self._conversation.takes_events:
            joined = self._host.listeners.joined
            self._waits_for_events = joined(association.calling_ae_title, self._conversation, self._loop)
            self._update()

    # -- what follows from a change of state

    def _send(self, encoded: bytes) -> None:
        if self._machine.state in _SENDING_STATES:
            for output in self._machine.send_data(encoded):
                _HANDLERS[type(output)](self, output)

    def _update(self) -> None:
        """Releases that are due, reading or not, and the deadline of the present phase."""
        if self._is_carrying:
            # a release must not overtake requests that came in the same bytes before it
            return
        conversation = self._conversation
        if conversation is not None and not conversation.busy:
            if self._machine.state in _RELEASE_DUE_STATES:
                self._respond_release()
            elif self._host.draining and self._machine.state is State.ESTABLISHED:
                self._host.listeners.left(conversation)
                conversation.end_events()
                self._carry_out(self._machine.release())
            conversation = self._conversation
        self._update_reading()
        busy = conversation is not None and (conversation.busy or self._waits_for_events)
        self._watch.update(self._machine, reading=self._reading, busy=busy)

    def _respond_release(self) -> None:
        outputs = self._machine.respond_release()
        self._closed_in_order()
        self._carry_out(outputs)

    def _update_reading(self) -> None:
        is_full = self._conversation is not None and self._conversation.full
        # in Sta13 every bad PDU is answered (AA-7): not for a peer that does not read the answers
        is_flooded = self._machine.state is State.AWAITING_CLOSE and not self._writable
        wanted = not is_full and not is_flooded
        if wanted is self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _waited_too_long(self, reason: str) -> None:
        if self._machine.state in ARTIM_STATES:
            self._carry_out(self._machine.artim_expired())
        elif self._machine.may_abort:
            self._carry_out(self._machine.abort(f"time-out: {reason}"))

    def _sent_too_long(self) -> None:
        """A slow reader is cut off; the A-ABORT before it is for the record only."""
        if self._machine.may_abort:
            self._carry_out(self._machine.abort("time-out: the peer does not read"))
        self._transport.abort()

    def _closed_in_order(self) -> None:
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            duration = self._loop.time() - self._opened_at
            self._host.observe(AssociationClosed(conversation.association, duration, self._machine.messages))
        self._leave()

    def _leave(self) -> None:
        if self._holds_slot:
            self._holds_slot = False
            self._host.leave()


_HANDLERS: dict[type, Callable[[Connection, Output], None]] = cast(
    "dict[type, Callable[[Connection, Output], None]]",
    {
        Send: Connection._write,
        StartArtim: Connection._start_artim,
        StopArtim: Connection._stop_artim,
        CloseTransport: Connection._close,
        AssociateIndication: Connection._asked,
        ProviderRejection: Connection._rejected_by_provider,
        MessageIndication: Connection._received,
        ReleaseIndication: Connection._release_requested,
        ReleaseConfirmation: Connection._release_confirmed,
        AbortIndication: Connection._aborted,
    },
)
