"""The programming interface for reading: worklist and orders as JSON, live changes as server-sent events."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import date

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse

from broker.services import board, timeline
from broker.services.board import BoardQuery, BoardStep
from broker.web.auth import Visitor, identify
from broker.web.errors import SignInNeeded
from broker.web.parts import Shared
from broker.web.rendering import page

router = APIRouter(prefix="/api")
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/v1/worklist", summary="The scheduled procedure steps of one day")
def worklist(
    _who: Visitor, parts: Shared, day: date | None = None, modality: str = Query("", max_length=16),
    station: str = Query("", max_length=64),
) -> JSONResponse:  # fmt: skip
    """Steps by start; without ``day`` those of today at the site.  ``start_at`` is local wall time at the site."""
    query = BoardQuery(day or board.local_now(parts.context).date(), modality, station)
    shown = board.show(parts.context, query, parts.config.patience)
    content = {
        "day": query.day.isoformat(), "limited": shown.limited, "counts": {s.value: n for s, n in shown.counts.items()},
        "steps": [_step(step) for step in shown.steps],
    }  # fmt: skip
    return JSONResponse(content, headers=_NO_STORE)


@router.get("/v1/orders/{request_key}", summary="One order with its procedures and steps")
def order(_who: Visitor, parts: Shared, request_key: int) -> JSONResponse:
    """Contents by DICOM keyword, as they are stored."""
    record = timeline.of_order(parts.context, request_key) if request_key < 2**63 else None
    if record is None:
        raise HTTPException(404)
    content = asdict(record.order)
    content["occurred_at"] = record.order.occurred_at.isoformat() if record.order.occurred_at else None
    content["patient"] = {
        "identifiers": [asdict(i) for i in record.patient.identifiers], "attributes": dict(record.patient.attributes),
    }  # fmt: skip
    return JSONResponse(content, headers=_NO_STORE)


@router.get("/v1/events", summary="Changes as they happen (text/event-stream)", response_class=StreamingResponse)
async def events(request: Request, _who: Visitor, parts: Shared) -> StreamingResponse:
    """``hello``, then ``change`` with the keys of the orders (null: too many to name), and ``beat`` now and then."""

    def still_welcome() -> bool:
        try:
            identify(request)
        except SignInNeeded:
            return False
        return True

    stream: AsyncIterator[str] = parts.broadcaster.stream(parts.config.beat_seconds, still_welcome)
    headers = {**_NO_STORE, "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


@router.get("/docs", include_in_schema=False)
def docs(request: Request) -> HTMLResponse:
    """The programming interface for people; drawn here, since ready-made viewers load scripts from elsewhere."""
    schema = request.app.openapi()
    return page(request, "api_docs.html", schema=schema)


def _step(step: BoardStep) -> dict[str, object]:
    return {
        "step_key": step.step_key, "order_key": step.request_key, "status": step.status.value,
        "scheduled_procedure_step_id": step.scheduled_procedure_step_id, "modality": step.modality,
        "station_ae_titles": list(step.stations), "location": step.location,
        "start_at": step.start_at.isoformat() if step.start_at else None, "patient_name": step.patient_name,
        "patient_id": step.patient_id, "birth_date": step.birth_date, "sex": step.sex, "procedure": step.procedure,
        "accession_number": step.accession_number, "marks": [mark.value for mark in step.marks],
    }  # fmt: skip
