"""The DIMSE service provider of one association: requests in, one at a time; answers out (PS3.7 section 9.1, 10.1).

Owns the queue of requests, C-CANCEL, the calls of handlers, and when an event may go out.  Knows bytes only as answers
to pass on: the transport and the association's state are :mod:`.connection`'s.
"""

from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from broker.dicom.messages import Association, Request, Response
from broker.dicom.upper_layer import commands
from broker.dicom.upper_layer.assembler import Message, Reply
from broker.dicom.upper_layer.commands import Operation
from broker.dicom.upper_layer.faults import attempt
from broker.dicom.upper_layer.host import Host
from broker.dicom.upper_layer.negotiation import Agreement
from broker.dicom.upper_layer.query import Query
from broker.dicom.upper_layer.reports import EventReport, reports_of
from broker.dicom.upper_layer.responses import ResponseEncoder, refusal_of, request_of

#: Requests that may wait behind the running one before the association is no longer read.  PS3.7 allows none without a
#: negotiated asynchronous operations window; some devices send the next request early.
WAITING_REQUESTS = 4
#: Answers that are ready go out at least this often (seconds) while a batch is still being fetched.
FLUSH_INTERVAL = 0.02


@dataclass(frozen=True, slots=True)
class Outlet:
    """What a conversation may do to its connection."""

    #: writes whole PDUs
    send: Callable[[bytes], None]
    #: something was finished: the connection looks at ``busy`` and ``full`` again
    changed: Callable[[], None]
    #: ends the association with A-ABORT, for the reason in words
    abort: Callable[[str], None]


