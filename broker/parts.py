"""The parts of a running broker, made from the settings: one function each."""

import logging
import os
import secrets
import socket
import ssl
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from broker.delivery import extras
from broker.delivery.hl7_template_file import TemplateError
from broker.delivery.sender import Sender as DeliverySender
from broker.delivery.sender import SenderConfig
from broker.destination_desk import Desk as DestinationDesk
from broker.destination_list import DestinationList
from broker.destination_settings import DestinationSettings, MppsEventDestination
from broker.destinations import fhir_style, make_destination, retry_plan
from broker.device_file import load_devices
from broker.dicom.association_log import AssociationLog
from broker.dicom.association_policy import AssociationPolicy
from broker.dicom.availability import AvailabilityHandler
from broker.dicom.device_checks import DeviceCheck, DeviceChecks, certificate, network
from broker.dicom.handlers import BrokerHandlers
from broker.dicom.mpps import MppsHandler
from broker.dicom.subscribers import Subscribers
from broker.dicom.tls import TlsConfig, server_context
from broker.dicom.upper_layer import AcceptorConfig, UpperLayerServer
from broker.dicom.web_desk import WebDesk
from broker.dicom.worklist import WorklistConfig, WorklistHandler
from broker.dicom.worklist_search import SearchConfig
from broker.domain.devices import DeviceProfile
from broker.domain.fhir_style import PatientMode
from broker.intake import tls as intake_tls
from broker.intake.catalogue import Catalogue, load_catalogue
from broker.intake.desk import Desk, DeskConfig
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.listener import IntakeConfig, IntakeListener
from broker.intake.mapping_file import load_mapping
from broker.intake.order_parts import Site as IntakeSite
from broker.intake.rules import SenderMapping
from broker.intake.senders import Sender, Senders
from broker.intake.stations import USUAL_STATIONS, DefaultStations
from broker.jobs import JobConfig
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog
from broker.services.explaining import SiteRules
from broker.settings import SenderSettings, Settings
from broker.settings_source import Problem, SettingsError
from broker.shipped import config_folder
from broker.template_desk import Desk as TemplateDesk
from broker.template_desk import Users
from broker.web.config import WebConfig
from hl7.errors import Hl7Error
from hl7.parsing import parse

if TYPE_CHECKING:
    from broker.web.server import WebServer

#: seconds; an idle time-out of 0 in the settings means none
_log = logging.getLogger(__name__)
_NEVER = 10 * 365 * 86400.0


def mapping_folders(settings: Settings) -> tuple[Path, ...]:
    """Where mapping files are looked for before the shipped ones."""
    return (Path(settings.intake.mappings_dir),) if settings.intake.mappings_dir else ()


def load_mappings(settings: Settings) -> dict[str, SenderMapping]:
    """Every mapping in use, by name.  Raises MappingError with every problem of the first that is wrong."""
    names = {settings.intake.mapping, *(s.mapping for s in settings.senders if s.mapping)}
    return {name: load_named_mapping(settings, name) for name in sorted(names)}


def load_named_mapping(settings: Settings, name: str) -> SenderMapping:
    """One mapping, with the order control table of the site.  Raises MappingError."""
    return load_mapping(name, mapping_folders(settings), order_status=order_status_file(settings))


def order_status_file(settings: Settings) -> Path | None:
    """The site's table of order control; None for the shipped one."""
    return Path(settings.intake.order_status) if settings.intake.order_status else None


def catalogue_file(settings: Settings) -> Path:
    """The procedure catalogue in use."""
    return Path(settings.intake.procedures) if settings.intake.procedures else config_folder() / "procedures.csv"


def intake_site(settings: Settings) -> IntakeSite:
    """What intake knows of the site.  Raises CatalogueError or OSError."""
    catalogue: Catalogue = load_catalogue(catalogue_file(settings))
    own = {k: tuple(v) for k, v in settings.intake.default_stations.items()}
    return IntakeSite(catalogue, DefaultStations({**USUAL_STATIONS, **own}))


def make_sender(settings: Settings, sender: SenderSettings) -> Sender:
    """One sending system as intake knows it."""
    return Sender(
        sender.name, sender.application, sender.facility, sender.mapping or settings.intake.mapping,
        sender.charset or None, sender.charset_fallback or None,
        ZoneInfo(sender.timezone) if sender.timezone else None, sender.port, sender.certificate,
    )  # fmt: skip


def make_senders(settings: Settings) -> Senders:
    """The sending systems."""
    known = tuple(make_sender(settings, s) for s in settings.senders)
    return Senders(known, settings.intake.unknown or "accept", settings.intake.mapping)


