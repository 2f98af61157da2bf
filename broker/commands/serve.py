"""``broker serve``: the running broker."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from broker import log
from broker.app import Broker, run
from broker.commands import ports
from broker.commands.common import ConfigOption, Failure, read_settings
from broker.commands.users import link_address
from broker.dicom.tls import TlsError
from broker.intake.catalogue import CatalogueError
from broker.intake.mapping_file import MappingError
from broker.services import people

_log = logging.getLogger(__name__)


def serve(config: ConfigOption = None) -> None:
    """Run the broker: HL7 intake, worklist and MPPS, notifications, board."""
    settings = read_settings(config)
    log.setup(settings.log.level, settings.log.format)
    with starting():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        run(settings, announce)


@contextmanager
def starting() -> Iterator[None]:
    """Says why a broker could not start.  Raises Failure."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Failure(f"cannot start: {where}{error.strerror or error}; `broker check` tells more") from None
    except (MappingError, CatalogueError, TlsError) as error:
        raise Failure(f"cannot start: {error}") from None


def announce(broker: Broker) -> None:
    """Say where the broker listens, and how to get into the board."""
    settings = broker.settings
    ports.write(settings.data_dir, broker.ports)
    hosts = {
        "intake": settings.intake.host, "dicom": settings.dicom.host, "dicom_tls": settings.dicom.tls.host,
        "web": settings.web.host,
    }  # fmt: skip
    dicom = f"DICOM, AE title {settings.dicom.ae_title}"
    words = {"intake": "HL7 over MLLP", "dicom": dicom, "dicom_tls": f"{dicom}, over TLS", "web": "staff board"}
    for part, port in sorted(broker.ports.items()):
        typer.echo(f"{part:6}  {hosts[part]}:{port}  {words[part]}")
    token = people.create_link(broker.context, "admin", people.Role.ADMINISTRATOR)
    typer.echo(f"sign in once, within 15 minutes: {link_address(hosts['web'], broker.ports['web'], token)}")
