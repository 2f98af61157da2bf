"""Order groups into order changes: order control, and how groups combine into orders, procedures and steps.

Owns: reading ORM, OMI, OMG, and orders that come inside ADT.  Must not: decide what a change does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain.attributes import Level, Value
from broker.domain.model import Identifier, OrderChange, OrderControl
from broker.intake.environment import Environment
from broker.intake.grouping import OrderGroup, order_groups
from broker.intake.order_parts import ProcedurePart, Reader, Site
from broker.intake.pieces import Index, Scope
from broker.intake.procedures import combine
from broker.intake.rules import Mapped, Problem, SenderMapping, Traced, actions_of
from broker.intake.translation import ChangeTrace, Translation, occurred_at, patient_change, visit_change
from hl7.errors import Location

_CONTENTLESS = {
    OrderControl.CANCEL, OrderControl.DISCONTINUE, OrderControl.HOLD, OrderControl.RELEASE, OrderControl.ARRIVE,
    OrderControl.START, OrderControl.COMPLETE, OrderControl.NUMBER,
}  # fmt: skip


@dataclass(slots=True)
class _Draft:
    """An order in the making: its first group, and the procedures of all its groups."""

    control: OrderControl
    group: OrderGroup
    scope: Scope
    reader: Reader
    request: Mapped
    #: further groups with the same order number
    others: list[OrderGroup] = field(default_factory=list)
    procedures: list[ProcedurePart] = field(default_factory=list)

    @property
    def numbers(self) -> tuple[Identifier | None, Identifier | None, Identifier | None]:
        """Placer order number, filler order number, accession number."""
        of = self.request.identifier
        return (
            of("PlacerOrderNumberImagingServiceRequest"),
            of("FillerOrderNumberImagingServiceRequest"),
            of("AccessionNumber"),
        )


@dataclass(slots=True)
class OrderReader:
    """Reads the order groups of one message; ``groups`` says which, all of it when empty."""

    index: Index
    mapping: SenderMapping
    env: Environment
    site: Site
    translation: Translation
    drafts: list[_Draft] = field(default_factory=list)

    def read(self) -> None:
        groups = order_groups(self.index)
        if not groups:
            self.translation.refuse("ORC", Location("ORC"), "100", "an order message needs ORC and OBR")
        if len({segment.field(3).raw for segment in self.index.message.of("PID")}) > 1:
            # read for the first patient, the orders of the others would be on the wrong list
            text = "an order message is about one patient; send one message for each"
            self.translation.refuse("PatientID", Location("PID", 2, 3), "100", text)
        effects = [self._effect(group) for group in groups]
        replaced = any(group.orc is not None and group.orc.text(1).upper() == "RO" for group in groups)
        for group, effect in zip(groups, effects, strict=True):
            for action in actions_of(effect or ""):
                if action == OrderControl.REPLACE and replaced:
                    # the replacement follows in this message: the order it replaces is over (HL7 2.5.1 section 4.5.1.1)
                    self._add(group, OrderControl.CANCEL)
                elif action == "ignore":
                    self.translation.ignored.append(group.where)
                else:
                    self._add(group, OrderControl(action))
        for draft in self.drafts:
            self._finish(draft)

    def _effect(self, group: OrderGroup) -> str | None:
        if group.orc is None:
            self.translation.refuse("ORC-1", Location("ORC"), "101", "an OBR without ORC does not say what it asks for")
            return None
        place = Location("ORC", self.index.occurrence[group.orc.line], 1)
        control, status = group.orc.text(1), group.orc.text(5)
        if not control:
            self.translation.refuse("ORC-1", place, "101", "an order control code is required")
            return None
        effect = self.mapping.effect(control, status)
        if effect == "refuse":
            self.translation.refuse("ORC-1", place, "103", "this order control is not wanted here")
            return None
        if effect is None:
            text = "this order control (ORC-1) with this order status (ORC-5) is not in the table of order control"
            self.translation.held.append(Problem("ORC-1", f"{text}; add the pair, then replay", place, "103"))
        return effect

    def _add(self, group: OrderGroup, control: OrderControl) -> None:
        creating = control is OrderControl.PLACE
        reader = Reader(self.mapping, self.env, self.site, contents=control not in _CONTENTLESS, creating=creating)
        scope = group.step_scopes()[0]
        draft = _Draft(control, group, scope, reader, reader.level(Level.REQUEST, scope))
        present = self._same_order(draft)
        part = reader.procedure(group)
        if part is not None and part.unmapped is not None:
            self.translation.unmapped.append(part.unmapped)
        if part is not None:
            (present or draft).procedures.append(part)
        if present is None:
            self.drafts.append(draft)
        else:
            present.others.append(group)

    def _same_order(self, draft: _Draft) -> _Draft | None:
        """The draft of an earlier group with the same numbers.

        One placer order number is one order: a group that shares it and differs in what else numbers the order is
        refused instead of overwriting the first.
        """
        placer, filler, accession = draft.numbers
        for other in self.drafts:
            its_placer, its_filler, its_accession = other.numbers
            if placer != its_placer or (placer is None and filler != its_filler) or draft.control is not other.control:
                continue
            if _differ(filler, its_filler) or _differ(accession, its_accession):
                place = Location("ORC", self.index.occurrence[draft.group.orc.line] if draft.group.orc else 1, 2)
                text = (
                    "orders that share a placer order number differ in filler order number or accession number; "
                    "number each order, or map the placer order number from another field"
                )
                self.translation.refuse("PlacerOrderNumberImagingServiceRequest", place, "205", text)
            return other
        return None

    def _finish(self, draft: _Draft) -> None:
        if draft.others:
            # what is said of order, visit and patient may stand in any group of the order
            draft.scope = draft.group.scope(*draft.others)
            draft.request = draft.reader.level(Level.REQUEST, draft.scope)
        patient, visit = draft.reader.level(Level.PATIENT, draft.scope), draft.reader.level(Level.VISIT, draft.scope)
        combined = combine(draft.procedures)
        for mapped in (patient, visit, draft.request, *combined.mapped):
            self.translation.problems += mapped.problems
        placer, filler, accession = draft.numbers
        change = OrderChange(
            control=draft.control, placer=placer, filler=filler, accession=accession, patient=patient_change(patient),
            visit=visit_change(visit), attributes={**_if_creating(draft), **draft.request.values},
            procedures=combined.changes, where=draft.group.where, occurred_at=self._occurred_at(draft),
        )  # fmt: skip
        self.translation.changes.append(change)
        entities: dict[str, Mapping[str, Traced]] = {
            "patient": patient.trace,
            "visit": visit.trace,
            "order": draft.request.trace,
            **combined.traces,
        }
        self.translation.traces.append(ChangeTrace(draft.group.where, draft.control.value, entities))

    def _occurred_at(self, draft: _Draft) -> datetime | None:
        """ORC-9, else MSH-7."""
        orc = draft.group.orc
        return occurred_at(self.index.message, self.env, orc.text(9) if orc is not None else "")


def _differ(one: Identifier | None, other: Identifier | None) -> bool:
    return one is not None and other is not None and one != other


def _if_creating(draft: _Draft) -> Mapping[str, Value]:
    request = draft.request
    return {**request.defaults, **request.weak} if draft.control is OrderControl.PLACE else {}