def handler_config(settings: Settings) -> HandlerConfig:
    """What the site says about messages."""
    intake = settings.intake
    return HandlerConfig(
        make_senders(settings), tuple(intake.processing_ids), intake.receiving_application, intake.receiving_facility,
        timedelta(days=intake.duplicates_days), intake.unknown_control,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """How messages are read: shared by the listener and the desk, so that both always read the same."""

    mappings: dict[str, SenderMapping]
    site: IntakeSite


def make_reading(settings: Settings) -> Reading:
    """Mappings and catalogue.  Raises MappingError, CatalogueError or OSError."""
    return Reading(load_mappings(settings), intake_site(settings))


def make_desk(settings: Settings, context: Context, reading: Reading) -> Desk:
    """Where people look at messages.  Close it when done."""
    folders = mapping_folders(settings)
    config = DeskConfig(make_senders(settings), folders, next(iter(folders), None), order_status_file(settings))
    handler = MessageHandler(handler_config(settings), context, reading.mappings, reading.site)
    return Desk(config, context, reading.mappings, reading.site, handler)


def make_intake(settings: Settings, context: Context, reading: Reading) -> IntakeListener:
    """The HL7 listener."""
    intake = settings.intake
    config = IntakeConfig(
        host=intake.host, port=intake.port, max_connections=intake.max_connections,
        max_frame=intake.max_frame_kib * 1024, idle_timeout=intake.idle_timeout or None,
        ssl_context=_intake_tls(settings),
        extra_ports=tuple(sorted({s.port for s in settings.senders if s.port} - {intake.port})),
        handler=handler_config(settings), reuse_port=intake.workers > 1,
    )  # fmt: skip
    return IntakeListener(config, context, reading.mappings, reading.site)


def _intake_tls(settings: Settings) -> ssl.SSLContext | None:
    intake = settings.intake
    if not intake.tls_certificate:
        return None
    client_ca = Path(intake.tls_client_ca) if intake.tls_client_ca else None
    return intake_tls.server_context(
        intake_tls.TlsConfig(Path(intake.tls_certificate), Path(intake.tls_key), client_ca)
    )


def make_subscribers(settings: Settings) -> Subscribers:
    """Who connects by itself to be told events."""
    events = [d for d in settings.destinations if isinstance(d, MppsEventDestination)]
    return Subscribers([d.ae_title for d in events if not d.host])


def make_delivery(settings: Settings, context: Context, subscribers: Subscribers) -> DeliverySender:
    """The senders of all destinations.  Raises TemplateError or OSError."""
    owner = f"{socket.gethostname()}:{settings.data_dir.resolve()}"
    for wanting in settings.destinations:
        lacking = extras.missing(wanting.kind)
        if lacking:  # the rest works without it, and what it should tell waits
            _log.error("destination %s: kind %s %s", wanting.name, wanting.kind, lacking)
    destinations = [make_destination(settings, d, context, subscribers) for d in settings.destinations]
    config = SenderConfig(
        owner, retry_plan(settings), retries={d.name: retry_plan(settings, d) for d in settings.destinations},
        rates={d.name: d.rate for d in settings.destinations if d.rate},
    )  # fmt: skip
    return DeliverySender(context, destinations, config)


def follow_destinations(
    settings: Settings, context: Context, sender: DeliverySender, subscribers: Subscribers, known: DestinationList
) -> None:
    """Have the senders follow what people add, change and remove."""

    def changed(name: str, made: DestinationSettings | None) -> None:
        sender.remove(name)
        if made is None:
            return
        if isinstance(made, MppsEventDestination) and not made.host:
            if settings.dicom.workers > 1:
                raise ValueError("a device that connects by itself needs dicom.workers = 1: give it a host")
            subscribers.subscribe(made.ae_title)
        try:
            destination = make_destination(settings, made, context, subscribers)
        except TemplateError as error:
            raise ValueError("; ".join(error.problems)) from None
        sender.put(destination, retry_plan(settings, made), made.rate)

    known.follow(changed)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Where people look at what is sent, and change it."""

    destinations: DestinationDesk
    templates: TemplateDesk


def make_outgoing(
    settings: Settings, context: Context, sender: DeliverySender, subscribers: Subscribers, known: DestinationList
) -> Outgoing:
    """The desks for destinations and templates; what is saved there is followed by ``sender`` at once."""

    def renew(made: DestinationSettings) -> None:
        sender.put(make_destination(settings, made, context, subscribers), retry_plan(settings, made), made.rate)

    return Outgoing(DestinationDesk(settings, context, known), TemplateDesk(settings, Users(known.usable, renew)))


def provisioned_devices(settings: Settings) -> list[DeviceProfile]:
    """The devices of the settings file and of its CSV file.  Raises SettingsError with every problem of the latter."""
    listed = [d.profile() for d in settings.devices]
    more = load_devices(Path(settings.dicom.devices)) if settings.dicom.devices else []
    twice = sorted({d.ae_title for d in listed} & {d.ae_title for d in more})
    if twice:
        text = f"also under [[devices]]: {', '.join(twice)}"
        raise SettingsError([Problem(settings.dicom.devices, "ae_title", text)])
    return listed + more


def make_directory(settings: Settings, context: Context) -> DeviceDirectory:
    """The registry of devices: of the settings, and those that people accepted."""
    return DeviceDirectory(context, provisioned_devices(settings))


def make_checks(settings: Settings) -> DeviceChecks:
    """What the listed devices must show before they may associate."""
    return DeviceChecks(
        {
            d.ae_title: DeviceCheck(
                tuple(map(network, d.addresses)), tuple(map(certificate, d.certificates)), d.max_associations
            )
            for d in settings.devices
        }
    )


def tls_config(settings: Settings) -> TlsConfig | None:
    """TLS of the DICOM acceptor, or None when no certificate is set."""
    tls = settings.dicom.tls
    if not tls.certificate:
        return None
    ca = Path(tls.ca) if tls.ca else None
    return TlsConfig(Path(tls.certificate), Path(tls.key), ca, tls.require_client_certificate)


def make_acceptors(
    settings: Settings, context: Context, log: DeviceLog, registry: DeviceDirectory, subscribers: Subscribers
) -> dict[str, UpperLayerServer]:
    """The DICOM acceptors, plain and (when set) TLS, with worklist and MPPS behind them.  Raises TlsError."""
    dicom = settings.dicom
    worklist = WorklistHandler(context, WorklistConfig(settings.worklist.limit, dicom.charset), registry, log)
    plain = AcceptorConfig(
        host=dicom.host, port=dicom.port, ae_title=dicom.ae_title, max_pdu=dicom.max_pdu,
        max_associations=dicom.max_associations, network_timeout=dicom.idle_timeout or _NEVER,
        admit_in_worker=False, fuzzy_names=settings.worklist.fuzzy_names,
        timezone_adjustment=settings.worklist.timezone_adjustment, reuse_port=dicom.workers > 1,
    )  # fmt: skip
    configs, tls = {"dicom": plain}, tls_config(settings)
    if tls is not None:
        secured = server_context(tls)
        configs["dicom_tls"] = replace(plain, host=dicom.tls.host, port=dicom.tls.port, ssl_context=secured)
    checks = make_checks(settings)
    policy = AssociationPolicy(registry, log, accept_unknown=dicom.unknown != "refuse", checks=checks)
    handlers, observer = _handlers(context, worklist), AssociationLog(log, checks)
    return {name: UpperLayerServer(c, handlers, policy.admit, observer, subscribers) for name, c in configs.items()}


def _handlers(context: Context, worklist: WorklistHandler) -> BrokerHandlers:
    return BrokerHandlers(worklist, MppsHandler(context), AvailabilityHandler(context))


def readable_segments(raw: bytes) -> list[str]:
    """The segments of a message as text, decoded as the message says, else byte by byte."""
    try:
        return [segment.raw for segment in parse(raw, charset_fallback="8859/1")]
    except Hl7Error:
        return [line for line in raw.decode("latin-1").replace("\n", "\r").split("\r") if line]


def make_web_desk(settings: Settings, context: Context, log: DeviceLog, directory: DeviceDirectory) -> WebDesk:
    """What fulfils DICOMweb requests."""
    worklist = settings.worklist
    config = SearchConfig(
        settings.dicomweb.max_results, worklist.limit, worklist.fuzzy_names, worklist.timezone_adjustment
    )
    return WebDesk(context, config, directory, log)


def site_rules(settings: Settings) -> SiteRules:
    """What explanations of worklists need to know of the settings."""
    return SiteRules(settings.worklist.limit, settings.dicom.unknown != "refuse")


def make_web(
    settings: Settings, context: Context, desk: Desk, directory: DeviceDirectory, dicomweb: WebDesk,
    outgoing: Outgoing,
) -> "WebServer":  # fmt: skip
    """The board, the programming interface and DICOMweb."""
    from broker.web.server import WebServer  # the web framework takes half a second, which commands should not wait

    web = settings.web
    config = WebConfig(
        host=web.host, port=web.port, site_name=settings.site.name,
        session_lifetime=timedelta(hours=web.session_hours), segments=readable_segments,
        version=version("worklist-broker"), worklist=site_rules(settings),
        fhir=fhir_style(settings, PatientMode.CONTAINED),
        document_limit=settings.dicomweb.max_document_kib * 1024,
    )  # fmt: skip
    shown = dicomweb if settings.dicomweb.enabled else None
    return WebServer(
        config, context, desk, directory, shown, destinations=outgoing.destinations, outgoing=outgoing.templates
    )


def job_config(settings: Settings) -> JobConfig:
    """How long things are kept."""
    jobs = settings.jobs
    messages = max(jobs.keep_messages_days, settings.intake.duplicates_days) if jobs.keep_messages_days else None
    return JobConfig(
        timedelta(days=jobs.keep_queries_days), timedelta(days=jobs.keep_sessions_days),
        keep_messages=None if messages is None else timedelta(days=messages),
        keep_notifications=timedelta(days=jobs.keep_notifications_days) if jobs.keep_notifications_days else None,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
    )  # fmt: skip
