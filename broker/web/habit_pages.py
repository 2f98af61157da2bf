"""The habits of devices: a page for all, the section on a device's page, and the programming interface."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from broker.services import board, habits
from broker.services.habits import Habits
from broker.web.auth import Visitor
from broker.web.parts import Parts, Shared
from broker.web.rendering import NO_STORE, page

router = APIRouter()
Days = Annotated[int, Query(ge=1, le=3660)]
#: what the pages offer to look at
SPANS = (7, 30, 90, 365)
_WIDTH = 100.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar of a device: how many of its exams, and where it is drawn (0 to 100)."""

    css: str
    words: str
    count: int
    x: float
    width: float


@router.get("/habits", include_in_schema=False)
def show_habits(request: Request, who: Visitor, parts: Shared, days: Days = habits.DAYS) -> HTMLResponse:
    """What every device does with its exams."""
    now = board.local_now(parts.context)
    values: dict[str, Any] = {
        "everybody": habits.everybody(parts.context, days), **values_for(days), "who": who, "now": now,
        "today": now.date(), "fingerprint": board.pulse(parts.context).fingerprint,
    }  # fmt: skip
    return page(request, "habits.html", **values)


@router.get("/api/v1/habits", summary="What devices do with their exams and their lists")
def all_habits(
    _who: Visitor, parts: Shared, device: Annotated[str, Query(max_length=64)] = "", days: Days = habits.DAYS
) -> JSONResponse:
    """Of one device or of all, over the last ``days`` days.  ``completes``: the share of what it starts, 0 to 1."""
    found = [habits.of_device(parts.context, device, days)] if device else habits.everybody(parts.context, days)
    return JSONResponse({"days": days, "devices": [_plain(one) for one in found]}, headers=NO_STORE)


def section(parts: Parts, ae_title: str, days: int) -> dict[str, Any]:
    """What the section on a device's page shows."""
    return {"habits": habits.of_device(parts.context, ae_title, days), **values_for(days)}


def values_for(days: int) -> dict[str, Any]:
    """What the templates need beside the counts."""
    return {"days": days, "spans": SPANS, "bar": bar}


def bar(one: Habits) -> list[Part]:
    """The exams of a device as parts of a bar, in the order of an exam that goes well."""
    counts = (
        ("completed", "completed", one.completed), ("discontinued", "discontinued", one.discontinued),
        ("started", "running", one.running), ("stuck", "left open", one.left_open),
    )  # fmt: skip
    found, x = list[Part](), 0.0
    for css, words, count in counts:
        width = _WIDTH * count / one.started if one.started else 0.0
        found.append(Part(css, words, count, x, width))
        x += width
    return found


def _plain(one: Habits) -> dict[str, object]:
    values = asdict(one)
    del values["calling_ae_title"]
    return {
        "ae_title": one.calling_ae_title, **values, "first": one.first.isoformat(), "last": one.last.isoformat(),
        "unscheduled": one.unscheduled, "completes": one.completes, "words": _sentence(one.words),
    }  # fmt: skip


def _sentence(words: Sequence[str]) -> str:
    return ", ".join(words)
