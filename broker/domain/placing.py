"""New orders and the procedures and steps that a change adds or alters: identity first, content after.

Identifiers that a message lacks are derived or generated here, once; a later message finds them stored.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from broker.domain import identifiers
from broker.domain.attributes import items_of, text
from broker.domain.errors import Reason, Refusal
from broker.domain.merging import merge, merge_filled
from broker.domain.model import Changes, Identifier, Order, OrderChange, Procedure, ProcedureChange, Step, StepChange
from broker.domain.states import StepStatus
from broker.domain.step_times import follow_start


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


def place_order(change: OrderChange, numbering: Numbering) -> Order:
    """The order that a first message about it creates; missing identifiers are made (mapping reference, section 9)."""
    if change.placer is None and change.filler is None:
        raise Refusal(
            Reason.REQUIRED_MISSING, "an order needs a placer order number (ORC-2) or a filler order number (ORC-3)",
            where=change.where,
        )  # fmt: skip
    if not change.procedures:
        raise Refusal(Reason.REQUIRED_MISSING, "an order needs a procedure (OBR)", where=change.where)
    accession = change.accession or _make_accession(change, numbering)
    order = Order(
        placer=change.placer,
        filler=change.filler,
        accession=accession,
        attributes=merge({}, change.attributes),
        sender=numbering.sender,
    )
    return replace(order, procedures=change_procedures(order, change, accession, numbering))


def change_procedures(
    order: Order, change: OrderChange, accession: Identifier, numbering: Numbering
) -> tuple[Procedure, ...]:
    """The procedures of ``order`` after ``change``: named ones merged, unknown ones added, all others as they were."""
    context = _Context(accession.value, numbering, change.where)
    procedures = list(order.procedures)
    for wanted in change.procedures:
        index = _find_procedure(procedures, wanted, sole=len(change.procedures) == 1)
        if index is None:
            procedures.append(_new_procedure(order, wanted, len(procedures) + 1, context))
        else:
            procedures[index] = _merge_procedure(procedures[index], wanted, context)
    return tuple(procedures)


def _make_accession(change: OrderChange, numbering: Numbering) -> Identifier:
    """The filler order number where it fits, else prefix and sequence (mapping reference, section 9)."""
    if change.filler is not None:
        derived = identifiers.accession_from_filler(change.filler.value)
        if derived is not None:
            return Identifier(derived, change.filler.issuer)
    return Identifier(f"{numbering.accession_prefix}{numbering.next_number():08d}", "")


def _find_procedure(procedures: list[Procedure], wanted: ProcedureChange, *, sole: bool) -> int | None:
    """By Study Instance UID, then requested procedure ID, then code; a lone procedure meets a lone change."""
    for index, procedure in enumerate(procedures):
        if wanted.study_instance_uid and procedure.study_instance_uid == wanted.study_instance_uid:
            return index
    for index, procedure in enumerate(procedures):
        if wanted.requested_procedure_id and procedure.requested_procedure_id == wanted.requested_procedure_id:
            return index
    if wanted.requested_procedure_id:
        return None
    code = _code(wanted.attributes)
    coded = [i for i, p in enumerate(procedures) if code[0] and _code(p.attributes) == code]
    if len(coded) == 1:
        return coded[0]
    return 0 if sole and len(procedures) == 1 else None


def _code(attributes: Changes) -> tuple[str, str]:
    for item in items_of(attributes.get("RequestedProcedureCodeSequence")):
        return (text(item, "CodeValue") or text(item, "LongCodeValue"), text(item, "CodingSchemeDesignator"))
    return ("", "")


def _new_procedure(order: Order, wanted: ProcedureChange, number: int, context: _Context) -> Procedure:
    procedure_id = wanted.requested_procedure_id or _make_procedure_id(order, number, context)
    study_uid = wanted.study_instance_uid or _make_study_uid(order, procedure_id, context)
    if not identifiers.valid_uid(study_uid):
        raise Refusal(
            Reason.INVALID_VALUE, "the Study Instance UID is not a valid UID (digits and dots, at most 64 characters)",
            where=context.where,
        )  # fmt: skip
    empty = Procedure(procedure_id, study_uid, merge_filled({}, wanted))
    steps = wanted.steps or (StepChange(None, {}),)
    return replace(empty, steps=_change_steps(empty, steps, context))


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


def _merge_procedure(procedure: Procedure, wanted: ProcedureChange, context: _Context) -> Procedure:
    study_uid = wanted.study_instance_uid or procedure.study_instance_uid
    if not identifiers.valid_uid(study_uid):
        raise Refusal(
            Reason.INVALID_VALUE, "the Study Instance UID is not a valid UID (digits and dots, at most 64 characters)",
            where=context.where,
        )  # fmt: skip
    recoded = _code(wanted.attributes) not in (_code(procedure.attributes), ("", ""))
    return replace(
        procedure,
        requested_procedure_id=wanted.requested_procedure_id or procedure.requested_procedure_id,
        study_instance_uid=study_uid,
        attributes=merge_filled(procedure.attributes, wanted, recoded=recoded),
        steps=_change_steps(procedure, wanted.steps, context, recoded=recoded),
    )


def _change_steps(
    procedure: Procedure, wanted: tuple[StepChange, ...], context: _Context, *, recoded: bool = False
) -> tuple[Step, ...]:
    steps = list(procedure.steps)
    for change in wanted:
        index = _find_step(steps, change, sole=len(wanted) == 1)
        if index is None:
            step_id = change.scheduled_procedure_step_id or _make_step_id(procedure, steps, context)
            steps.append(Step(step_id, StepStatus.SCHEDULED, StepStatus.SCHEDULED, merge_filled({}, change)))
        else:
            step = steps[index]
            merged = merge_filled(step.attributes, change, recoded=recoded)
            steps[index] = replace(step, attributes=follow_start(step.attributes, merged, change))
    return tuple(steps)


def _find_step(steps: list[Step], wanted: StepChange, *, sole: bool) -> int | None:
    """By ID, else by protocol code, else the only step; never by position (mapping reference, section 9)."""
    if wanted.scheduled_procedure_step_id:
        ids = [s.scheduled_procedure_step_id for s in steps]
        return ids.index(wanted.scheduled_procedure_step_id) if wanted.scheduled_procedure_step_id in ids else None
    protocol = _protocol({**wanted.derived, **wanted.attributes})
    coded = [i for i, s in enumerate(steps) if protocol and _protocol(s.attributes) == protocol]
    if len(coded) == 1:
        return coded[0]
    return 0 if sole and len(steps) == 1 else None


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
