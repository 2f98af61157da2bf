"""Every setting of the broker: its meaning, what is allowed, its default.

The classes here are the one list; ``config/broker.toml`` and the documentation are checked against them by tests.
Where values come from is the business of ``settings_source``; who uses them, of ``app``.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from broker.destination_settings import DestinationSettings, MppsEventDestination
from broker.domain.device_settings import NAMES, profile_of
from broker.domain.devices import DeviceProfile
from broker.domain.errors import Refusal
from broker.domain.performed_faults import DEFAULT_TOLERATED, Quirk
from broker.settings_types import AeTitle, Name, Port, Seconds
from broker.settings_types import Section as _Section
from hl7.charset import CHARACTER_SETS
from hl7.charset import find as find_charset

Shown = Literal["SCHEDULED", "ARRIVED", "READY", "STARTED"]


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError('an address or a network is expected, such as "10.1.2.3" or "10.1.2.0/24"') from None
    return value


def _certificate(value: str) -> str:
    kind, _, digits = value.partition(":")
    if not value.strip():
        raise ValueError("a common name, or sha256: and the fingerprint, is expected")
    if kind.lower() == "sha256" and not re.fullmatch("[0-9a-fA-F]{64}", digits.replace(":", "")):
        raise ValueError("a fingerprint is sha256: and 64 hexadecimal digits, with or without colons")
    return value


def _zone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError('an IANA time zone name is expected, such as "Europe/Zurich"') from None
    return value


class SiteSettings(_Section):
    """The place: its name on the board, its time zone, the prefix of accession numbers it generates."""

    name: str = Field("Radiology", max_length=64)
    timezone: str = "UTC"
    accession_prefix: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,8}$")] = "WB"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _zone_name(value)


class DatabaseSettings(_Section):
    """Where everything is kept.  Empty url: ``broker.db`` in the data folder."""

    url: str = ""
    pool_size: int = Field(8, ge=1, le=100)

    @field_validator("url")
    @classmethod
    def _known_kind(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError('"sqlite:///FILE" or "postgresql+psycopg://USER@HOST/DATABASE" is expected')
        return value


class IntakeSettings(_Section):
    """The HL7 listener and the rules for orders."""

    host: str = "127.0.0.1"
    port: Port = 2575
    unknown: Literal["", "accept", "refuse"] = ""
    workers: int = Field(1, ge=1, le=64)
    max_connections: int = Field(500, ge=1)
    max_frame_kib: int = Field(10240, ge=16)
    idle_timeout: float = Field(0, ge=0)
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    mapping: str = "ihe-swf"
    mappings_dir: str = ""
    procedures: str = ""
    order_status: str = ""
    unknown_control: Literal["refuse", "accept"] = "refuse"
    unknown_change: Literal["create", "refuse"] = "create"
    known_new: Literal["update", "refuse"] = "update"
    unknown_cancel: Literal["accept", "refuse"] = "refuse"
    cancel_after_start: Literal["refuse", "alarm"] = "refuse"
    unknown_appointment: Literal["create", "refuse"] = "refuse"
    canceled_appointment: Literal["unschedule", "cancel"] = "unschedule"
    arrival: Literal["note", "arrive"] = "note"
    final_report: Literal["note", "complete"] = "note"
    orders_update_patients: bool = False
    processing_ids: tuple[Literal["P", "T", "D"], ...] = ("P",)
    receiving_application: str = ""
    receiving_facility: str = ""
    duplicates_days: float = Field(30, gt=0)
    default_stations: dict[str, list[AeTitle]] = Field(default_factory=dict)


class DicomTlsSettings(_Section):
    """DICOM over TLS on a port of its own, beside the plain one.  Empty certificate: none."""

    host: str = "127.0.0.1"
    port: Port = 2762
    certificate: str = ""
    key: str = ""
    ca: str = ""
    require_client_certificate: bool = True

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.certificate and not self.key:
            raise ValueError("key is needed with certificate: the PEM file of the private key")
        if self.certificate and self.require_client_certificate and not self.ca:
            raise ValueError("ca is needed to demand client certificates; or set require_client_certificate = false")
        return self


class DicomSettings(_Section):
    """The DICOM acceptor."""

    host: str = "127.0.0.1"
    port: Port = 11112
    ae_title: AeTitle = "BROKER"
    unknown: Literal["", "accept", "refuse"] = ""
    workers: int = Field(1, ge=1, le=64)
    max_associations: int = Field(1000, ge=1)
    max_pdu: int = Field(16382, ge=4096, le=131072)
    idle_timeout: float = Field(7200, ge=0)
    charset: str = "ISO_IR 192"
    devices: str = ""
    tls: DicomTlsSettings = Field(default_factory=DicomTlsSettings)


class WorklistSettings(_Section):
    """What devices are shown."""

    shown: tuple[Shown, ...] = ("SCHEDULED", "ARRIVED", "READY")
    limit: int = Field(0, ge=0)
    fuzzy_names: bool = True
    timezone_adjustment: bool = True


Hours = Annotated[float, Field(ge=0, le=24 * 366)]


class StuckSettings(_Section):
    """How many hours an exam may be in progress without a word, and what a rule does then; 0 never."""

    hours: Hours = 3
    modalities: dict[Annotated[str, Field(pattern=r"^[A-Z0-9]{2,16}$")], Hours] = Field(default_factory=dict)
    codes: dict[Annotated[str, Field(min_length=1)], Hours] = Field(default_factory=dict)
    apply_after: Hours = 0
    apply: Literal["completed", "discontinued"] = "completed"


class PerformedSettings(_Section):
    """How strictly MPPS is taken."""

    strict: bool = False
    tolerate: tuple[Quirk, ...] = tuple(q for q in Quirk if q in DEFAULT_TOLERATED)
    reopen: Literal["always", "same_device", "never"] = "always"
    reasons: dict[str, Literal["returns", "discontinued", "manual"]] = Field(default_factory=dict)
    conclude_by_images: float = Field(0, ge=0, le=7 * 24 * 60)
    stuck: StuckSettings = Field(default_factory=StuckSettings)


class DeliverySettings(_Section):
    """How notifications are repeated."""

    first_retry: Seconds = 5
    ceiling: Seconds = 300
    answer_timeout: Seconds = 30
    connect_timeout: Seconds = 10
    alarm_minutes: float = Field(15, ge=0)
    templates_dir: str = ""


def _uri(value: str) -> str:
    if not re.fullmatch(r"(urn:[a-z0-9-]+:?|https?://)\S*", value):
        raise ValueError("a URI is expected, such as urn:oid:1.2.3 or https://hospital.example/ids/mrn")
    return value


class FhirSettings(_Section):
    """How FHIR names whoever assigns numbers and codes, pushed or served."""

    identifier_base: Annotated[str, AfterValidator(_uri)] = "urn:worklist-broker"
    systems: dict[str, Annotated[str, AfterValidator(_uri)]] = Field(default_factory=dict)


class WebSettings(_Section):
    """The board."""

    host: str = "127.0.0.1"
    port: Port = 8080
    session_hours: float = Field(12, gt=0)


class DicomWebSettings(_Section):
    """DICOMweb for scheduled and performed procedure steps, on the port of the board."""

    enabled: bool = True
    max_results: int = Field(1000, ge=1, le=100_000)
    max_document_kib: int = Field(4096, ge=64, le=65536)


class JobSettings(_Section):
    """Housekeeping."""

    keep_queries_days: int = Field(7, ge=1)
    keep_sessions_days: int = Field(1, ge=1)
    keep_messages_days: int = Field(0, ge=0)
    keep_notifications_days: int = Field(0, ge=0)


class LogSettings(_Section):
    """What is logged; never patient data at any level."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class SenderSettings(_Section):
    """A system that sends HL7: how it is recognised, how it is read."""

    name: Name
    application: str = ""
    facility: str = ""
    site: str = ""
    port: Port = 0
    certificate: str = ""
    mapping: str = ""
    charset: str = ""
    charset_fallback: str = ""
    timezone: str = ""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return _zone_name(value) if value else value

    @field_validator("charset", "charset_fallback")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        if value and find_charset(value) is None:
            names = ", ".join(row.hl7_name for row in CHARACTER_SETS)
            raise ValueError(f"a character set of HL7 table 0211 is expected: {names}")
        return value


