"""Pages about received messages, for operators: the journal, one message with names and trace, reading it again, and
the procedure codes that the catalogue lacks.

Must not: put what a message says into an address; searches are posted.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from broker.services import board, journal, replay
from broker.services.examination import MessageDesk
from broker.services.journal import JournalEntry, JournalFilter
from broker.services.people import SignedIn
from broker.web.auth import OperatingAuthor, Operator
from broker.web.parts import Parts, Shared
from broker.web.rendering import page

router = APIRouter(include_in_schema=False)
OUTCOMES = ("applied", "ignored", "duplicate", "refused", "failed", "held")
_PAGE = 50
_GREATEST_KEY = 2**63 - 1
_Word = Annotated[str, Query(max_length=200)]


def frame(who: SignedIn, parts: Parts) -> dict[str, Any]:
    """What the frame around every page shows."""
    now = board.local_now(parts.context)
    return {"who": who, "now": now, "today": now.date()}


def desk_of(parts: Parts) -> MessageDesk:
    """The desk.  404 where this process has no intake."""
    if parts.desk is None:
        raise HTTPException(404)
    return parts.desk


@router.get("/messages")
def list_messages(
    request: Request, who: Operator, parts: Shared, *, outcome: _Word = "", sender: _Word = "",
    message_type: _Word = "", before: Annotated[int | None, Query(ge=1, le=_GREATEST_KEY)] = None,
) -> HTMLResponse:  # fmt: skip
    """Messages, newest first."""
    wanted = JournalFilter(outcome=outcome, sender=sender, message_type=message_type, before=before, limit=_PAGE)
    return _listed(request, who, parts, wanted)


@router.post("/messages")
def find_messages(
    request: Request, who: OperatingAuthor, parts: Shared,
    number: Annotated[str, Form(max_length=128)] = "",
) -> HTMLResponse:  # fmt: skip
    """Messages about a patient or an order.  Posted, so that no patient stands in an address or a log."""
    return _listed(request, who, parts, JournalFilter(number=number.strip(), limit=_PAGE))


def _listed(request: Request, who: SignedIn, parts: Parts, wanted: JournalFilter) -> HTMLResponse:
    entries = journal.find(parts.context, wanted)
    older = entries[-1].key if len(entries) == _PAGE and not wanted.number else None
    return page(
        request, "messages.html", entries=entries, wanted=wanted, older=older, outcomes=OUTCOMES, **frame(who, parts)
    )


@router.get("/messages/{key}")
def show_message(request: Request, key: int, who: Operator, parts: Shared) -> HTMLResponse:
    """One message: fields with their names, what was made of it and from where, the answer, and later readings."""
    entry = _entry(parts, key)
    desk = desk_of(parts)
    values: dict[str, Any] = {
        "entry": entry, "description": desk.describe(entry.raw), "answer": _lines(desk, entry.acknowledgement),
        "traced": _traced(entry.changes), "warnings": _warnings(entry.changes), "runs": replay.runs(parts.context, key),
        "replay_of": entry.changes.get("replay_of"), "duplicate_of": entry.changes.get("duplicate_of"),
        "raw_lines": _lines(desk, entry.raw),
    }  # fmt: skip
    return page(request, "message.html", **values, **frame(who, parts))


@router.post("/messages/{key}/replay")
def read_again(key: int, who: OperatingAuthor, parts: Shared) -> RedirectResponse:
    """Read a message again, for good; on to the journal entry this made."""
    _entry(parts, key)
    run, _ = desk_of(parts).replay(key, who.user_name, dry_run=False)
    return RedirectResponse(f"/messages/{run.result_key or key}", 303)


@router.get("/codes")
def show_codes(request: Request, who: Operator, parts: Shared) -> HTMLResponse:
    """Procedure codes that came in orders and are not in the catalogue."""
    return page(request, "codes.html", codes=desk_of(parts).unmapped_codes(), **frame(who, parts))


def _entry(parts: Parts, key: int) -> JournalEntry:
    entry = journal.load(parts.context, key) if 0 < key <= _GREATEST_KEY else None
    if entry is None:
        raise HTTPException(404)
    return entry


def _lines(desk: MessageDesk, raw: bytes | None) -> list[str]:
    return desk.text_of(raw).splitlines() if raw else []


def _warnings(changes: Mapping[str, object]) -> list[str]:
    groups = (changes.get(name) for name in ("warnings", "noticed"))
    return [str(warning) for group in groups if isinstance(group, list) for warning in group]


def _traced(changes: Mapping[str, object]) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Each change the message asked for: where, what, and (entity, keyword, source) of every value."""
    found = []
    asked = changes.get("asked")
    for one in asked if isinstance(asked, list) else []:
        rows = [(entity, k, str(source)) for entity, values in one["trace"].items() for k, source in values.items()]
        found.append((str(one["where"]), str(one["asked"]), rows))
    return found
