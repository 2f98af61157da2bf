"""The order status message, rendered from a notification's payload by a template.

Owns the scope that templates see, and which steps are told.  Must not send, nor look anything up: the payload is the
fact as it was, so every attempt gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from itertools import groupby
from typing import Any

from broker.delivery.hl7_template import Each, Group, Scope, SegmentTemplate, Template, look_up
from broker.delivery.hl7_template_file import DEFAULT_TEMPLATE, load_template
from broker.delivery.hl7_values import Style
from broker.delivery.order_status import codes_of
from broker.domain.notifications import Notification
from hl7.build import MessageBuilder

_Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """How one partner wants its messages; ``charset`` is a name of HL7 table 0211."""

    sending_application: str = "BROKER"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    charset: str = "UNICODE UTF-8"
    zone: tzinfo = UTC
    template: Template = field(default_factory=lambda: load_template(DEFAULT_TEMPLATE))


def render(notification: Notification, profile: Profile, *, plain: bool = False) -> bytes:
    """The message.  ``plain`` writes names in their alphabetic group without accents.

    Raises ContentError when a value does not fit the partner's character set, KeyError for a fact without a message.
    """
    template = profile.template
    builder = MessageBuilder(
        template.message_type, template.trigger, version=template.version, charset=profile.charset,
        control_id=notification.message_id,
    ).header(
        sending_application=profile.sending_application, sending_facility=profile.sending_facility,
        receiving_application=profile.receiving_application, receiving_facility=profile.receiving_facility,
        timestamp=notification.created_at.astimezone(profile.zone),
    )  # fmt: skip
    style = Style(plain, profile.zone)
    for segment, scope in segments_of(notification, profile):
        if not segment.when or look_up(scope, segment.when):
            fields = {number: spec.value(scope, style) for number, spec in segment.fields.items()}
            builder.segment(segment.name, {number: value for number, value in fields.items() if value is not None})
    return builder.to_bytes()


def segments_of(notification: Notification, profile: Profile) -> Iterator[tuple[SegmentTemplate, Scope]]:
    """Every segment of the message in its place, with what its fields see."""
    return _segments(profile.template, _scope(notification, profile))


def _scope(notification: Notification, profile: Profile) -> dict[str, Any]:
    """What a template may name in every segment: the payload, the event's codes, the broker's own name."""
    payload: _Payload = notification.payload
    codes = codes_of(notification, profile.template.codes)
    performed = _performed(payload)
    return {
        "patient": payload["patient"], "visit": payload["visit"], "order": payload["order"],
        "procedures": payload["procedures"], "performed": performed,
        "event": {
            "kind": notification.kind.value, "time": payload["occurred_at"],
            "order_control": codes.order_control, "order_status": codes.order_status,
            "result_status": codes.result_status,
            # why the exam was discontinued (PS3.16 CID 9300)
            "reason": _reason(payload, performed),
        },
        "site": {"application": profile.sending_application, "facility": profile.sending_facility},
    }  # fmt: skip


def _performed(payload: _Payload) -> dict[str, Any]:
    """What the device said, with the times of what was said in its place (``services.inferring``)."""
    said = payload["data"]
    times = {name: said[name] for name in ("started_at", "ended_at") if said.get("inferred") and said.get(name)}
    return {**(payload["performed"] or {}), **times}


def _reason(payload: _Payload, performed: _Payload) -> tuple[str, str, str] | None:
    """The reason as it was given; else the code kept with the exam, ``code^scheme`` where it is none of DCM."""
    given = payload["data"].get("discontinuation") or {}
    if given.get("code"):
        return (given["code"], given["meaning"], given["scheme"] or "DCM")
    code, _, scheme = str(performed.get("discontinuation_code") or "").partition("^")
    return (code, "", scheme or "DCM") if code else None


def _segments(template: Template, scope: dict[str, Any]) -> Iterator[tuple[SegmentTemplate, Scope]]:
    """Every segment with what it sees; groups of procedures and steps that follow each other go per procedure."""
    for per_message, together in groupby(template.groups, key=lambda group: group.each is Each.MESSAGE):
        if per_message:
            yield from ((segment, scope) for group in together for segment in group.segments)
        else:
            yield from _of_procedures(list(together), scope)


def _of_procedures(groups: list[Group], scope: dict[str, Any]) -> Iterator[tuple[SegmentTemplate, Scope]]:
    numbers: dict[Each, int] = {Each.PROCEDURE: 0, Each.STEP: 0}
    for procedure in scope["procedures"]:
        steps = _told(scope["procedures"], procedure)
        numbers[Each.PROCEDURE] += 1
        seen = {**scope, "procedure": procedure}
        before = numbers[Each.STEP]
        for group in groups:
            if group.each is Each.PROCEDURE:
                first = _step(seen, steps[0]) if steps else {}
                own = {**seen, "step": first, "number": numbers[Each.PROCEDURE]}
                yield from ((segment, own) for segment in group.segments)
                continue
            for position, step in enumerate(steps, before + 1):
                own = {**seen, "step": _step(seen, step), "number": position}
                yield from ((segment, own) for segment in group.segments)
        numbers[Each.STEP] = before + len(steps)


def _told(procedures: list[_Payload], procedure: _Payload) -> list[_Payload]:
    """Steps that were canceled before are not part of what happened, unless nothing else is left of the order."""
    everything = [step for p in procedures for step in p["steps"]]
    if all(step["status"] == "CANCELED" for step in everything):
        return list(procedure["steps"])
    return [step for step in procedure["steps"] if step["status"] != "CANCELED"]


def _step(scope: Scope, step: _Payload) -> dict[str, Any]:
    stations = step["stations"]
    return {
        **step,
        "start": _start(scope["performed"], step),
        "service": _service(scope["procedure"], step),
        "station": stations[0] if stations else "",
    }


def _start(performed: _Payload, step: _Payload) -> str:
    """The performed start once there is one, before it the scheduled start."""
    if performed.get("started_at"):
        return str(performed["started_at"])
    return f"{step['start_date']}{step['start_time'].partition('.')[0]}" if step["start_date"] else ""


def _service(procedure: _Payload, step: _Payload) -> tuple[str, ...]:
    """OBR-4: the requested procedure's code, then the step's protocol code where it is another (IHE RAD TF-2 RAD-4)."""
    asked = _code(procedure["codes"][0]) if procedure["codes"] else ()
    protocol = _code(step["codes"][0]) if step["codes"] else ()
    if asked and protocol and asked != protocol:
        return (*asked, *protocol)
    return asked or protocol or ("", procedure["description"] or step["description"])


def _code(code: _Payload) -> tuple[str, str, str]:
    return (code["value"], code["meaning"], code["scheme"])
