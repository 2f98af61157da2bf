"""The pages of destinations: how each is doing, what waits for it, and holding it back."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.domain.errors import Refusal
from broker.domain.notifications import NotificationState
from broker.services import destinations, outbox
from broker.services.destinations import DestinationStatus
from broker.web.auth import OperatingAuthor, Visitor, may_administer
from broker.web.delivery_acts import Whole, do_whole
from broker.web.notification_pages import common
from broker.web.parts import Parts, Shared
from broker.web.rendering import page

router = APIRouter(prefix="/destinations", include_in_schema=False)
Fragment = Annotated[str, Header(alias="x-fragment")]
_ENTRIES = 20


@router.get("")
def show_destinations(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """Every destination: state, queue, age, last success, last failure."""
    statuses, desk = destinations.statuses(parts.context), parts.destinations
    known = {status.name for status in statuses if status.kind}
    values = {
        "destinations": statuses, "kinds": list(desk.kinds()) if desk and may_administer(who) else [],
        "troubles": {one.name: one.trouble for one in (desk.listed() if desk else []) if one.trouble},
        "unusable": [one for one in (desk.listed() if desk else []) if not one.provisioned and one.name not in known],
        **common(parts, who),
    }  # fmt: skip
    return page(request, "_destinations.html" if fragment else "destinations.html", **values)


@router.get("/{name}")
def show_destination(request: Request, name: str, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """One destination, with the newest notifications for it."""
    states = (None, NotificationState.PENDING, NotificationState.PARKED)  # what waits may be older than all that is new
    pages = (outbox.list_page(parts.context, outbox.Filter(name, state, limit=_ENTRIES)).entries for state in states)
    entries = next((found for found in pages if found), [])
    listed = parts.destinations.listed() if parts.destinations else []
    known = next((one for one in listed if one.name == name), None)
    values = {
        "destination": _found(parts, name), "entries": entries, "known": known,
        "may_administer": may_administer(who), **common(parts, who),
    }  # fmt: skip
    return page(request, "_destination.html" if fragment else "destination.html", **values)


@router.post("/{name}/{act}")
def act(
    name: str, act: Whole, who: OperatingAuthor, parts: Shared, reason: Annotated[str, Form(max_length=200)] = ""
) -> RedirectResponse:
    """Pause, drain or resume it, or retry what is parked."""
    do_whole(parts, who, act, name, reason)
    left = act is not Whole.SKIP_WAITING
    return RedirectResponse(f"/destinations/{quote(name, safe='')}" if left else "/destinations", 303)


def _found(parts: Parts, name: str) -> DestinationStatus:
    try:
        return destinations.find(parts.context, name)
    except Refusal:
        raise HTTPException(404) from None