class DeviceSettings(_Section):
    """A modality that asks for its worklist.  Meaning and checks of the values: ``domain.device_settings``."""

    ae_title: AeTitle
    stations: list[AeTitle] = Field(default_factory=list)
    own_station: bool = False
    modalities: list[str] = Field(default_factory=list)
    locations: list[str] = Field(default_factory=list)
    window: list[float] = Field(default_factory=list)
    shown: list[Shown] = Field(default_factory=list)
    grace: dict[str, float] = Field(default_factory=dict)
    limit: int = Field(0, ge=0)
    charset: str = ""
    warn_unsupported: bool = True
    ignore_case: bool = False
    exact_names: bool = False
    strip: list[str] = Field(default_factory=list)
    rename: dict[str, str] = Field(default_factory=dict)
    clip: dict[str, int] = Field(default_factory=dict)
    too_long: Literal["cut", "whole", "withhold"] = "cut"
    max_pdu: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _sound(self) -> "DeviceSettings":
        self.profile()
        return self

    def profile(self) -> DeviceProfile:
        """The device as the rules know it.  Raises ValueError."""
        try:
            return profile_of(self.ae_title, self.model_dump(include=set(NAMES)))
        except Refusal as refusal:
            raise ValueError(f"{refusal.where}: {refusal.text}") from None

    addresses: list[Annotated[str, AfterValidator(_network)]] = Field(default_factory=list)
    certificates: list[Annotated[str, AfterValidator(_certificate)]] = Field(default_factory=list)
    max_associations: int = Field(0, ge=0)
    tolerate: tuple[Quirk, ...] = ()


