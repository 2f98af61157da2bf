"""ADT messages: demographics and visits, merges, links and changed numbers (HL7 inbound reference, section 7).

Owns: what each event asks for.  Must not: look patients up.
"""

from dataclasses import replace

from broker.domain.attributes import TABLE, Level
from broker.domain.model import Identifier
from broker.domain.requests import PatientMerge, PatientRename, PatientUnlink, PatientUpdate
from broker.intake.environment import Unusable
from broker.intake.grouping import patient_groups, patient_scope
from broker.intake.identities import patient_identifiers
from broker.intake.order_parts import Reader
from broker.intake.pieces import Index, Scope, Source
from broker.intake.rules import Mapped, Problem
from broker.intake.translation import ChangeTrace, Translation, occurred_at, patient_change, visit_change
from hl7.errors import Location
from hl7.paths import parse_path

UPDATES = (
    "A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A10", "A11", "A12", "A13", "A28", "A31", "A38",
)  # fmt: skip
MERGES = ("A18", "A34", "A40")
RENAME, LINK, UNLINK, ARRIVAL = "A47", "A24", "A37", "A10"
#: events whose PV1-3 is where the patient is at that moment
LOCATING = ("A01", "A02", "A04", "A06", "A07", "A08", "A10", "A12", "A13")
EVENTS = (*UPDATES, *MERGES, RENAME, LINK, UNLINK)

#: what a cancelled admission or pre-admission takes back; the patient stays
_WITHDRAWN = {
    "A11": ("VisitStatusID", "AdmittingDate", "AdmittingTime", "CurrentPatientLocation"),
    "A38": tuple(keyword for keyword, attribute in TABLE.items() if attribute.level is Level.VISIT),
}
_PRIOR = Source(parse_path("MRG-1*"))


def translate_patient(index: Index, trigger: str, reader: Reader, translation: Translation) -> None:
    """What an ADT message asks for."""
    if trigger in UPDATES:
        _update(index, trigger, reader, translation)
        if trigger in ("A06", "A07"):
            _merge_changed_number(index, reader, translation)
    elif trigger in MERGES:
        _merge(index, reader, translation)
    elif trigger == RENAME:
        _rename(index, reader, translation)
    else:
        _link(index, trigger, reader, translation)


def _update(index: Index, trigger: str, reader: Reader, translation: Translation) -> None:
    scope = patient_scope(index)
    patient, visit = reader.level(Level.PATIENT, scope), reader.level(Level.VISIT, scope)
    translation.problems += patient.problems + visit.problems
    stay = visit_change(visit)
    if trigger in _WITHDRAWN:
        stay = replace(stay, attributes={**stay.attributes, **dict.fromkeys(_WITHDRAWN[trigger])})
    event = index.message.first("EVN")
    at = occurred_at(index.message, reader.env, event.text(2) if event is not None else "")
    arrived, located = trigger == ARRIVAL, trigger in LOCATING
    translation.changes.append(PatientUpdate(patient_change(patient), stay, arrived, at, located))
    translation.traces.append(ChangeTrace("PID", "update", {"patient": patient.trace, "visit": visit.trace}))


def _merge_changed_number(index: Index, reader: Reader, translation: Translation) -> None:
    """A06 and A07 may say that the patient had another number before; most repeat the same one."""
    for number, scope in enumerate(patient_groups(index), 1):
        patient = reader.level(Level.PATIENT, scope)
        own = patient.identifiers.get("PatientID", ())
        prior = tuple(i for i in _prior(scope, reader, translation, number) if i not in own)
        if prior:
            _add_merge(patient, prior, number, translation)


def _merge(index: Index, reader: Reader, translation: Translation) -> None:
    groups = patient_groups(index)
    if not groups:
        translation.refuse("PatientID", Location("PID", 1, 3), "101", "a merge needs the surviving patient (PID)")
    for number, scope in enumerate(groups, 1):
        patient = _known(reader).level(Level.PATIENT, scope)
        translation.problems += patient.problems
        prior = _prior(scope, reader, translation, number)
        if not prior:
            text = "a merge needs the prior patient identifier (MRG-1)"
            translation.refuse("PatientID", Location("MRG", number, 1), "101", text)
            continue
        _add_merge(patient, prior, number, translation)


def _add_merge(patient: Mapped, prior: tuple[Identifier, ...], number: int, translation: Translation) -> None:
    where = _counted("MRG", number)
    translation.changes.append(PatientMerge(patient_change(patient), prior, f"{where}-1"))
    translation.traces.append(ChangeTrace(where, "merge", {"patient": patient.trace}))


def _rename(index: Index, reader: Reader, translation: Translation) -> None:
    for number, scope in enumerate(patient_groups(index), 1):
        patient = _known(reader).level(Level.PATIENT, scope)
        translation.problems += patient.problems
        prior = _prior(scope, reader, translation, number)
        if len(prior) != 1:
            text = "a change of the patient identifier needs exactly one prior identifier (MRG-1)"
            translation.refuse("PatientID", Location("MRG", number, 1), "101", text)
            continue
        translation.changes.append(PatientRename(patient_change(patient), prior[0], f"{_counted('MRG', number)}-1"))
        translation.traces.append(ChangeTrace(_counted("MRG", number), "rename", {"patient": patient.trace}))


def _link(index: Index, trigger: str, reader: Reader, translation: Translation) -> None:
    """A link says that two records may be one person: nothing of either changes.  An unlink undoes a merge."""
    people = [_known(reader).level(Level.PATIENT, scope) for scope in patient_groups(index)]
    translation.problems += [problem for person in people for problem in person.problems]
    numbers = [person.identifier("PatientID") for person in people]
    if len(numbers) != 2 or None in numbers:
        translation.refuse("PatientID", Location("PID", 2, 3), "101", "two patients (PID) are needed")
        return
    if trigger == LINK:
        translation.ignored.append("PID")
        return
    one, other = (number or Identifier("") for number in numbers)
    translation.changes.append(PatientUnlink(one, other, "PID[2]-3"))
    translation.traces.append(ChangeTrace("PID[2]", "unlink", {"patient": people[1].trace}))


def _known(reader: Reader) -> Reader:
    """Contents that are required may be missing: the patient may be known already."""
    return replace(reader, creating=False)


def _prior(scope: Scope, reader: Reader, translation: Translation, number: int) -> tuple[Identifier, ...]:
    try:
        return patient_identifiers(scope.pieces(_PRIOR), reader.env)
    except Unusable as error:
        place = Location("MRG", number, 1)
        translation.problems.append(Problem("PatientID", error.text, place, error.code, fatal=True))
        return ()


def _counted(segment: str, number: int) -> str:
    return segment if number == 1 else f"{segment}[{number}]"
