"""Combining what several order groups say of one order: groups of one procedure, groups of one step.

Owns: when two groups speak of the same procedure or step (HL7 inbound reference 6.1).  Must not: read messages.

In ORM each ORC/OBR pair is one combination of step and protocol: pairs with the same step ID form one step with several
protocol codes.  In OMI each IPC is one step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from broker.domain.attributes import Value, items_of, text
from broker.domain.model import ProcedureChange, StepChange
from broker.intake.order_parts import ProcedurePart, StepPart
from broker.intake.rules import Mapped, Traced

_PROTOCOL = "ScheduledProtocolCodeSequence"


@dataclass(slots=True)
class Combined:
    """The procedures of an order, and what they were made of."""

    changes: tuple[ProcedureChange, ...] = ()
    mapped: list[Mapped] = field(default_factory=list)
    traces: dict[str, Mapping[str, Traced]] = field(default_factory=dict)


def combine(parts: Sequence[ProcedurePart]) -> Combined:
    """One change per procedure, one per step within it, in the order of their first mention."""
    procedures: list[ProcedurePart] = []
    mapped = [m for part in parts for m in (part.mapped, *(step.mapped for step in part.steps))]
    for part in parts:
        present = next((p for p in procedures if _same_procedure(p, part)), None)
        if present is None:
            procedures.append(ProcedurePart(part.mapped, part.derived, []))
            present = procedures[-1]
        for step in part.steps:
            _add_step(present.steps, step)
    combined = Combined(tuple(_change(p) for p in procedures), mapped)
    for number, procedure in enumerate(procedures, 1):
        combined.traces[f"procedure {number}"] = procedure.mapped.trace
        for place, step in enumerate(procedure.steps, 1):
            combined.traces[f"procedure {number} step {place}"] = step.mapped.trace
    return combined


def _same_procedure(one: ProcedurePart, other: ProcedurePart) -> bool:
    """By Study Instance UID, else requested procedure ID, where both have it; else by code where neither has either."""
    for keyword in ("StudyInstanceUID", "RequestedProcedureID"):
        mine, its = one.mapped.text(keyword), other.mapped.text(keyword)
        if mine and its:
            return mine == its
        if mine or its:
            return False
    return bool(_codes(one)) and _codes(one) == _codes(other)


def _codes(part: ProcedurePart) -> list[tuple[str, str]]:
    items = items_of(part.mapped.values.get("RequestedProcedureCodeSequence"))
    return [(text(i, "CodeValue") or text(i, "LongCodeValue"), text(i, "CodingSchemeDesignator")) for i in items]


def _add_step(steps: list[StepPart], step: StepPart) -> None:
    """A step with an ID met before adds its protocol codes to that one."""
    present = next((s for s in steps if step.step_id and s.step_id == step.step_id), None)
    if present is None:
        steps.append(StepPart(step.mapped, step.derived))
        return
    stated = _joined(present.mapped.values.get(_PROTOCOL), step.mapped.values.get(_PROTOCOL))
    derived = _joined(present.derived.get(_PROTOCOL), step.derived.get(_PROTOCOL))
    if stated:
        present.mapped.values[_PROTOCOL] = stated
    if derived:
        present.derived = {**present.derived, _PROTOCOL: derived}


def _joined(one: Value | None, other: Value | None) -> list[Mapping[str, Value]]:
    items = list(items_of(one))
    return items + [item for item in items_of(other) if item not in items]


def _change(part: ProcedurePart) -> ProcedureChange:
    mapped = part.mapped
    steps = tuple(StepChange(s.step_id, s.mapped.values, s.derived, s.mapped.defaults) for s in part.steps)
    return ProcedureChange(
        mapped.text("RequestedProcedureID"), mapped.text("StudyInstanceUID"), mapped.values, steps, part.derived,
        mapped.defaults,
    )  # fmt: skip
