"""The settings of destinations: one class for each kind, chosen by its ``kind``.

The classes are the one list of what a destination may be told to do; ``config/destinations.toml`` and the
documentation are checked against them by tests.
"""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from broker.domain import routing
from broker.settings_types import AeTitle, Name, Section

OrderEvent = Literal[
    "started", "completed", "discontinued", "returned", "corrected", "placed", "changed", "canceled", "held",
    "released", "reported",
]  # fmt: skip
AnyEvent = Literal[
    "started", "completed", "discontinued", "returned", "corrected", "placed", "changed", "canceled", "held",
    "released", "reported", "patient_updated", "patient_merged", "exam_started", "exam_updated", "exam_completed",
    "exam_discontinued",
    "exam_unmatched", "exam_stuck", "study_available", "study_partly_available", "study_unmatched",
]  # fmt: skip
#: what is told to FHIR servers
ResourceEvent = Literal[
    "started", "completed", "discontinued", "returned", "corrected", "placed", "changed", "canceled", "held",
    "released", "reported", "study_available", "study_partly_available",
]  # fmt: skip
ExamEvent = Literal["exam_started", "exam_updated", "exam_completed", "exam_discontinued"]
Port = Annotated[int, Field(ge=1, le=65535)]


def _pattern(value: str) -> str:
    wrong = routing.problem(value)
    if wrong:
        raise ValueError(wrong)
    return value


#: a routing key or subject with places to fill
Pattern = Annotated[str, AfterValidator(_pattern)]
_ORDER_LIFE: tuple[OrderEvent, ...] = ("started", "completed", "discontinued", "returned", "corrected")


class _Destination(Section):
    """What every kind has: its name, whom it is told about, and how hard it is tried."""

    name: Name
    modalities: tuple[str, ...] = ()
    senders: tuple[Name, ...] = ()
    sites: tuple[Name, ...] = ()
    first_retry: float = Field(0, ge=0)
    ceiling: float = Field(0, ge=0)
    rate: float = Field(0, ge=0)
    alarm_minutes: float = Field(0, ge=0)


class _Tls(Section):
    """Encryption towards the receiver."""

    tls: bool = False
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_hostname: str = ""


class _Login(Section):
    """Who we are to the receiver: a user with a password, or a token, from the environment or a file only."""

    user: str = ""
    secret_env: str = ""
    secret_file: str = ""

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret_env and self.secret_file:
            raise ValueError("secret_env and secret_file exclude each other: leave one out")
        if self.user and not (self.secret_env or self.secret_file):
            raise ValueError("user needs a password: name it with secret_env or secret_file")
        return self


def _http_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("an address such as https://host/path is expected, without user and password")
    return value


def _guard_plain_http(url: str, allow_private: bool) -> None:
    if url.startswith("http:") and not allow_private:
        raise ValueError("http is only for private networks: use https, or set allow_private = true")


class Hl7Destination(_Destination, _Tls):
    """HL7 over MLLP: status messages by a template, or orders as received (profile "raw")."""

    kind: Literal["hl7"]
    host: str
    port: Port
    profile: str = "orm-o01"
    events: tuple[OrderEvent, ...] = _ORDER_LIFE
    latest_only: bool = False
    application: str = "RIS"
    facility: str = ""
    sending_application: str = "BROKER"
    sending_facility: str = ""
    charset: str = "UNICODE UTF-8"

    @model_validator(mode="after")
    def _raw_has_no_events(self) -> "Hl7Destination":
        if self.profile == "raw" and ({"events", "latest_only"} & self.model_fields_set):
            raise ValueError('profile "raw" hands every applied message on: leave events and latest_only out')
        return self


class MppsDestination(_Destination, _Tls):
    """MPPS requests handed on as received."""

    kind: Literal["mpps"]
    host: str
    port: Port
    ae_title: AeTitle
    calling_ae_title: str = ""
    not_from: tuple[AeTitle, ...] = ()


class MppsEventDestination(_Destination, _Tls):
    """Events of performed steps (MPPS Notification), to a receiver that is called or one that keeps a line open."""

    kind: Literal["mpps_event"]
    ae_title: AeTitle
    host: str = ""
    port: int = Field(0, ge=0, le=65535)
    calling_ae_title: str = ""
    events: tuple[ExamEvent, ...] = ("exam_started", "exam_updated", "exam_completed", "exam_discontinued")

    @model_validator(mode="after")
    def _called_or_not(self) -> "MppsEventDestination":
        if bool(self.host) != bool(self.port):
            raise ValueError("host and port belong together; leave both out for a device that connects by itself")
        if not self.host and ({"calling_ae_title", "tls"} & self.model_fields_set):
            raise ValueError("calling_ae_title and tls are for receivers that are called: they need host and port")
        return self


