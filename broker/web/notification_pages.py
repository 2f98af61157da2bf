"""Pages about notifications: the list, one with its attempts in the receiver's words, a preview, and the acts."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.domain.errors import Refusal
from broker.domain.notifications import NotificationState
from broker.services import board, destinations, outbox
from broker.services.people import SignedIn
from broker.web.auth import OperatingAuthor, Operator, Visitor, may_operate
from broker.web.delivery_acts import Act, NotificationKey, do, found, preview
from broker.web.parts import Parts, Shared
from broker.web.rendering import page
from broker.web.timeline_words import told_kind

router = APIRouter(prefix="/notifications", include_in_schema=False)
Fragment = Annotated[str, Header(alias="x-fragment")]
_PAGE = 50
_GREATEST_KEY = 2**63 - 1


def common(parts: Parts, who: SignedIn) -> dict[str, Any]:
    """What every page of this kind shows."""
    now = board.local_now(parts.context)
    return {
        "who": who, "now": now, "today": now.date(), "fingerprint": board.pulse(parts.context).fingerprint,
        "operates": may_operate(who), "told_kind": told_kind,
    }  # fmt: skip


@router.get("")
def list_notifications(
    request: Request, who: Visitor, parts: Shared, *, destination: Annotated[str, Query(max_length=64)] = "",
    state: str = "", order: Annotated[str, Query(max_length=18, pattern="^[0-9]*$")] = "",
    before: Annotated[int, Query(ge=0, le=_GREATEST_KEY)] = 0, fragment: Fragment = "",
) -> HTMLResponse:  # fmt: skip
    """Notifications, newest first."""
    known = NotificationState(state) if state in list(NotificationState) else None
    wanted = outbox.Filter(destination or None, known, int(order or 0) or None, _PAGE, before or None)
    found_page = outbox.list_page(parts.context, wanted)
    values: dict[str, Any] = {
        "entries": found_page.entries, "wanted": wanted, "older": found_page.older,
        "names": [status.name for status in destinations.statuses(parts.context)], "states": list(NotificationState),
    }  # fmt: skip
    return page(request, "_notifications.html" if fragment else "notifications.html", **values, **common(parts, who))


@router.get("/{key}")
def show(request: Request, key: NotificationKey, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """One notification: what it tells, its state, and every attempt."""
    return _shown(request, key, who, parts, "_notification.html" if fragment else "notification.html")


@router.get("/{key}/preview")
def show_preview(request: Request, key: NotificationKey, who: Operator, parts: Shared) -> HTMLResponse:
    """The same, with what would be sent now."""
    try:
        return _shown(request, key, who, parts, "notification.html", sent=preview(parts, found(parts, key)))
    except Refusal as refusal:
        outbox_entry = outbox.find(parts.context, key)
        if outbox_entry is None:
            raise
        return _shown(request, key, who, parts, "notification.html", status=422, cannot=refusal.text)


@router.post("/{key}/{act}")
def act(key: NotificationKey, act: Act, who: OperatingAuthor, parts: Shared) -> RedirectResponse:
    """Retry, park, skip or resend it."""
    do(parts, who, act, key)
    return RedirectResponse(f"/notifications/{key}", 303)


def _shown(
    request: Request, key: int, who: SignedIn, parts: Parts, template: str, *, status: int = 200, sent: str = "",
    cannot: str = "",
) -> HTMLResponse:  # fmt: skip
    attempts = [
        (attempt, parts.config.segments(attempt.answer) if attempt.answer else [])
        for attempt in reversed(outbox.attempts(parts.context, key))
    ]
    notification = found(parts, key)
    known = {one.name: one for one in destinations.statuses(parts.context)}.get(notification.destination)
    values = {
        "notification": notification, "attempts": attempts, "sent": sent, "cannot": cannot, "destination": known,
        "lines": _lines(notification.payload), "State": NotificationState,
    }  # fmt: skip
    return page(request, template, status=status, **values, **common(parts, who))


def _lines(payload: object, depth: int = 0) -> list[str]:
    """The fact as it is kept, as indented lines; empty values are left away."""
    if isinstance(payload, dict):
        pairs = [(str(name), value) for name, value in payload.items() if value not in (None, "", [], {})]
    elif isinstance(payload, list):
        pairs = [(f"{number}.", value) for number, value in enumerate(payload, start=1)]
    else:
        return [f"{'  ' * depth}{payload}"]
    found = []
    for name, value in pairs:
        if isinstance(value, dict | list):
            found += [f"{'  ' * depth}{name}", *_lines(value, depth + 1)]
        else:
            found.append(f"{'  ' * depth}{name}: {value}")
    return found
