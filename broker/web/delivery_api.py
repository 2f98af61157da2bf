"""The programming interface for destinations and notifications: how they do, attempts, previews, the acts."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from broker.domain.errors import Reason, Refusal
from broker.domain.notifications import Attempt, Notification, NotificationState
from broker.services import destinations, outbox
from broker.services.destination_desk import WrongSettings
from broker.services.destinations import DestinationStatus
from broker.services.people import SignedIn
from broker.web.auth import Visitor, may_administer, may_operate
from broker.web.config import Segments
from broker.web.delivery_acts import Act, NotificationKey, Whole, do, do_whole, found, preview
from broker.web.destination_forms import desk_of
from broker.web.device_api import Operator
from broker.web.parts import Parts, Shared

router = APIRouter(prefix="/api/v1")
_NO_STORE = {"Cache-Control": "no-store"}
_STATUS = {Reason.UNKNOWN_KEY: 404, Reason.WRONG_STATE: 409}
_LIMIT = 500


class Details(BaseModel):
    """Why a destination is held; shown to whoever looks."""

    reason: str = Field("", max_length=200)


@router.get("/destinations", summary="Every destination and how it is doing")
def list_destinations(who: Visitor, parts: Shared) -> JSONResponse:
    """Queue, age, last success and failure, and whether it is held, late, or does not answer.

    ``source``: settings (the file), added, or removed.  Operators also get the ``settings`` that are not as usual.
    """
    settings = _settings(parts, who)
    found = [_destination(status) | settings.get(status.name, {}) for status in destinations.statuses(parts.context)]
    return JSONResponse({"destinations": found}, headers=_NO_STORE)


@router.get("/destinations/{name}", summary="One destination and how it is doing")
def show_destination(who: Visitor, parts: Shared, name: str) -> JSONResponse:
    """As in the list."""
    try:
        found = _destination(destinations.find(parts.context, name)) | _settings(parts, who).get(name, {})
    except Refusal as refusal:
        return _refused(refusal)
    return JSONResponse(found, headers=_NO_STORE)


@router.put("/destinations/{name}", summary="Add a destination, or change one that was added")
def put_destination(
    who: Operator, parts: Shared, name: str, settings: Annotated[dict[str, Any], Body()]
) -> JSONResponse:
    """``settings`` as under ``[[destinations]]`` in the settings file, without ``name``; counts at once.

    For administrators.  422 with ``fields``: what is wrong with each; 409 for destinations of the settings file.
    """
    _check_administrator(who)
    try:
        desk_of(parts).put(name, settings, who.user_name)
    except WrongSettings as wrong:
        words = {"what": "This was not accepted", "why": str(wrong), "fields": wrong.fields}
        return JSONResponse({"error": words}, 422, headers=_NO_STORE)
    except Refusal as refusal:
        return _refused(refusal)
    return show_destination(who, parts, name)


@router.delete("/destinations/{name}", summary="Remove a destination that was added", status_code=204)
def delete_destination(who: Operator, parts: Shared, name: str) -> Response:
    """What waits for it stays.  404 when nobody added it, 409 for destinations of the settings file."""
    _check_administrator(who)
    try:
        gone = desk_of(parts).remove(name, who.user_name)
    except Refusal as refusal:
        return _refused(refusal)
    if not gone:
        raise HTTPException(404)
    return Response(status_code=204)


@router.post("/destinations/{name}/{act}", summary="Pause, drain or resume a destination, retry what is parked")
def hold(who: Operator, parts: Shared, name: str, act: Whole, details: Details | None = None) -> JSONResponse:
    """pause, drain, resume, retry-parked; skip-waiting for one that was removed.

    Answers the destination as it is then (null when nothing is left of it), and how many notifications ``changed``.
    """
    try:
        changed = do_whole(parts, who, act, name, (details or Details()).reason)
    except Refusal as refusal:
        return _refused(refusal)
    left = next((_destination(s) for s in destinations.statuses(parts.context) if s.name == name), None)
    return JSONResponse({"destination": left, "changed": changed}, headers=_NO_STORE)


@router.get("/notifications", summary="Notifications, newest first")
def list_notifications(
    _who: Visitor, parts: Shared, *, destination: str = Query("", max_length=64),
    state: NotificationState | None = None, order: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    before: Annotated[int, Query(ge=0, lt=2**63)] = 0, limit: Annotated[int, Query(ge=1, le=_LIMIT)] = 100,
) -> JSONResponse:  # fmt: skip
    """``order`` is an order's key; ``before`` continues a list below the key of its last line."""
    wanted = outbox.Filter(destination or None, state, order or None, limit, before or None)
    found = [_notification(one) for one in outbox.list_notifications(parts.context, wanted)]
    return JSONResponse({"notifications": found}, headers=_NO_STORE)


