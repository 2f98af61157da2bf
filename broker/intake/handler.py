"""One message in, one answer out: identify the sender, read, translate, apply, acknowledge.

Owns: the order of these steps and which answer each failure gets.  Must not: know sockets (``listener``) or SQL.
Runs in worker threads; everything it holds is read-only.

AA only after the commit; AE or AR with the place and remedy otherwise, and the message is kept; no answer at all when
the database is away, so that the sender repeats.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from broker.domain.errors import Conflict, Refusal, Unavailable
from broker.intake.answers import error_of, internal_error
from broker.intake.environment import Environment
from broker.intake.order_parts import Site
from broker.intake.rules import SenderMapping
from broker.intake.senders import Arrival, Sender, Senders
from broker.intake.translate import require_supported, translate
from broker.intake.translation import Translation
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalEntry, ReceivedMessage, Refused
from hl7 import batch
from hl7.acknowledge import acknowledge, wanted
from hl7.errors import AckCode, ContentError, Hl7Error, Location, UnreadableMessage, UnsupportedMessage
from hl7.header import Header, read_header
from hl7.message import Message
from hl7.parsing import parse

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HandlerConfig:
    """What the site says about intake beside its senders."""

    senders: Senders = field(default_factory=Senders)
    #: accepted values of MSH-11 (P production, T training, D debugging); an empty MSH-11 is accepted
    processing_ids: tuple[str, ...] = ("P",)
    #: MSH-5 and MSH-6 that messages must name; empty: anything
    receiving_application: str = ""
    receiving_facility: str = ""
    #: how long a repeated message is recognised
    duplicates: timedelta = timedelta(days=30)
    #: what the sender of an order control that the table does not know hears: ``refuse`` (AE) or ``accept`` (AA)
    unknown_control: str = "refuse"


@dataclass(slots=True)
class _Exchange:
    """One message on its way."""

    received: ReceivedMessage
    header: Header
    began: float
    sender: Sender | None = None
    #: the journal entry that is read again, and what the new entry says of it
    replays: int | None = None
    note: Mapping[str, object] = field(default_factory=dict)
    #: the journal entry made of it, and its outcome
    result: tuple[int, str] | None = None


class MessageHandler:
    """Answers messages.  ``mappings`` holds every mapping the senders name, by name."""

    def __init__(
        self, config: HandlerConfig, context: Context, mappings: Mapping[str, SenderMapping], site: Site | None = None
    ) -> None:
        self._config = config
        self._context = context
        self._mappings = mappings
        self._site = site or Site()

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
            return self._refuse(self._exchange(raw, peer), [error])
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
        exchange = self._exchange(entry.raw, Arrival(entry.peer))
        exchange.replays, exchange.note = entry.key, {"replay_of": entry.key, "by": by}
        exchange.sender = self._config.senders.named(entry.sender) or exchange.sender
        self._settle(exchange)
        if exchange.result is None:
            raise Unavailable("the message could not be stored now")
        return exchange.result

    def _answer_message(self, raw: bytes, peer: Arrival) -> bytes | None:
        return self._settle(self._exchange(raw, peer))

    def _settle(self, exchange: _Exchange) -> bytes | None:
        try:
            return self._process(exchange)
        except Refusal as refusal:
            return self._refuse(exchange, [error_of(refusal)])
        except Hl7Error as error:
            return self._refuse(exchange, [error])
        except _Fatal as fatal:
            return self._refuse(exchange, fatal.errors, fatal.details)
        except (Unavailable, Conflict) as error:
            raise Unavailable("the message could not be stored now") from error
        except Exception as error:  # noqa: BLE001 - the edge of the thread: a fault must not take the connection along
            # the type only: the text of a foreign exception may hold what the message says
            received = exchange.received
            _log.error("message %s of %s failed: %s", received.control_id, received.peer, type(error).__name__)
            return self._refuse(exchange, [internal_error()], outcome="failed")

    def _exchange(self, raw: bytes, peer: Arrival) -> _Exchange:
        try:
            header = read_header(raw)
        except UnreadableMessage:
            header = Header()
        application, facility = _text(header.part(3) or header.part(3, 2)), _text(header.part(4))
        sender = self._config.senders.identify(application, facility, peer)
        kind = "^".join(part for part in (header.message_type, header.trigger) if part)
        name = sender.name if sender else _text(header.part(3)) or "unknown"
        received = ReceivedMessage(
            name, peer.peer, _text(header.control_id)[:200], _text(kind)[:40], raw, self._context.clock()
        )
        return _Exchange(received, header, time.perf_counter(), sender)

    def _process(self, exchange: _Exchange) -> bytes:
        sender, received = exchange.sender, exchange.received
        if sender is None:
            text = "this sender is not known here; register it as a sender (MSH-3, MSH-4, port or certificate)"
            raise ContentError(text, error_code="103", location=Location("MSH", 1, 3), ack_code=AckCode.AR)
        message = parse(received.raw, charset_override=sender.charset, charset_fallback=sender.charset_fallback)
        exchange.header = Header.of(message)
        self._check_header(message)
        env = Environment(self._context.site.zone, sender.zone or self._context.site.zone, received.received_at)
        translation = translate(message, self._mappings[sender.mapping], env, self._site)
        details = {**exchange.note, **_details(message, translation)}
        if translation.errors:
            raise _Fatal(translation.errors, details)
        if translation.held:
            return self._hold(exchange, translation.held_errors, details)
        answer = self._acknowledge(exchange.header, AckCode.AA)
        read = time.perf_counter() - exchange.began
        outcome = journal.receive(
            self._context, received, translation.changes, answer,
            details=details, seconds={"read": round(read, 6)},
            duplicates=None if exchange.replays is not None else self._config.duplicates,
            unmapped_codes=translation.unmapped,
        )  # fmt: skip
        exchange.result = outcome.journal_key, outcome.outcome
        _log.info(
            "message %s of %s: %s (%s, %.1f ms, %d warnings)", received.control_id, received.sender, outcome.outcome,
            received.message_type, (time.perf_counter() - exchange.began) * 1000,
            len(translation.warnings) + len(outcome.warnings),
        )  # fmt: skip
        return outcome.acknowledgement

    def _check_header(self, message: Message) -> None:
        """HL7 inbound reference, section 3."""
        config = self._config
        require_supported(message.message_type, message.trigger)
        if not message.control_id:
            raise ContentError("a control id is required", error_code="101", location=Location("MSH", 1, 10))
        if message.processing_id and message.processing_id.upper() not in config.processing_ids:
            text = f"this processing id is not accepted here; accepted are {', '.join(config.processing_ids)}"
            raise UnsupportedMessage(text, error_code="202", location=Location("MSH", 1, 11))
        for number, expected, found in (
            (5, config.receiving_application, message.receiving_application),
            (6, config.receiving_facility, message.receiving_facility),
        ):
            if expected and expected.casefold() != found.casefold():
                text = f"this is {expected}; the message is for another receiver"
                place = Location("MSH", 1, number)
                raise ContentError(text, error_code="103", location=place, ack_code=AckCode.AR)

    def _refuse(
        self,
        exchange: _Exchange,
        errors: Sequence[Hl7Error],
        details: Mapping[str, object] | None = None,
        *,
        outcome: str = "refused",
    ) -> bytes:
        """Keep the message with the first error, answer with all of them.  Raises Unavailable."""
        first, received = errors[0], exchange.received
        code = AckCode.AR if any(error.ack_code is AckCode.AR for error in errors) else AckCode.AE
        answer = self._acknowledge(exchange.header, code, errors)
        place = str(first.location or "")
        reason = Refused(first.error_code, place, first.text)
        kept = details or exchange.note
        key = journal.refuse(self._context, received, reason, answer, outcome=outcome, details=kept)
        exchange.result = key, outcome
        _log.warning(
            "message %s of %s refused: %s %s at %s: %s", received.control_id, received.sender, code.value,
            first.error_code, place or "no place", first.text,
        )  # fmt: skip
        return answer

    def _hold(self, exchange: _Exchange, errors: Sequence[Hl7Error], details: Mapping[str, object]) -> bytes:
        """Keep the message for a replay, changing nothing.  Raises Unavailable."""
        first, received = errors[0], exchange.received
        accepted = self._config.unknown_control == "accept"
        answer = self._acknowledge(exchange.header, AckCode.AA if accepted else AckCode.AE, () if accepted else errors)
        reason = Refused(first.error_code, str(first.location or ""), first.text)
        exchange.result = (
            journal.refuse(self._context, received, reason, answer, outcome="held", details=details),
            "held",
        )
        _log.warning("message %s of %s held: %s", received.control_id, received.sender, first.text)
        return answer

    def _acknowledge(self, header: Header, outcome: AckCode, errors: Sequence[Hl7Error] = ()) -> bytes:
        code = wanted(header, outcome).immediate
        return b"" if code is None else acknowledge(header, code, errors=errors, now=self._context.clock())


class _Fatal(Exception):
    """The content cannot be used, for all of these reasons."""

    def __init__(self, errors: Sequence[Hl7Error], details: Mapping[str, object]) -> None:
        super().__init__("the message cannot be used")
        self.errors = errors
        self.details = details


def _details(message: Message, translation: Translation) -> dict[str, object]:
    """What the journal keeps beside the bytes: places and warnings, no values."""
    details: dict[str, object] = {"asked": [trace.as_data() for trace in translation.traces]}
    warnings = [*message.warnings, *translation.warnings]
    if warnings:
        details["warnings"] = warnings
    if translation.ignored:
        details["ignored"] = translation.ignored
    return details


def _text(raw: str) -> str:
    """Header text that was read byte by byte, as the UTF-8 it mostly is; without characters databases refuse."""
    try:
        text = raw.encode("latin_1").decode("utf_8")
    except UnicodeError:
        text = raw
    return "".join(character for character in text if character.isprintable())
