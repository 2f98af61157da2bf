"""The staff board: the steps of a day with what is remarkable about each, a search, and the pulse of changes.

Owns what counts as late or stuck and which steps are shown.  Must not: format text for people (the pages do).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from zlib import crc32

from broker.domain.attributes import SPS_SEQUENCE, Attributes, Value, items_of, text, texts
from broker.domain.inferring import Inference, shown
from broker.domain.model import FactKind
from broker.domain.states import WAITING, PerformedStatus, StepStatus
from broker.domain.stuck import codes_of
from broker.services.context import Context
from broker.store import attention, destinations, inferences
from broker.store import board as store
from broker.store.database import Connection

#: a board shows at most this many steps of a day; more is asked for by modality or station
DAY_LIMIT = 2000
SEARCH_LIMIT = 200
#: a device that reported no exam for so long is taken for one that does not report
REPORTS_WITHIN = timedelta(days=30)
_URGENT = frozenset({"STAT", "HIGH"})


class Mark(StrEnum):
    """What is remarkable about a step."""

    URGENT = "urgent"
    LATE = "late"
    STUCK = "stuck"
    MISMATCH = "mismatch"
    CANCELED_DURING_EXAM = "canceled-during-exam"
    #: a type 1 attribute is missing, so that no device is given the item
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a wait is no reason to worry."""

    late: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """What to show; the counts are those of day, modality and station, whatever status or mark is chosen."""

    day: date
    modality: str = ""
    station: str = ""
    status: StepStatus | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class BoardStep:
    """One line of the board.  ``start_at`` is local wall time at the site, None when no time was given."""

    step_key: int
    request_key: int
    scheduled_procedure_step_id: str
    status: StepStatus
    modality: str
    stations: tuple[str, ...]
    location: str
    start_at: datetime | None
    patient_name: str
    patient_id: str
    birth_date: str
    sex: str
    procedure: str
    accession_number: str
    marks: tuple[Mark, ...]
    exams: tuple[store.ExamRow, ...] = ()
    #: what its state rests on when no device reported it
    inferred: Inference | None = None
    #: when people said that it began and ended, local wall time
    said: tuple[datetime | None, datetime | None] = (None, None)
    #: a device of its stations reports exams by itself
    reported: bool = False

    @property
    def next_saying(self) -> StepStatus | None:
        """What people say next about the step at the board; None where that is the device's business."""
        if self.status is StepStatus.SCHEDULED:
            return StepStatus.ARRIVED
        if self.status in WAITING:
            return None if self.reported else StepStatus.STARTED
        ends = self.inferred is not None or Mark.STUCK in self.marks
        return StepStatus.COMPLETED if self.status is StepStatus.STARTED and ends else None


@dataclass(frozen=True, slots=True)
class Board:
    """A day as it stands at ``now`` (local wall time at the site); ``fingerprint`` changes with every fact."""

    query: BoardQuery
    now: datetime
    steps: tuple[BoardStep, ...]
    counts: Mapping[StepStatus, int]
    marks: Mapping[Mark, int]
    modalities: tuple[tuple[str, int], ...]
    stations: tuple[str, ...]
    fingerprint: str
    limited: bool
    last_seen: attention.LastSeen = field(default_factory=lambda: attention.LastSeen(None, None))


@dataclass(frozen=True, slots=True)
class Pulse:
    """The newest events with the orders they are about, by event key; and which destinations stand out, how."""

    orders: Mapping[int, int | None]
    destinations: frozenset[tuple[str, str]] = frozenset()

    @property
    def fingerprint(self) -> str:
        """Differs whenever an event was added, also one that became visible out of order, or a destination changed."""
        standing = crc32(repr(sorted(self.destinations)).encode()) if self.destinations else 0
        return f"{max(self.orders, default=0)}.{sum(self.orders)}.{standing:x}"


def local_now(context: Context) -> datetime:
    """The wall time at the site, without zone, as steps are scheduled in."""
    return context.clock().astimezone(context.site.zone).replace(tzinfo=None)


def pulse(context: Context) -> Pulse:
    """What changed lately."""
    return context.database.read(_pulse)


def _pulse(connection: Connection) -> Pulse:
    return Pulse(store.recent_changes(connection), destinations.outstanding(connection))


def show(context: Context, query: BoardQuery, patience: Patience) -> Board:
    """The board for ``query``."""
    now = local_now(context)
    day, undated = f"{query.day:%Y%m%d}", query.day == now.date()

    def work(connection: Connection) -> Board:
        changes = _pulse(connection)
        rows = store.of_day(connection, day, query.modality, query.station, DAY_LIMIT + 1, undated=undated)
        steps = _steps(connection, context, rows[:DAY_LIMIT], patience)
        return Board(
            query, now, tuple(s for s in steps if _wanted(s, query)),
            counts=Counter(s.status for s in steps), marks=Counter(m for s in steps for m in s.marks),
            modalities=tuple(store.modalities(connection, day, undated=undated)),
            stations=tuple(store.stations(connection, day, undated=undated)),
            fingerprint=changes.fingerprint, limited=len(rows) > DAY_LIMIT,
            last_seen=attention.last_seen(connection),
        )  # fmt: skip

    return context.database.read(work)


def search(context: Context, sought: str, patience: Patience) -> tuple[BoardStep, ...]:
    """Steps of any day by patient name, patient ID or accession number, newest start first."""
    return context.database.read(
        lambda c: tuple(_steps(c, context, store.find(c, sought, SEARCH_LIMIT), patience))
    )  # fmt: skip