@router.get("/notifications/{key}", summary="One notification with every attempt")
def show_notification(_who: Visitor, parts: Shared, key: NotificationKey) -> JSONResponse:
    """``attempts`` oldest first, with the receiver's words and its answer as text."""
    try:
        content = _notification(found(parts, key))
    except Refusal as refusal:
        return _refused(refusal)
    tried = [_attempt(one, parts.config.segments) for one in outbox.attempts(parts.context, key)]
    return JSONResponse({**content, "attempts": tried}, headers=_NO_STORE)


@router.get("/notifications/{key}/preview", summary="What would be sent")
def show_preview(_who: Operator, parts: Shared, key: NotificationKey) -> JSONResponse:
    """By the destination's settings and template as they are now; nothing is sent."""
    try:
        return JSONResponse({"text": preview(parts, found(parts, key))}, headers=_NO_STORE)
    except Refusal as refusal:
        return _refused(refusal)


@router.post("/notifications/{key}/{act}", summary="Retry, park, skip or resend a notification")
def act(who: Operator, parts: Shared, key: NotificationKey, act: Act) -> JSONResponse:
    """retry, park and skip are for those that wait (409 else); resend sends any once more, with the same identifier."""
    try:
        do(parts, who, act, key)
        content = _notification(found(parts, key))
    except Refusal as refusal:
        return _refused(refusal)
    return JSONResponse(content, headers=_NO_STORE)


def _check_administrator(who: SignedIn) -> None:
    if not may_administer(who):
        raise HTTPException(403)


def _settings(parts: Parts, who: SignedIn) -> dict[str, dict[str, object]]:
    """By name, how the destinations are set; only for those who operate them."""
    if parts.destinations is None or not may_operate(who):
        return {}
    return {one.name: {"settings": dict(one.settings), "trouble": one.trouble} for one in parts.destinations.listed()}


def _destination(status: DestinationStatus) -> dict[str, object]:
    waiting, going, hold = status.waiting, status.condition, status.hold
    held = None
    if hold is not None:
        held = {"how": hold.how.value, "by": hold.held_by, "at": _iso(hold.held_at), "reason": hold.reason}
    return {
        "name": status.name, "kind": status.kind,
        "source": "added" if status.added else "settings" if status.kind else "removed",
        "state": status.standing.value, "waiting": waiting.pending, "parked": waiting.parked,
        "oldest_at": _iso(waiting.oldest), "late": status.late,
        "alarm_after_seconds": status.alarm_after.total_seconds() if status.alarm_after else None,
        "last_success_at": _iso(going.succeeded_at), "last_failure_at": _iso(going.failed_at),
        "last_failure": going.words, "failures_in_a_row": going.failures, "next_try_at": _iso(going.retry_at),
        "hold": held,
    }  # fmt: skip


def _notification(one: Notification) -> dict[str, object]:
    return {
        "key": one.key, "message_id": one.message_id, "destination": one.destination, "subject": one.subject,
        "kind": one.kind.value, "order_key": one.request_key, "state": one.state.value, "tries": one.attempts,
        "created_at": _iso(one.created_at), "due_at": _iso(one.due_at), "finished_at": _iso(one.finished_at),
        "last_error": one.last_error,
    }  # fmt: skip


def _attempt(one: Attempt, segments: Segments) -> dict[str, object]:
    return {
        "at": _iso(one.at), "result": one.result, "milliseconds": one.milliseconds, "words": one.detail,
        "answer": "\n".join(segments(one.answer)) if one.answer else None,
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _refused(refusal: Refusal) -> JSONResponse:
    words = {"what": "This was refused", "why": refusal.text, "where": refusal.where}
    return JSONResponse({"error": words}, _STATUS.get(refusal.reason, 422), headers=_NO_STORE)
