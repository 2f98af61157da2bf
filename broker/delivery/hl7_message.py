"""The order status message ORM^O01 of HL7 2.3.1, rendered from a notification's payload.

Owns which payload value stands in which field.  Must not send, nor look anything up: the payload is the fact as it was,
so every attempt gives the same bytes.  Layout as in the orders received: one ORC/OBR pair per step, ZDS per procedure.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from broker.delivery.order_status import StatusCodes, codes_of
from broker.domain.identifiers import valid_uid
from broker.domain.notifications import Notification
from hl7.build import FieldValue, MessageBuilder, Repeated, RepetitionValue

_Payload = Mapping[str, Any]
_SEX = {"M": "M", "F": "F", "O": "O", "": "U"}
#: DICOM component groups of a name and their HL7 representation codes (table 4000)
_GROUPS = ("A", "I", "P")


@dataclass(frozen=True, slots=True)
class Profile:
    """How one partner wants its messages; ``charset`` is a name of HL7 table 0211."""

    sending_application: str = "BROKER"
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    charset: str = "UNICODE UTF-8"
    zone: tzinfo = UTC


def render(notification: Notification, profile: Profile, *, plain: bool = False) -> bytes:
    """The message.  ``plain`` writes names in their alphabetic group without accents.

    Raises ContentError when a value does not fit the partner's character set, KeyError for a fact without a message.
    """
    codes = codes_of(notification)
    payload = notification.payload
    builder = MessageBuilder(
        "ORM", "O01", version="2.3.1", charset=profile.charset, control_id=notification.message_id
    ).header(
        sending_application=profile.sending_application, sending_facility=profile.sending_facility,
        receiving_application=profile.receiving_application, receiving_facility=profile.receiving_facility,
        timestamp=notification.created_at.astimezone(profile.zone),
    )  # fmt: skip
    for name, fields in _segments(payload, codes, profile, plain):
        builder.segment(name, fields)
    return builder.to_bytes()


_Segment = tuple[str, dict[int, FieldValue]]


def _segments(payload: Any, codes: StatusCodes, profile: Profile, plain: bool) -> Iterator[_Segment]:
    if payload["patient"]:
        yield "PID", _pid(payload["patient"], plain)
    if payload["visit"] and payload["visit"]["admission"]:
        yield "PV1", {2: payload["visit"]["patient_class"] or "U", 19: _visit_number(payload["visit"]["admission"])}
    number = 0
    for procedure in payload["procedures"]:
        for step in _told(payload, procedure):
            number += 1
            yield "ORC", _orc(payload, step, codes, profile, plain)
            yield "OBR", _obr(payload, procedure, step, codes, profile, plain) | {1: number}
        yield "ZDS", {1: (procedure["study_instance_uid"], profile.sending_application, "Application", "DICOM")}


def _told(payload: _Payload, procedure: _Payload) -> list[_Payload]:
    """Steps that were canceled before are not part of what happened, unless nothing else is left of the order."""
    everything = [step for p in payload["procedures"] for step in p["steps"]]
    if all(step["status"] == "CANCELED" for step in everything):
        return list(procedure["steps"])
    return [step for step in procedure["steps"] if step["status"] != "CANCELED"]


def _pid(patient: _Payload, plain: bool) -> dict[int, FieldValue]:
    identifiers = [(i["value"], None, None, _authority(i["issuer"])) for i in patient["identifiers"] if i]
    return {
        3: Repeated(identifiers),
        5: _name(patient["name"], plain),
        7: patient["birth_date"],
        8: _SEX.get(patient["sex"], "U"),
    }


def _orc(payload: _Payload, step: _Payload, codes: StatusCodes, profile: Profile, plain: bool) -> dict[int, FieldValue]:
    order = payload["order"]
    return {
        1: codes.order_control,
        2: _number(order["placer"]),
        3: _number(order["filler"]),
        5: codes.order_status,
        7: (None, None, None, _start(payload, step)),
        9: _event_time(payload, profile),
        12: _person(order["requesting_physician"], plain),
        16: _reason(payload),
    }


def _obr(
    payload: _Payload, procedure: _Payload, step: _Payload, codes: StatusCodes, profile: Profile, plain: bool
) -> dict[int, FieldValue]:
    order, performed = payload["order"], payload["performed"] or {}
    return {
        2: _number(order["placer"]),
        3: _number(order["filler"]),
        4: _service(procedure, step),
        7: performed.get("started_at"),
        8: performed.get("ended_at"),
        16: _person(order["requesting_physician"], plain),
        18: (order["accession"] or {}).get("value"),
        19: procedure["requested_procedure_id"],
        20: step["scheduled_procedure_step_id"],
        22: _event_time(payload, profile),
        24: step["modality"],
        25: codes.result_status,
        27: (None, None, None, _start(payload, step)),
    }


def _event_time(payload: _Payload, profile: Profile) -> str:
    """When it happened (not when it is sent), at the site, with its offset."""
    return datetime.fromisoformat(payload["occurred_at"]).astimezone(profile.zone).strftime("%Y%m%d%H%M%S%z")


def _start(payload: _Payload, step: _Payload) -> str:
    """The performed start once there is one, before it the scheduled start."""
    performed = payload["performed"]
    if performed and performed["started_at"]:
        return str(performed["started_at"])
    return f"{step['start_date']}{step['start_time'].partition('.')[0]}" if step["start_date"] else ""


def _number(identifier: _Payload | None) -> RepetitionValue:
    """An order number with its authority: EI ``value^namespace^universal ID^type``."""
    return (identifier["value"], *_authority(identifier["issuer"])) if identifier else None


def _visit_number(identifier: _Payload) -> RepetitionValue:
    """CX: the authority is its fourth component."""
    return (identifier["value"], None, None, _authority(identifier["issuer"]))


def _authority(issuer: str) -> tuple[str | None, ...]:
    """An HD: an issuer that is a UID is a universal ID, any other a namespace (HL7 2.3.1 section 2.8.20)."""
    return (None, issuer, "ISO") if "." in issuer and valid_uid(issuer) else (issuer,)


def _name(person_name: str, plain: bool) -> FieldValue:
    """PN to XPN: one repetition per component group, prefix and suffix exchanged."""
    groups = person_name.split("=")
    if plain or len(groups) == 1:
        return _group(groups[0], "", plain)
    codes = dict(zip(_GROUPS, groups, strict=False))
    return Repeated([_group(group, code, plain) for code, group in codes.items() if group])


def _group(group: str, code: str, plain: bool) -> RepetitionValue:
    family, given, middle, prefix, suffix = _parts(group, plain)
    return (family, given, middle, suffix, prefix, None, None, code or None)


def _person(person_name: str, plain: bool) -> FieldValue:
    """PN to XCN without an ID: the alphabetic group only."""
    if not person_name:
        return None
    family, given, middle, prefix, suffix = _parts(person_name.split("=", maxsplit=1)[0], plain)
    return (None, family, given, middle, suffix, prefix)


def _parts(group: str, plain: bool) -> list[str]:
    text = _without_accents(group) if plain else group
    return (text.split("^") + [""] * 5)[:5]


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).replace("ß", "ss")


def _service(procedure: _Payload, step: _Payload) -> RepetitionValue:
    """OBR-4: the requested procedure's code, then the step's protocol code where it is another (IHE RAD TF-2 RAD-4)."""
    asked = _code(procedure["codes"][0]) if procedure["codes"] else ()
    protocol = _code(step["codes"][0]) if step["codes"] else ()
    if asked and protocol and asked != protocol:
        return (*asked, *protocol)
    return asked or protocol or (None, procedure["description"] or step["description"])


def _code(code: _Payload) -> tuple[str, str, str]:
    return (code["value"], code["meaning"], code["scheme"])


def _reason(payload: _Payload) -> RepetitionValue:
    """Why the device discontinued (PS3.16 CID 9300)."""
    code = (payload["performed"] or {}).get("discontinuation_code")
    return (code, None, "DCM") if code else None
