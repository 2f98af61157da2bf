"""The workbench, for operators: a message, the mapping that reads it, and the worklist items it would make.

Nothing is stored until "Save mapping": looking rehearses in the database and undoes it.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from broker.domain.errors import Refusal
from broker.services import journal
from broker.services.examination import Examination, FieldView, MappingLine, MessageDesk, Question
from broker.services.people import SignedIn
from broker.web.auth import OperatingAuthor, Operator
from broker.web.messages import desk_of, frame
from broker.web.parts import Parts, Shared
from broker.web.rendering import page

router = APIRouter(include_in_schema=False)
_HUES = 8
_GREATEST_KEY = 2**63 - 1
_SMALL = 64


@dataclass(frozen=True, slots=True)
class _Form:
    """What the page was asked; ``message_key`` 0: the message was pasted."""

    message: str = ""
    message_key: int = 0
    mapping: str = ""
    mapping_text: str = ""
    #: the mapping's own text, to tell whether it was edited
    edited: bool = False


@router.get("/workbench")
def show_workbench(
    request: Request, who: Operator, parts: Shared,
    message: Annotated[int, Query(ge=0, le=_GREATEST_KEY)] = 0, mapping: Annotated[str, Query(max_length=_SMALL)] = "",
) -> HTMLResponse:  # fmt: skip
    """The workbench with a message of the journal, or empty."""
    desk = desk_of(parts)
    if not message:
        return _shown(request, who, parts, _Form(mapping=mapping), None)
    entry = journal.load(parts.context, message)
    if entry is None:
        raise HTTPException(404)
    found = desk.examine(Question(entry.raw, mapping, sender=entry.sender))
    form = _Form(desk.text_of(entry.raw), message, found.mapping or mapping)
    return _shown(request, who, parts, form, found)


_Text = Annotated[str, Form()]
_Key = Annotated[int, Form(ge=0, le=_GREATEST_KEY)]
_Name = Annotated[str, Form(max_length=_SMALL)]


@router.post("/workbench")
def look(
    request: Request, who: OperatingAuthor, parts: Shared, *, message: _Text = "", message_key: _Key = 0,
    mapping: _Name = "", mapping_text: _Text = "", shown_mapping: _Name = "",
) -> HTMLResponse:  # fmt: skip
    """Look at the message with the mapping as it is edited; nothing is saved."""
    edited = _edited(desk_of(parts), mapping, shown_mapping, mapping_text)
    return _looked(request, who, parts, _Form(message, message_key, mapping, edited or "", edited is not None))


@router.post("/workbench/save")
def save(
    request: Request, who: OperatingAuthor, parts: Shared, *, message: _Text = "", message_key: _Key = 0,
    mapping: _Name = "", mapping_text: _Text = "",
) -> HTMLResponse:  # fmt: skip
    """Save the mapping under the name given, and look at the message with it."""
    form = _Form(message, message_key, mapping)
    try:
        desk_of(parts).save_mapping(mapping, mapping_text)
    except Refusal as refusal:
        kept = replace(form, mapping_text=mapping_text, edited=True)
        return _looked(request, who, parts, kept, refused=refusal.text)
    return _looked(request, who, parts, form, saved=True)


def _looked(
    request: Request, who: SignedIn, parts: Parts, form: _Form, *, refused: str = "", saved: bool = False
) -> HTMLResponse:
    desk = desk_of(parts)
    question = _question(parts, desk, form)
    found = desk.examine(question) if question is not None else None
    key = form.message_key if question is not None and not question.pasted else 0
    shown = replace(form, message_key=key, mapping=form.mapping or _used(found))
    return _shown(request, who, parts, shown, found, refused=refused, saved=saved)


def _edited(desk: MessageDesk, mapping: str, shown: str, text: str) -> str | None:
    """The edited text; None when it is the mapping's own, or belongs to the mapping that was shown before."""
    if not mapping or (shown and shown != mapping and mapping in desk.mappings()):
        return None
    own = desk.mapping_text(mapping) if mapping in desk.mappings() else ""
    written = text.replace("\r\n", "\n")
    return None if written.strip() in ("", own.strip()) else written


def _question(parts: Parts, desk: MessageDesk, form: _Form) -> Question | None:
    """A message of the journal keeps its own bytes unless its text was changed; a pasted one is UTF-8."""
    written = form.message.replace("\r\n", "\n").strip("\n")
    edited = form.mapping_text.replace("\r\n", "\n") if form.edited else None
    if form.message_key:
        entry = journal.load(parts.context, form.message_key)
        if entry is not None and desk.text_of(entry.raw).strip("\n") == written:
            return Question(entry.raw, form.mapping, edited, sender=entry.sender)
    if not written.strip():
        return None
    return Question(written.replace("\n", "\r").encode(), form.mapping, edited, pasted=True)


def _used(found: Examination | None) -> str:
    return found.mapping if found else ""


def _shown(
    request: Request, who: SignedIn, parts: Parts, form: _Form, found: Examination | None, *,
    refused: str = "", saved: bool = False,
) -> HTMLResponse:  # fmt: skip
    desk = desk_of(parts)
    names = desk.mappings()
    text = form.mapping_text if form.edited else desk.mapping_text(form.mapping) if form.mapping in names else ""
    hues = _hues(found.lines) if found else {}
    values: dict[str, Any] = {
        "form": form, "found": found, "names": names, "mapping_text": text, "cannot_save": desk.can_save(),
        "refused": refused, "saved": saved, "hue": hues, "keys_of": _keys(found.lines) if found else {},
        "field_hue": lambda field: _field_hue(field, found, hues),
    }  # fmt: skip
    return page(request, "workbench.html", **values, **frame(who, parts))


def _hues(lines: tuple[MappingLine, ...]) -> dict[str, int]:
    """A colour number for each key: one for each field of the message, 0 for what comes from elsewhere."""
    places: dict[str, int] = {}
    for line in lines:
        if line.place:
            places.setdefault(line.place, len(places) % _HUES + 1)
    return {line.key: places.get(line.place, 0) for line in lines}


def _keys(lines: tuple[MappingLine, ...]) -> dict[str, str]:
    """The keys of the values that each field of the message made."""
    keys: dict[str, list[str]] = {}
    for line in lines:
        if line.place:
            keys.setdefault(line.place, []).append(line.key)
    return {place: " ".join(found) for place, found in keys.items()}


def _field_hue(field: FieldView, found: Examination | None, hues: dict[str, int]) -> int:
    return next((hues[line.key] for line in (found.lines if found else ()) if line.place == field.place), 0)
