"""Receiving a message: what it changes and the journal row commit together, or neither does.

Owns: the one transaction per message, duplicates, and reading the journal.  Must not: know HL7; answers are bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broker.domain.model import Actor, OrderChange, Source
from broker.domain.requests import PatientMerge, PatientRename, PatientUnlink, PatientUpdate, ReportChange
from broker.services import merging, orders, patients, progress, unmapped
from broker.services.context import Context
from broker.store import journal
from broker.store.database import Connection
from broker.store.journal import JournalEntry, JournalFilter

__all__ = [
    "Change", "JournalEntry", "JournalFilter", "Outcome", "PatientUpdate", "ReceivedMessage", "Refused",
    "entry_of", "find", "keep", "load", "receive", "refuse",
]  # fmt: skip


Change = OrderChange | PatientUpdate | PatientMerge | PatientUnlink | PatientRename | ReportChange


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as it came in.  ``sender`` is the name the site gives it."""

    sender: str
    peer: str
    control_id: str
    message_type: str
    raw: bytes = field(repr=False)
    received_at: datetime

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message, durably.  ``acknowledgement`` is the answer to send (b"": none is wanted)."""

    journal_key: int
    outcome: str
    acknowledgement: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()
    request_keys: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a message was refused; no patient data."""

    code: str
    location: str
    text: str


def receive(
    context: Context,
    received: ReceivedMessage,
    changes: Sequence[Change],
    acknowledgement: bytes,
    *,
    details: Mapping[str, object] | None = None,
    seconds: Mapping[str, float] | None = None,
    duplicates: timedelta | None = timedelta(days=30),
    unmapped_codes: Sequence[unmapped.CodeSeen] = (),
) -> Outcome:
    """Apply ``changes``, all or none, and keep the message; one applied before is answered as then, without effect.

    ``details`` (traces, warnings) go into the journal.  ``duplicates`` None applies it whatever was
    applied before.  Raises Refusal, Conflict, Unavailable; nothing is stored then.
    """
    entry = entry_of(received, "applied" if changes else "ignored", acknowledgement, details or {}, seconds or {})

    def work(connection: Connection) -> Outcome:
        before = None
        if duplicates is not None:
            since = received.received_at - duplicates
            before = journal.find_duplicate(connection, entry.sender, entry.control_id, entry.digest, since)
        if before is not None:
            return _repeat(connection, received, *before)
        unmapped.note(connection, received.sender, unmapped_codes, received.received_at)
        return keep(connection, context, entry, changes)

    return context.database.write(work)


def keep(connection: Connection, context: Context, entry: JournalEntry, changes: Sequence[Change]) -> Outcome:
    """Add ``entry`` and apply its changes, in the caller's transaction.  Raises Refusal or Conflict."""
    key = journal.insert(connection, entry)
    actor = Actor(Source.SENDER, entry.sender)
    applied = [_apply(connection, context, entry.sender, actor, change, key) for change in changes]
    warnings = tuple(warning for one in applied for warning in one.warnings)
    if warnings:
        journal.set_changes(connection, key, {**entry.changes, "noticed": list(warnings)})
    keys = tuple(dict.fromkeys(one.request_key for one in applied if one.request_key is not None))
    return Outcome(key, entry.outcome, entry.acknowledgement or b"", warnings, keys)


def _repeat(connection: Connection, received: ReceivedMessage, key: int, answer: bytes) -> Outcome:
    entry = entry_of(received, "duplicate", answer, {"duplicate_of": key}, {})
    return Outcome(journal.insert(connection, entry), "duplicate", answer)


def _apply(
    connection: Connection, context: Context, sender: str, actor: Actor, change: Change, key: int
) -> orders.AppliedOrder:
    if isinstance(change, OrderChange):
        return orders.apply(connection, context, sender, actor, change, key)
    if isinstance(change, ReportChange):
        keys, noticed = progress.report(connection, context, actor, change, key)
        return orders.AppliedOrder(keys[0] if keys else None, (), noticed)
    return orders.AppliedOrder(None, (), _apply_to_patient(connection, context, actor, change, key))


def _apply_to_patient(
    connection: Connection,
    context: Context,
    actor: Actor,
    change: PatientUpdate | PatientMerge | PatientUnlink | PatientRename,
    key: int,
) -> tuple[str, ...]:
    """Answers what to notice."""
    if isinstance(change, PatientMerge):
        return merging.merge(connection, context, actor, change, key)
    if isinstance(change, PatientUnlink):
        return merging.unlink(connection, context, actor, change, key)
    if isinstance(change, PatientRename):
        return merging.rename(connection, context, actor, change, key)
    person = patients.update(connection, context, actor, change, key)
    if change.arrived and context.site.orders.arrival == "arrive":
        progress.arrive(connection, context, actor, person.patient_key, key)
    taken = ("another patient has a further identifier of this one; it was not taken over",) if person.differs else ()
    return (*taken, orders.MERGED_NUMBER) if person.merged else taken


def refuse(
    context: Context,
    received: ReceivedMessage,
    reason: Refused,
    acknowledgement: bytes | None,
    *,
    outcome: str = "refused",
    details: Mapping[str, object] | None = None,
) -> int:
    """Keep a message that changed nothing, with the reason; answers its journal key.  Raises Unavailable."""
    entry = entry_of(received, outcome, acknowledgement, details or {}, {}, reason)
    return context.database.write(lambda connection: journal.insert(connection, entry))


def entry_of(
    received: ReceivedMessage,
    outcome: str,
    acknowledgement: bytes | None,
    details: Mapping[str, object],
    seconds: Mapping[str, float],
    reason: Refused | None = None,
) -> JournalEntry:
    """The journal's row for a message."""
    return JournalEntry(
        received_at=received.received_at, sender=received.sender, peer=received.peer, control_id=received.control_id,
        message_type=received.message_type, digest=received.digest, outcome=outcome, raw=received.raw,
        error_code=reason.code if reason else "", error_location=reason.location if reason else "",
        error_text=reason.text if reason else "", acknowledgement=acknowledgement, changes=details, seconds=seconds,
    )  # fmt: skip


def find(context: Context, wanted: JournalFilter) -> list[JournalEntry]:
    """Entries of the journal without their bytes, newest first."""
    return context.database.read(lambda connection: journal.find(connection, wanted))


def load(context: Context, key: int) -> JournalEntry | None:
    """One entry with its bytes, or None."""
    return context.database.read(lambda connection: journal.load(connection, key))
