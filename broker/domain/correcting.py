"""Corrections: what staff say about an exam in place of what its device said, and what such a statement must hold.

The performed step itself stays as the device sent it (PS3.4 F.7.2: final is final for the SCU); a correction stands
beside it, counts for the workflow, and can be withdrawn.
"""

from dataclasses import dataclass
from datetime import datetime

from broker.domain.errors import Reason, Refusal
from broker.domain.states import PerformedStatus

_NOTE_LIMIT = 500
_CODE_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Correction:
    """What counts from now on.  Empty times: as the device said; else local wall time, YYYYMMDDHHMMSS."""

    status: PerformedStatus
    #: why; people read it, nobody else is told
    note: str
    #: bare code for DCM (CID 9300), else ``code^scheme``; only with DISCONTINUED
    reason_code: str = ""
    reason_meaning: str = ""
    started_at: str = ""
    ended_at: str = ""


def check(correction: Correction, *, started_at: str) -> None:
    """Raises Refusal for a correction that says too little or contradicts itself; ``started_at`` as the device said."""
    if not correction.note.strip() or len(correction.note) > _NOTE_LIMIT:
        raise Refusal(Reason.REQUIRED_MISSING, f"say why, in at most {_NOTE_LIMIT} characters", where="note")
    discontinued = correction.status is PerformedStatus.DISCONTINUED
    if discontinued and not correction.reason_code:
        raise Refusal(
            Reason.REQUIRED_MISSING, "a discontinued exam needs its reason, a code of CID 9300 such as 110514",
            where="reason",
        )  # fmt: skip
    if correction.reason_code and not discontinued:
        raise Refusal(Reason.INVALID_VALUE, "a reason belongs to a discontinued exam only", where="reason")
    if len(correction.reason_code) > _CODE_LIMIT:
        raise Refusal(Reason.INVALID_VALUE, f"a code has at most {_CODE_LIMIT} characters", where="reason")
    for value, name in ((correction.started_at, "start"), (correction.ended_at, "end")):
        if value:
            _check_moment(value, name)
    start = correction.started_at or started_at
    if start and correction.ended_at and correction.ended_at < start:
        raise Refusal(Reason.INVALID_VALUE, "the end is before the start", where="end")


def _check_moment(value: str, name: str) -> None:
    try:
        if len(value) != 14:
            raise ValueError
        datetime.strptime(value, "%Y%m%d%H%M%S")
    except ValueError:
        raise Refusal(
            Reason.INVALID_VALUE, f"the {name} is no date and time of the form YYYYMMDDHHMMSS", where=name
        ) from None
