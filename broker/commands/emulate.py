"""``broker emulate``: peers for training and tests, well-behaved or not."""

import queue
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from broker.commands.common import ConfigOption, Failure, read_settings
from broker.commands.common import endpoint as parse_endpoint
from broker.commands.ports import listening
from broker.commands.sending import describe
from broker.commands.worklist import CalledOption, ToOption, no_answer, peer_of
from broker.delivery.mpps_event import EVENT_NAMES
from broker.dicom import event_user, scu
from broker.domain.attributes import Attributes
from broker.emulators import misbehaviours
from broker.emulators import modality as device
from broker.emulators.orders import EXAMS, InventedOrder
from broker.emulators.people import invent
from broker.emulators.ris import Ris, RisConfig, StatusListener, StatusReceived
from broker.settings import Settings
from hl7.client import ConnectionFailed

app = typer.Typer(help="Emulated peers: a RIS, a modality, a viewer.", no_args_is_help=True)

CountOption = Annotated[int, typer.Option("--count", min=0, help="How many; 0 goes on until stopped.")]
EveryOption = Annotated[float, typer.Option("--every", min=0.01, help="Seconds between two.")]


@app.command()
def ris(
    count: Annotated[int, typer.Option("--count", min=0, help="How many orders to send.")] = 5,
    every: EveryOption = 1.0,
    listen: Annotated[int, typer.Option("--listen", help="Also receive status messages on this port.")] = 0,
    misbehave: Annotated[
        str, typer.Option("--misbehave", help="Do this instead: " + ", ".join(misbehaviours.MISBEHAVIOURS))
    ] = "",
    to: ToOption = "",
    config: ConfigOption = None,
) -> None:
    """Send invented orders for today, and show what is answered."""
    settings = read_settings(config)
    host, port = parse_endpoint(to, 2575) if to else listening(settings, "intake")
    _check_kind(misbehave, set(misbehaviours.MISBEHAVIOURS))
    heard = StatusListener("127.0.0.1", listen, _told) if listen else None
    try:
        if heard is not None:
            heard.start()
            typer.echo(f"status messages are received on 127.0.0.1:{heard.port}")
        with Ris(RisConfig(host, port)) as peer:
            if count:
                _repeat(count, every, lambda n: _send(peer, _order(settings, n), misbehave, host, port))
        if heard is not None:
            typer.echo("waiting for status messages; stop with Ctrl-C")
            threading.Event().wait()
    except OSError as error:
        raise Failure(f"{host}:{port}: {error.strerror or error}") from None
    finally:
        if heard is not None:
            heard.stop()


@app.command()
def modality(
    aet: Annotated[str, typer.Option("--aet", help="AE title of the device; it asks for its own station.")] = "CT1",
    count: CountOption = 0,
    every: EveryOption = 10.0,
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="How long an exam takes.")] = 0.1,
    misbehave: Annotated[
        str, typer.Option("--misbehave", help="Do this with each item: " + ", ".join(device.MISBEHAVIOURS))
    ] = "",
    to: ToOption = "",
    called: CalledOption = "",
    config: ConfigOption = None,
) -> None:
    """Ask for the day's worklist, perform the first exam, and so on."""
    zone = ZoneInfo(read_settings(config).site.timezone)
    _check_kind(misbehave, set(device.MISBEHAVIOURS))
    peer = peer_of(config, to, called, aet)
    emulated = device.Modality(
        device.ModalityConfig(aet, peer.host, peer.port, peer.called_ae_title, lambda: datetime.now(zone))
    )
    try:
        _repeat(count, every, lambda _: _perform(emulated, zone, minutes, misbehave))
    except scu.ScuError as error:
        raise no_answer(peer, error) from None


