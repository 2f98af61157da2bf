"""One message in, one answer out: read it, apply it, acknowledge.

Owns: the order of these steps and which answer each failure gets.  Must not: know sockets (``listener``), what messages
mean (``reading``) or SQL.  Runs in worker threads; everything it holds is read-only.

AA only after the commit; AE or AR with the place and remedy otherwise, and the message is kept; no answer at all when
the database is away, so that the sender repeats.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from broker.domain.errors import Conflict, Refusal, Unavailable
from broker.intake.answers import error_of, internal_error
from broker.intake.order_parts import Site
from broker.intake.reading import HandlerConfig, MessageReader, Read, ReadMessage, ToRead
from broker.intake.rules import SenderMapping
from broker.intake.senders import Arrival
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalEntry, ReceivedMessage, Refused
from hl7 import batch
from hl7.acknowledge import acknowledge, wanted
from hl7.errors import AckCode, Hl7Error, UnreadableMessage
from hl7.header import Header

__all__ = ["HandlerConfig", "MessageHandler"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Exchange:
    """One message on its way."""

    received: ReceivedMessage
    read: Read
    began: float
    #: the journal entry that is read again, and what the new entry says of it
    replays: int | None = None
    note: Mapping[str, object] = field(default_factory=dict)
    #: the journal entry made of it, and its outcome
    result: tuple[int, str] | None = None

    @property
    def details(self) -> dict[str, object]:
        """What the journal keeps beside the bytes."""
        return {**self.note, **self.read.details}


class MessageHandler:
    """Answers messages.  ``mappings`` holds every mapping the senders name, by name.

    ``read`` reads them elsewhere, in the same way as here; without it they are read in the calling thread.
    """

    def __init__(
        self, config: HandlerConfig, context: Context, mappings: Mapping[str, SenderMapping], site: Site | None = None,
        read: ReadMessage | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._context = context
        self._read = read or MessageReader(config, mappings, site or Site(), context.site.zone).read

    def answer(self, raw: bytes, arrival: Arrival | str) -> bytes | None:
        """The acknowledgement of a message or batch; b"" when the sender wants none; None: close without an answer.

        ``arrival`` is how it came in, or just a name for the peer.
        """
        peer = Arrival(arrival) if isinstance(arrival, str) else arrival
        try:
            if batch.is_batch(raw):
                return self._answer_batch(raw, peer)
            return self._answer_message(raw, peer)
        except Unavailable:
            _log.warning("message from %s not answered: the database is away", peer.peer)
            return None

    def _answer_batch(self, raw: bytes, peer: Arrival) -> bytes | None:
        try:
            file = batch.split(raw)
        except UnreadableMessage as error:
            exchange = self._exchange(ToRead(raw, peer, self._context.clock()))
            exchange.read.details = {}
            return self._refuse(exchange, [error])
        for problem in file.problems:
            _log.warning("batch from %s: %s", peer.peer, problem)
        answers: list[list[bytes]] = []
        for part in file.batches:
            answers.append([])
            for message in part.messages:
                answer = self._answer_message(message, peer)
                if answer is None:
                    return None
                answers[-1].append(answer)
        return batch.acknowledge_batch(file, answers)

    def answer_again(self, entry: JournalEntry, by: str) -> tuple[int, str]:
        """Read a message of the journal again, for good, whatever became of it before; nobody is answered.

        Answers the new journal entry's key and outcome.  Raises Unavailable.
        """
        exchange = self._exchange(ToRead(entry.raw, Arrival(entry.peer), self._context.clock(), entry.sender))
        exchange.replays, exchange.note = entry.key, {"replay_of": entry.key, "by": by}
        self._settle(exchange)
        if exchange.result is None:
            raise Unavailable("the message could not be stored now")
        return exchange.result

    def _answer_message(self, raw: bytes, peer: Arrival) -> bytes | None:
        return self._settle(self._exchange(ToRead(raw, peer, self._context.clock())))

    def _exchange(self, came: ToRead) -> _Exchange:
        began = time.perf_counter()
        read = self._read(came)
        received = ReceivedMessage(
            read.sender, came.arrival.peer, read.control_id, read.message_type, came.raw, came.received_at
        )
        return _Exchange(received, read, began)

    def _settle(self, exchange: _Exchange) -> bytes:
        read = exchange.read
        try:
            if read.errors:
                return self._refuse(exchange, read.errors, outcome="failed" if read.failed else "refused")
            return self._hold(exchange) if read.held else self._apply(exchange)
        except Refusal as refusal:
            read.details = {}
            return self._refuse(exchange, [error_of(refusal)])
        except (Unavailable, Conflict) as error:
            raise Unavailable("the message could not be stored now") from error
        except Exception as error:  # noqa: BLE001 - the edge of the thread: a fault must not take the connection along
            # the type only: the text of a foreign exception may hold what the message says
            received = exchange.received
            _log.error("message %s of %s failed: %s", received.control_id, received.peer, type(error).__name__)
            read.details = {}
            return self._refuse(exchange, [internal_error()], outcome="failed")

    def _apply(self, exchange: _Exchange) -> bytes:
        read, received = exchange.read, exchange.received
        answer = self._acknowledge(read.header, AckCode.AA)
        outcome = journal.receive(
            self._context, received, read.changes, answer,
            details=exchange.details, seconds={"read": round(read.seconds, 6)},
            duplicates=None if exchange.replays is not None else self._config.duplicates,
            unmapped_codes=read.unmapped,
        )  # fmt: skip
        exchange.result = outcome.journal_key, outcome.outcome
        _log.info(
            "message %s of %s: %s (%s, %.1f ms, %d warnings)", received.control_id, received.sender, outcome.outcome,
            received.message_type, (time.perf_counter() - exchange.began) * 1000,
            read.warnings + len(outcome.warnings),
        )  # fmt: skip
        return outcome.acknowledgement

    def _refuse(self, exchange: _Exchange, errors: Sequence[Hl7Error], *, outcome: str = "refused") -> bytes:
        """Keep the message with the first error, answer with all of them.  Raises Unavailable."""
        first, received = errors[0], exchange.received
        code = AckCode.AR if any(error.ack_code is AckCode.AR for error in errors) else AckCode.AE
        answer = self._acknowledge(exchange.read.header, code, errors)
        place = str(first.location or "")
        reason = Refused(first.error_code, place, first.text)
        key = journal.refuse(self._context, received, reason, answer, outcome=outcome, details=exchange.details)
        exchange.result = key, outcome
        _log.warning(
            "message %s of %s refused: %s %s at %s: %s", received.control_id, received.sender, code.value,
            first.error_code, place or "no place", first.text,
        )  # fmt: skip
        return answer

    def _hold(self, exchange: _Exchange) -> bytes:
        """Keep the message for a replay, changing nothing.  Raises Unavailable."""
        errors, received = exchange.read.held, exchange.received
        first, accepted = errors[0], self._config.unknown_control == "accept"
        code = AckCode.AA if accepted else AckCode.AE
        answer = self._acknowledge(exchange.read.header, code, () if accepted else errors)
        reason = Refused(first.error_code, str(first.location or ""), first.text)
        key = journal.refuse(self._context, received, reason, answer, outcome="held", details=exchange.details)
        exchange.result = key, "held"
        _log.warning("message %s of %s held: %s", received.control_id, received.sender, first.text)
        return answer

    def _acknowledge(self, header: Header, outcome: AckCode, errors: Sequence[Hl7Error] = ()) -> bytes:
        code = wanted(header, outcome).immediate
        return b"" if code is None else acknowledge(header, code, errors=errors, now=self._context.clock())
