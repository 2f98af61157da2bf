"""Appointment messages (SIU) into order changes: time, resources and place of what was ordered (mapping reference 6).

Owns: what each event asks for, and which numbers an appointment names.  Must not: decide what a change does.
"""

from dataclasses import replace
from itertools import zip_longest

from broker.domain.attributes import Level
from broker.domain.model import Identifier, OrderChange, OrderControl
from broker.intake.environment import Unusable
from broker.intake.grouping import appointment_groups
from broker.intake.identities import number
from broker.intake.order_parts import Reader
from broker.intake.pieces import Index, Scope, Source
from broker.intake.procedures import combine
from broker.intake.rules import Problem
from broker.intake.translation import ChangeTrace, Translation, occurred_at, patient_change, visit_change
from hl7.errors import Location
from hl7.paths import parse_path

#: event to what it asks for, and why
_ASKED = {
    "S12": (OrderControl.APPOINT, ""), "S13": (OrderControl.APPOINT, ""), "S14": (OrderControl.APPOINT, ""),
    "S15": (OrderControl.UNSCHEDULE, "appointment canceled"), "S16": (OrderControl.UNSCHEDULE, "appointment ended"),
    "S17": (OrderControl.UNSCHEDULE, "appointment deleted"), "S26": (OrderControl.UNSCHEDULE, "no-show"),
}  # fmt: skip
EVENTS = tuple(_ASKED)
#: filler's and placer's appointment number
_APPOINTMENT = (Source(parse_path("SCH-2")), Source(parse_path("SCH-1")))
_PLACER, _FILLER = Source(parse_path("SCH-26*")), Source(parse_path("SCH-27*"))


def translate_appointment(index: Index, trigger: str, reader: Reader, translation: Translation) -> None:
    """What a SIU message asks for: one change for each order that the appointment is about."""
    if index.message.first("SCH") is None and index.message.first("AIS") is None:
        translation.refuse("SCH", Location("SCH"), "100", "an appointment message needs SCH")
        return
    control, reason = _ASKED[trigger]
    groups = appointment_groups(index)
    scope = groups[0].scope()
    request = reader.level(Level.REQUEST, scope)
    patient, visit = reader.level(Level.PATIENT, scope), reader.level(Level.VISIT, scope)
    parts = [part for group in groups if (part := reader.procedure(group)) is not None]
    combined = combine(parts)
    for mapped in (request, patient, visit, *combined.mapped):
        translation.problems += [replace(p, fatal=False) if p.keyword == "Modality" else p for p in mapped.problems]
    appointments = tuple(n for source in _APPOINTMENT for n in _numbers(scope, source, translation)[:1])
    change = OrderChange(
        control=control, placer=request.identifier("PlacerOrderNumberImagingServiceRequest"),
        filler=request.identifier("FillerOrderNumberImagingServiceRequest"),
        accession=request.identifier("AccessionNumber"), patient=patient_change(patient), visit=visit_change(visit),
        attributes={**request.defaults, **request.values}, procedures=combined.changes, where="SCH",
        occurred_at=occurred_at(index.message, reader.env), appointments=appointments, reason=reason,
    )  # fmt: skip
    entities = {"patient": patient.trace, "visit": visit.trace, "order": request.trace, **combined.traces}
    for one in _of_each_order(change, scope, translation):
        translation.changes.append(one)
        translation.traces.append(ChangeTrace("SCH", control.value, entities))


def _of_each_order(change: OrderChange, scope: Scope, translation: Translation) -> list[OrderChange]:
    """An appointment for several orders repeats SCH-26 and SCH-27, pair by pair."""
    placers, fillers = _numbers(scope, _PLACER, translation), _numbers(scope, _FILLER, translation)
    if max(len(placers), len(fillers)) < 2:
        return [change]
    return [replace(change, placer=p, filler=f) for p, f in zip_longest(placers, fillers)]


def _numbers(scope: Scope, source: Source, translation: Translation) -> list[Identifier]:
    """The numbers that a source names; one that no identifier may be refuses the message."""
    found: list[Identifier] = []
    for piece in scope.pieces(source):
        try:
            one = number(piece)
        except Unusable as error:
            translation.problems.append(Problem("appointment", error.text, piece.location, error.code, fatal=True))
        else:
            found += [one] if one is not None else []
    return found
