"""``broker check``: everything that must be right before the broker starts, each with its remedy."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import typer

from broker import parts
from broker.commands.common import ConfigOption
from broker.destination_list import DestinationList
from broker.destination_settings import DestinationSettings
from broker.destinations import problems
from broker.dicom.tls import TlsError, server_context
from broker.domain.errors import Unavailable
from broker.intake.catalogue import CatalogueError, load_catalogue
from broker.intake.mapping_file import MappingError
from broker.services import destinations as service
from broker.settings import Settings
from broker.settings_source import SettingsError, find_file, load
from broker.store import migrate
from broker.wiring import open_context


class Grade(StrEnum):
    """How a finding weighs: an error keeps the broker from starting or a part from working."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    grade: Grade
    subject: str
    text: str


def check(config: ConfigOption = None) -> None:
    """Look at settings, database, ports, mappings, catalogue and destinations."""
    findings = list(_findings(config))
    for finding in findings:
        typer.echo(f"{finding.grade:7}  {finding.subject:12}  {finding.text}")
    if any(f.grade is Grade.ERROR for f in findings):
        raise typer.Exit(1)


def _findings(config: ConfigOption) -> Iterator[Finding]:
    try:
        settings = load(config)
    except SettingsError as error:
        yield from (Finding(Grade.ERROR, "settings", str(problem)) for problem in error.problems)
        return
    yield Finding(Grade.OK, "settings", str(find_file(config, os.environ) or "built-in defaults"))
    for look in (_data, _database, _ports, _tls, _mappings, _catalogue, _stuck, _senders, _devices, _destinations):
        yield from look(settings)