class Settings(_Section):
    """All settings together."""

    data_dir: Path = Path("data")
    include: list[str] = Field(default_factory=list)
    site: SiteSettings = Field(default_factory=SiteSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    dicom: DicomSettings = Field(default_factory=DicomSettings)
    worklist: WorklistSettings = Field(default_factory=WorklistSettings)
    performed: PerformedSettings = Field(default_factory=PerformedSettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    fhir: FhirSettings = Field(default_factory=FhirSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    dicomweb: DicomWebSettings = Field(default_factory=DicomWebSettings)
    jobs: JobSettings = Field(default_factory=JobSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    senders: list[SenderSettings] = Field(default_factory=list)
    devices: list[DeviceSettings] = Field(default_factory=list)
    destinations: list[DestinationSettings] = Field(default_factory=list)

    @model_validator(mode="after")
    def _reachable_lines(self) -> Self:
        """An association that a device keeps open is in one process, and the sender of events is the first."""
        kept = [d.name for d in self.destinations if isinstance(d, MppsEventDestination) and not d.host]
        if kept and self.dicom.workers > 1:
            raise ValueError(
                f"dicom.workers = {self.dicom.workers} cannot go with destinations of kind mpps_event that connect by "
                f"themselves ({', '.join(kept)}): give them a host, or leave dicom.workers at 1"
            )
        return self

    @property
    def database_url(self) -> str:
        """The database in use: the setting, or the file in the data folder."""
        return self.database.url or f"sqlite:///{self.data_dir / 'broker.db'}"


def is_loopback(host: str) -> bool:
    """True when ``host`` can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
