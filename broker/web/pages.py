"""The pages for staff: board, search, order, attention.  Each also gives its inner part alone, for live updates."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.domain import inferring, protocol_record
from broker.domain.dicom_json import Dataset
from broker.domain.performing_reasons import MEANINGS
from broker.services import attention, board, timeline
from broker.services.people import SignedIn
from broker.web import timeline_words
from broker.web.auth import Author, Visitor, may_operate
from broker.web.board_view import ROOMS, View, by_day, by_modality, view_of
from broker.web.parts import Parts, Shared
from broker.web.rendering import NO_STORE, page
from broker.web.rooms import plan
from broker.web.words import MODALITIES

router = APIRouter(include_in_schema=False)
#: browsers ask for the inner part of a page with this header
Fragment = Annotated[str, Header(alias="x-fragment")]
_ONE_DAY = timedelta(days=1)


@router.get("/")
def show_board(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """The board: the steps of a day.  The inner part is the same for everybody and rendered once per change."""
    now = board.local_now(parts.context)
    view = view_of(request.query_params, now.date())
    changes = board.pulse(parts.context)
    key = (view, changes.fingerprint, now.replace(second=0, microsecond=0))
    inner = parts.rendered.get(key, lambda: _inner_board(parts, view))
    if fragment:
        return HTMLResponse(inner, headers=NO_STORE)
    common = _common(who, now, changes.fingerprint)
    return page(request, "board.html", view=view, inner=inner, back=view.address(), **common)


def _inner_board(parts: Parts, view: View) -> str:
    shown = board.show(parts.context, view.query, parts.config.patience)
    midnight = datetime.combine(view.query.day, datetime.min.time())
    return parts.templates.get_template("_board.html").render(
        view=view, board=shown, groups=by_modality(shown.steps, shown.now, today=view.query.day == view.today),
        plan=plan(shown.steps, shown.now, midnight) if view.view == ROOMS else None,
        attention=attention.look(parts.context), modality_names=MODALITIES, today=view.today,
        previous=view.query.day - _ONE_DAY, following=view.query.day + _ONE_DAY,
    )  # fmt: skip


@router.get("/search")
def no_search() -> RedirectResponse:
    """A reloaded or bookmarked search: its text was never in the address, so back to the board."""
    return RedirectResponse("/", 303)


@router.post("/search")
def search(
    request: Request,
    who: Author,
    parts: Shared,
    sought: Annotated[str, Form(max_length=128)] = "",
    fragment: Fragment = "",
) -> HTMLResponse:
    """Steps of any day by patient or accession number.  Posted, so that no patient stands in an address or a log."""
    changes = board.pulse(parts.context)
    steps = board.search(parts.context, sought, parts.config.patience)
    now = board.local_now(parts.context)
    values: dict[str, Any] = {"days": by_day(steps), "sought": sought, "total": len(steps), "limit": board.SEARCH_LIMIT}
    template = "_search.html" if fragment else "search.html"
    return page(
        request, template, **_common(who, now, changes.fingerprint), **values, modality_names=MODALITIES, back="/"
    )  # fmt: skip


@router.get("/orders/{request_key}")
def show_order(
    request: Request, request_key: int, who: Visitor, parts: Shared, fragment: Fragment = ""
) -> HTMLResponse:
    """One order: patient, identifiers, procedures and steps, and everything that happened."""
    changes = board.pulse(parts.context)
    record = timeline.of_order(parts.context, request_key) if request_key < 2**63 else None
    if record is None:
        raise HTTPException(404)
    now = board.local_now(parts.context)
    values: dict[str, Any] = {
        "record": record, "order": record.order, "request_key": request_key, "code_words": board.code_words,
        "history": timeline_words.lines(record, parts.config.segments), "step_start": _step_start,
        "missing": record.missing, "protocol": _protocol, "image_words": timeline_words.image_words,
        "record_at": parts.context.clock(),
        "shown": inferring.shown, "undoable": inferring.undoable, "offers": inferring.offers,
        "spoken_for": inferring.newest_performing,
    }  # fmt: skip
    template = "_order.html" if fragment else "order.html"
    return page(request, template, **_common(who, now, changes.fingerprint), **values)


@router.get("/attention")
def show_attention(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """What needs somebody: exams without order or end, undelivered notifications, refused messages; with the remedy."""
    changes = board.pulse(parts.context)
    now = board.local_now(parts.context)
    found = attention.look(parts.context)
    template = "_attention.html" if fragment else "attention.html"
    return page(request, template, attention=found, **_common(who, now, changes.fingerprint))


def _protocol(dataset: Dataset) -> Mapping[protocol_record.Section, list[protocol_record.Entry]]:
    """What the device reported beside the state of the exam."""
    return protocol_record.by_section(protocol_record.read(dataset))


def _common(who: SignedIn, now: datetime, fingerprint: str) -> dict[str, Any]:
    """What every page for signed-in staff shows."""
    return {
        "who": who, "now": now, "today": now.date(), "fingerprint": fingerprint, "operates": may_operate(who),
        "reasons": MEANINGS,
    }  # fmt: skip


def _step_start(date_text: str, time_text: str) -> datetime | None:
    """Local wall time of DICOM date and time; None without a date."""
    return board.parse_start(date_text + time_text.partition(".")[0].ljust(6, "0")) if date_text else None
