"""The pages about exams: the reconciliation queue, one exam with its suggestions, and what people do about it.

Actions are posted with the session's token by an operator or administrator; each leads back to the page it came from.
"""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker.domain import protocol_record
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Source
from broker.domain.performing_reasons import MEANINGS
from broker.domain.states import PerformedStatus
from broker.services import availability, board, correcting, orders_from_exams, protocol_export, reconciling
from broker.services.correcting import Correction
from broker.services.people import SignedIn
from broker.web.auth import Operator, Visitor, may_operate
from broker.web.parts import Parts, Shared
from broker.web.rendering import NO_STORE, page

router = APIRouter(include_in_schema=False)
Fragment = Annotated[str, Header(alias="x-fragment")]
Step = Annotated[int, Form(alias="step")]
_NOT_FOUND = 404


@router.get("/exams")
def show_queue(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """The exams that wait for an order, and those that were set aside."""
    values: dict[str, Any] = {
        "waiting": reconciling.queue(parts.context), "aside": reconciling.queue(parts.context, aside=True),
    }  # fmt: skip
    return page(request, "_exams.html" if fragment else "exams.html", **_common(parts, who), **values)


@router.get("/exams/export.csv")
def export(who: Operator, parts: Shared, first: date, last: date | None = None) -> Response:
    """Protocol records of some days as CSV."""
    text, _ = protocol_export.export(parts.context, first, last or first)
    name = f"exams-{first:%Y%m%d}-{last or first:%Y%m%d}.csv"
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/exams/{performed_key}")
def show_exam(
    request: Request, performed_key: int, who: Visitor, parts: Shared, fragment: Fragment = ""
) -> HTMLResponse:
    """One exam: what it says, what it is linked to, what it could be about, corrections, protocol record."""
    case = reconciling.show(parts.context, performed_key) if performed_key < 2**63 else None
    if case is None:
        raise HTTPException(_NOT_FOUND)
    values: dict[str, Any] = {
        "case": case, "made": correcting.made(parts.context, performed_key), "reasons": MEANINGS,
        "record": protocol_record.by_section(protocol_record.read(case.exam.dataset)),
        "statuses": list(PerformedStatus), "moment": board.parse_start,
    }  # fmt: skip
    return page(request, "_exam.html" if fragment else "exam.html", **_common(parts, who), **values)


@router.post("/exams/{performed_key}/link")
def link(performed_key: int, who: Operator, parts: Shared, step: Step) -> RedirectResponse:
    """Link the exam to a step."""
    reconciling.link(parts.context, _actor(who), performed_key, step)
    return _back(performed_key)


@router.post("/exams/{performed_key}/link-by-number")
def link_by_number(
    performed_key: int, who: Operator, parts: Shared, accession: Annotated[str, Form(max_length=64)]
) -> RedirectResponse:
    """Link the exam to the only step of the order with this accession number."""
    steps = reconciling.steps_of(parts.context, accession.strip())
    if len(steps) != 1:
        words = (
            "no order has this accession number" if not steps else "the order has several steps; use `broker performed`"
        )
        raise Refusal(Reason.UNKNOWN_KEY, words, where="accession number")
    reconciling.link(parts.context, _actor(who), performed_key, steps[0].step_key)
    return _back(performed_key)


@router.post("/exams/{performed_key}/unlink")
def unlink(performed_key: int, who: Operator, parts: Shared, step: Step) -> RedirectResponse:
    """Take a link back."""
    reconciling.unlink(parts.context, _actor(who), performed_key, step)
    return _back(performed_key)


@router.post("/exams/{performed_key}/create-order")
def create_order(
    performed_key: int, who: Operator, parts: Shared, patient_id: Annotated[str, Form(max_length=64)] = ""
) -> RedirectResponse:
    """Make an order from the exam."""
    made = orders_from_exams.create_order(parts.context, _actor(who), performed_key, patient_id)
    return RedirectResponse(f"/orders/{made.request_key}", 303)


@router.post("/exams/{performed_key}/set-aside")
def set_aside(performed_key: int, who: Operator, parts: Shared) -> RedirectResponse:
    """Take the exam from the queue."""
    reconciling.set_aside(parts.context, _actor(who), performed_key)
    return RedirectResponse("/exams", 303)


@router.post("/exams/{performed_key}/queue-again")
def queue_again(performed_key: int, who: Operator, parts: Shared) -> RedirectResponse:
    """Put the exam back into the queue."""
    reconciling.queue_again(parts.context, _actor(who), performed_key)
    return RedirectResponse("/exams", 303)


@router.post("/exams/{performed_key}/correct")
def correct(  # noqa: PLR0917 - the form has that many fields
    performed_key: int, who: Operator, parts: Shared,
    status: Annotated[PerformedStatus, Form()],
    note: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    ended: Annotated[str, Form()] = "",
) -> RedirectResponse:  # fmt: skip
    """Correct what the device said."""
    chosen = reason if status is PerformedStatus.DISCONTINUED else ""
    correction = Correction(status, note.strip(), chosen, MEANINGS.get(chosen, ""), ended_at=_digits(ended))
    correcting.correct(parts.context, _actor(who), performed_key, correction)
    return _back(performed_key)


@router.post("/exams/{performed_key}/withdraw")
def withdraw(performed_key: int, who: Operator, parts: Shared) -> RedirectResponse:
    """Withdraw the correction."""
    correcting.withdraw(parts.context, _actor(who), performed_key)
    return _back(performed_key)


@router.post("/images/{key}/set-aside")
def set_images_aside(key: int, who: Operator, parts: Shared) -> RedirectResponse:
    """Say that images which an archive told of have no order here."""
    availability.set_aside(parts.context, _actor(who), key)
    return RedirectResponse("/attention#images", 303)


def _digits(moment: str) -> str:
    """What a browser's date and time field sends, as YYYYMMDDHHMMSS.  Raises Refusal for anything else."""
    if not moment:
        return ""
    try:
        return f"{datetime.fromisoformat(moment):%Y%m%d%H%M%S}"
    except ValueError:
        raise Refusal(Reason.INVALID_VALUE, "the end is no date and time", where="end") from None


def _actor(who: SignedIn) -> Actor:
    return Actor(Source.PERSON, who.user_name)


def _back(performed_key: int) -> RedirectResponse:
    return RedirectResponse(f"/exams/{performed_key}", 303)


def _common(parts: Parts, who: SignedIn) -> dict[str, Any]:
    now = board.local_now(parts.context)
    return {
        "who": who, "now": now, "today": now.date(), "fingerprint": board.pulse(parts.context).fingerprint,
        "operates": may_operate(who),
    }  # fmt: skip
