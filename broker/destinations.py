"""Destinations made from the settings: one function for each kind, and what must be right before they are used."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from broker.delivery import amqp_link, cloud_event, extras, nats_link
from broker.delivery.amqp import AmqpConfig, AmqpDestination
from broker.delivery.base import Destination, RetryPlan
from broker.delivery.cloud_event import EventStyle
from broker.delivery.fhir import READ_LIMIT, FhirConfig, FhirDestination
from broker.delivery.file import Content, FileDestination
from broker.delivery.hl7 import Hl7Destination, Hl7DestinationConfig, render_for
from broker.delivery.hl7_check import check_template
from broker.delivery.hl7_message import Profile
from broker.delivery.hl7_template_file import DEFAULT_TEMPLATE, TemplateError, load_template
from broker.delivery.http import Target
from broker.delivery.ian import IanDestination
from broker.delivery.login import Login
from broker.delivery.mpps import MppsDestination, MppsDestinationConfig, StoredRequests
from broker.delivery.mpps_event import DialledLine, KeptLine, MppsEventDestination, NobodyPresent, Present
from broker.delivery.nats import NatsConfig, NatsDestination
from broker.delivery.signature import SecretError, SecretSource
from broker.delivery.tls import TlsFiles, client_context
from broker.delivery.webhook import WebhookConfig, WebhookDestination
from broker.destination_settings import AmqpDestination as AmqpSettings
from broker.destination_settings import DestinationSettings
from broker.destination_settings import FhirDestination as FhirSettings
from broker.destination_settings import FileDestination as FileSettings
from broker.destination_settings import Hl7Destination as Hl7Settings
from broker.destination_settings import IanDestination as IanSettings
from broker.destination_settings import MppsDestination as MppsSettings
from broker.destination_settings import MppsEventDestination as MppsEventSettings
from broker.destination_settings import NatsDestination as NatsSettings
from broker.destination_settings import WebhookDestination as WebhookSettings
from broker.dicom import scu
from broker.domain.fhir_codes import Naming
from broker.domain.fhir_style import FhirStyle, PatientMode
from broker.services import forwarding, order_exams
from broker.services.context import Context
from broker.settings import Settings
from broker.wiring import heard
from hl7 import charset
from hl7.client import Timeouts

RAW = "raw"


def template_folders(settings: Settings) -> tuple[Path, ...]:
    """Where templates are looked for before the shipped ones."""
    return (Path(settings.delivery.templates_dir),) if settings.delivery.templates_dir else ()


def problems(settings: Settings, destination: DestinationSettings) -> Iterator[str]:
    """What keeps a destination from working, apart from the receiver being away; each with its remedy."""
    yield from (text for _, text in found_problems(settings, destination))


def found_problems(settings: Settings, destination: DestinationSettings) -> Iterator[tuple[str, str]]:
    """The same, each with the setting it is about."""
    try:
        make_tls(destination)
    except OSError as error:
        where = "tls_ca" if isinstance(destination, WebhookSettings | FhirSettings) else "tls"
        yield where, f"TLS files: {error.strerror or error}; check tls_ca, tls_certificate and tls_key"
    yield from (("content" if isinstance(destination, FileSettings) else "profile", text)
                for text in _template_problems(settings, destination))  # fmt: skip
    if isinstance(destination, Hl7Settings | FileSettings) and charset.find(destination.charset) is None:
        yield "charset", f"charset {destination.charset!r} is no name of HL7 table 0211"
    lacking = extras.missing(destination.kind)
    if lacking:
        yield "kind", lacking
    try:
        _try_secrets(destination)
    except SecretError as error:
        yield "secret_env", str(error)
    try:
        heard(destination, settings.senders)
    except ValueError as error:
        yield "sites", str(error)
    if isinstance(destination, FileSettings) and not Path(destination.folder).is_dir():
        yield "folder", f"folder {destination.folder} does not exist; make it"


def _template_problems(settings: Settings, destination: DestinationSettings) -> Iterator[str]:
    name = template_of(destination)
    if not name:
        return
    try:
        yield from check_template(load_template(name, template_folders(settings)))
    except TemplateError as error:
        yield from error.problems


def _try_secrets(destination: DestinationSettings) -> None:
    if isinstance(destination, WebhookSettings):
        SecretSource(destination.secret_env, destination.secret_file).secrets()
    if isinstance(destination, AmqpSettings | NatsSettings | FhirSettings):
        _login(destination).text()
    if isinstance(destination, NatsSettings) and destination.credentials_file and not extras.missing("nats"):
        nats_link.check_credentials(destination.credentials_file)


def template_of(destination: DestinationSettings) -> str:
    """The name of the template that its messages are made by; empty when it has none."""
    if isinstance(destination, Hl7Settings):
        return "" if destination.profile == RAW else destination.profile
    if isinstance(destination, FileSettings):
        return "" if destination.content == "json" else destination.content
    return ""


def make_destination(
    settings: Settings, destination: DestinationSettings, context: Context, present: Present | None = None
) -> Destination:
    """One receiver of notifications; ``present`` are the devices connected now, for those that are not called.

    Raises TemplateError or OSError for what ``problems`` tells.
    """
    made: Destination
    match destination:
        case Hl7Settings():
            made = _hl7(settings, destination, context)
        case MppsSettings():
            made = _mpps(settings, destination, context)
        case MppsEventSettings():
            made = _mpps_event(settings, destination, present or NobodyPresent())
        case IanSettings():
            peer = _peer(settings, destination)
            made = IanDestination(destination.name, peer, lambda payload: forwarding.notice(context, payload))
        case WebhookSettings():
            made = _webhook(settings, destination)
        case FileSettings():
            made = _file(settings, destination)
        case AmqpSettings():
            made = _amqp(settings, destination)
        case NatsSettings():
            made = _nats(settings, destination)
        case FhirSettings():
            made = _fhir(settings, destination, context)
    return made


def retry_plan(settings: Settings, destination: DestinationSettings | None = None) -> RetryPlan:
    """How a destination is tried again: its own figures where it has them."""
    delivery = settings.delivery
    first = (destination.first_retry if destination else 0) or delivery.first_retry
    ceiling = (destination.ceiling if destination else 0) or delivery.ceiling
    return RetryPlan(first=min(first, ceiling), factor=2.0, ceiling=ceiling)


def make_tls(destination: DestinationSettings) -> ssl.SSLContext | None:
    """The TLS context of a destination, None without TLS.  Raises OSError when a file is no good."""
    encrypting = Hl7Settings | MppsSettings | MppsEventSettings | IanSettings | AmqpSettings | NatsSettings
    if isinstance(destination, encrypting) and destination.tls:
        return client_context(_tls_files(destination))
    if isinstance(destination, WebhookSettings | FhirSettings) and destination.url.startswith("https:"):
        return client_context(TlsFiles(destination.tls_ca))
    return None


def _tls_files(
    destination: Hl7Settings | MppsSettings | MppsEventSettings | IanSettings | AmqpSettings | NatsSettings,
) -> TlsFiles:
    return TlsFiles(destination.tls_ca, destination.tls_certificate, destination.tls_key)


def _login(destination: AmqpSettings | NatsSettings | FhirSettings) -> Login:
    if not (destination.secret_env or destination.secret_file):
        return Login()
    return Login(destination.user, SecretSource(destination.secret_env, destination.secret_file))


def fhir_style(settings: Settings, patient: PatientMode) -> FhirStyle:
    """How FHIR resources are written here."""
    naming = Naming(settings.fhir.identifier_base, settings.fhir.systems)
    return FhirStyle(naming, ZoneInfo(settings.site.timezone), patient)


def _hl7(settings: Settings, destination: Hl7Settings, context: Context) -> Destination:
    delivery = settings.delivery
    raw = destination.profile == RAW
    profile = Profile(
        destination.sending_application, destination.sending_facility, destination.application, destination.facility,
        destination.charset, ZoneInfo(settings.site.timezone),
        load_template(DEFAULT_TEMPLATE if raw else destination.profile, template_folders(settings)),
    )  # fmt: skip
    timeouts = Timeouts(delivery.connect_timeout, delivery.answer_timeout, delivery.answer_timeout)
    config = Hl7DestinationConfig(
        destination.name, destination.host, destination.port, profile, timeouts, make_tls(destination),
        destination.tls_hostname or None,
    )  # fmt: skip
    if raw:
        config = replace(config, raw=lambda payload: forwarding.raw_message(context, payload))
    return Hl7Destination(config)


def _mpps(settings: Settings, destination: MppsSettings, context: Context) -> Destination:
    config = MppsDestinationConfig(destination.name, _peer(settings, destination))
    return MppsDestination(config, StoredRequests.of(context))


def _mpps_event(settings: Settings, destination: MppsEventSettings, present: Present) -> Destination:
    if destination.host:
        return MppsEventDestination(destination.name, DialledLine(_peer(settings, destination)))
    line = KeptLine(present, destination.ae_title, settings.delivery.answer_timeout)
    return MppsEventDestination(destination.name, line)


def _peer(settings: Settings, destination: MppsSettings | MppsEventSettings | IanSettings) -> scu.Peer:
    delivery = settings.delivery
    return scu.Peer(
        destination.host, destination.port, destination.ae_title,
        destination.calling_ae_title or settings.dicom.ae_title, delivery.connect_timeout, delivery.answer_timeout,
        ssl_context=make_tls(destination), server_hostname=destination.tls_hostname,
    )  # fmt: skip


def _webhook(settings: Settings, destination: WebhookSettings) -> Destination:
    delivery = settings.delivery
    target = Target(
        destination.url, destination.allow_private, make_tls(destination), delivery.connect_timeout,
        delivery.connect_timeout + delivery.answer_timeout,
    )  # fmt: skip
    secret = SecretSource(destination.secret_env, destination.secret_file)
    style = EventStyle(settings.site.name, destination.patient_data)
    return WebhookDestination(WebhookConfig(destination.name, target, secret, style))


def _file(settings: Settings, destination: FileSettings) -> Destination:
    folder = Path(destination.folder)
    if destination.content == "json":
        style = EventStyle(settings.site.name, destination.patient_data)
        content = Content(".json", lambda notification: cloud_event.encode(notification, style))
        return FileDestination(destination.name, folder, content)
    profile = Profile(
        receiving_application=destination.application, receiving_facility=destination.facility,
        charset=destination.charset, zone=ZoneInfo(settings.site.timezone),
        template=load_template(destination.content, template_folders(settings)),
    )  # fmt: skip
    hl7 = Content(".hl7", lambda notification: render_for(notification, profile))
    return FileDestination(destination.name, folder, hl7)


def _amqp(settings: Settings, destination: AmqpSettings) -> Destination:
    delivery = settings.delivery
    server = amqp_link.Server(
        destination.host, destination.port, destination.virtual_host, destination.exchange, destination.exchange_type,
        destination.mandatory, _login(destination), _tls_files(destination) if destination.tls else None,
        destination.tls_hostname, delivery.connect_timeout, delivery.answer_timeout,
        f"worklist-broker {destination.name}",
    )  # fmt: skip
    style = EventStyle(settings.site.name, destination.patient_data)
    binary = destination.mode == "binary"
    return AmqpDestination(AmqpConfig(destination.name, server, destination.routing_key, binary, style))


def _nats(settings: Settings, destination: NatsSettings) -> Destination:
    delivery = settings.delivery
    server = nats_link.Server(
        destination.host, destination.port, destination.stream, _login(destination), destination.credentials_file,
        make_tls(destination), destination.tls_hostname, delivery.connect_timeout, delivery.answer_timeout,
        f"worklist-broker {destination.name}",
    )  # fmt: skip
    style = EventStyle(settings.site.name, destination.patient_data)
    return NatsDestination(NatsConfig(destination.name, server, destination.subject, style))


def _fhir(settings: Settings, destination: FhirSettings, context: Context) -> Destination:
    delivery = settings.delivery
    target = Target(
        destination.url, destination.allow_private, make_tls(destination), delivery.connect_timeout,
        delivery.connect_timeout + delivery.answer_timeout, READ_LIMIT,
    )  # fmt: skip
    style = fhir_style(settings, PatientMode(destination.patient))
    config = FhirConfig(destination.name, target, style, _login(destination))
    return FhirDestination(config, lambda key: order_exams.of_order(context, key))
