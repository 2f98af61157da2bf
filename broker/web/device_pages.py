"""The device pages: the list, one device with its sections, accepting and setting, and the explanation of its list.

A device page is composed of section templates (``_device_*.html``).  AE titles stand in addresses, patients never do:
explanations are posted.
"""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Header, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from broker.domain.device_settings import SETTINGS, written
from broker.domain.errors import Refusal
from broker.services import board, device_registry, explaining
from broker.services.device_registry import Device, Source
from broker.services.habits import DAYS
from broker.services.people import Role, SignedIn
from broker.services.worklist import ItemFilter
from broker.web.auth import Author, Visitor, author
from broker.web.habit_pages import Days, section
from broker.web.parts import Parts, Shared
from broker.web.query_words import key_lines
from broker.web.quirk_words import QUIRKS
from broker.web.rendering import page

router = APIRouter(prefix="/devices", include_in_schema=False)
_QUERIES = 20
#: who may change what devices are shown
_MAY_CHANGE = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
Fragment = Annotated[str, Header(alias="x-fragment")]
Title = Annotated[str, Form(max_length=64)]


def operator(who: Author) -> SignedIn:
    """Who asks for a change and may.  403 for other roles."""
    if who.role not in _MAY_CHANGE:
        raise HTTPException(403)
    return who


Operator = Annotated[SignedIn, Depends(operator)]


@router.get("")
def show_devices(request: Request, who: Visitor, parts: Shared, fragment: Fragment = "") -> HTMLResponse:
    """Every device: registered in the settings, accepted by people, or knocking."""
    devices = device_registry.listed(parts.context, parts.devices)
    values = {"devices": devices, "gaps": explaining.gaps(parts.context), **_common(who, parts)}
    return page(request, "_devices.html" if fragment else "devices.html", **values)


@router.get("/{ae_title:path}")
def show_device(request: Request, ae_title: str, who: Visitor, parts: Shared, days: Days = DAYS) -> HTMLResponse:
    """One device: settings, addresses, habits, warnings, last queries."""
    return _device_page(request, _found(parts, ae_title), who, parts, days=days)


@router.post("/accept")
def accept(who: Operator, parts: Shared, ae_title: Title = "") -> Response:
    """Accept a device that knocks; counts at once."""
    device_registry.register(parts.context, parts.devices, ae_title, by=who.user_name)
    return _back(ae_title)


@router.post("/settings")
async def change(request: Request, who: Operator, parts: Shared) -> Response:
    """Put what the form says in the place of the device's settings."""
    form = await request.form()
    title = str(form.get("ae_title", ""))
    given = {s.name: str(form.get(s.name, "")).strip() for s in SETTINGS}
    filled = {name: text for name, text in given.items() if text}
    try:
        device_registry.register(parts.context, parts.devices, title, filled, by=who.user_name)
    except Refusal as refusal:
        wrong = f"{refusal.where}: {refusal.text}"
        return _device_page(request, _found(parts, title), who, parts, status=422, wrong=wrong, given=given)
    return _back(title)


@router.post("/forget")
def forget(who: Operator, parts: Shared, ae_title: Title = "") -> Response:
    """Take the acceptance of a device back."""
    device_registry.unregister(parts.context, parts.devices, ae_title, by=who.user_name)
    return RedirectResponse("/devices", 303)


@router.post("/warnings")
def forget_warnings(_who: Operator, parts: Shared, ae_title: Title = "") -> Response:
    """Begin a new list of warnings."""
    device_registry.forget_warnings(parts.context, ae_title)
    return _back(ae_title)


class Wanted(BaseModel):
    """The form of the explanation."""

    csrf_token: str = ""
    ae_title: str = Field("", max_length=64)
    patient_id: str = Field("", max_length=128)
    accession_number: str = Field("", max_length=128)
    date: str = Field("", max_length=32)
    now: bool = False

    @property
    def candidates(self) -> ItemFilter:
        """The steps to be explained."""
        patient, accession = self.patient_id.strip(), self.accession_number.strip()
        return ItemFilter(patient_id=patient, accession_number=accession, date=self.date.strip())


@router.post("/explain")
def explain(request: Request, who: Visitor, parts: Shared, form: Annotated[Wanted, Form()]) -> HTMLResponse:
    """Why the device's list is as it is: its last query, or what it would see now."""
    author(who, form.csrf_token)
    device, wanted = _found(parts, form.ae_title), form.candidates
    try:
        account = explaining.explain_device(
            parts.context,
            parts.devices,
            form.ae_title,
            wanted,
            parts.config.worklist,
            recorded=not form.now,
        )
    except Refusal as refusal:
        return _device_page(request, device, who, parts, status=422, wrong=refusal.text, wanted=wanted)
    return _device_page(request, device, who, parts, account=account, wanted=wanted)


def _found(parts: Parts, ae_title: str) -> Device:
    device = device_registry.find(parts.context, parts.devices, ae_title)
    if device is None:
        raise HTTPException(404)
    return device


def _back(ae_title: str) -> RedirectResponse:
    return RedirectResponse(f"/devices/{quote(ae_title.strip(), safe='')}", 303)


def _device_page(
    request: Request, device: Device, who: SignedIn, parts: Parts, *, status: int = 200, days: int = DAYS, **more: Any
) -> HTMLResponse:
    queries = device_registry.recent_queries(parts.context, device.ae_title, _QUERIES)
    texts = {name: written(value) for name, value in device.settings.items()}
    values = {
        "device": device, "queries": queries, "settings": SETTINGS, "texts": texts, "key_lines": key_lines,
        "quirks": QUIRKS, **section(parts, device.ae_title, days),
        "fixed": device.source is Source.SETTINGS,
        "account": None, "wanted": ItemFilter(), "wrong": "", "given": texts, **more,
    }  # fmt: skip
    return page(request, "device.html", status=status, **values, **_common(who, parts))


def _common(who: SignedIn, parts: Parts) -> dict[str, Any]:
    now = board.local_now(parts.context)
    pulse = board.pulse(parts.context)
    return {
        "who": who, "now": now, "today": now.date(), "fingerprint": pulse.fingerprint, "Source": Source,
        "may_change": who.role in _MAY_CHANGE,
    }  # fmt: skip
