"""The desk where people look at messages: described, mapped, rehearsed, read again; nothing is stored until told.

Owns: ``services.examination.MessageDesk`` for intake, and which mapping texts are being tried.
Must not: answer senders or touch the journal otherwise than by replaying.
"""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from broker.domain.errors import Conflict, Reason, Refusal, Unavailable
from broker.intake.description import Describer
from broker.intake.dry_run import values_of
from broker.intake.environment import Environment
from broker.intake.handler import MessageHandler
from broker.intake.item_views import item_view, mapping_lines
from broker.intake.mapping_file import MappingError, load_mapping
from broker.intake.mapping_lines import mapping_names, mapping_text, rule_lines, write_atomically
from broker.intake.order_parts import Site
from broker.intake.reading import own_names
from broker.intake.rules import SenderMapping
from broker.intake.senders import Sender, Senders
from broker.intake.translate import translate
from broker.services import journal, replay, unmapped
from broker.services.context import Context
from broker.services.examination import Description, Examination, Question
from broker.services.journal import ReceivedMessage
from broker.services.rehearsal import Rehearsal, rehearse
from broker.services.replay import ReplayRun
from broker.services.unmapped import UnmappedCode
from hl7.errors import Hl7Error
from hl7.header import Header, read_header
from hl7.message import Message
from hl7.parsing import parse

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_UTF8 = "UNICODE UTF-8"


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """The senders of the site, where mappings are looked for, and the one folder they may be saved to (None: none).

    ``order_status`` is the site's table of order control (None: the shipped one).
    """

    senders: Senders
    folders: tuple[Path, ...] = ()
    save_to: Path | None = None
    order_status: Path | None = None

    def load(self, name: str, edited: Mapping[str, str]) -> SenderMapping:
        """A mapping as intake has it, or would have it with ``edited`` texts.  Raises MappingError."""
        return load_mapping(name, self.folders, edited, self.order_status)


