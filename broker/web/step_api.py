"""The programming interface for steps that no device reports: say what became of them, undo it, and what is stuck."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from broker.domain.errors import Reason, Refusal
from broker.domain.inferring import RUNNING
from broker.services import stuck
from broker.services.stuck import StuckItem
from broker.web.auth import Visitor
from broker.web.device_api import Operator
from broker.web.parts import Shared
from broker.web.step_acts import Act, StepKey, Wish, do

router = APIRouter(prefix="/api/v1")
_NO_STORE = {"Cache-Control": "no-store"}
_STATUS = {Reason.UNKNOWN_KEY: 404, Reason.WRONG_STATE: 409}


class Details(BaseModel):
    """What an act may need: ``reason`` with discontinue, a code of CID 9300 or CODE^SCHEME."""

    reason: str = Field("", max_length=64)
    note: str = Field("", max_length=500)
    #: say it although a device reports the exam itself and has not ended it
    although_running: bool = False


@router.post("/steps/{step_key}/{act}", summary="Say what became of a step that no device reports, or undo it")
def say(who: Operator, parts: Shared, step_key: StepKey, act: Act, details: Details | None = None) -> JSONResponse:
    """arrive, start, complete, discontinue (with ``reason``), undo, still-running.

    409 when its state does not allow it; ``although_running`` then tells that only a running exam stands in the way.
    """
    given = details or Details()
    try:
        said = do(parts, who, act, Wish(step_key, given.reason, given.note, given.although_running))
    except Refusal as refusal:
        words = {"what": "This was refused", "why": refusal.text, "where": refusal.where}
        content = {"error": words, "although_running": refusal.where == RUNNING}
        return JSONResponse(content, _STATUS.get(refusal.reason, 422), headers=_NO_STORE)
    content = {"step_key": step_key}
    if said is not None:
        content |= {"order_key": said.request_key, "status": said.status.value}
    return JSONResponse(content, headers=_NO_STORE)


@router.get("/stuck", summary="Steps in progress of which nothing is heard")
def stuck_steps(_who: Visitor, parts: Shared) -> JSONResponse:
    """The longest silent first.  ``reported``: a device reports an exam of the step and has not ended it."""
    return JSONResponse({"steps": [_item(one) for one in stuck.listed(parts.context)]}, headers=_NO_STORE)


def _item(one: StuckItem) -> dict[str, object]:
    return {
        "step_key": one.stuck.step_key, "order_key": one.request_key, "modality": one.modality,
        "accession_number": one.accession_number, "patient_id": one.patient_id,
        "silent_since": one.stuck.silent_since.isoformat(), "limit_minutes": one.stuck.limit_minutes,
        "reported": one.reported,
    }  # fmt: skip
