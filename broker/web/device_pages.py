"""The pages about devices: who was seen, and what each was let pass in MPPS, as warnings."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Request
from fastapi.responses import HTMLResponse

from broker.services import board, devices
from broker.services.people import SignedIn
from broker.web.auth import Visitor
from broker.web.parts import Parts, Shared
from broker.web.quirk_words import QUIRKS
from broker.web.rendering import page

router = APIRouter(include_in_schema=False)
Fragment = Annotated[str, Header(alias="x-fragment")]


@router.get("/devices")
def show_devices(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """Every device that ever associated."""
    found = devices.overview(parts.context)
    template = "_devices.html" if fragment else "devices.html"
    return page(request, template, devices=found, **_common(parts, who))


@router.get("/devices/{ae_title:path}")
def show_device(request: Request, ae_title: str, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """One device with its warnings."""
    found = devices.show(parts.context, ae_title)
    if found is None:
        raise HTTPException(404)
    template = "_device.html" if fragment else "device.html"
    return page(request, template, device=found, quirks=QUIRKS, **_common(parts, who))


def _common(parts: Parts, who: SignedIn) -> dict[str, Any]:
    now = board.local_now(parts.context)
    return {"who": who, "now": now, "today": now.date(), "fingerprint": board.pulse(parts.context).fingerprint}