class IanDestination(_Destination, _Tls):
    """Instance Availability Notifications handed on as received."""

    kind: Literal["ian"]
    host: str
    port: Port
    ae_title: AeTitle
    calling_ae_title: str = ""
    not_from: tuple[AeTitle, ...] = ()


class WebhookDestination(_Destination):
    """Signed JSON over HTTPS."""

    kind: Literal["webhook"]
    url: str
    events: tuple[AnyEvent, ...] = _ORDER_LIFE
    latest_only: bool = False
    secret_env: str = ""
    secret_file: str = ""
    patient_data: bool = False
    allow_private: bool = False
    tls_ca: str = ""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        return _http_address(value)

    @model_validator(mode="after")
    def _guarded(self) -> "WebhookDestination":
        if bool(self.secret_env) == bool(self.secret_file):
            raise ValueError("one of secret_env and secret_file is required: messages are always signed")
        _guard_plain_http(self.url, self.allow_private)
        return self


class FileDestination(_Destination):
    """One file for each event."""

    kind: Literal["file"]
    folder: str
    content: str = "json"
    events: tuple[AnyEvent, ...] = _ORDER_LIFE
    latest_only: bool = False
    patient_data: bool = False
    application: str = "RIS"
    facility: str = ""
    charset: str = "UNICODE UTF-8"

    @model_validator(mode="after")
    def _messages_are_about_orders(self) -> "FileDestination":
        others = sorted(e for e in self.events if e.startswith(("patient_", "exam_", "study_")))
        if self.content != "json" and others:
            raise ValueError(f'there is no HL7 message for {", ".join(others)}; use content = "json"')
        return self


class AmqpDestination(_Destination, _Tls, _Login):
    """Events published to an exchange of a RabbitMQ server (AMQP 0-9-1)."""

    kind: Literal["amqp"]
    host: str
    port: Port = 5672
    virtual_host: str = "/"
    exchange: str = ""
    exchange_type: Literal["", "direct", "fanout", "headers", "topic"] = ""
    routing_key: Pattern = "worklist.{event}"
    mode: Literal["structured", "binary"] = "structured"
    mandatory: bool = True
    events: tuple[AnyEvent, ...] = _ORDER_LIFE
    latest_only: bool = False
    patient_data: bool = False

    @model_validator(mode="after")
    def _known_to_the_server(self) -> Self:
        if not self.user and not self.tls_certificate:
            raise ValueError("user with secret_env or secret_file is required, or a tls_certificate to log in with")
        if self.exchange_type and not self.exchange:
            raise ValueError("exchange_type makes an exchange: name it with exchange")
        return self


class NatsDestination(_Destination, _Tls, _Login):
    """Events published to a stream of a NATS server with JetStream."""

    kind: Literal["nats"]
    host: str
    port: Port = 4222
    subject: Pattern = "worklist.{event}"
    stream: str = ""
    credentials_file: str = ""
    events: tuple[AnyEvent, ...] = _ORDER_LIFE
    latest_only: bool = False
    patient_data: bool = False

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if self.credentials_file and (self.secret_env or self.secret_file):
            raise ValueError("credentials_file holds all that is needed: leave user, secret_env and secret_file out")
        return self


class FhirDestination(_Destination, _Login):
    """Orders, steps and studies brought up to date on a FHIR R4 server."""

    kind: Literal["fhir"]
    url: str
    patient: Literal["reference", "contained", "create"] = "reference"
    events: tuple[ResourceEvent, ...] = (
        *_ORDER_LIFE, "placed", "changed", "canceled", "held", "released", "study_available", "study_partly_available",
    )  # fmt: skip
    latest_only: bool = False
    allow_private: bool = False
    tls_ca: str = ""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str) -> str:
        return _http_address(value)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        _guard_plain_http(self.url, self.allow_private)
        return self


DestinationSettings = Annotated[
    Hl7Destination | MppsDestination | MppsEventDestination | IanDestination | WebhookDestination | FileDestination
    | AmqpDestination | NatsDestination | FhirDestination,
    Field(discriminator="kind"),
]  # fmt: skip
KINDS: dict[str, type[Any]] = {
    "hl7": Hl7Destination, "mpps": MppsDestination, "mpps_event": MppsEventDestination, "ian": IanDestination,
    "webhook": WebhookDestination, "file": FileDestination, "amqp": AmqpDestination, "nats": NatsDestination,
    "fhir": FhirDestination,
}  # fmt: skip
