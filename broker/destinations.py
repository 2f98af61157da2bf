"""Destinations made from the settings: one function for each kind, and what must be right before they are used."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from broker.delivery import cloud_event
from broker.delivery.base import Destination, RetryPlan
from broker.delivery.cloud_event import EventStyle
from broker.delivery.file import Content, FileDestination
from broker.delivery.hl7 import Hl7Destination, Hl7DestinationConfig, render_for
from broker.delivery.hl7_check import check_template
from broker.delivery.hl7_message import Profile
from broker.delivery.hl7_template_file import DEFAULT_TEMPLATE, TemplateError, load_template
from broker.delivery.http import Target
from broker.delivery.ian import IanDestination
from broker.delivery.mpps import MppsDestination, MppsDestinationConfig, StoredRequests
from broker.delivery.mpps_event import DialledLine, KeptLine, MppsEventDestination, NobodyPresent, Present
from broker.delivery.signature import SecretError, SecretSource
from broker.delivery.tls import TlsFiles, client_context
from broker.delivery.webhook import WebhookConfig, WebhookDestination
from broker.destination_settings import DestinationSettings
from broker.destination_settings import FileDestination as FileSettings
from broker.destination_settings import Hl7Destination as Hl7Settings
from broker.destination_settings import IanDestination as IanSettings
from broker.destination_settings import MppsDestination as MppsSettings
from broker.destination_settings import MppsEventDestination as MppsEventSettings
from broker.destination_settings import WebhookDestination as WebhookSettings
from broker.dicom import scu
from broker.services import forwarding
from broker.services.context import Context
from broker.settings import Settings
from hl7 import charset
from hl7.client import Timeouts

RAW = "raw"


def template_folders(settings: Settings) -> tuple[Path, ...]:
    """Where templates are looked for before the shipped ones."""
    return (Path(settings.delivery.templates_dir),) if settings.delivery.templates_dir else ()


def problems(settings: Settings, destination: DestinationSettings) -> Iterator[str]:
    """What keeps a destination from working, apart from the receiver being away; each with its remedy."""
    try:
        make_tls(destination)
    except OSError as error:
        yield f"TLS files: {error.strerror or error}; check tls_ca, tls_certificate and tls_key"
    for name in _templates(destination):
        try:
            yield from check_template(load_template(name, template_folders(settings)))
        except TemplateError as error:
            yield from error.problems
    if isinstance(destination, Hl7Settings | FileSettings) and charset.find(destination.charset) is None:
        yield f"charset {destination.charset!r} is no name of HL7 table 0211"
    if isinstance(destination, WebhookSettings):
        try:
            SecretSource(destination.secret_env, destination.secret_file).secrets()
        except SecretError as error:
            yield str(error)
    if isinstance(destination, FileSettings) and not Path(destination.folder).is_dir():
        yield f"folder {destination.folder} does not exist; make it"


def _templates(destination: DestinationSettings) -> list[str]:
    if isinstance(destination, Hl7Settings):
        return [] if destination.profile == RAW else [destination.profile]
    if isinstance(destination, FileSettings):
        return [] if destination.content == "json" else [destination.content]
    return []


def make_destination(
    settings: Settings, destination: DestinationSettings, context: Context, present: Present | None = None
) -> Destination:
    """One receiver of notifications; ``present`` are the devices connected now, for those that are not called.

    Raises TemplateError or OSError for what ``problems`` tells.
    """
    match destination:
        case Hl7Settings():
            return _hl7(settings, destination, context)
        case MppsSettings():
            return _mpps(settings, destination, context)
        case MppsEventSettings():
            return _mpps_event(settings, destination, present or NobodyPresent())
        case IanSettings():
            peer = _peer(settings, destination)
            return IanDestination(destination.name, peer, lambda payload: forwarding.notice(context, payload))
        case WebhookSettings():
            return _webhook(settings, destination)
        case FileSettings():
            return _file(settings, destination)


def retry_plan(settings: Settings, destination: DestinationSettings | None = None) -> RetryPlan:
    """How a destination is tried again: its own figures where it has them."""
    delivery = settings.delivery
    first = (destination.first_retry if destination else 0) or delivery.first_retry
    ceiling = (destination.ceiling if destination else 0) or delivery.ceiling
    return RetryPlan(first=min(first, ceiling), factor=2.0, ceiling=ceiling)


def make_tls(destination: DestinationSettings) -> ssl.SSLContext | None:
    """The TLS context of a destination, None without TLS.  Raises OSError when a file is no good."""
    if isinstance(destination, Hl7Settings | MppsSettings | MppsEventSettings | IanSettings) and destination.tls:
        return client_context(TlsFiles(destination.tls_ca, destination.tls_certificate, destination.tls_key))
    if isinstance(destination, WebhookSettings) and destination.url.startswith("https:"):
        return client_context(TlsFiles(destination.tls_ca))
    return None


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
