"""For machines that watch: alive, ready, figures.  No sign-in, therefore no patient data and no message content."""

from collections.abc import Iterator
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from broker.domain.errors import Unavailable
from broker.services import attention
from broker.services.destinations import DestinationStatus
from broker.web.parts import Shared

router = APIRouter(tags=["health"])
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/health/live", summary="The process runs")
def live(parts: Shared) -> JSONResponse:
    """Always 200 while the process can answer."""
    return JSONResponse({"status": "ok", "version": parts.config.version}, headers=_NO_STORE)


@router.get("/health/ready", summary="The process can do its work")
def ready(parts: Shared) -> JSONResponse:
    """200 with the times of the last message and worklist query, or 503 when the database cannot be reached."""
    try:
        seen = attention.last_seen(parts.context)
    except Unavailable:
        return JSONResponse({"status": "unavailable", "database": "unreachable"}, 503, headers=_NO_STORE)
    content = {
        "status": "ok", "database": "ok", "last_message_at": _iso(seen.message_at),
        "last_query_at": _iso(seen.query_at),
    }  # fmt: skip
    return JSONResponse(content, headers=_NO_STORE)


@router.get("/metrics", summary="Figures in Prometheus text format", response_class=PlainTextResponse)
def metrics(parts: Shared) -> PlainTextResponse:
    """Counts without patient data (text format 0.0.4)."""
    found = attention.figures(parts.context)
    lines = _metric("broker_events_total", "counter", "Facts in the history.", [("", found.events)])
    steps = [(f'{{status="{status.lower()}"}}', count) for status, count in sorted(found.open_steps.items())]
    lines += _metric("broker_open_steps", "gauge", "Open scheduled procedure steps by status.", steps)
    waiting = [(f'{{destination="{_escape(b.destination)}",state="{b.state}"}}', b.count) for b in found.backlog]
    stuck = [("", found.stuck_steps)]
    lines += _metric("broker_stuck_steps", "gauge", "Steps in progress of which nothing is heard.", stuck)
    lines += _metric("broker_notifications_undelivered", "gauge", "Notifications not delivered.", waiting)
    for name, words, values in _destination_figures(found.destinations):
        lines += _metric(name, "gauge", words, values)
    lines += _metric("broker_browsers", "gauge", "Browsers that follow live.", [("", parts.broadcaster.browsers)])
    media_type = "text/plain; version=0.0.4; charset=utf-8"
    return PlainTextResponse("\n".join(lines) + "\n", headers=_NO_STORE, media_type=media_type)


def _destination_figures(
    statuses: tuple[DestinationStatus, ...],
) -> Iterator[tuple[str, str, list[tuple[str, int]]]]:
    """Name, words and values by destination."""
    labels = {s.name: f'{{destination="{_escape(s.name)}"}}' for s in statuses}
    age = [(labels[s.name], int(s.age.total_seconds())) for s in statuses]
    yield "broker_destination_oldest_seconds", "Age of the oldest undelivered notification; 0: none waits.", age
    late = [(labels[s.name], int(s.late)) for s in statuses]
    yield "broker_destination_late", "1 while it is older than delivery.alarm_minutes.", late
    failures = [(labels[s.name], s.condition.failures) for s in statuses]
    yield "broker_destination_failures", "How often in a row the destination did not answer.", failures
    held = [(labels[s.name], int(s.hold is not None)) for s in statuses]
    yield "broker_destination_held", "1 while it is paused, drained or disabled.", held
    success = [
        (labels[s.name], int(s.condition.succeeded_at.timestamp())) for s in statuses if s.condition.succeeded_at
    ]
    yield "broker_destination_last_success_timestamp_seconds", "When a notification was last delivered.", success


def _metric(name: str, kind: str, words: str, values: list[tuple[str, int]]) -> list[str]:
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *(f"{name}{labels} {value}" for labels, value in values)]


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
