"""Keeps pynetdicom's reactor thread from taking the answer that a service user waits for.

pynetdicom pauses its reactor while a request is under way: it clears an event and looks at a flag that the reactor sets
before it waits for the event.  A reactor that has just passed the event but not yet taken the flag back counts as
paused; on a busy machine it then takes the answer off the queue, logs it as unexpected, and the caller waits in vain.
The gate has the meaning of that event, but clearing it returns only when the reactor stands before it.
"""

import threading

from pynetdicom.association import Association

#: seconds between looks at whether the reactor has ended, when it does not come to the gate
_LOOK_AGAIN = 0.05


class ReactorGate(threading.Event):
    """The event of one association's reactor.  Open at first."""

    def __init__(self, reactor: threading.Thread) -> None:
        super().__init__()
        super().set()
        self._reactor = reactor
        self._turn = threading.Condition()
        self._waiting = False

    def wait(self, timeout: float | None = None) -> bool:
        """Called by the reactor: stands here while the gate is closed."""
        with self._turn:
            self._waiting = True
            self._turn.notify_all()
            opened = self._turn.wait_for(self.is_set, timeout)
            self._waiting = False
            return opened

    def set(self) -> None:
        """Open the gate."""
        with self._turn:
            super().set()
            self._turn.notify_all()

    def clear(self) -> None:
        """Close the gate; return when the reactor stands before it, is the caller, or has ended."""
        with self._turn:
            super().clear()
            if threading.current_thread() is self._reactor:
                return
            while not self._waiting and self._reactor.is_alive():
                self._turn.wait(_LOOK_AGAIN)


def guard(association: Association) -> None:
    """Give an established association, on which nothing was sent yet, a gate of its own."""
    association._reactor_checkpoint = ReactorGate(association)
