"""The programming interface for devices: list, one device, register, take back; and explanations of worklists.

Patients never stand in addresses: explanations are posted.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, HTTPException
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from broker.domain.errors import Refusal
from broker.services import device_registry, explaining
from broker.services.device_registry import Device
from broker.services.explaining import Account
from broker.services.people import Role, SignedIn
from broker.services.worklist import ItemFilter
from broker.web.auth import Visitor, check_meant
from broker.web.parts import Shared

router = APIRouter(prefix="/api/v1")
_NO_STORE = {"Cache-Control": "no-store"}
_MAY_CHANGE = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})


def writer(who: Visitor, x_csrf_token: Annotated[str, Header()] = "") -> SignedIn:
    """Who asks, in a session proved by its token in the header ``X-CSRF-Token``.  403 without it."""
    check_meant(who, x_csrf_token)
    return who


def operator(who: Annotated[SignedIn, Depends(writer)]) -> SignedIn:
    """Who asks for a change and may.  403 for other roles."""
    if who.role not in _MAY_CHANGE:
        raise HTTPException(403)
    return who


Writer = Annotated[SignedIn, Depends(writer)]
Operator = Annotated[SignedIn, Depends(operator)]


class Question(BaseModel):
    """What to explain: a device's list, for the steps of a patient, an order or a day; all steps without those."""

    device: str = Field(max_length=64)
    patient_id: str = Field("", max_length=128)
    accession_number: str = Field("", max_length=128)
    #: YYYYMMDD or a range of those
    date: str = Field("", max_length=32)
    #: leave the device's last query aside: what would it see now?
    now: bool = False


@router.get("/devices", summary="Every device: registered, accepted or knocking")
def devices(_who: Visitor, parts: Shared) -> JSONResponse:
    """By AE title.  ``source``: settings, accepted or knocking."""
    found = device_registry.listed(parts.context, parts.devices)
    return JSONResponse({"devices": [_device(d) for d in found]}, headers=_NO_STORE)


@router.get("/devices/{ae_title:path}", summary="One device with its warnings and last queries")
def device(_who: Visitor, parts: Shared, ae_title: str) -> JSONResponse:
    """``queries`` hold the keys as the device sent them, the newest first."""
    found = device_registry.find(parts.context, parts.devices, ae_title)
    if found is None:
        raise HTTPException(404)
    queries = [
        {"at": q.at.isoformat(), "address": q.address, "keys": dict(q.keys), "status": f"{q.status:04X}",
         "answers": q.answers, "milliseconds": q.milliseconds}
        for q in device_registry.recent_queries(parts.context, ae_title, 20)
    ]  # fmt: skip
    return JSONResponse({**_device(found), "queries": queries}, headers=_NO_STORE)


@router.put("/devices/{ae_title:path}", summary="Register a device, or change its settings")
def put_device(
    who: Operator, parts: Shared, ae_title: str, settings: Annotated[dict[str, Any], Body()]
) -> JSONResponse:
    """``settings`` as under ``[[devices]]`` in the settings file, without ``ae_title``; counts at once."""
    try:
        device_registry.register(parts.context, parts.devices, ae_title, settings, by=who.user_name)
    except Refusal as refusal:
        return _refused(refusal)
    return device(who, parts, ae_title)


@router.delete("/devices/{ae_title:path}", summary="Take the acceptance of a device back", status_code=204)
def delete_device(who: Operator, parts: Shared, ae_title: str) -> Response:
    """404 when nobody accepted it; devices of the settings file are removed there."""
    if not device_registry.unregister(parts.context, parts.devices, ae_title, by=who.user_name):
        raise HTTPException(404)
    return Response(status_code=204)


@router.post("/explain", summary="Why a device's worklist is as it is")
def explain(_who: Writer, parts: Shared, question: Question) -> JSONResponse:
    """The recorded query, and for each candidate whether it is shown, else the first reason and its remedy."""
    wanted = ItemFilter(patient_id=question.patient_id, accession_number=question.accession_number, date=question.date)
    try:
        account = explaining.explain_device(
            parts.context, parts.devices, question.device, wanted, parts.config.worklist,
            recorded=not question.now,
        )  # fmt: skip
    except Refusal as refusal:
        return _refused(refusal)
    return JSONResponse(_account(account), headers=_NO_STORE)


def _device(found: Device) -> dict[str, object]:
    seen = found.seen
    return {
        "ae_title": found.ae_title, "source": found.source.value, "settings": dict(found.settings),
        "address": seen.address if seen else None,
        "first_seen_at": seen.first_seen_at.isoformat() if seen else None,
        "last_seen_at": seen.last_seen_at.isoformat() if seen else None,
        "addresses": [{"address": a.address, "last_seen_at": a.last_seen_at.isoformat()} for a in found.addresses],
        "several_addresses": found.moved,
        "perhaps_meant": [{"ae_title": title, "difference": words} for title, words in found.near],
        "warnings": [
            {"kind": w.kind, "text": w.text, "times": w.times, "last_at": w.last_at.isoformat()} for w in found.warnings
        ],
    }  # fmt: skip


def _account(account: Account) -> Mapping[str, object]:
    return {
        "device": account.device.ae_title, "keys": dict(account.keys), "refused": account.refused, "more": account.more,
        "fuzzy_names": account.asking.fuzzy_names, "offset_minutes": account.asking.offset,
        "asked_at": account.asked_at.isoformat() if account.asked_at else None,
        "steps": [
            {
                "step_key": e.entry.step_key, "scheduled_procedure_step_id": e.entry.scheduled_procedure_step_id,
                "accession_number": e.entry.document.get("AccessionNumber", ""), "start_at": e.entry.start_at,
                "station_ae_title": e.entry.station, "status": e.entry.status.value, "shown": e.verdict is None,
                "obstacle": e.verdict.obstacle.name.lower() if e.verdict else None,
                "keyword": e.verdict.keyword if e.verdict else None,
                "why": e.reason.what if e.reason else None, "remedy": e.reason.remedy if e.reason else None,
            }
            for e in account.explanations
        ],
    }  # fmt: skip


def _refused(refusal: Refusal) -> JSONResponse:
    values = {
        "what": "This was not accepted",
        "why": f"{refusal.where}: {refusal.text}",
        "remedy": "Correct the value.",
    }
    return JSONResponse({"error": values}, 422, headers=_NO_STORE)
