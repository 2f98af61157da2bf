"""Inferences: what people, messages and rules say about a step that no device reported, and how it counts.

An inference stands beside the exams of a step, goes through the one state table with them (``domain.states``), and can
be taken back.  What a device says afterwards goes first.  The performed steps themselves are never touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor
from broker.domain.states import WAITING, PerformedStatus, StepStatus, derive_step

_S = StepStatus
#: what can be said, and of a step in which state by people and rules; messages follow ``states.STEP_TRANSITIONS``
SAYABLE: Mapping[StepStatus, frozenset[StepStatus]] = {
    _S.ARRIVED: frozenset({_S.SCHEDULED}),
    _S.STARTED: WAITING,
    _S.COMPLETED: WAITING | {_S.STARTED},
    _S.DISCONTINUED: WAITING | {_S.STARTED},
}
#: where a refusal says that a device reports the exam itself: it may be said all the same, knowing that
RUNNING = "running"
_PERFORMED: Mapping[StepStatus, PerformedStatus] = {
    _S.STARTED: PerformedStatus.IN_PROGRESS,
    _S.COMPLETED: PerformedStatus.COMPLETED,
    _S.DISCONTINUED: PerformedStatus.DISCONTINUED,
}
_NOTE_LIMIT = 500
_CODE_LIMIT = 64
_INSTEAD: Mapping[StepStatus, str] = {
    _S.ARRIVED: "the patient has arrived already",
    _S.READY: "the patient is ready already",
    _S.STARTED: "the exam is in progress already",
    _S.HELD: "the order is on hold: have it released first",
    _S.COMPLETED: "the exam is completed: undo that, or correct the exam",
    _S.DISCONTINUED: "the exam is discontinued: undo that, or correct the exam",
    _S.CANCELED: "the order was cancelled",
}

#: a performed step as the state table wants it: its status, and whether its reason sends the step back to the list
Performed = tuple[PerformedStatus, bool]


@dataclass(frozen=True, slots=True)
class Saying:
    """What somebody says about a step.  ``reason_code``: bare for DCM (CID 9300), else ``code^scheme``."""

    status: StepStatus
    reason_code: str = ""
    reason_meaning: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Inference:
    """A saying as it is kept."""

    key: int
    step_key: int
    saying: Saying
    #: what the step was when it was said
    before: StepStatus
    actor: Actor
    said_at: datetime
    #: an exam that a device reported since counts in its place
    overruled: bool = False

    @property
    def performing(self) -> bool:
        """True when it says what was performed; an arrival does not."""
        return self.saying.status in _PERFORMED


@dataclass(frozen=True, slots=True)
class Situation:
    """A step as somebody speaks about it.

    ``returns``: the reason that is given sends the step back to the list.  ``spoken_for``: somebody spoke for its
    silent exams before, and that counts.
    """

    status: StepStatus
    resting: StepStatus
    exams: tuple[Performed, ...]
    returns: bool = False
    spoken_for: bool = False

    @property
    def running(self) -> bool:
        """True while a device reports an exam of the step, and nobody spoke for it."""
        return not self.spoken_for and any(not status.final for status, _ in self.exams)


def check(saying: Saying, situation: Situation, *, although_running: bool) -> None:
    """Raises Refusal when ``saying`` cannot be said of a step in this situation, with what to do instead."""
    allowed = SAYABLE.get(saying.status)
    if allowed is None:
        words = ", ".join(status.value for status in SAYABLE)
        raise Refusal(Reason.INVALID_VALUE, f"one of {words} can be said of a step", where="status")
    if situation.status not in allowed:
        raise Refusal(Reason.WRONG_STATE, _INSTEAD[situation.status], where="step")
    _check_reason(saying, situation)
    if situation.running and not although_running:
        raise Refusal(
            Reason.WRONG_STATE, "a device reports this exam itself and has not ended it; "
            "when it never will, say so and close it all the same", where=RUNNING,
        )  # fmt: skip


def _check_reason(saying: Saying, situation: Situation) -> None:
    discontinued = saying.status is _S.DISCONTINUED
    if discontinued and not saying.reason_code:
        raise Refusal(
            Reason.REQUIRED_MISSING, "a discontinued step needs its reason, a code of CID 9300 such as 110501",
            where="reason",
        )  # fmt: skip
    if saying.reason_code and not discontinued:
        raise Refusal(Reason.INVALID_VALUE, "a reason belongs to a discontinued step only", where="reason")
    if len(saying.reason_code) > _CODE_LIMIT:
        raise Refusal(Reason.INVALID_VALUE, f"a code has at most {_CODE_LIMIT} characters", where="reason")
    if len(saying.note) > _NOTE_LIMIT:
        raise Refusal(Reason.INVALID_VALUE, f"a note has at most {_NOTE_LIMIT} characters", where="note")
    if discontinued and situation.returns and situation.status in WAITING:
        raise Refusal(
            Reason.INVALID_VALUE, "nothing was begun, and with this reason the step stays on the list as it is",
            where="reason",
        )  # fmt: skip


def newest_performing(standing: Sequence[Inference]) -> Inference | None:
    """What counts of all that stands about a step (oldest first): the newest about what was performed, unless a device
    spoke since."""
    newest = next((one for one in reversed(standing) if one.performing), None)
    return None if newest is None or newest.overruled else newest


def performed_with(exams: Sequence[Performed], inference: Inference | None, *, returns: bool) -> list[Performed]:
    """The exams of a step together with what counts of the inferences.

    It speaks for the exams that are silent: those in progress do not count beside it.  ``returns`` is what its reason
    means.
    """
    if inference is None:
        return list(exams)
    ended = [one for one in exams if one[0].final]
    return [*ended, (_PERFORMED[inference.saying.status], returns)]


def implied(situation: Situation, inference: Inference, *, counts: Inference | None, returns: bool) -> StepStatus:
    """The state of a step of which ``inference`` is the newest; ``counts`` is what counts, ``returns`` its reason."""
    if not inference.performing:
        return inference.saying.status
    return derive_step(
        situation.status, situation.resting, performed_with(situation.exams, counts, returns=returns)
    )  # fmt: skip


def after_withdrawing(
    situation: Situation, withdrawn: Inference, older: Inference | None, *, returns: bool
) -> StepStatus:
    """The state of a step without its newest inference: what the exams and ``older`` say, else as it was before."""
    if not withdrawn.performing:
        return withdrawn.before
    performed = performed_with(situation.exams, older, returns=returns)
    if performed:
        return derive_step(situation.status, situation.resting, performed)
    return withdrawn.before if withdrawn.before in WAITING | {_S.HELD} else situation.resting


def shown(status: StepStatus, standing: Sequence[Inference]) -> Inference | None:
    """The inference that the state of a step rests on, of all that stands (oldest first); None when none does."""
    newest = standing[-1] if standing else None
    return newest if newest is not None and not newest.overruled and newest.saying.status is status else None


def undoable(status: StepStatus, standing: Sequence[Inference]) -> Inference | None:
    """What would be undone; None when nothing can be."""
    newest = standing[-1] if standing else None
    if newest is None or newest.overruled:
        return None
    sent_back = newest.saying.status is _S.DISCONTINUED and status in WAITING
    return newest if sent_back or newest.saying.status is status else None


def offers(status: StepStatus) -> tuple[StepStatus, ...]:
    """What can be said of a step in this state, in the order of an exam."""
    return tuple(said for said, allowed in SAYABLE.items() if status in allowed)
