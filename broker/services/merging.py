"""One person, two records: merging them, taking a merge back, and changing a patient's number.

Runs inside the transaction of whoever received the message.
"""

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Identifier, Patient
from broker.domain.requests import PatientMerge, PatientRename, PatientUnlink
from broker.services import items
from broker.services.context import Context
from broker.services.history import About, record
from broker.services.patients import Stating, ensure_patient, show
from broker.store import patient_merges as store
from broker.store import patients
from broker.store.database import Connection


def merge(
    connection: Connection, context: Context, actor: Actor, change: PatientMerge, journal_key: int
) -> tuple[str, ...]:
    """Merge every prior record into the survivor, which is created when unknown; answers what to notice.

    Raises Refusal: DUPLICATE_KEY for a merge of a record with itself, WRONG_STATE when a prior record was merged into
    another one already (HL7 inbound reference, section 7).
    """
    at, own = context.clock(), change.survivor.identifiers
    prior = [identifier for identifier in change.prior if identifier not in own]
    if not prior:
        raise Refusal(
            Reason.DUPLICATE_KEY, "the prior and the surviving patient identifier are the same", where=change.where
        )
    person = ensure_patient(connection, change.survivor, at, Stating(actor.name), update=True)
    noticed, moved = [], False
    for identifier in prior:
        key = _prior_record(connection, context, identifier, person.patient_key, change.where)
        if key is None:
            noticed.append("this merge was done before")
            continue
        store.merge(connection, key, person.patient_key, journal_key, at)
        moved = True
    if moved or person.changed:
        kind = FactKind.PATIENT_MERGED if moved else FactKind.PATIENT_UPDATED
        fact = Fact(kind, {"changed": sorted(person.changed)})
        show(connection, context, actor, person.patient_key, fact, journal_key)
    return tuple(noticed)


def _prior_record(
    connection: Connection, context: Context, identifier: Identifier, survivor_key: int, where: str
) -> int | None:
    """The record to merge, made when unknown (a later message may use the number); None when it is merged already."""
    found = store.record_of(connection, identifier)
    if found is None:
        return patients.save(connection, Patient((identifier,), {}), context.clock())
    key, merged_into = found
    resolved = patients.load(connection, key).key
    if resolved == survivor_key:
        if key == survivor_key:
            raise Refusal(Reason.DUPLICATE_KEY, "both identifiers belong to one patient record already", where=where)
        return None
    if merged_into is not None:
        raise Refusal(
            Reason.WRONG_STATE, "the prior patient was merged into another one; unlink them (A37) first", where=where
        )
    return key


def unlink(
    connection: Connection, context: Context, actor: Actor, change: PatientUnlink, journal_key: int
) -> tuple[str, ...]:
    """Take back the merge between two records: orders and visits that it moved go back; answers what to notice."""
    found = [store.record_of(connection, identifier) for identifier in (change.one, change.other)]
    keys = [record_key[0] for record_key in found if record_key is not None]
    done = store.standing(connection, keys[0], keys[1]) if len(keys) == 2 else None
    if done is None:
        return ("these patients were never merged here; nothing to undo",)
    holder = patients.load(connection, done.survivor_key).key
    at = context.clock()
    back = store.undo(connection, done, holder or done.survivor_key, at)
    fact = Fact(FactKind.PATIENT_UNMERGED)
    for request_key in back:
        items.refresh(connection, context, request_key)
        record(connection, context, actor, About(done.prior_key, request_key, None, journal_key), [fact], at)
    if not back:
        record(connection, context, actor, About(done.prior_key, journal_key=journal_key), [fact], at)
    return ()


def rename(
    connection: Connection, context: Context, actor: Actor, change: PatientRename, journal_key: int
) -> tuple[str, ...]:
    """Give a patient another number.  Raises Refusal with DUPLICATE_KEY when somebody has it."""
    wanted = change.patient.identifiers[0]
    before, taken = store.record_of(connection, change.prior), store.record_of(connection, wanted)
    if before is not None and taken is not None and before[0] != taken[0]:
        text = "another patient has the new identifier; merge them (A40) if they are one person"
        raise Refusal(Reason.DUPLICATE_KEY, text, where=change.where)
    if before is not None and taken is None:
        store.rename(connection, change.prior, wanted)
    stating = Stating(actor.name)
    person = ensure_patient(connection, change.patient, context.clock(), stating, update=True)
    fact = Fact(FactKind.PATIENT_UPDATED, {"changed": sorted({"PatientID", *person.changed})})
    show(connection, context, actor, person.patient_key, fact, journal_key)
    return () if before is not None else ("the prior identifier was not known",)
