"""How long each phase of an association may last.

Owns the ARTIM timer (PS3.8 section 9.1.5) and the time-outs for decisions, unfinished messages and silence.  Only says
that time is up; what follows is :mod:`.connection`'s.
"""

import asyncio
from collections.abc import Callable

from broker.dicom.upper_layer.association import AssociationMachine
from broker.dicom.upper_layer.config import AcceptorConfig
from broker.dicom.upper_layer.states import State
from broker.dicom.upper_layer.timers import Deadline

ARTIM_STATES = (State.AWAITING_REQUEST, State.AWAITING_CLOSE)
_ANSWER_STATES = (State.AWAITING_DECISION, State.AWAITING_RELEASE_REPLY, State.COLLISION_AWAITING_REPLY)


class Watch:
    """One association's deadline; ``expired`` gets the reason in words."""

    def __init__(self, loop: asyncio.AbstractEventLoop, config: AcceptorConfig, expired: Callable[[str], None]) -> None:
        self._config = config
        self._expired = expired
        self._deadline = Deadline(loop, self._fire)
        self._phase: object = None
        self._reason = ""

    def start_artim(self) -> None:
        """Starts or restarts the ARTIM timer."""
        self._phase, self._reason = "artim", "ARTIM"
        self._deadline.set(self._config.artim_timeout)

    def stop_artim(self) -> None:
        """Stops the ARTIM timer."""
        self._deadline.clear()

    def update(self, machine: AssociationMachine, *, reading: bool, busy: bool) -> None:
        """Something happened: a new phase starts its time, silence starts anew, the same phase goes on."""
        if machine.state in ARTIM_STATES:
            return
        phase, reason, seconds = self._present(machine, reading=reading, busy=busy)
        if seconds is None:
            self._deadline.clear()
        elif phase is None or phase != self._phase:
            self._deadline.set(seconds)
        self._phase, self._reason = phase, reason

    def stop(self) -> None:
        """The connection is closed."""
        self._deadline.stop()

    def _fire(self) -> None:
        self._expired(self._reason)

    def _present(self, machine: AssociationMachine, *, reading: bool, busy: bool) -> tuple[object, str, float | None]:
        """The phase (None: every sign of life starts it anew), its reason in words and the time it may take."""
        if machine.state in _ANSWER_STATES:
            return machine.state, "no answer about the association", self._config.acse_timeout
        if machine.state is not State.ESTABLISHED or not reading:
            return "unwatched", "", None
        if machine.partial:
            # the count keeps a steady stream of complete messages from looking like one that never ends
            return machine.messages, "a message was begun and not finished", self._config.message_timeout
        if busy:
            return "unwatched", "", None
        return None, "no traffic", self._config.network_timeout
