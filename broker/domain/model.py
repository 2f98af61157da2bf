"""The entities of the workflow as they stand in the database, and the changes that messages ask of them.

Terms and their relations follow the Modality Worklist information model (PS3.4 K.6.1): a patient has imaging service
requests, each with requested procedures, each with scheduled procedure steps.  Contents are attribute mappings by DICOM
keyword (``domain.attributes``); only what identifies, links or carries a state has a field of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from broker.domain.attributes import Attributes, Value
from broker.domain.states import StepStatus

#: what a message says about an entity: a keyword that is absent is untouched, None deletes the stored value
Changes = Mapping[str, Value | None]


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number and who assigned it: patient ID, accession, placer or filler order number, admission ID."""

    value: str
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A person (or animal) with every identifier it is known by; the first one is the primary."""

    identifiers: tuple[Identifier, ...]
    attributes: Attributes
    key: int | None = None
    #: when each value was stated (``domain.stating``); empty for what only orders told
    stated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay or encounter of a patient; an empty ``admission`` stands for 'the patient, no visit number known'."""

    admission: Identifier
    attributes: Attributes
    key: int | None = None
    #: when each value was stated (``domain.stating``)
    stated: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A scheduled procedure step.  ``resting`` is the status it returns to when what was performed turns out void."""

    scheduled_procedure_step_id: str
    status: StepStatus
    resting: StepStatus
    attributes: Attributes
    key: int | None = None
    version: int = 0
    #: something that was said about it in place of a device stands (``domain.inferring``)
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Procedure:
    """A requested procedure: one Study Instance UID, one or more steps."""

    requested_procedure_id: str
    study_instance_uid: str
    attributes: Attributes
    steps: tuple[Step, ...] = ()
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An imaging service request with its procedures; what one ORC (with its OBR) speaks of."""

    placer: Identifier | None
    filler: Identifier | None
    accession: Identifier
    attributes: Attributes
    procedures: tuple[Procedure, ...] = ()
    #: how orders without a namespace are told apart: the name of the sender
    sender: str = ""
    key: int | None = None
    patient_key: int | None = None
    visit_key: int | None = None
    version: int = 0
    #: when the sender says the newest applied change happened
    occurred_at: datetime | None = None
    #: when each value was stated (``domain.stating``)
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps of all procedures."""
        return tuple(step for procedure in self.procedures for step in procedure.steps)


class OrderControl(StrEnum):
    """What an order message asks for (HL7 table 0119 reduced to effects)."""

    PLACE = "place"
    CHANGE = "change"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    HOLD = "hold"
    RELEASE = "release"
    ARRIVE = "arrive"
    START = "start"
    COMPLETE = "complete"
    #: take over the order's numbers and nothing else
    NUMBER = "number"
    #: the contents of the message in place of all the order had; steps it does not name are canceled
    REPLACE = "replace"
    #: time, resources and place of the steps that wait, and nothing else (an appointment)
    APPOINT = "appoint"
    #: the steps that wait lose their time: their appointment is no more
    UNSCHEDULE = "unschedule"


@dataclass(frozen=True, slots=True)
class StepChange:
    """What a message says about one step; no ID when it names none.

    ``derived`` follows from the procedure code (catalogue): it fills what is missing, and replaces when that changes.
    ``defaults`` only ever fill what is missing.
    """

    scheduled_procedure_step_id: str | None
    attributes: Changes
    derived: Attributes = field(default_factory=dict)
    defaults: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcedureChange:
    """What a message says about one requested procedure; ``derived`` and ``defaults`` as in ``StepChange``."""

    requested_procedure_id: str | None
    study_instance_uid: str | None
    attributes: Changes
    steps: tuple[StepChange, ...] = ()
    derived: Attributes = field(default_factory=dict)
    defaults: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PatientChange:
    """What a message says about the patient: all identifiers it names (primary first) and demographics."""

    identifiers: tuple[Identifier, ...]
    attributes: Changes
    #: where the identifier stood, for refusals: ``PID-3``
    where: str = ""
    #: what fills gaps: of weak sources and defaults of the mapping
    filling: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VisitChange:
    """What a message says about the visit."""

    admission: Identifier
    attributes: Changes
    #: what fills gaps: of weak sources and defaults of the mapping
    filling: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What one order group of a message asks for."""

    control: OrderControl
    placer: Identifier | None
    filler: Identifier | None
    accession: Identifier | None
    patient: PatientChange
    visit: VisitChange
    attributes: Changes
    procedures: tuple[ProcedureChange, ...] = ()
    #: the segment occurrence in the message, for refusals and history: ``ORC[2]``
    where: str = ""
    #: when the sender says it happened (ORC-9, else MSH-7), aware
    occurred_at: datetime | None = None
    #: the numbers of the appointment (SCH-2, SCH-1): they find the order when it is named by no number of its own
    appointments: tuple[Identifier, ...] = ()
    #: why, in a word, when the message says (``no-show``)
    reason: str = ""