def _wanted(step: BoardStep, query: BoardQuery) -> bool:
    return query.status in (None, step.status) and (query.mark is None or query.mark in step.marks)


def _steps(
    connection: Connection, context: Context, rows: Sequence[store.ItemRow], patience: Patience
) -> list[BoardStep]:
    exams: dict[int, list[store.ExamRow]] = {}
    for exam in store.exams(connection, [row.step_key for row in rows]):
        exams.setdefault(exam.step_key, []).append(exam)
    alarms: dict[int, set[str]] = {}
    for request_key, kind in store.alarmed(connection, (row.request_key for row in rows)):
        alarms.setdefault(request_key, set()).add(kind)
    said = inferences.of_steps(connection, [row.step_key for row in rows])
    titles = {title for row in rows for title in _stations(row)}
    reporting = store.reporting(connection, sorted(titles), context.clock() - REPORTS_WITHIN)
    found = []
    for row in rows:
        performed = tuple(exams.get(row.step_key, ()))
        marks = _marks(context, row, performed, alarms.get(row.request_key, set()), patience)
        standing = said.get(row.step_key, [])
        step = replace(_step(row, performed, marks), reported=not reporting.isdisjoint(_stations(row)))
        inferred = shown(step.status, standing)
        found.append(replace(step, inferred=inferred, said=_said(context, standing)) if inferred else step)
    return found


def _stations(row: store.ItemRow) -> tuple[str, ...]:
    inner = next(iter(items_of(row.document.get(SPS_SEQUENCE))), {})
    return texts(inner.get("ScheduledStationAETitle"))


def _said(context: Context, standing: Sequence[Inference]) -> tuple[datetime | None, datetime | None]:
    """When the exam began and ended by what was said."""
    zone = context.site.zone
    at = {i.saying.status: i.said_at.astimezone(zone).replace(tzinfo=None) for i in standing}
    return at.get(StepStatus.STARTED), at.get(StepStatus.COMPLETED) or at.get(StepStatus.DISCONTINUED)


def _step(row: store.ItemRow, exams: tuple[store.ExamRow, ...], marks: tuple[Mark, ...]) -> BoardStep:
    item = row.document
    inner = next(iter(items_of(item.get(SPS_SEQUENCE))), {})
    return BoardStep(
        step_key=row.step_key, request_key=row.request_key,
        scheduled_procedure_step_id=row.scheduled_procedure_step_id, status=StepStatus(row.status),
        modality=row.modality, stations=_stations(row),
        location=text(inner, "ScheduledProcedureStepLocation") or text(inner, "ScheduledStationName"),
        start_at=parse_start(row.start_at), patient_name=text(item, "PatientName"), patient_id=row.patient_id,
        birth_date=text(item, "PatientBirthDate"), sex=text(item, "PatientSex"),
        procedure=procedure_words(item, inner), accession_number=row.accession_number, marks=marks, exams=exams,
    )  # fmt: skip


def procedure_words(item: Attributes, step: Attributes) -> str:
    """What is to be done, in the sender's words: the step's description, else the protocol, else the procedure."""
    return (
        text(step, "ScheduledProcedureStepDescription")
        or code_words(step.get("ScheduledProtocolCodeSequence"))
        or text(item, "RequestedProcedureDescription")
        or code_words(item.get("RequestedProcedureCodeSequence"))
    )


def code_words(sequence: Value | None) -> str:
    """The meanings (else values) of a code sequence, joined."""
    codes = (text(code, "CodeMeaning") or text(code, "CodeValue") for code in items_of(sequence))
    return ", ".join(c for c in codes if c)


def parse_start(start_at: str) -> datetime | None:
    """Local wall time of YYYYMMDDHHMMSS; None when there is none (or what a sender gave is no time)."""
    try:
        return datetime.strptime(start_at, "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _marks(
    context: Context, row: store.ItemRow, exams: Iterable[store.ExamRow], alarms: set[str], patience: Patience
) -> tuple[Mark, ...]:
    status, start = StepStatus(row.status), parse_start(row.start_at)
    late = status in WAITING and start is not None and local_now(context) - start > patience.late
    urgent = text(row.document, "RequestedProcedurePriority") in _URGENT
    found = {
        Mark.URGENT: urgent and status in WAITING | {StepStatus.STARTED},
        Mark.LATE: late,
        Mark.STUCK: status is StepStatus.STARTED and _stuck(context, row, exams),
        Mark.MISMATCH: FactKind.MISMATCH_FOUND in alarms,
        Mark.CANCELED_DURING_EXAM: FactKind.CANCELED_DURING_EXAM in alarms,
        Mark.INCOMPLETE: not row.complete and status in WAITING,
    }
    return tuple(mark for mark, true in found.items() if true)


def _stuck(context: Context, row: store.ItemRow, exams: Iterable[store.ExamRow]) -> bool:
    """As the watch judges it (``services.stuck``), at this moment."""
    limit = context.site.stuck.limit_for(row.modality, codes_of(row.document))
    heard = [e.heard_at for e in exams if e.status == PerformedStatus.IN_PROGRESS]
    since = max([*heard, *([row.status_at] if row.status_at else [])], default=None)
    return limit is not None and since is not None and context.clock() - since > limit
