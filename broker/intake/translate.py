"""HL7 messages into what they ask of the broker: order changes and patient updates, with trace and problems.

Owns: which message types are understood, order control, and how order groups combine into orders, procedures and steps.
Must not: touch the database; the rules in ``domain`` decide what a change does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from broker.domain.attributes import Level, Value
from broker.domain.model import Identifier, OrderChange, OrderControl, PatientChange, VisitChange
from broker.intake.environment import Environment
from broker.intake.grouping import OrderGroup, order_groups, patient_scope
from broker.intake.order_parts import ProcedurePart, Reader, Site
from broker.intake.pieces import Index, Scope
from broker.intake.procedures import combine
from broker.intake.rules import Mapped, Problem, SenderMapping, Traced
from broker.services.journal import Change, PatientUpdate
from broker.services.unmapped import CodeSeen
from hl7.datatypes import parse_dtm
from hl7.errors import ContentError, Hl7Error, Location, UnsupportedMessage
from hl7.message import Message, Segment

#: message types and their events that are understood; MSH-9.2 may be missing in orders of old versions
ORDERS = {"ORM": ("O01",), "OMI": ("O23",), "OMG": ("O19",)}
PATIENTS = {"ADT": ("A01", "A04", "A05", "A08", "A28", "A31")}

_CONTENTLESS = {OrderControl.CANCEL, OrderControl.DISCONTINUE, OrderControl.HOLD, OrderControl.RELEASE}


@dataclass(frozen=True, slots=True)
class ChangeTrace:
    """Where the values of one change came from, by entity: ``patient``, ``procedure 1``, ``procedure 1 step 2`` ..."""

    where: str
    asked: str
    entities: Mapping[str, Mapping[str, Traced]]

    def as_data(self) -> dict[str, object]:
        """Plain data for the journal: keywords and places, no values."""
        entities = {name: {k: str(t) for k, t in traces.items()} for name, traces in self.entities.items()}
        return {"where": self.where, "asked": self.asked, "trace": entities}


@dataclass(slots=True)
class Translation:
    """What a message asks for; usable only when ``errors`` is empty."""

    changes: list[Change] = field(default_factory=list)
    traces: list[ChangeTrace] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    #: order groups that ask nothing of a worklist
    ignored: list[str] = field(default_factory=list)
    #: procedure codes the catalogue does not have
    unmapped: list[CodeSeen] = field(default_factory=list)

    @property
    def errors(self) -> list[Hl7Error]:
        """Why the message must be refused, each with its place; empty when it need not be."""
        fatal = dict.fromkeys((p.text, p.location, p.code, p.keyword) for p in self.problems if p.fatal)
        return [
            ContentError(f"{text} ({keyword})", error_code=code, location=place) for text, place, code, keyword in fatal
        ]

    @property
    def warnings(self) -> list[str]:
        """What was tolerated, each once."""
        return list(dict.fromkeys(str(problem) for problem in self.problems if not problem.fatal))


def require_supported(message_type: str, trigger: str) -> None:
    """Raise UnsupportedMessage (200, 201) for a message type or event that is not understood."""
    known = {**ORDERS, **PATIENTS}
    if message_type not in known:
        raise UnsupportedMessage(
            f"message type not supported; supported are {', '.join(sorted(known))}",
            error_code="200", location=Location("MSH", 1, 9, None, 1),
        )  # fmt: skip
    if trigger not in known[message_type] and not (message_type in ORDERS and not trigger):
        raise UnsupportedMessage(
            f"event not supported; of {message_type} supported are {', '.join(known[message_type])}",
            error_code="201", location=Location("MSH", 1, 9, None, 2),
        )  # fmt: skip


def translate(message: Message, mapping: SenderMapping, env: Environment, site: Site) -> Translation:
    """Everything the message asks for.  Raises UnsupportedMessage."""
    require_supported(message.message_type, message.trigger)
    env.tables, env.local_scheme = mapping.tables, mapping.local_scheme
    env.primary_authorities, env.default_issuer = mapping.primary_authorities, mapping.default_issuer
    env.facility = message.sending_facility
    env.source_zone = _zone_of(message) or env.source_zone
    translation = Translation()
    index = Index(message)
    if message.message_type in PATIENTS:
        _translate_patient(index, Reader(mapping, env, site), translation)
    else:
        _Orders(index, mapping, env, site, translation).read()
    return translation


def _zone_of(message: Message) -> timezone | None:
    """The zone MSH-7 names holds for every time of the message that names none (HL7 2.5.1 section 2.15.9.7)."""
    offset = _offset(message.timestamp)
    return None if offset is None else timezone(offset)


def _offset(text: str) -> timedelta | None:
    try:
        return parse_dtm(text).offset if text else None
    except ContentError:
        return None


def _translate_patient(index: Index, reader: Reader, translation: Translation) -> None:
    scope = patient_scope(index)
    patient, visit = reader.level(Level.PATIENT, scope), reader.level(Level.VISIT, scope)
    translation.problems += patient.problems + visit.problems
    translation.changes.append(PatientUpdate(_patient_change(patient), _visit_change(visit)))
    translation.traces.append(ChangeTrace("PID", "update", {"patient": patient.trace, "visit": visit.trace}))
    if index.message.first("ORC") is not None:
        note = "orders inside an ADT message are not taken over; send them as ORM, OMI or OMG"
        translation.problems.append(Problem("order", note, Location("ORC")))


def _patient_change(mapped: Mapped) -> PatientChange:
    return PatientChange(mapped.identifiers.get("PatientID", ()), mapped.values, where="PID-3")


def _visit_change(mapped: Mapped) -> VisitChange:
    return VisitChange(mapped.identifier("AdmissionID") or Identifier(""), mapped.values)


@dataclass(slots=True)
class _Draft:
    """An order in the making: its first group, and the procedures of all its groups."""

    control: OrderControl
    group: OrderGroup
    scope: Scope
    reader: Reader
    request: Mapped
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
class _Orders:
    """Reads the order groups of one message."""

    index: Index
    mapping: SenderMapping
    env: Environment
    site: Site
    translation: Translation
    drafts: list[_Draft] = field(default_factory=list)

    def read(self) -> None:
        groups = order_groups(self.index)
        if not groups:
            self._refuse("ORC", Location("ORC"), "100", "an order message needs ORC and OBR")
        for group in groups:
            effect = self._effect(group)
            if effect == "ignore":
                self.translation.ignored.append(group.where)
            elif effect is not None:
                self._add(group, OrderControl(effect))
        for draft in self.drafts:
            self._finish(draft)

    def _effect(self, group: OrderGroup) -> str | None:
        if group.orc is None:
            self._refuse("ORC-1", Location("ORC"), "101", "an OBR without ORC does not say what it asks for")
            return None
        place = Location("ORC", self.index.occurrence[group.orc.line], 1)
        control, status = group.orc.text(1), group.orc.text(5)
        if not control:
            self._refuse("ORC-1", place, "101", "an order control code is required")
            return None
        effect = self.mapping.effect(control, status)
        if effect in (None, "refuse"):
            remedy = "order control with this order status is not handled; add it to [order_control] of the mapping"
            self._refuse("ORC-1", place, "103", remedy)
            return None
        return effect

    def _refuse(self, keyword: str, place: Location, code: str, text: str) -> None:
        self.translation.problems.append(Problem(keyword, text, place, code, fatal=True))

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
                self._refuse("PlacerOrderNumberImagingServiceRequest", place, "205", text)
            return other
        return None

    def _finish(self, draft: _Draft) -> None:
        patient, visit = draft.reader.level(Level.PATIENT, draft.scope), draft.reader.level(Level.VISIT, draft.scope)
        combined = combine(draft.procedures)
        for mapped in (patient, visit, draft.request, *combined.mapped):
            self.translation.problems += mapped.problems
        placer, filler, accession = draft.numbers
        change = OrderChange(
            control=draft.control, placer=placer, filler=filler, accession=accession, patient=_patient_change(patient),
            visit=_visit_change(visit), attributes={**_if_creating(draft), **draft.request.values},
            procedures=combined.changes, where=draft.group.where, occurred_at=self._occurred_at(draft.group.orc),
        )  # fmt: skip
        self.translation.changes.append(change)
        entities = {"patient": patient.trace, "visit": visit.trace, "order": draft.request.trace, **combined.traces}
        self.translation.traces.append(ChangeTrace(draft.group.where, draft.control.value, entities))

    def _occurred_at(self, orc: Segment | None) -> datetime | None:
        """ORC-9, else MSH-7."""
        for text in (orc.text(9) if orc is not None else "", self.index.message.timestamp):
            try:
                if text:
                    return parse_dtm(text).at(self.env.source_zone)
            except ContentError:
                continue
        return None


def _differ(one: Identifier | None, other: Identifier | None) -> bool:
    return one is not None and other is not None and one != other


def _if_creating(draft: _Draft) -> Mapping[str, Value]:
    return draft.request.defaults if draft.control is OrderControl.PLACE else {}
