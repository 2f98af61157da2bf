"""What can be set about a destination on the pages and by program: the words for each setting, and the checks.

The classes of ``destination_settings`` stay the one list of settings; here stand their words and what is asked more of
destinations that people add, whose settings come from a database that others may read.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from broker.destination_settings import KINDS, DestinationSettings
from broker.services.destination_desk import Form, SettingField, WrongSettings
from broker.settings_source import explain

#: environment variables that people may name begin so: no other one can be sent to a receiver of their choice
VARIABLE_PREFIX = "DESTINATION_"
_IN_FILE_ONLY = ("secret_file", "credentials_file")
_READER: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)

#: the meaning of each setting, in one line
WORDS: Mapping[str, str] = {
    "host": "name or address of the receiver", "port": "its TCP port", "url": "its address, https://...",
    "ae_title": "AE title of the receiver", "calling_ae_title": "AE title we call with; empty: dicom.ae_title",
    "profile": "template of the messages, such as omg-o19; raw hands orders on as received",
    "events": "what it is told", "latest_only": "a newer one replaces those of its order that still wait",
    "modalities": "only orders with these modalities; empty: all",
    "senders": "only orders of these senders; empty: all",
    "sites": "only orders of senders of these sites (site under [[senders]]); empty: all",
    "not_from": "AE titles whose requests are not handed on (its own never are)",
    "application": "receiving application (MSH-5)", "facility": "receiving facility (MSH-6)",
    "sending_application": "sending application (MSH-3)", "sending_facility": "sending facility (MSH-4)",
    "charset": "character set (MSH-18)", "folder": "folder that files are written to",
    "content": "json, or the name of an HL7 template",
    "secret_env": f"environment variable with secret, password or token; its name begins with {VARIABLE_PREFIX}",
    "user": "user name; the password is the secret",
    "patient_data": "names, birth dates and patient numbers are sent too",
    "allow_private": "addresses that are not of the public Internet, and http, are allowed",
    "virtual_host": "virtual host of the server", "exchange": "exchange; empty: the server's default",
    "exchange_type": "the exchange is made with this type; empty: it is there already",
    "routing_key": "with places {event}, {modality}, {sender}, {site}", "subject": "with places as a routing key",
    "mode": "structured: the event is the body; binary: its attributes are headers",
    "mandatory": "what no queue takes comes back and is tried again", "stream": "stream that must take it; empty: any",
    "patient": "reference: by number alone; contained: inside each resource; create: a Patient where there is none",
    "tls": "encrypt", "tls_ca": "file with the CA that signed its certificate; empty: the system's",
    "tls_certificate": "file with our certificate", "tls_key": "file with its private key",
    "tls_hostname": "name in its certificate, where it is not the host",
    "first_retry": "seconds until a failed one is tried again; 0: as [delivery]",
    "ceiling": "seconds between tries at most; 0: as [delivery]",
    "rate": "notifications per second at most; 0: no limit",
    "alarm_minutes": "minutes one may wait until an alarm is given; 0: as [delivery]",
}  # fmt: skip


def fields(kind: str) -> tuple[SettingField, ...]:
    """What people can set about destinations of a kind: what is required first."""
    known = KINDS[kind].model_fields
    made = [_field(name, known[name]) for name in WORDS if name in known]
    return tuple(sorted(made, key=lambda one: not one.required))


def _field(name: str, info: FieldInfo) -> SettingField:
    form, choices = _form(info.annotation)
    default = "" if info.is_required() else info.default
    return SettingField(name, WORDS[name], form, choices, info.is_required(), default)


def _form(annotation: Any) -> tuple[Form, tuple[str, ...]]:
    if annotation is bool:
        return Form.FLAG, ()
    if annotation in (int, float):
        return Form.NUMBER, ()
    if get_origin(annotation) is Literal:
        return Form.CHOICE, get_args(annotation)
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        return (Form.CHOICES, get_args(inner)) if get_origin(inner) is Literal else (Form.LIST, ())
    return Form.TEXT, ()


def read(name: str, settings: Mapping[str, Any]) -> DestinationSettings:
    """The settings of a destination as they would stand under ``[[destinations]]``.  Raises WrongSettings."""
    try:
        return _READER.validate_python({**settings, "name": name})
    except ValidationError as error:
        raise WrongSettings(_by_field(error)) from None


def unfit(made: DestinationSettings) -> dict[str, str]:
    """By setting, what the settings file may say and people may not."""
    text = "is only for destinations of the settings file; name an environment variable with secret_env"
    wrong = {field: text for field in _IN_FILE_ONLY if getattr(made, field, "")}
    secret = getattr(made, "secret_env", "")
    if secret and not secret.startswith(VARIABLE_PREFIX):
        wrong["secret_env"] = f"the name of the environment variable must begin with {VARIABLE_PREFIX}"
    return wrong


def written(made: DestinationSettings) -> dict[str, Any]:
    """What is set and not as usual, as plain values, without the name."""
    plain: dict[str, Any] = made.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    return plain


def _by_field(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in error.errors():
        where = [str(part) for part in one["loc"]]
        where = where[1:] if where and where[0] in KINDS else where
        field = "kind" if str(one["type"]).startswith("union_tag_") else where[0] if where else ""
        text = explain(one)
        found[field] = f"{found[field]}; {text}" if field in found else text
    return found
