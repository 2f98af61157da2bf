"""New orders and the procedures and steps that a change adds or alters: identity first, content after.

Identifiers that a message lacks are derived or generated here, once; a later message finds them stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from broker.domain import identifiers
from broker.domain.attributes import items_of, text
from broker.domain.errors import Reason, Refusal
from broker.domain.merging import Recoding, merge_filled
from broker.domain.model import Changes, Identifier, Order, OrderChange, Procedure, ProcedureChange, Step, StepChange
from broker.domain.states import WAITING, StepStatus
from broker.domain.stating import Ledger
from broker.domain.step_stations import follow_station
from broker.domain.step_times import follow_start

#: the paths of identifiers in the ledger of an order, below procedure and step
ACCESSION, PROCEDURE_ID, STUDY_UID = "AccessionNumber", "RequestedProcedureID", "StudyInstanceUID"
STEP_ID = "ScheduledProcedureStepID"
_CODE, _NO_CODE = "RequestedProcedureCodeSequence", ("", "")


class Numbering(Protocol):
    """Where fresh numbers come from; the store answers with a sequence of the database."""

    @property
    def sender(self) -> str:
        """The name of the sender whose message is applied."""

    @property
    def accession_prefix(self) -> str:
        """What generated accession numbers begin with."""

    def next_number(self) -> int:
        """A number never given before."""


@dataclass(frozen=True, slots=True)
class _Context:
    accession: str
    numbering: Numbering
    where: str
    ledger: Ledger


def place_order(change: OrderChange, numbering: Numbering) -> Order:
    """The order that a first message about it creates; missing identifiers are made (mapping reference, section 9)."""
    if change.placer is None and change.filler is None:
        raise Refusal(
            Reason.REQUIRED_MISSING, "an order needs a placer order number (ORC-2) or a filler order number (ORC-3)",
            where=change.where,
        )  # fmt: skip
    if not change.procedures:
        raise Refusal(Reason.REQUIRED_MISSING, "an order needs a procedure (OBR)", where=change.where)
    ledger = Ledger.of({}, change.occurred_at, new=True)
    accession = change.accession
    if accession is None:
        accession = _make_accession(change, numbering)
        ledger.fill(ACCESSION)
    order = Order(
        placer=change.placer,
        filler=change.filler,
        accession=accession,
        attributes=ledger.merge("", {}, change.attributes),
        sender=numbering.sender,
    )
    procedures = change_procedures(order, change, accession, numbering, ledger)
    return replace(order, procedures=procedures, stated=ledger.known)


def change_procedures(
    order: Order, change: OrderChange, accession: Identifier, numbering: Numbering, ledger: Ledger
) -> tuple[Procedure, ...]:
    """The procedures of ``order`` after ``change``: named ones merged, unknown ones added, all others as they were."""
    context = _Context(accession.value, numbering, change.where, ledger)
    procedures = list(order.procedures)
    for wanted in change.procedures:
        index = find_procedure(procedures, wanted, ledger, sole=len(change.procedures) == 1)
        if index is None:
            index = len(procedures)
            procedures.append(_new_procedure(order, wanted, index, context))
        else:
            procedures[index] = _merge_procedure(procedures[index], wanted, f"{index}/", context)
    return tuple(procedures)


def _make_accession(change: OrderChange, numbering: Numbering) -> Identifier:
    """The filler order number where it fits, else prefix and sequence (mapping reference, section 9)."""
    if change.filler is not None:
        derived = identifiers.accession_from_filler(change.filler.value)
        if derived is not None:
            return Identifier(derived, change.filler.issuer)
    return Identifier(f"{numbering.accession_prefix}{numbering.next_number():08d}", "")


def find_procedure(
    procedures: Sequence[Procedure], wanted: ProcedureChange, ledger: Ledger, *, sole: bool
) -> int | None:
    """By Study Instance UID, then requested procedure ID, then code; a lone procedure meets a lone change.

    One whose requested procedure ID was generated here may turn out to have another.
    """
    for index, procedure in enumerate(procedures):
        if wanted.study_instance_uid and procedure.study_instance_uid == wanted.study_instance_uid:
            return index
    for index, procedure in enumerate(procedures):
        if wanted.requested_procedure_id and procedure.requested_procedure_id == wanted.requested_procedure_id:
            return index
    possible = [
        i for i in range(len(procedures))
        if not wanted.requested_procedure_id or ledger.is_filled(f"{i}/{PROCEDURE_ID}")
    ]  # fmt: skip
    code = _code(wanted.attributes)
    coded = [i for i in possible if code[0] and _code(procedures[i].attributes) == code]
    if len(coded) == 1:
        return coded[0]
    return 0 if sole and len(procedures) == 1 and possible else None


def _code(attributes: Changes) -> tuple[str, str]:
    for item in items_of(attributes.get("RequestedProcedureCodeSequence")):
        return (text(item, "CodeValue") or text(item, "LongCodeValue"), text(item, "CodingSchemeDesignator"))
    return ("", "")


def _new_procedure(order: Order, wanted: ProcedureChange, index: int, context: _Context) -> Procedure:
    path, ledger = f"{index}/", context.ledger
    procedure_id = wanted.requested_procedure_id or _make_procedure_id(order, index + 1, context)
    for keyword, given in ((PROCEDURE_ID, wanted.requested_procedure_id), (STUDY_UID, wanted.study_instance_uid)):
        ledger.state(path + keyword, present=False) if given else ledger.fill(path + keyword)
    study_uid = wanted.study_instance_uid or _make_study_uid(order, procedure_id, context)
    if not identifiers.valid_uid(study_uid):
        raise Refusal(
            Reason.INVALID_VALUE, "the Study Instance UID is not a valid UID (digits and dots, at most 64 characters)",
            where=context.where,
        )  # fmt: skip
    empty = Procedure(procedure_id, study_uid, merge_filled({}, wanted, path, ledger))
    steps = wanted.steps or (StepChange(None, {}),)
    return replace(empty, steps=_change_steps(empty, steps, path, context))


def _make_procedure_id(order: Order, number: int, context: _Context) -> str:
    """The accession number for the first procedure, numbered for the next (mapping reference, section 9)."""
    taken = {p.requested_procedure_id for p in order.procedures}
    if number == 1 and context.accession not in taken and identifiers.usable(context.accession, 16):
        return context.accession
    return identifiers.numbered(context.accession, number) or f"RP{context.numbering.next_number():08d}"


def _make_study_uid(order: Order, procedure_id: str, context: _Context) -> str:
    """Derived from the order's own numbers, so that a repeat of the first message gives the same UID."""
    number = order.filler or order.placer or order.accession
    return identifiers.derived_uid(number.issuer or context.numbering.sender, number.value, procedure_id)


