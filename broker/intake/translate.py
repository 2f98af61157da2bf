"""HL7 messages into what they ask of the broker: changes to orders and patients, with trace and problems.

Owns: which message types are understood, and the surroundings each is read in.  Must not: touch the database; the
rules in ``domain`` decide what a change does.
"""

from dataclasses import replace
from datetime import timedelta, timezone

from broker.intake import translate_appointments, translate_patients
from broker.intake.environment import Environment
from broker.intake.order_parts import Reader, Site
from broker.intake.pieces import Index
from broker.intake.rules import SenderMapping
from broker.intake.translate_appointments import translate_appointment
from broker.intake.translate_orders import OrderReader
from broker.intake.translate_patients import translate_patient
from broker.intake.translate_reports import translate_report
from broker.intake.translation import Translation
from hl7.datatypes import parse_dtm
from hl7.errors import ContentError, Location, UnsupportedMessage
from hl7.message import Message

#: message types and their events that are understood; MSH-9.2 may be missing in orders of old versions
ORDERS = {"ORM": ("O01",), "OMI": ("O23",), "OMG": ("O19",)}
SUPPORTED = {
    **ORDERS, "ORU": ("R01",), "SIU": translate_appointments.EVENTS, "ADT": tuple(sorted(translate_patients.EVENTS)),
}  # fmt: skip


def require_supported(message_type: str, trigger: str) -> None:
    """Raise UnsupportedMessage (200, 201) for a message type or event that is not understood."""
    if message_type not in SUPPORTED:
        raise UnsupportedMessage(
            f"unsupported message type; supported are {', '.join(sorted(SUPPORTED))}",
            error_code="200", location=Location("MSH", 1, 9, None, 1),
        )  # fmt: skip
    if trigger not in SUPPORTED[message_type] and not (message_type in ORDERS and not trigger):
        raise UnsupportedMessage(
            f"event not supported; of {message_type} supported are {', '.join(SUPPORTED[message_type])}",
            error_code="201", location=Location("MSH", 1, 9, None, 2),
        )  # fmt: skip


def translate(message: Message, mapping: SenderMapping, env: Environment, site: Site) -> Translation:
    """Everything the message asks for.  Raises UnsupportedMessage."""
    kind, trigger = message.message_type, message.trigger
    require_supported(kind, trigger)
    env.tables, env.local_scheme = mapping.tables, mapping.local_scheme
    env.primary_authorities, env.default_issuer = mapping.primary_authorities, mapping.default_issuer
    env.facility = message.sending_facility
    env.source_zone = _zone_of(message) or env.source_zone
    env.results = mapping.memory.of(message, env)
    translation = Translation()
    index, reader = Index(message), Reader(mapping, env, site)
    if kind == "ADT":
        translate_patient(index, trigger, reader, translation)
        if message.first("ORC") is not None and trigger in translate_patients.UPDATES:
            OrderReader(index, mapping, env, site, translation).read()
    elif kind == "SIU":
        translate_appointment(index, trigger, replace(reader, creating=False), translation)
    elif kind == "ORU":
        translate_report(index, replace(reader, creating=False), translation)
    else:
        OrderReader(index, mapping, env, site, translation).read()
    return translation


def _zone_of(message: Message) -> timezone | None:
    """The zone MSH-7 names holds for every time of the message that names none (HL7 2.5.1 section 2.15.9.7)."""
    offset = _offset(message.timestamp)
    return None if offset is None else timezone(offset)


def _offset(text: str) -> timedelta | None:
    try:
        return parse_dtm(text).offset if text else None
    except ContentError:
        return None
