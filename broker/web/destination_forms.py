"""Adding, changing and removing destinations, for administrators: forms made of what can be set about each kind.

Destinations of the settings file are only changed there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from broker.services.destination_desk import DestinationDesk, Form, SettingField, WrongSettings
from broker.services.people import SignedIn
from broker.web.auth import Administrator, OperatingAuthor
from broker.web.notification_pages import common
from broker.web.parts import Parts, Shared
from broker.web.rendering import page

router = APIRouter(prefix="/destinations", include_in_schema=False)


def desk_of(parts: Parts) -> DestinationDesk:
    """The desk.  404 where this process sends nothing."""
    if parts.destinations is None:
        raise HTTPException(404)
    return parts.destinations


@router.get("/new/{kind}")
def new(request: Request, kind: str, who: Administrator, parts: Shared) -> HTMLResponse:
    """The empty form of a kind."""
    return _form(request, who, parts, _Shown(kind))


@router.get("/{name}/edit")
def edit(request: Request, name: str, who: Administrator, parts: Shared) -> HTMLResponse:
    """The form of a destination that people added."""
    known = next((one for one in desk_of(parts).listed() if one.name == name and not one.provisioned), None)
    if known is None:
        raise HTTPException(404)
    return _form(request, who, parts, _Shown(known.kind, name, known.settings, name))


@router.post("/save")
async def save(request: Request, who: Administrator, _author: OperatingAuthor, parts: Shared) -> Response:
    """Add or change what the form says; with the reasons beside the settings when it cannot be."""
    form = await request.form()
    kind, name = str(form.get("kind", "")), str(form.get("name", "")).strip()
    given = _given(form, _fields(parts, kind))
    try:
        desk_of(parts).put(name, {**given, "kind": kind}, who.user_name)
    except WrongSettings as wrong:
        old = str(form.get("old", ""))
        return _form(request, who, parts, _Shown(kind, name, given, old, wrong.fields))
    return RedirectResponse(f"/destinations/{quote(name, safe='')}", 303)


@router.post("/{name}/remove")
def remove(name: str, who: Administrator, _author: OperatingAuthor, parts: Shared) -> RedirectResponse:
    """Remove a destination that people added."""
    if not desk_of(parts).remove(name, who.user_name):
        raise HTTPException(404)
    return RedirectResponse("/destinations", 303)


def _fields(parts: Parts, kind: str) -> tuple[SettingField, ...]:
    found = desk_of(parts).kinds().get(kind)
    if found is None:
        raise HTTPException(404)
    return found


def _given(form: FormData, fields: tuple[SettingField, ...]) -> dict[str, Any]:
    """What the form says; an empty text means as usual."""
    found: dict[str, Any] = {}
    for one in fields:
        text = str(form.get(one.name, "")).strip()
        if one.form is Form.FLAG:
            found[one.name] = one.name in form
        elif one.form is Form.CHOICES:
            found[one.name] = [str(value) for value in form.getlist(one.name)]
        elif one.form is Form.LIST:
            found[one.name] = [part.strip() for part in text.split(";") if part.strip()]
        elif text or one.default == "":
            found[one.name] = text
    as_usual = {one.name: one.default for one in fields if not one.required}
    return {name: value for name, value in found.items() if not _same(value, as_usual.get(name))}


def _same(given: object, usual: object) -> bool:
    return given == (list(usual) if isinstance(usual, tuple) else usual)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a form shows: the settings that are not as usual, and what is wrong with them."""

    kind: str
    name: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    #: the name of the destination that is changed; empty: a new one
    old: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)


def _form(request: Request, who: SignedIn, parts: Parts, shown: _Shown) -> HTMLResponse:
    fields = _fields(parts, shown.kind)
    values = {one.name: shown.given.get(one.name, one.default) for one in fields}
    return page(
        request, "destination_form.html", status=422 if shown.wrong else 200, kind=shown.kind, name=shown.name,
        old=shown.old, fields=fields, values=values, wrong=shown.wrong, Form=Form,
        known={one.name for one in fields} | {"name"}, **common(parts, who),
    )  # fmt: skip
