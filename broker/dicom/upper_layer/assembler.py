"""Messages out of presentation data values (PS3.7 section 6.3, PS3.8 Annex E).

Owns the reassembly of one association's incoming messages and the limits on their sizes.  Knows no sockets and no
handlers.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass

from broker.dicom.upper_layer.commands import Command, CommandError, EventReply, read_message
from broker.dicom.upper_layer.pdus import AbortReason, PduError, Pdv

#: An N-GET Attribute Identifier List of thousands of tags still fits.
MAX_COMMAND_LENGTH = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One complete DIMSE request."""

    context_id: int
    command: Command
    dataset: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The complete answer to an event; its Event Reply information is not looked at."""

    context_id: int
    reply: EventReply


class MessageAssembler:
    """Collects fragments; at most one message is under way at a time (PS3.8 Annex E.1)."""

    def __init__(self, contexts: Container[int], max_dataset: int) -> None:
        self._contexts = contexts
        self._max_dataset = max_dataset
        self._context_id: int | None = None
        self._command: Command | EventReply | None = None
        self._pending = bytearray()

    @property
    def partial(self) -> bool:
        """True while a message has begun and not ended."""
        return self._context_id is not None

    def feed(self, pdvs: list[Pdv]) -> Iterator[Message | Reply]:
        """Yields each message that the values complete.

        :raises PduError: a context that was not accepted, values in an impossible order, a limit passed, or a command
            set that cannot be read.
        """
        for pdv in pdvs:
            self._check(pdv)
            self._context_id = pdv.context_id
            self._pending += pdv.fragment
            if pdv.is_last:
                message = self._finish_part(pdv.context_id)
                if message is not None:
                    yield message

    def _check(self, pdv: Pdv) -> None:
        if pdv.context_id not in self._contexts:
            raise PduError(AbortReason.INVALID_PARAMETER_VALUE, f"context {pdv.context_id} was not accepted")
        if self._context_id is not None and pdv.context_id != self._context_id:
            raise PduError(AbortReason.UNEXPECTED_PARAMETER, "a message changes its presentation context")
        if pdv.is_command is not (self._command is None):
            raise PduError(AbortReason.UNEXPECTED_PARAMETER, "command and data set fragments in a wrong order")
        limit = MAX_COMMAND_LENGTH if pdv.is_command else self._max_dataset
        if len(self._pending) + len(pdv.fragment) > limit:
            part = "command set" if pdv.is_command else "data set"
            raise PduError(AbortReason.NOT_SPECIFIED, f"{part} longer than {limit} bytes")

    def _finish_part(self, context_id: int) -> Message | Reply | None:
        payload = bytes(self._pending)
        self._pending.clear()
        if self._command is None:
            try:
                command = read_message(payload)
            except CommandError as problem:
                raise PduError(AbortReason.INVALID_PARAMETER_VALUE, str(problem)) from problem
            if command.has_dataset:
                self._command = command
                return None
            payload = b""
        else:
            command, self._command = self._command, None
        self._context_id = None
        if isinstance(command, EventReply):
            return Reply(context_id, command)
        return Message(context_id, command, payload)
