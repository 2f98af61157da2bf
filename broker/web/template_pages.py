"""The page of templates of outgoing HL7 messages, for operators: edited beside what they make, kept only when valid.

Nothing is kept or sent until "Save template": looking renders an invented order, or a notification there is.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Form, Header, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from broker.domain.errors import Refusal
from broker.services import outbox
from broker.services.people import SignedIn
from broker.services.template_desk import TemplateDesk
from broker.web.auth import OperatingAuthor, Operator
from broker.web.messages import frame
from broker.web.parts import Parts, Shared
from broker.web.rendering import page

router = APIRouter(prefix="/templates", include_in_schema=False)
_GREATEST_KEY = 2**63 - 1
_Name = Annotated[str, Form(max_length=64)]
_Text = Annotated[str, Form()]
_Key = Annotated[str, Form(max_length=19, pattern="^[0-9]*$")]


@dataclass(frozen=True, slots=True)
class _Form:
    """What the page was asked.  ``notification`` empty: an invented order."""

    name: str
    text: str
    event: str = "started"
    notification: str = ""
    refused: str = ""
    saved: bool = False


def desk_of(parts: Parts) -> TemplateDesk:
    """The desk.  404 where this process sends nothing."""
    if parts.templates_desk is None:
        raise HTTPException(404)
    return parts.templates_desk


@router.get("")
def show(
    request: Request, who: Operator, parts: Shared, name: Annotated[str, Query(max_length=64)] = "",
    notification: Annotated[str, Query(max_length=19, pattern="^[0-9]*$")] = "",
) -> HTMLResponse:  # fmt: skip
    """A template as it is, with what it makes."""
    desk = desk_of(parts)
    known = desk.listed()
    chosen = name or next((one.name for one in known if one.destinations), known[0].name)
    text = desk.text(chosen)
    if not text:
        raise HTTPException(404)
    return _shown(request, who, parts, _Form(chosen, text, notification=notification))


@router.post("")
def look(
    request: Request, who: OperatingAuthor, parts: Shared, *, name: _Name = "", text: _Text = "", event: _Name = "",
    notification: _Key = "", fragment: Annotated[str, Header(alias="x-fragment")] = "",
) -> HTMLResponse:  # fmt: skip
    """What the edited text makes; only that part of the page for live preview."""
    form = _Form(name, text, event, notification)
    return _shown(request, who, parts, form, "_template_preview.html" if fragment else "templates.html")


@router.post("/save")
def save(
    request: Request, who: OperatingAuthor, parts: Shared, *, name: _Name = "", text: _Text = "", event: _Name = "",
    notification: _Key = "",
) -> HTMLResponse:  # fmt: skip
    """Keep the template under the name given, when what it makes is valid."""
    form = _Form(name, text, event, notification)
    try:
        desk_of(parts).save(name, text)
    except Refusal as refusal:
        return _shown(request, who, parts, replace(form, refused=refusal.text), status=422)
    return _shown(request, who, parts, replace(form, saved=True))


def _shown(
    request: Request, who: SignedIn, parts: Parts, form: _Form, template: str = "templates.html", status: int = 200
) -> HTMLResponse:
    desk = desk_of(parts)
    key = int(form.notification or 0)
    chosen = outbox.find(parts.context, key) if 0 < key <= _GREATEST_KEY else None
    return page(
        request, template, status=status, form=form, found=desk.look(form.name, form.text, form.event, chosen),
        lost=bool(key) and chosen is None, known=desk.listed(), events=desk.events(), cannot_save=desk.can_save(),
        **frame(who, parts),
    )  # fmt: skip
