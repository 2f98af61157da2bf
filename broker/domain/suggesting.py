"""Suggestions for exams that name no known step: which steps they could be about, how likely, and why.

A suggestion never links by itself: a person decides (user story 26).  Patient, modality, station and time each give
points; what speaks against a step takes some away and is said too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain.linking import Person, ScheduledReference, same_name, same_patient
from broker.domain.states import WAITING, StepStatus

#: below this a step is no suggestion: one weak sign is none
LEAST_SCORE = 30
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """What an exam says about itself.  ``started_at`` is local time at the device."""

    patient: Person
    modality: str
    station: str
    started_at: datetime | None
    references: tuple[ScheduledReference, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What is known of a step.  ``start_at`` is local time at the site."""

    step_key: int
    request_key: int
    patient: Person
    modality: str
    stations: tuple[str, ...]
    start_at: datetime | None
    status: StepStatus
    accession_number: str
    study_instance_uid: str
    scheduled_procedure_step_id: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A step with its points and what they were given for, the weightiest first."""

    step: StepFacts
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sign:
    points: int
    words: str


def suggest(exam: ExamFacts, steps: Iterable[StepFacts], limit: int = 10) -> list[Suggestion]:
    """The likeliest steps first; equal ones by their start."""
    found = [_judged(exam, step) for step in steps]
    likely = [s for s in found if s.score >= LEAST_SCORE]
    likely.sort(key=lambda s: (-s.score, s.step.start_at or datetime.max, s.step.step_key))
    return likely[:limit]


def _judged(exam: ExamFacts, step: StepFacts) -> Suggestion:
    signs = [*_identifiers(exam.references, step), *_patient(exam.patient, step.patient), *_place(exam, step)]
    signs += [*_time(exam.started_at, step.start_at), *_status(step.status)]
    signs.sort(key=lambda sign: -abs(sign.points))
    return Suggestion(step, sum(s.points for s in signs), tuple(s.words for s in signs))


def _identifiers(references: Sequence[ScheduledReference], step: StepFacts) -> Iterable[_Sign]:
    if any(r.study_instance_uid and r.study_instance_uid == step.study_instance_uid for r in references):
        yield _Sign(45, "same Study Instance UID")
    numbers = {r.accession.value for r in references} | {r.requested_procedure_id for r in references}
    if step.accession_number and step.accession_number in numbers:
        yield _Sign(40, "same accession number")
    if any(r.scheduled_procedure_step_id == step.scheduled_procedure_step_id for r in references):
        yield _Sign(25, "same step ID")


def _patient(performed: Person, scheduled: Person) -> Iterable[_Sign]:
    if same_patient(performed, scheduled):
        yield _Sign(40, "same patient ID")
    elif performed.identifiers and scheduled.identifiers:
        yield _Sign(-15, "another patient ID")
    if performed.name and scheduled.name:
        same = same_name(performed.name, scheduled.name)
        yield _Sign(20, "same name") if same else _Sign(-15, "another name")
    if performed.birth_date and scheduled.birth_date:
        same = performed.birth_date == scheduled.birth_date
        yield _Sign(15, "same birth date") if same else _Sign(-15, "another birth date")
    if performed.sex and scheduled.sex and performed.sex != scheduled.sex:
        yield _Sign(-10, "another sex")


def _place(exam: ExamFacts, step: StepFacts) -> Iterable[_Sign]:
    if exam.modality and step.modality:
        same = exam.modality == step.modality
        yield _Sign(10, "same modality") if same else _Sign(-20, "another modality")
    if exam.station and exam.station in step.stations:
        yield _Sign(10, "planned at this station")


def _time(performed: datetime | None, scheduled: datetime | None) -> Iterable[_Sign]:
    if performed is None or scheduled is None:
        return
    apart = abs(performed - scheduled)
    if apart <= _HOUR:
        yield _Sign(15, "planned within an hour")
    elif apart <= 4 * _HOUR:
        yield _Sign(8, "planned within four hours")
    elif apart > 24 * _HOUR:
        yield _Sign(-10, "planned on another day")


def _status(status: StepStatus) -> Iterable[_Sign]:
    if status in WAITING:
        yield _Sign(5, "still waits")
    elif status is StepStatus.CANCELED:
        yield _Sign(-15, "was cancelled")
    elif status is StepStatus.COMPLETED:
        yield _Sign(-5, "has been done already")