class Desk:
    """Looks at messages.  ``mappings`` is the very table intake reads with: a saved mapping counts at once."""

    def __init__(
        self, config: DeskConfig, context: Context, mappings: MutableMapping[str, SenderMapping], site: Site,
        handler: MessageHandler,
    ) -> None:  # fmt: skip
        self._config = config
        self._context = context
        self._mappings = mappings
        self._site = site
        self._handler = handler
        self._describer = Describer()

    def close(self) -> None:
        """End the worker process."""
        self._describer.close()

    def describe(self, raw: bytes) -> Description:
        """The parts of a message with the standard's names."""
        return self._describer.describe(raw)

    def text_of(self, raw: bytes) -> str:
        """A message as people read and edit it: one segment a line; undecodable bytes as Latin-1."""
        try:
            return "\n".join(str(segment.raw) for segment in parse(raw, charset_fallback="8859/1"))
        except Hl7Error:
            return raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")

    def mappings(self) -> list[str]:
        """The names of all mappings."""
        return mapping_names(self._config.folders)

    def mapping_text(self, name: str) -> str:
        """The text of a mapping.  Raises Refusal when there is none."""
        if _NAME.fullmatch(name) is None or name not in self.mappings():
            raise Refusal(
                Reason.UNKNOWN_KEY, f"there is no mapping of that name; known are {', '.join(self.mappings())}"
            )
        return mapping_text(name, self._config.folders)

    def examine(self, question: Question) -> Examination:
        """Everything a message would become; nothing is stored."""
        override = _UTF8 if question.pasted else None
        try:
            # the sender first: it may say in which character set its messages are
            sender = self._sender(question, read_header(question.raw))
            message = parse(
                question.raw, charset_override=override or sender.charset, charset_fallback=sender.charset_fallback
            )
        except Hl7Error as error:
            return Examination(question.mapping, errors=(str(error),))
        name = question.mapping or sender.mapping
        description = Description()
        if question.described:
            description = self._describer.describe(question.raw, override or sender.charset)
        edited = {} if question.mapping_text is None else {name: question.mapping_text}
        try:
            mapping = self._config.load(name, edited)
        except MappingError as error:
            return Examination(
                name, sender=sender.name, description=description, mapping_problems=tuple(error.problems)
            )
        return self._examined(question, message, sender, mapping, edited, description)

    def _sender(self, question: Question, header: Header) -> Sender:
        senders = self._config.senders
        found = senders.named(question.sender) or senders.identify(*own_names(header))
        return found or Sender(question.sender or "unknown", mapping=senders.mapping)

    def _examined(
        self, question: Question, message: Message, sender: Sender, mapping: SenderMapping,
        edited: Mapping[str, str], description: Description,
    ) -> Examination:  # fmt: skip
        kind = "^".join(part for part in (message.message_type, message.trigger) if part)
        zone: tzinfo = self._context.site.zone
        now = self._context.clock()
        try:
            translation = translate(message, mapping, Environment(zone, sender.zone or zone, now), self._site)
        except Hl7Error as error:
            return Examination(mapping.name, kind, sender.name, description, errors=(str(error),))
        rules = rule_lines(mapping.name, self._config.folders, edited)
        pairs = zip(translation.changes, translation.traces, strict=True)
        lines = mapping_lines([value for change, trace in pairs for value in values_of(change, trace)], rules)
        would: Rehearsal | None = None
        if not translation.errors and not translation.held:
            received = ReceivedMessage(sender.name, "", message.control_id, kind, question.raw, now)
            try:
                would = rehearse(self._context, received, translation.changes)
            except Conflict as error:
                raise Unavailable("the order is being changed; look again") from error
        return Examination(
            mapping.name, kind, sender.name, description, lines,
            tuple(item_view(item, lines) for item in would.items) if would else (), would,
            tuple(str(error) for error in translation.errors), (*message.warnings, *translation.warnings),
            tuple(translation.ignored), held=tuple(str(error) for error in translation.held_errors),
        )  # fmt: skip

    def can_save(self) -> str:
        """Empty when mappings can be saved, else the remedy."""
        if self._config.save_to is None:
            return (
                "name a folder for the site's mappings in the settings (intake.mappings_dir) and start the broker again"
            )
        if not self._config.save_to.is_dir():
            return "the folder of intake.mappings_dir does not exist; make it"
        return ""

    def save_mapping(self, name: str, text: str) -> None:
        """Keep an edited mapping and read new messages with it from now on.

        Raises Refusal when nothing can be saved, or when any mapping in use could not be read afterwards.
        """
        remedy = self.can_save()
        if remedy or self._config.save_to is None:
            raise Refusal(Reason.UNSUPPORTED, f"the mapping was not saved: {remedy}")
        if _NAME.fullmatch(name) is None:
            text_ = "the mapping was not saved: name it with small letters, digits, - and _, at most 64"
            raise Refusal(Reason.INVALID_VALUE, text_)
        text = text.replace("\r\n", "\n")
        try:
            loaded = {n: self._config.load(n, {name: text}) for n in {name, *self._mappings}}
        except MappingError as error:
            raise Refusal(Reason.INVALID_VALUE, "the mapping was not saved: " + "; ".join(error.problems)) from None
        try:
            write_atomically(self._config.save_to / f"{name}.toml", text)
        except OSError as error:
            raise Refusal(Reason.WRONG_STATE, f"the mapping was not saved: {error.strerror}") from None
        for known in list(self._mappings):
            self._mappings[known] = loaded[known]

    def replay(self, journal_key: int, by: str, *, dry_run: bool) -> tuple[ReplayRun, Examination | None]:
        """Read a message of the journal again, for show or for good.  Raises Refusal when there is no such message."""
        entry = journal.load(self._context, journal_key)
        if entry is None:
            raise Refusal(Reason.UNKNOWN_KEY, f"there is no message {journal_key} in the journal")
        found: Examination | None = None
        if dry_run:
            found = self.examine(Question(entry.raw, sender=entry.sender, described=False))
            run = ReplayRun(self._context.clock(), by, journal_key, dry_run, *_expected(found))
        else:
            key, outcome = self._handler.answer_again(entry, by)
            made = journal.load(self._context, key)
            why = made.error_text if made else ""
            run = ReplayRun(self._context.clock(), by, journal_key, dry_run, outcome, why, key)
        replay.record(self._context, run)
        return run, found

    def unmapped_codes(self) -> list[UnmappedCode]:
        """The procedure codes of live messages that the catalogue does not have."""
        catalogue = self._site.catalogue
        return unmapped.find(self._context, lambda code, scheme: bool(catalogue.find(code, scheme)))


def _expected(found: Examination) -> tuple[str, str]:
    """The outcome that reading the message for good would have now, and why."""
    refused = "; ".join((*found.mapping_problems, *found.errors))
    if refused:
        return "refused", refused
    if found.held:
        return "held", "; ".join(found.held)
    if found.would and found.would.refusal:
        return "refused", found.would.refusal.text
    return "applied", ""
