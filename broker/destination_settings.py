"""The settings of destinations: one class for each kind, chosen by its ``kind``.

The classes are the one list of what a destination may be told to do; ``config/destinations.toml`` and the
documentation are checked against them by tests.
"""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

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
ExamEvent = Literal["exam_started", "exam_updated", "exam_completed", "exam_discontinued"]
Port = Annotated[int, Field(ge=1, le=65535)]
_ORDER_LIFE: tuple[OrderEvent, ...] = ("started", "completed", "discontinued", "returned", "corrected")


class _Destination(Section):
    """What every kind has: its name, whom it is told about, and how hard it is tried."""

    name: Name
    modalities: tuple[str, ...] = ()
    senders: tuple[Name, ...] = ()
    first_retry: float = Field(0, ge=0)
    ceiling: float = Field(0, ge=0)
    rate: float = Field(0, ge=0)


class _Tls(Section):
    """Encryption towards the receiver."""

    tls: bool = False
    tls_ca: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_hostname: str = ""


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
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError("an address such as https://host/path is expected, without user and password")
        return value

    @model_validator(mode="after")
    def _guarded(self) -> "WebhookDestination":
        if bool(self.secret_env) == bool(self.secret_file):
            raise ValueError("one of secret_env and secret_file is required: messages are always signed")
        if self.url.startswith("http:") and not self.allow_private:
            raise ValueError("http is only for private networks: use https, or set allow_private = true")
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


DestinationSettings = Annotated[
    Hl7Destination | MppsDestination | MppsEventDestination | IanDestination | WebhookDestination | FileDestination,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Any]] = {
    "hl7": Hl7Destination, "mpps": MppsDestination, "mpps_event": MppsEventDestination, "ian": IanDestination,
    "webhook": WebhookDestination, "file": FileDestination,
}  # fmt: skip