def _merge_procedure(procedure: Procedure, wanted: ProcedureChange, path: str, context: _Context) -> Procedure:
    ledger = context.ledger
    study_uid = ledger.take(path + STUDY_UID, procedure.study_instance_uid, wanted.study_instance_uid)
    procedure_id = ledger.take(path + PROCEDURE_ID, procedure.requested_procedure_id, wanted.requested_procedure_id)
    if not identifiers.valid_uid(study_uid):
        raise Refusal(
            Reason.INVALID_VALUE, "the Study Instance UID is not a valid UID (digits and dots, at most 64 characters)",
            where=context.where,
        )  # fmt: skip
    recoding = _recoding(procedure, wanted, path, ledger)
    return replace(
        procedure,
        requested_procedure_id=procedure_id,
        study_instance_uid=study_uid,
        attributes=merge_filled(procedure.attributes, wanted, path, ledger, recoding),
        steps=_change_steps(procedure, wanted.steps, path, context, recoding),
    )


def _recoding(procedure: Procedure, wanted: ProcedureChange, path: str, ledger: Ledger) -> Recoding:
    """What the procedure code of the change means for values that follow from the code."""
    old, new = _code(procedure.attributes), _code(wanted.attributes)
    if new in (old, _NO_CODE):
        return Recoding.SAME
    if ledger.is_late(path + _CODE, present=old != _NO_CODE):
        return Recoding.OUTDATED
    return Recoding.LEARNED if old == _NO_CODE else Recoding.CHANGED


def _change_steps(
    procedure: Procedure, wanted: tuple[StepChange, ...], path: str, context: _Context,
    recoding: Recoding = Recoding.SAME,
) -> tuple[Step, ...]:  # fmt: skip
    steps, ledger = list(procedure.steps), context.ledger
    for change in wanted:
        index = find_step(steps, change, path, ledger, sole=len(wanted) == 1)
        named = change.scheduled_procedure_step_id
        if index is None:
            own = f"{path}{len(steps)}/"
            ledger.state(own + STEP_ID, present=False) if named else ledger.fill(own + STEP_ID)
            step_id = named or _make_step_id(procedure, steps, context)
            attributes = merge_filled({}, change, own, ledger)
            steps.append(Step(step_id, StepStatus.SCHEDULED, StepStatus.SCHEDULED, attributes))
        else:
            step, own = steps[index], f"{path}{index}/"
            step_id = ledger.take(own + STEP_ID, step.scheduled_procedure_step_id, named)
            attributes = merge_filled(step.attributes, change, own, ledger, recoding)
            attributes = follow_start(step.attributes, attributes, change)
            attributes = follow_station(step.attributes, attributes, change, partial(ledger.is_filled_at, own))
            steps[index] = replace(step, scheduled_procedure_step_id=step_id, attributes=attributes)
    return tuple(steps)


def find_step(steps: Sequence[Step], wanted: StepChange, path: str, ledger: Ledger, *, sole: bool) -> int | None:
    """By ID, else by protocol code, else the only step; never by position (mapping reference, section 9).

    A step that waits under an ID generated here may turn out to have another.
    """
    named, possible = wanted.scheduled_procedure_step_id, list(range(len(steps)))
    if named:
        ids = [s.scheduled_procedure_step_id for s in steps]
        if named in ids:
            return ids.index(named)
        possible = [i for i in possible if ledger.is_filled(f"{path}{i}/{STEP_ID}") and steps[i].status in WAITING]
    protocol = _protocol({**wanted.derived, **wanted.attributes})
    coded = [i for i in possible if protocol and _protocol(steps[i].attributes) == protocol]
    if len(coded) == 1:
        return coded[0]
    return 0 if sole and len(steps) == 1 and possible else None


def _protocol(attributes: Changes) -> tuple[tuple[str, str], ...]:
    codes = items_of(attributes.get("ScheduledProtocolCodeSequence"))
    return tuple((text(c, "CodeValue"), text(c, "CodingSchemeDesignator")) for c in codes)


def _make_step_id(procedure: Procedure, steps: list[Step], context: _Context) -> str:
    taken = {s.scheduled_procedure_step_id for s in steps}
    for number in range(1, len(steps) + 2):
        candidate = identifiers.numbered(procedure.requested_procedure_id, number)
        if candidate is not None and candidate not in taken:
            return candidate
    return f"S{context.numbering.next_number():08d}"