def _data(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Finding(Grade.ERROR, "data_dir", f"{folder}: {error.strerror}; choose a folder this user may write")
        return
    yield Finding(Grade.OK, "data_dir", str(folder.resolve()))


def _database(settings: Settings) -> Iterator[Finding]:
    kind = settings.database_url.partition(":")[0].partition("+")[0]
    try:
        present, newest = migrate.revision(settings.database_url)
        names = present != newest or migrate.has_name_index(settings.database_url)
    except (Unavailable, OSError):  # OSError: SQLite's folder is not there and cannot be made
        yield Finding(Grade.ERROR, "database", f"{kind} cannot be reached; check database.url and that it runs")
        return
    if present == newest:
        yield Finding(Grade.OK, "database", f"{kind}, schema {present}")
    else:
        text = f"{kind}, schema {present or 'none'}; `broker serve` or `broker db upgrade` brings it to {newest}"
        yield Finding(Grade.WARNING, "database", text)
    if not names:
        remedy = "a Python whose SQLite has FTS5" if kind == "sqlite" else "an administrator: CREATE EXTENSION pg_trgm"
        text = f"names are searched without an index, slowly in large databases; needs {remedy}, then a restart"
        yield Finding(Grade.WARNING, "database", text)


def _ports(settings: Settings) -> Iterator[Finding]:
    listeners: list[tuple[str, str, int]] = [
        (name, part.host, part.port)
        for name, part in (("intake", settings.intake), ("dicom", settings.dicom), ("web", settings.web))
    ]
    if settings.dicom.tls.certificate:
        listeners.append(("dicom.tls", settings.dicom.tls.host, settings.dicom.tls.port))
    for name, host, port in listeners:
        text = f"{host}:{port}"
        try:
            with socket.create_server((host, port), family=_family(host)):
                yield Finding(Grade.OK, f"{name}.port", f"{text} is free")
        except PermissionError:
            yield Finding(Grade.ERROR, f"{name}.port", f"{text} needs more rights; ports below 1024 are the system's")
        except OSError as error:
            remedy = "a broker that runs already, or another program"
            yield Finding(Grade.WARNING, f"{name}.port", f"{text}: {error.strerror} ({remedy})")


def _tls(settings: Settings) -> Iterator[Finding]:
    config = parts.tls_config(settings)
    if config is None:
        return
    try:
        server_context(config)
    except TlsError as error:
        yield Finding(Grade.ERROR, "dicom.tls", f"{error}; check certificate, key and ca under [dicom.tls]")
    else:
        yield Finding(Grade.OK, "dicom.tls", str(config.certificate))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _mappings(settings: Settings) -> Iterator[Finding]:
    for name in sorted({settings.intake.mapping, *(s.mapping for s in settings.senders if s.mapping)}):
        try:
            parts.load_named_mapping(settings, name)
        except MappingError as error:
            yield from (Finding(Grade.ERROR, "mapping", problem) for problem in error.problems)
        else:
            yield Finding(Grade.OK, "mapping", name)


def _catalogue(settings: Settings) -> Iterator[Finding]:
    path = parts.catalogue_file(settings)
    try:
        catalogue = load_catalogue(path)
    except CatalogueError as error:
        yield from (Finding(Grade.ERROR, "catalogue", problem) for problem in error.problems)
    except OSError as error:
        yield Finding(Grade.ERROR, "catalogue", f"{path}: {error.strerror}; check intake.procedures")
    else:
        yield Finding(Grade.OK, "catalogue", f"{path}, {len(catalogue.procedures)} procedures")


def _stuck(settings: Settings) -> Iterator[Finding]:
    """Limits for exams that never end; a code that nothing has is a limit that never counts."""
    stuck = settings.performed.stuck
    limits = {"all": stuck.hours, **stuck.modalities, **stuck.codes}
    words = ", ".join(f"{name} {f'{hours:g} h' if hours else 'never'}" for name, hours in limits.items())
    closed = f"after {stuck.apply_after:g} h more as {stuck.apply}" if stuck.apply_after else "by people only"
    yield Finding(Grade.OK, "stuck", f"alarmed after: {words}; closed {closed}")
    try:
        procedures = load_catalogue(parts.catalogue_file(settings)).procedures
    except (CatalogueError, OSError):  # told by _catalogue
        return
    known = {code for code, _ in procedures}
    known |= {code.code for steps in procedures.values() for step in steps for code in step.protocol_codes}
    for code in stuck.codes:
        if code.partition("^")[0] not in known:
            text = f"performed.stuck.codes: {code} is no code of the catalogue; orders may name it all the same"
            yield Finding(Grade.WARNING, "stuck", text)


def _senders(settings: Settings) -> Iterator[Finding]:
    if settings.intake.unknown == "refuse" and not settings.senders:
        text = "unknown senders are refused and none is listed: every message will be refused; add [[senders]]"
        yield Finding(Grade.WARNING, "senders", text)
    else:
        unknown = settings.intake.unknown or "accept"
        yield Finding(Grade.OK, "senders", f"{len(settings.senders)} listed, others: {unknown}")


def _devices(settings: Settings) -> Iterator[Finding]:
    try:
        listed = len(parts.provisioned_devices(settings))
    except SettingsError as error:
        yield from (Finding(Grade.ERROR, "devices", str(problem)) for problem in error.problems)
        return
    if settings.dicom.unknown == "refuse" and not listed:
        text = (
            "unknown devices are refused and none is listed: none will connect until it is accepted; "
            "add [[devices]], or accept those that knock (`broker devices`)"
        )
        yield Finding(Grade.WARNING, "devices", text)
    else:
        unknown = settings.dicom.unknown or "accept"
        yield Finding(Grade.OK, "devices", f"{listed} listed, others: {unknown}")


def _destinations(settings: Settings) -> Iterator[Finding]:
    known, late = _kept(settings)
    everyone = known.usable() if known else settings.destinations
    if not everyone:
        yield Finding(Grade.WARNING, "destinations", "nobody is told about exams; add [[destinations]]")
    for destination in everyone:
        found = list(problems(settings, destination))
        yield from (Finding(Grade.ERROR, "destination", f"{destination.name}: {problem}") for problem in found)
        if not found:
            yield _reach(destination)
    for added in known.listed() if known else ():
        if added.trouble:
            yield Finding(Grade.ERROR, "destination", f"{added.name}, added on the pages: {added.trouble}")
    yield from _late(late)


def _kept(settings: Settings) -> tuple[DestinationList | None, list[service.DestinationStatus]]:
    """What the database knows of destinations: those that people added, and which are late."""
    try:
        present, newest = migrate.revision(settings.database_url)
        if present != newest:
            return None, []
        context = open_context(settings)
    except (Unavailable, OSError):  # told by _database
        return None, []
    try:
        known = DestinationList(settings, context)
        known.refresh()
        return known, [status for status in service.statuses(context) if status.late]
    finally:
        context.database.close()


def _late(late: list[service.DestinationStatus]) -> Iterator[Finding]:
    """Destinations whose oldest notification waits longer than it may."""
    for status in late:
        text = f"{status.name} is late: {service.late_words(status)}; see: broker destinations list"
        yield Finding(Grade.WARNING, "destination", text)


def _reach(destination: DestinationSettings) -> Finding:
    """Whether the receiver answers now; when not, notifications wait, so that is no error."""
    where = _address(destination)
    if where is None:
        return Finding(Grade.OK, "destination", f"{destination.name}, {destination.kind}")
    text = f"{destination.name}, {destination.kind}, {where[0]}:{where[1]}"
    try:
        socket.create_connection(where, timeout=3).close()
    except OSError as error:
        reason = error.strerror or "no answer"
        return Finding(Grade.WARNING, "destination", f"{text}: {reason}; notifications will wait until it answers")
    return Finding(Grade.OK, "destination", f"{text} answers")


def _address(destination: DestinationSettings) -> tuple[str, int] | None:
    match destination:
        case object(host=str(host), port=int(port)) if host:
            return host, port
        case object(url=str(url)):
            parts = urlsplit(url)
            return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return None