class Source(StrEnum):
    """Who caused a fact."""

    SENDER = "sender"
    DEVICE = "device"
    PERSON = "person"
    RULE = "rule"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused a fact, by kind and name (sender name, AE title, user name, rule name, destination name)."""

    source: Source
    name: str


class FactKind(StrEnum):
    """Everything that can happen, in the past tense.  ``order.*`` facts about status are what others are told."""

    ORDER_PLACED = "order.placed"
    ORDER_CHANGED = "order.changed"
    ORDER_CANCELED = "order.canceled"
    ORDER_HELD = "order.held"
    ORDER_RELEASED = "order.released"
    ORDER_STARTED = "order.started"
    ORDER_COMPLETED = "order.completed"
    ORDER_DISCONTINUED = "order.discontinued"
    ORDER_RETURNED = "order.returned"
    #: staff corrected what was performed; what is told stands in place of the ordinary status
    ORDER_CORRECTED = "order.corrected"
    PATIENT_UPDATED = "patient.updated"
    ORDER_REPORTED = "order.reported"
    PATIENT_MERGED = "patient.merged"
    PATIENT_UNMERGED = "patient.unmerged"
    STEP_STATUS = "step.status"
    STEP_QUERIED = "step.queried"
    #: what was said in place of a device is taken back
    INFERENCE_WITHDRAWN = "step.inference_withdrawn"
    #: a person said that an exam still runs, although nothing was heard of it
    STILL_RUNNING = "step.still_running"
    PERFORMED_STARTED = "performed.started"
    PERFORMED_UPDATED = "performed.updated"
    PERFORMED_COMPLETED = "performed.completed"
    PERFORMED_DISCONTINUED = "performed.discontinued"
    PERFORMED_UNMATCHED = "performed.unmatched"
    PERFORMED_LINKED = "performed.linked"
    PERFORMED_UNLINKED = "performed.unlinked"
    PERFORMED_SET_ASIDE = "performed.set_aside"
    PERFORMED_QUEUED = "performed.queued"
    PERFORMED_CORRECTED = "performed.corrected"
    CORRECTION_WITHDRAWN = "performed.correction_withdrawn"
    MISMATCH_FOUND = "alarm.mismatch"
    CANCELED_DURING_EXAM = "alarm.canceled_during_exam"
    LATE_EXAM = "alarm.late_exam"
    #: an archive told where images of the study are, and nothing that is known of is missing
    STUDY_AVAILABLE = "study.available"
    #: the same, while some images that the device reported are not available yet, or no more
    STUDY_PARTLY_AVAILABLE = "study.partly_available"
    #: images of a study that belongs to no exam and no order
    STUDY_UNMATCHED = "study.unmatched"
    STUDY_SET_ASIDE = "study.set_aside"
    STUDY_QUEUED = "study.queued"
    #: nothing was heard of an exam in progress for longer than the site expects
    STEP_STUCK = "alarm.stuck"
    #: kind of outbox entries that hand a message on; never a fact of the history
    MESSAGE_APPLIED = "message.applied"
    NOTIFICATION_DELIVERED = "notification.delivered"
    NOTIFICATION_PARKED = "notification.parked"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to an order or one of its steps.

    ``step_id`` and ``study_instance_uid`` say which step when it is about one.  ``data`` is plain JSON-able detail.
    """

    kind: FactKind
    data: Mapping[str, object] = field(default_factory=dict)
    study_instance_uid: str | None = None
    step_id: str | None = None