class Conversation:
    """Answers the requests of one association, in the order they came."""

    def __init__(self, association: Association, agreement: Agreement, host: Host, outlet: Outlet) -> None:
        self.association = association
        self._agreement = agreement
        self._handlers = host.handlers
        self._find_at_once = host.find_at_once
        self._workers = host.workers
        self._query_workers = host.query_workers
        self._outlet = outlet
        self._waiting: deque[Message] = deque()
        self._cancelled: set[int] = set()
        self._running = False
        self._query: Query | None = None
        self._query_is_held = False
        self._flush_timer: TimerHandle | None = None
        self._writable = True
        self._abandoned = False
        self._reports = reports_of(agreement, host.workers.loop, outlet.abort)

    @property
    def busy(self) -> bool:
        """True while a request is being answered or waits for it, or an event for its answer."""
        is_telling = self._reports is not None and self._reports.running
        return self._running or bool(self._waiting) or is_telling

    @property
    def takes_events(self) -> bool:
        """True when the peer asked to be told events."""
        return self._reports is not None

    @property
    def full(self) -> bool:
        """True while no further request should be read."""
        return len(self._waiting) >= WAITING_REQUESTS

    def receive(self, message: Message | Reply) -> None:
        """A request arrived, or the answer to an event."""
        if isinstance(message, Reply):
            self._event_answered(message)
            return
        if message.command.operation is Operation.C_CANCEL:
            self._cancel(message.command.message_id)
            return
        self._waiting.append(message)
        self._advance()

    def hold(self) -> None:
        """The peer does not take its answers: fetch no more of them."""
        self._writable = False

    def resume(self) -> None:
        """The peer took its answers."""
        self._writable = True
        if self._query_is_held:
            self._next_batch()
        else:
            self._advance()

    def report(self, report: EventReport) -> None:
        """Tell the peer an event as soon as no request of its own is being answered.  Only with ``takes_events``."""
        if self._reports is None:
            raise RuntimeError("the peer did not ask for events")
        self._reports.put(report)
        self._advance()

    def end_events(self) -> None:
        """The peer asked for the release: it answers no event any more and is told none."""
        if self._reports is not None:
            self._reports.close()

    def abandon(self) -> None:
        """The association is over: nothing is sent any more, a running query is closed."""
        self._abandoned = True
        self.end_events()
        self._waiting.clear()
        if self._query is not None:
            self._stop(self._query)

    # -- one request after the other

    def _advance(self) -> None:
        while self._waiting and not self._running and self._writable and not self._abandoned:
            self._start(self._waiting.popleft())
        if not self._abandoned:
            self._tell_next()
            self._outlet.changed()

    def _tell_next(self) -> None:
        """Never in the middle of a request: a peer that waits for its answer may take nothing else."""
        if self._reports is not None and self._writable and not self._running and not self._waiting:
            encoded = self._reports.next_pdus()
            if encoded:
                self._outlet.send(encoded)

    def _event_answered(self, message: Reply) -> None:
        if self._reports is not None and self._reports.answered(message.context_id, message.reply):
            self._advance()
        else:
            self._outlet.abort("an answer to an event that was not sent")

    def _start(self, message: Message) -> None:
        command = message.command
        context = self._agreement.contexts[message.context_id]
        encoder = ResponseEncoder(command, message.context_id, self._agreement.max_pdu)
        refusal = refusal_of(command, context)
        if refusal is not None:
            self._outlet.send(encoder.encode(refusal))
        elif command.operation is Operation.C_ECHO:
            self._outlet.send(encoder.encode(Response(commands.SUCCESS)))
        elif command.operation is Operation.C_FIND:
            self._start_query(request_of(message, context, self.association), encoder)
        else:
            self._start_service(command.operation, request_of(message, context, self.association), encoder)

    def _start_service(self, operation: Operation, request: Request, encoder: ResponseEncoder) -> None:
        handler = {
            Operation.N_CREATE: self._handlers.create,
            Operation.N_SET: self._handlers.set,
            Operation.N_GET: self._handlers.get,
        }[operation]
        self._running = True
        self._workers.submit(lambda: _answer(handler, request, encoder), self._service_done)

    def _service_done(self, encoded: bytes) -> None:
        self._running = False
        if not self._abandoned:
            self._outlet.send(encoded)
            self._advance()

    # -- queries

    def _start_query(self, request: Request, encoder: ResponseEncoder) -> None:
        if self._answered_at_once(request, encoder):
            return
        query = Query(self._handlers.find, request, encoder)
        self._running = True
        self._query = query
        if request.message_id in self._cancelled:
            self._cancelled.discard(request.message_id)
            query.stop()
        self._next_batch()

    def _answered_at_once(self, request: Request, encoder: ResponseEncoder) -> bool:
        if self._find_at_once is None or request.message_id in self._cancelled:
            return False
        ready = attempt("C-FIND handler", partial(self._find_at_once, request), lambda: None)
        if ready is None:
            return False
        self._outlet.send(encoder.encode_all(ready))
        return True

    def _next_batch(self) -> None:
        if self._query is None:
            return
        self._query_is_held = False
        if not self._abandoned:
            self._flush_timer = self._workers.loop.call_later(FLUSH_INTERVAL, self._flush)
        self._query_workers.submit(self._query.run_batch, self._batch_done)

    def _flush(self) -> None:
        """A batch takes its time: what it has found so far goes out now."""
        self._flush_timer = None
        if self._query is None or self._abandoned:
            return
        self._send_ready(self._query)
        self._flush_timer = self._workers.loop.call_later(FLUSH_INTERVAL, self._flush)

    def _send_ready(self, query: Query) -> None:
        encoded = query.take()
        if encoded:
            self._outlet.send(encoded)

    def _batch_done(self, finished: bool) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        query = self._query
        if query is None:
            return
        if not self._abandoned:
            self._send_ready(query)
        if finished:
            self._query = None
            self._running = False
            self._advance()
        elif self._writable or self._abandoned or query.stopped:
            self._next_batch()
        else:
            self._query_is_held = True

    def _cancel(self, message_id: int) -> None:
        """C-CANCEL-RQ (PS3.7 section 9.3.2.3); for a request that was answered already there is nothing to do."""
        if self._query is not None and self._query.message_id == message_id:
            self._stop(self._query)
        elif any(_is_query(message, message_id) for message in self._waiting):
            self._cancelled.add(message_id)

    def _stop(self, query: Query) -> None:
        query.stop()
        if self._query_is_held:
            self._next_batch()


def _is_query(message: Message, message_id: int) -> bool:
    return message.command.operation is Operation.C_FIND and message.command.message_id == message_id


def _answer(handler: Callable[[Request], Response], request: Request, encoder: ResponseEncoder) -> bytes:
    return attempt(
        "N service handler",
        lambda: encoder.encode(handler(request)),
        lambda: encoder.encode(Response(commands.PROCESSING_FAILURE)),
    )