@app.command()
def viewer(
    aet: Annotated[str, typer.Option("--aet", help="AE title of the viewer.")] = "VIEWER",
    listen: Annotated[int, typer.Option("--listen", help="Be called on this port; else keep an association open.")] = 0,
    count: CountOption = 0,
    to: ToOption = "",
    called: CalledOption = "",
    config: ConfigOption = None,
) -> None:
    """Be told of exams (MPPS Notification): called by the broker, or on an association kept open to it."""
    heard = _Heard(count)
    if listen:
        try:
            with event_user.listening("127.0.0.1", listen, aet, heard.take) as port:
                typer.echo(f"{aet}: waits to be called on 127.0.0.1:{port}")
                heard.wait(lambda: True)
        except OSError as error:
            raise Failure(f"127.0.0.1:{listen}: {error.strerror or error}") from None
        return
    peer = peer_of(config, to, called, aet)
    try:
        with event_user.calling(peer, heard.take) as is_open:
            typer.echo(f"{aet}: keeps an association open to {peer.called_ae_title} at {peer.host}:{peer.port}")
            heard.wait(is_open)
    except scu.ScuError as error:
        raise no_answer(peer, error) from None
    if not heard.done:
        raise Failure(f"{peer.called_ae_title} at {peer.host}:{peer.port} ended the association")


class _Heard:
    """Events as they come, printed; ``done`` after so many (0: never)."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._came: queue.SimpleQueue[event_user.PerformedEvent] = queue.SimpleQueue()
        self.done = False

    def take(self, event: event_user.PerformedEvent) -> None:
        """Called on a thread of the association."""
        self._came.put(event)

    def wait(self, goes_on: Callable[[], bool]) -> None:
        """Print events until there were enough, or ``goes_on`` says no."""
        number = 0
        while goes_on() and not self.done:
            try:
                event = self._came.get(timeout=0.2)
            except queue.Empty:
                continue
            number += 1
            word = EVENT_NAMES.get(event.event_type, f"event type {event.event_type}")
            typer.echo(f"{datetime.now(UTC):%H:%M:%S} {event.provider}: {event.sop_instance_uid} {word}")
            self.done = number == self._count


def _check_kind(kind: str, known: set[str]) -> None:
    if kind and kind not in known:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(sorted(known))}", param_hint="--misbehave")


def _repeat(count: int, every: float, work: Callable[[int], None]) -> None:
    number, pause = 0, threading.Event()
    while not count or number < count:
        if number:
            pause.wait(every)
        number += 1
        work(number)


def _order(settings: Settings, number: int) -> InventedOrder:
    dice = Random(secrets.randbits(64))
    exam = dice.choice(EXAMS)
    start = datetime.now(ZoneInfo(settings.site.timezone)) + timedelta(minutes=5 * number)
    name = f"{secrets.token_hex(4).upper()}"
    return InventedOrder(
        invent(60, dice)[dice.randrange(60)], exam, f"{exam.modality}1", start.replace(second=0, microsecond=0), name,
        f"2.25.{dice.getrandbits(120)}",
    )  # fmt: skip


def _send(peer: Ris, order: InventedOrder, misbehave: str, host: str, port: int) -> None:
    if misbehave:
        answers = misbehaviours.misbehave(host, port, misbehave, order, peer.envelope())
        shown = answers.decode("utf-8", "replace").strip("\x0b\x1c\r").replace("\r", "\n  ")
        typer.echo(f"{misbehave}: {shown or 'no answer'}")
        return
    outcome = peer.place(order)
    typer.echo(f"order {order.accession_number} for {order.station}: {describe(outcome)}")
    if isinstance(outcome, ConnectionFailed):
        raise Failure(f"{host}:{port} cannot be reached")


def _told(status: StatusReceived) -> None:
    typer.echo(f"{datetime.now(UTC):%H:%M:%S} accession {status.accession_number} is {status.order_status}")


def _perform(emulated: device.Modality, zone: ZoneInfo, minutes: float, misbehave: str) -> None:
    items = emulated.worklist(f"{datetime.now(zone):%Y%m%d}")
    typer.echo(f"{emulated.ae_title}: {len(items)} on the list")
    if not items:
        return
    item: Attributes = items[0]
    if misbehave:
        for answer in emulated.misbehave(misbehave, item):
            typer.echo(f"  {misbehave}: {answer.status:04X} {answer.error_comment}")
        return
    exam, answer = emulated.start(item)
    typer.echo(f"  {item.get('AccessionNumber')}: started, {answer.status:04X} {answer.error_comment}")
    threading.Event().wait(minutes * 60)
    answer = emulated.complete(exam)
    typer.echo(f"  {item.get('AccessionNumber')}: completed, {answer.status:04X} {answer.error_comment}")
