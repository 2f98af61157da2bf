"""The states of steps, performed steps and orders, and which changes between them are allowed.

The tables here are the whole truth: services ask them, tests enumerate them, the documentation prints them.
"""

from collections.abc import Iterable
from enum import StrEnum


class StepStatus(StrEnum):
    """State of a scheduled procedure step.  The first five without HELD are DICOM's terms (PS3.3 C.4.10,
    (0040,0020)); the others are the broker's own and never leave it as a DICOM status."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    HELD = "HELD"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"


class PerformedStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252), PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"

    @property
    def final(self) -> bool:
        """True when the standard forbids further N-SET (PS3.4 F.7.2.2.2)."""
        return self is not PerformedStatus.IN_PROGRESS


class OrderStatus(StrEnum):
    """State of a whole order, derived from its steps; HL7 table 0038 in words."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    CANCELED = "CANCELED"


WAITING = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY})
OPEN = WAITING | {StepStatus.STARTED, StepStatus.HELD}
FINAL = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED, StepStatus.CANCELED})
#: what a device sees unless a rule says otherwise (worklist reference, section 7)
SHOWN_BY_DEFAULT = WAITING


class StepAction(StrEnum):
    """What an order message, a person or a rule asks of a step."""

    SCHEDULE = "schedule"
    ARRIVE = "arrive"
    READY = "ready"
    START = "start"
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"
    DISCONTINUE = "discontinue"
    COMPLETE = "complete"


_S = StepStatus
_A = StepAction

#: (present status, action) -> next status; a pair that is missing is refused
STEP_TRANSITIONS: dict[tuple[StepStatus, StepAction], StepStatus] = {
    **{(s, _A.SCHEDULE): _S.SCHEDULED for s in WAITING},
    **{(s, _A.ARRIVE): _S.ARRIVED for s in WAITING},
    **{(s, _A.READY): _S.READY for s in WAITING},
    **{(s, _A.START): _S.STARTED for s in WAITING | {_S.STARTED}},
    **{(s, _A.HOLD): _S.HELD for s in WAITING | {_S.HELD}},
    **{(s, _A.RELEASE): s for s in WAITING},
    **{(s, _A.CANCEL): _S.CANCELED for s in WAITING | {_S.HELD, _S.CANCELED}},
    **{(s, _A.DISCONTINUE): _S.DISCONTINUED for s in WAITING | {_S.HELD, _S.STARTED, _S.DISCONTINUED}},
    **{(s, _A.COMPLETE): _S.COMPLETED for s in WAITING | {_S.HELD, _S.STARTED, _S.COMPLETED}},
    (_S.HELD, _A.RELEASE): _S.SCHEDULED,
    (_S.HELD, _A.SCHEDULE): _S.HELD,
    (_S.HELD, _A.ARRIVE): _S.HELD,
    (_S.HELD, _A.START): _S.HELD,
    (_S.STARTED, _A.SCHEDULE): _S.STARTED,
    (_S.STARTED, _A.ARRIVE): _S.STARTED,
    (_S.COMPLETED, _A.DISCONTINUE): _S.COMPLETED,
    (_S.CANCELED, _A.DISCONTINUE): _S.CANCELED,
    (_S.DISCONTINUED, _A.CANCEL): _S.DISCONTINUED,
}


def after_action(present: StepStatus, action: StepAction) -> StepStatus | None:
    """The status after ``action``, or None when the action is not allowed in ``present``."""
    return STEP_TRANSITIONS.get((present, action))


def order_status(steps: Iterable[StepStatus]) -> OrderStatus:
    """The state of an order from the states of its steps.

    Canceled steps do not count unless all are; one started or some (not all) finished means in progress;
    all finished means completed when at least one was completed, else discontinued.
    """
    counted = [s for s in steps if s is not _S.CANCELED]
    if not counted:
        return OrderStatus.CANCELED
    if all(s in FINAL for s in counted):
        return OrderStatus.COMPLETED if _S.COMPLETED in counted else OrderStatus.DISCONTINUED
    if any(s is _S.STARTED or s in FINAL for s in counted):
        return OrderStatus.IN_PROGRESS
    return OrderStatus.SCHEDULED


class Reopening(StrEnum):
    """What an exam that begins after its step was finished does to the step."""

    #: the step is started again: further acquisitions of the same step are common
    ALWAYS = "always"
    #: only when the same device performed an earlier exam of the step (it re-activated an exam that was ended)
    SAME_DEVICE = "same_device"
    #: never; the exam is kept and linked, and people are alarmed
    NEVER = "never"


def derive_step(
    present: StepStatus,
    resting: StepStatus,
    performed: Iterable[tuple[PerformedStatus, bool]],
    *,
    reopens: bool = True,
) -> StepStatus:
    """The state of a step from its performed steps: the one rule table (MPPS reference, section 6.3).

    ``performed`` gives (status, returns) for each linked performed step, where ``returns`` says that its
    discontinuation reason sends the step back to the list.  ``resting`` is the state the step had before the first.
    A canceled step stays canceled: the exam is recorded, the alarm is raised elsewhere.  ``reopens`` False keeps a
    completed or discontinued step as it is while an exam that began late runs; its end counts again.
    """
    states = list(performed)
    if present is _S.CANCELED or not states:
        return present
    if any(status is PerformedStatus.IN_PROGRESS for status, _ in states):
        return _S.STARTED if reopens or present not in FINAL else present
    if any(status is PerformedStatus.COMPLETED for status, _ in states):
        return _S.COMPLETED
    if any(not returns for _, returns in states):
        return _S.DISCONTINUED
    return resting


def after_unlinking(
    present: StepStatus, resting: StepStatus, performed: Iterable[tuple[PerformedStatus, bool]]
) -> StepStatus:
    """The state of a step that lost a performed step: what the others imply, else as before the first of them."""
    states = list(performed)
    if states or present not in {_S.STARTED, _S.COMPLETED, _S.DISCONTINUED}:
        return derive_step(present, resting, states)
    return resting


def may_reopen(policy: Reopening, performed: Iterable[tuple[PerformedStatus, str]]) -> bool:
    """Whether an exam in progress starts a finished step again; ``performed`` gives (status, calling AE title)."""
    if policy is not Reopening.SAME_DEVICE:
        return policy is Reopening.ALWAYS
    states = list(performed)
    ended = {device for status, device in states if status.final}
    return any(device in ended for status, device in states if not status.final)
