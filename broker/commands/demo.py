"""``broker demo``: the broker with an emulated RIS and modalities living through a day, on a throw-away database."""

import logging
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from broker import log
from broker.app import Broker, run
from broker.commands.common import ConfigOption, read_settings
from broker.commands.serve import announce, starting
from broker.emulators.day import Day, DayConfig
from broker.emulators.ris import StatusListener, StatusReceived
from broker.settings import DestinationSettings, DicomTlsSettings, Settings

_log = logging.getLogger(__name__)

SpeedOption = Annotated[float, typer.Option("--speed", min=0.1, max=3600, help="Seconds of the day per second.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Another number is another day.")]


def demo(speed: SpeedOption = 30.0, seed: SeedOption = 1, config: ConfigOption = None) -> None:
    """Run the broker with an emulated hospital: nothing is kept, no real system is spoken to."""
    log.setup("warning", "text")
    heard = StatusListener("127.0.0.1", 0, _told)
    heard.start()
    try:
        with starting(), tempfile.TemporaryDirectory(prefix="broker-demo-") as folder:
            settings = demo_settings(read_settings(config), Path(folder), heard.port)
            run(settings, lambda broker: _begin(broker, speed, seed))
    finally:
        heard.stop()


def demo_settings(settings: Settings, folder: Path, status_port: int) -> Settings:
    """``settings`` made harmless: a database of its own, loopback only, one destination, no listed peers."""
    here = {"host": "127.0.0.1", "unknown": "accept"}
    ris = DestinationSettings(name="ris", kind="hl7", host="127.0.0.1", port=status_port)
    return settings.model_copy(
        update={
            "data_dir": folder,
            "database": settings.database.model_copy(update={"url": ""}),
            "intake": settings.intake.model_copy(update=here),
            "dicom": settings.dicom.model_copy(update={**here, "tls": DicomTlsSettings()}),
            "web": settings.web.model_copy(update={"host": "127.0.0.1"}),
            "senders": [], "devices": [], "destinations": [ris],
        }
    )  # fmt: skip


def _begin(broker: Broker, speed: float, seed: int) -> None:
    announce(broker)
    settings = broker.settings
    day = Day(
        DayConfig(
            "127.0.0.1", broker.ports["intake"], "127.0.0.1", broker.ports["dicom"], settings.dicom.ae_title,
            broker.context.site.zone, seed, speed, datetime.now(UTC),
        ),
        typer.echo,
    )  # fmt: skip
    stop = threading.Event()
    thread = threading.Thread(target=day.run, args=(stop,), name="demo-day", daemon=True)
    # the last one given goes first: ask it to stop, then wait for it
    broker.on_stop(thread.join)
    broker.on_stop(stop.set)
    thread.start()


def _told(status: StatusReceived) -> None:
    typer.echo(f"the RIS was told: accession {status.accession_number} is {status.order_status}")
