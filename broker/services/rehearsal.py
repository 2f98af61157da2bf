"""What a message would change: it is applied for real, looked at, and undone, in one transaction.

Owns: the comparison of before and after.  Must not: leave anything behind; nothing here ever commits.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from broker.domain.errors import Refusal
from broker.domain.model import Identifier, Order, Patient
from broker.domain.worklist_item import WorklistItem
from broker.services import items, journal
from broker.services.context import Context
from broker.services.journal import Change, ReceivedMessage
from broker.store import orders, patients
from broker.store import rehearsal as store
from broker.store.database import Connection

#: keyword -> value, of one entity
_State = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One attribute; ``before`` or ``after`` is None where there is none."""

    keyword: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class EntityChange:
    """One entity that would be new or different: ``patient``, ``order``, ``procedure 1 step 2`` ..."""

    entity: str
    is_new: bool
    values: tuple[ValueChange, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would happen.  ``refusal`` says why nothing would."""

    refusal: Refusal | None = None
    changes: tuple[EntityChange, ...] = ()
    facts: tuple[str, ...] = ()
    items: tuple[WorklistItem, ...] = ()
    notifications: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _Undone(Exception):
    def __init__(self, result: Rehearsal) -> None:
        super().__init__("rehearsed")
        self.result = result


def rehearse(context: Context, received: ReceivedMessage, changes: Sequence[Change]) -> Rehearsal:
    """Apply ``changes`` as if the message had come now, and undo them.  Raises Conflict, Unavailable."""
    entry = journal.entry_of(received, "rehearsed", None, {}, {})

    def work(connection: Connection) -> Rehearsal:
        savepoint = connection.begin_nested()
        try:
            outcome = journal.keep(connection, context, entry, changes)
        except Refusal as refusal:
            raise _Undone(Rehearsal(refusal)) from None
        requests, people = store.reached(connection, outcome.journal_key)
        after = _states(connection, requests, people)
        told = store.notifications(connection, outcome.journal_key)
        facts = tuple(store.facts(connection, outcome.journal_key))
        keys = dict.fromkeys((*outcome.request_keys, *requests))
        made = tuple(item for key in keys for item in items.refresh(connection, context, key))
        savepoint.rollback()
        before = _states(
            connection, store.present_requests(connection, requests), store.present_patients(connection, people)
        )
        raise _Undone(Rehearsal(None, _compared(before, after), facts, made, told, outcome.warnings))

    try:
        return context.database.write(work)
    except _Undone as undone:
        return undone.result


def _states(connection: Connection, requests: Collection[int], people: Collection[int]) -> dict[str, _State]:
    """Everything these orders and patients hold, by the name of the entity."""
    states: dict[str, _State] = {}
    for number, key in enumerate(sorted(people), 1):
        states["patient" if len(people) == 1 else f"patient {number}"] = _patient(patients.load(connection, key))
    for number, key in enumerate(sorted(requests), 1):
        order = orders.load(connection, key)
        prefix = "" if len(requests) == 1 else f"order {number} "
        if order.visit_key is not None:
            visit = patients.load_visit(connection, order.visit_key)
            states[f"{prefix}visit"] = _plain({"AdmissionID": visit.admission, **visit.attributes})
        states |= _order(order, prefix)
    return states


def _patient(person: Patient) -> _State:
    numbers = [_number(identifier) for identifier in person.identifiers]
    return _plain({"PatientID": numbers[0] if numbers else "", "further identifiers": numbers[1:], **person.attributes})


def _order(order: Order, prefix: str) -> dict[str, _State]:
    numbers = {
        "AccessionNumber": order.accession, "PlacerOrderNumberImagingServiceRequest": order.placer,
        "FillerOrderNumberImagingServiceRequest": order.filler,
    }  # fmt: skip
    states: dict[str, _State] = {
        f"{prefix}order" if not prefix else prefix.strip(): _plain({**numbers, **order.attributes})
    }
    for number, procedure in enumerate(order.procedures, 1):
        name = f"{prefix}procedure {number}"
        ids = {
            "RequestedProcedureID": procedure.requested_procedure_id, "StudyInstanceUID": procedure.study_instance_uid,
        }  # fmt: skip
        states[name] = _plain({**ids, **procedure.attributes})
        for place, step in enumerate(procedure.steps, 1):
            own = {"ScheduledProcedureStepID": step.scheduled_procedure_step_id, "status": step.status.value}
            states[f"{name} step {place}"] = _plain({**own, **step.attributes})
    return states


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    shown = {k: _number(v) if isinstance(v, Identifier) else v for k, v in values.items()}
    return {keyword: value for keyword, value in shown.items() if value not in (None, "", [])}


def _number(identifier: Identifier) -> str:
    return f"{identifier.value} ({identifier.issuer})" if identifier.issuer else identifier.value


def _compared(before: Mapping[str, _State], after: Mapping[str, _State]) -> tuple[EntityChange, ...]:
    found = []
    for entity in dict.fromkeys((*after, *before)):
        was, now = before.get(entity, {}), after.get(entity, {})
        values = tuple(
            ValueChange(k, was.get(k), now.get(k)) for k in dict.fromkeys((*now, *was)) if was.get(k) != now.get(k)
        )
        if values:
            found.append(EntityChange(entity, entity not in before, values))
    return tuple(found)
