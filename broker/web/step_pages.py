"""The buttons of board, order and attention page: what people say about steps that no device reports.

Posted with the session's token by an operator or administrator; each leads back to the page it came from.
"""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from broker.domain.errors import Reason, Refusal
from broker.domain.inferring import RUNNING
from broker.services import timeline
from broker.web.auth import Visitor, operator
from broker.web.parts import Shared
from broker.web.rendering import page
from broker.web.step_acts import Act, StepKey, Wish, do

router = APIRouter(include_in_schema=False)
_CONFLICT = 409


class Spoken(BaseModel):
    """The form of every button; ``back`` is the page it stands on."""

    csrf_token: str = ""
    reason: str = Field("", max_length=64)
    note: str = Field("", max_length=500)
    back: str = Field("", max_length=500)
    although_running: bool = False


@router.post("/steps/{step_key}/{act}")
def say(
    request: Request, visitor: Visitor, parts: Shared, step_key: StepKey, act: Act, form: Annotated[Spoken, Form()]
) -> Response:
    """Do it, or ask once more when a device reports the exam itself."""
    who = operator(request, visitor, form.csrf_token)
    try:
        do(parts, who, act, Wish(step_key, form.reason, form.note, form.although_running))
    except Refusal as refusal:
        if refusal.where != RUNNING:
            raise
        values = {"act": act, "step_key": step_key, "form": form, "back": _inside(form.back) or "/"}
        return page(request, "step_running.html", status=_CONFLICT, why=refusal.text, who=who, **values)
    return RedirectResponse(_inside(form.back) or _order(parts, step_key), 303)


def _order(parts: Shared, step_key: int) -> str:
    key = timeline.order_of_step(parts.context, step_key)
    if key is None:
        raise Refusal(Reason.UNKNOWN_KEY, "there is no such step", where="step")
    return f"/orders/{key}"


def _inside(address: str) -> str:
    """An address of our own pages, else nothing: a form cannot lead elsewhere."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else ""
