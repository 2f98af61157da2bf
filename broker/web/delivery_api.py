"""The programming interface for destinations and notifications: how they do, attempts, previews, the acts."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from broker.domain.errors import Reason, Refusal
from broker.domain.notifications import Attempt, Notification, NotificationState
from broker.services import destinations, outbox
from broker.services.destinations import DestinationStatus
from broker.web.auth import Visitor
from broker.web.config import Segments
from broker.web.delivery_acts import Act, NotificationKey, Whole, do, do_whole, found, preview
from broker.web.device_api import Operator
from broker.web.parts import Shared

router = APIRouter(prefix="/api/v1")
_NO_STORE = {"Cache-Control": "no-store"}
_STATUS = {Reason.UNKNOWN_KEY: 404, Reason.WRONG_STATE: 409}
_LIMIT = 500


class Details(BaseModel):
    """Why a destination is held; shown to whoever looks."""

    reason: str = Field("", max_length=200)


@router.get("/destinations", summary="Every destination and how it is doing")
def list_destinations(_who: Visitor, parts: Shared) -> JSONResponse:
    """Queue, age, last success and failure, and whether it is held, late, or does not answer."""
    found = [_destination(status) for status in destinations.statuses(parts.context)]
    return JSONResponse({"destinations": found}, headers=_NO_STORE)


@router.get("/destinations/{name}", summary="One destination and how it is doing")
def show_destination(_who: Visitor, parts: Shared, name: str) -> JSONResponse:
    """As in the list."""
    try:
        return JSONResponse(_destination(destinations.find(parts.context, name)), headers=_NO_STORE)
    except Refusal as refusal:
        return _refused(refusal)


@router.post("/destinations/{name}/{act}", summary="Pause, drain or resume a destination, or retry what is parked")
def hold(who: Operator, parts: Shared, name: str, act: Whole, details: Details | None = None) -> JSONResponse:
    """pause, drain, resume, retry-parked; answers the destination, with ``retried`` notifications."""
    try:
        retried = do_whole(parts, who, act, name, (details or Details()).reason)
        status = destinations.find(parts.context, name)
    except Refusal as refusal:
        return _refused(refusal)
    return JSONResponse({**_destination(status), "retried": retried}, headers=_NO_STORE)


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


def _destination(status: DestinationStatus) -> dict[str, object]:
    waiting, going, hold = status.waiting, status.condition, status.hold
    return {
        "name": status.name, "kind": status.kind, "state": status.standing.value, "waiting": waiting.pending,
        "parked": waiting.parked, "oldest_at": _iso(waiting.oldest), "late": status.late,
        "alarm_after_seconds": status.alarm_after.total_seconds() if status.alarm_after else None,
        "last_success_at": _iso(going.succeeded_at), "last_failure_at": _iso(going.failed_at),
        "last_failure": going.words, "failures_in_a_row": going.failures, "next_try_at": _iso(going.retry_at),
        "hold": None if hold is None else {
            "how": hold.how.value, "by": hold.held_by, "at": _iso(hold.held_at), "reason": hold.reason,
        },
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
