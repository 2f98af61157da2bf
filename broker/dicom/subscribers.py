"""Devices that keep an association open to be told events of performed steps (MPPS Notification, PS3.4 F.9).

Owns which of them are there, on whatever port they came in, and sends an event from a thread that may wait.  Whether
somebody is to be told anything is the destinations' matter.
"""

import logging
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection
from queue import Empty, SimpleQueue

from broker.dicom.requestor import NoAnswer, NotReachable
from broker.dicom.scu import Answer
from broker.dicom.upper_layer.commands import EventReply
from broker.dicom.upper_layer.listeners import Listener
from broker.dicom.upper_layer.reports import EventReport

_log = logging.getLogger(__name__)
#: seconds beyond the time-out of an event in which the event loop says so itself
_LOOP_MARGIN = 5.0
#: what became of one event; the first that is put counts
_Outcome = SimpleQueue[EventReply | None]


class Subscribers:
    """The ``Listeners`` of the acceptors, and the way to a device for whoever has something to tell."""

    def __init__(self, subscribed: Collection[str] = ()) -> None:
        """:param subscribed: the AE titles that some destination tells events."""
        self._subscribed = frozenset(subscribed)
        self._lock = threading.Lock()
        #: by calling AE title, oldest association first
        self._present: dict[str, list[tuple[Listener, AbstractEventLoop]]] = {}
        self._running: dict[str, _Outcome] = {}
        self._on_join: list[Callable[[], None]] = []

    def on_join(self, call: Callable[[], None]) -> None:
        """Have ``call`` made, on an event loop, whenever a device comes."""
        self._on_join.append(call)

    def subscribe(self, ae_title: str) -> None:
        """Some destination tells events to this device from now on; its next association is known for that."""
        self._subscribed |= {ae_title}

    # -- broker.dicom.upper_layer.listeners.Listeners

    def joined(self, calling_ae_title: str, listener: Listener, loop: AbstractEventLoop) -> bool:
        """A device associated that takes events; True when it is subscribed to some."""
        with self._lock:
            self._present.setdefault(calling_ae_title, []).append((listener, loop))
        if calling_ae_title not in self._subscribed:
            _log.info("device %r asks for events, but no destination of kind mpps_event is for it", calling_ae_title)
            return False
        for call in self._on_join:
            call()
        return True

    def left(self, listener: object) -> None:
        """An association ends."""
        with self._lock:
            for title, present in list(self._present.items()):
                present[:] = [one for one in present if one[0] is not listener]
                if not present:
                    del self._present[title]

    # -- for destinations

    def is_there(self, ae_title: str) -> bool:
        """Whether the device keeps such an association now."""
        return ae_title in self._present

    def report(self, ae_title: str, event_type: int, sop_instance_uid: str, timeout: float) -> Answer:
        """Tell the device one event and wait for its answer, at most ``timeout`` seconds.

        :raises NotReachable: it keeps no association.
        :raises NoAnswer: the association ended or the time ran out first.
        """
        outcome: _Outcome = SimpleQueue()
        with self._lock:
            present = self._present.get(ae_title)
            if not present:
                raise NotReachable(f"{ae_title} keeps no association open for events")
            listener, loop = present[-1]
            self._running[ae_title] = outcome
        report = EventReport(event_type, sop_instance_uid, timeout, outcome.put)
        try:
            loop.call_soon_threadsafe(listener.report, report)
            reply = outcome.get(timeout=timeout + _LOOP_MARGIN)
        except (Empty, RuntimeError):  # RuntimeError: the event loop of a stopped acceptor
            reply = None
        if reply is None:
            raise NoAnswer(f"{ae_title} gave no answer to the event before its association ended or the time ran out")
        return Answer(reply.status, error_comment=reply.error_comment)

    def give_up(self, ae_title: str) -> None:
        """From another thread: ``report`` to this device returns at once with NoAnswer."""
        with self._lock:
            running = self._running.get(ae_title)
        if running is not None:
            running.put(None)
