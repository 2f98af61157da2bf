"""Events on an association that its peer opened: N-EVENT-REPORT the other way round (PS3.7 sections 10.1.1 and 10.3.1).

Owns the events of one association from request to answer, one at a time.  When they may go out is decided by
:mod:`.conversation`, which owns the requests of the peer.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from broker.dicom.upper_layer import commands
from broker.dicom.upper_layer.commands import EventReply
from broker.dicom.upper_layer.negotiation import AgreedContext, Agreement
from broker.dicom.upper_layer.pdus import data_pdus

_LAST_MESSAGE_ID = 0xFFFF


@dataclass(frozen=True, slots=True)
class EventReport:
    """One event about one SOP instance, without Event Information."""

    event_type: int
    sop_instance_uid: str
    #: seconds until the answer must be here
    timeout: float
    #: called on the event loop with the answer, or with None when none came
    done: Callable[[EventReply | None], None]


class Reports:
    """The events of one association whose peer asked to be told; everything here runs on the event loop."""

    def __init__(
        self, context: AgreedContext, agreement: Agreement, loop: AbstractEventLoop, give_up: Callable[[str], None]
    ) -> None:
        """:param give_up: ends the association, with the reason in words."""
        self._context = context
        self._max_pdu = agreement.max_pdu
        self._loop = loop
        self._give_up = give_up
        self._waiting: deque[_Pending] = deque()
        self._running: _Pending | None = None
        self._message_id = 0
        self._closed = False

    @property
    def running(self) -> bool:
        """True while an answer is awaited."""
        return self._running is not None

    def put(self, report: EventReport) -> None:
        """Take one event; it goes out with ``next_pdus``."""
        if self._closed:
            report.done(None)
            return
        pending = _Pending(report)
        pending.timer = self._loop.call_later(report.timeout, self._expired, pending)
        self._waiting.append(pending)

    def next_pdus(self) -> bytes:
        """The PDUs of the next event, which from now on is under way; empty when there is none or one is running."""
        if self._running is not None or not self._waiting:
            return b""
        self._running = self._waiting.popleft()
        self._message_id = self._message_id % _LAST_MESSAGE_ID + 1
        report, sop_class_uid = self._running.report, self._context.sop_class.uid
        command = commands.encode_event_report(
            self._message_id, sop_class_uid, report.sop_instance_uid, report.event_type
        )
        return data_pdus(self._context.context_id, True, command, self._max_pdu)

    def answered(self, context_id: int, reply: EventReply) -> bool:
        """An answer arrived; False when it belongs to no event of ours."""
        pending = self._running
        if pending is None or (context_id, reply.message_id) != (self._context.context_id, self._message_id):
            return False
        self._running = None
        pending.finish(reply)
        return True

    def close(self) -> None:
        """No event goes out any more, and no answer comes: tell so to whoever waits."""
        self._closed = True
        running, self._running = self._running, None
        for pending in (*([running] if running else []), *self._waiting):
            pending.finish(None)
        self._waiting.clear()

    def _expired(self, pending: "_Pending") -> None:
        if pending is self._running:
            # a late answer would be taken for that to the next event
            self._give_up("time-out: no answer to an event")
        elif pending in self._waiting:
            self._waiting.remove(pending)
            pending.finish(None)


@dataclass(slots=True, eq=False)
class _Pending:
    """One event that waits to go out, or for its answer."""

    report: EventReport
    timer: TimerHandle | None = None

    def finish(self, reply: EventReply | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.report.done(reply)


def reports_of(
    agreement: Agreement, loop: AbstractEventLoop, give_up: Callable[[str], None]
) -> Reports | None:  # fmt: skip
    """The events of an association; None when its peer did not ask for a SOP class that has any."""
    context = next((c for c in agreement.contexts.values() if c.sop_class.has_events), None)
    return None if context is None else Reports(context, agreement, loop, give_up)
