"""A notification as a CloudEvents 1.0 JSON document, for webhooks, files and message brokers.

Owns the document that docs/notifications.md describes.  Names no person unless told to: identifiers of the order,
its steps and states, so that the receiver can ask for more where it is allowed to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from broker.domain.notifications import Notification

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
#: of a step, what is told without patient data
_STEP = ("scheduled_procedure_step_id", "status", "modality", "stations", "start_date", "start_time")


@dataclass(frozen=True, slots=True)
class EventStyle:
    """Where events come from (the site), and whether persons may be named."""

    site: str
    patient_data: bool = False


def document(notification: Notification, style: EventStyle) -> dict[str, object]:
    """The document; the same for every attempt."""
    payload: Mapping[str, Any] = notification.payload
    occurred = datetime.fromisoformat(str(payload["occurred_at"])).astimezone(UTC)
    return {
        "specversion": "1.0",
        "id": notification.message_id,
        "source": f"/worklist-broker/{quote(style.site, safe='')}",
        "type": f"worklist-broker.{notification.kind.value}",
        "time": occurred.isoformat().replace("+00:00", "Z"),
        "subject": notification.subject,
        # grows with each notification of a subject: a receiver drops what is older than what it has
        "sequence": f"{notification.key:020d}",
        "datacontenttype": "application/json",
        "data": _named(payload) if style.patient_data else _minimal(payload),
    }


def encode(notification: Notification, style: EventStyle) -> bytes:
    """The document as UTF-8 JSON."""
    return to_json(document(notification, style))


def to_json(value: object) -> bytes:
    """UTF-8 JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _minimal(payload: Mapping[str, Any]) -> dict[str, object]:
    order = payload["order"]
    return {
        "fact": payload["fact"],
        "order": {key: order[key] for key in ("sender", "placer", "filler", "accession", "priority")}
        if order
        else None,
        "procedures": [_procedure(procedure) for procedure in payload["procedures"]],
        "performed": payload["performed"],
    }


def _procedure(procedure: Mapping[str, Any]) -> dict[str, object]:
    return {
        "requested_procedure_id": procedure["requested_procedure_id"],
        "study_instance_uid": procedure["study_instance_uid"],
        "steps": [{key: step[key] for key in _STEP} for step in procedure["steps"]],
    }


def _named(payload: Mapping[str, Any]) -> dict[str, object]:
    """Everything the fact was recorded with."""
    return {key: payload[key] for key in ("fact", "patient", "visit", "order", "procedures", "performed")}
