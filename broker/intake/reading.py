"""Reading one message: bytes in; what it asks of the broker out, or why it is refused or held.

Owns: whose message it is, the checks of its header, and every fault of its content.  Must not: touch the database.
Runs in worker threads, or in processes of its own (``reading_processes``); all that comes out is plain data.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from broker.intake.answers import internal_error
from broker.intake.environment import Environment
from broker.intake.order_parts import Site
from broker.intake.rules import SenderMapping
from broker.intake.senders import Arrival, Sender, Senders
from broker.intake.translate import require_supported, translate
from broker.intake.translation import Translation
from broker.services.journal import Change
from broker.services.unmapped import CodeSeen
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
class Read:
    """What a message says.  With ``errors`` it is refused, with ``held`` it waits for a better table; else it asks for
    ``changes``."""

    sender: str
    control_id: str
    message_type: str
    header: Header
    changes: tuple[Change, ...] = ()
    #: what the journal keeps beside the bytes: places and warnings, no values
    details: Mapping[str, object] = field(default_factory=dict)
    unmapped: tuple[CodeSeen, ...] = ()
    errors: tuple[Hl7Error, ...] = ()
    held: tuple[Hl7Error, ...] = ()
    #: how many things were tolerated
    warnings: int = 0
    #: a fault of ours, not of the message
    failed: bool = False
    #: how long reading took
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToRead:
    """A message as it came in; ``sender`` is the listed sender it is known to be from, else it is found out."""

    raw: bytes
    arrival: Arrival
    received_at: datetime
    sender: str = ""


#: from bytes to what they say; raises nothing
ReadMessage = Callable[[ToRead], Read]


class MessageReader:
    """Reads messages.  ``mappings`` holds every mapping the senders name, by name; ``zone`` is the site's."""

    def __init__(
        self, config: HandlerConfig, mappings: Mapping[str, SenderMapping], site: Site, zone: tzinfo
    ) -> None:
        self._config = config
        self._mappings = mappings
        self._site = site
        self._zone = zone

    def read(self, wanted: ToRead) -> Read:
        """What the message says; whatever is wrong with it is part of the answer."""
        began = time.perf_counter()
        sender, read = self._identified(wanted)
        try:
            self._fill(read, wanted, sender)
        except Hl7Error as error:
            read.errors = (error,)
        except Exception as error:  # noqa: BLE001 - the edge of the thread: a fault must not take the connection along
            # the type only: the text of a foreign exception may hold what the message says
            _log.error("message %s of %s failed: %s", read.control_id, wanted.arrival.peer, type(error).__name__)
            read.errors, read.failed = (internal_error(),), True
        read.seconds = time.perf_counter() - began
        return read

    def _identified(self, wanted: ToRead) -> tuple[Sender | None, Read]:
        try:
            header = read_header(wanted.raw)
        except UnreadableMessage:
            header = Header()
        application, facility = own_names(header)
        senders = self._config.senders
        sender = senders.named(wanted.sender) if wanted.sender else None
        sender = sender or senders.identify(application, facility, wanted.arrival)
        kind = "^".join(part for part in (header.message_type, header.trigger) if part)
        name = sender.name if sender else _text(header.part(3)) or "unknown"
        return sender, Read(name, _text(header.control_id)[:200], _text(kind)[:40], header)

    def _fill(self, read: Read, wanted: ToRead, sender: Sender | None) -> None:
        """Raises Hl7Error."""
        if sender is None:
            text = "this sender is not known here; register it as a sender (MSH-3, MSH-4, port or certificate)"
            raise ContentError(text, error_code="103", location=Location("MSH", 1, 3), ack_code=AckCode.AR)
        message = parse(wanted.raw, charset_override=sender.charset, charset_fallback=sender.charset_fallback)
        read.header = Header.of(message)
        self._check_header(message)
        env = Environment(self._zone, sender.zone or self._zone, wanted.received_at)
        translation = translate(message, self._mappings[sender.mapping], env, self._site)
        read.details = _details(message, translation)
        read.errors, read.held = tuple(translation.errors), tuple(translation.held_errors)
        read.changes, read.unmapped = tuple(translation.changes), tuple(translation.unmapped)
        read.warnings = len(translation.warnings)

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


def own_names(header: Header) -> tuple[str, str]:
    """The application and facility a sender calls itself (MSH-3, MSH-4), whatever the rest is written in."""
    return _text(header.part(3) or header.part(3, 2)), _text(header.part(4))


def _details(message: Message, translation: Translation) -> dict[str, object]:
    details: dict[str, object] = {"asked": [trace.as_data() for trace in translation.traces]}
    warnings = [*message.warnings, *translation.warnings]
    if warnings:
        details["warnings"] = warnings
    if translation.ignored:
        details["ignored"] = translation.ignored
    return details


def _text(raw: str) -> str:
    """Header text that was read byte by byte, as the UTF-8 it mostly is; without characters databases refuse."""
    if raw.isalnum() and raw.isascii():
        return raw
    try:
        text = raw.encode("latin_1").decode("utf_8")
    except UnicodeError:
        text = raw
    return "".join(character for character in text if character.isprintable())
