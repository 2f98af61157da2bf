"""``broker devices``: who may ask for worklists, how each is answered, who knocks, and a test of one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from broker import parts
from broker.commands.common import ConfigOption, Failure, one_line, opened, read_settings, table
from broker.commands.worklist import CalledOption, ToOption, identifier, no_answer, peer_of
from broker.dicom import scu
from broker.domain.device_settings import NAMES, written
from broker.domain.errors import Refusal
from broker.services import device_registry, habits
from broker.services.context import Context
from broker.services.device_registry import Device, DeviceDirectory, Source
from broker.services.habits import Habits

app = typer.Typer(help="Modalities: registered, accepted and knocking.", no_args_is_help=True)

TitleArgument = Annotated[str, typer.Argument(help="The device's calling AE title.")]
DaysOption = Annotated[int, typer.Option("--days", min=1, max=3660, help="How far back its exams are counted.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE, a setting as under [[devices]].")]
_WORDS = {Source.SETTINGS: "settings file", Source.ACCEPTED: "accepted", Source.KNOCKING: "knocking"}
_RECENT = 5


@contextmanager
def _directory(config: ConfigOption) -> Iterator[tuple[Context, DeviceDirectory]]:
    with opened(config) as context:
        directory = parts.make_directory(read_settings(config), context)
        directory.refresh()
        yield context, directory


@app.command("list")
def list_devices(config: ConfigOption = None) -> None:
    """List every device, registered or knocking, with what is odd about it."""
    with _directory(config) as (context, directory):
        devices = device_registry.listed(context, directory)
    table(("AE title", "registered", "address", "last seen", "warnings", "remark"), map(_row, devices))
    if any(d.source is Source.KNOCKING for d in devices):
        typer.echo("`broker devices accept TITLE` registers a device that knocks.")


def _row(device: Device) -> tuple[object, ...]:
    seen = device.seen
    remarks = [f"like {other}: {words}" for other, words in device.near[:1]]
    if device.moved:
        remarks.append("seen from several addresses within a day")
    return (
        device.ae_title, _WORDS[device.source], seen.address if seen else "",
        f"{seen.last_seen_at:%Y-%m-%d %H:%M:%S}" if seen else "never", device.oddities,
        "; ".join(remarks),
    )  # fmt: skip


@app.command()
def show(title: TitleArgument, days: DaysOption = habits.DAYS, config: ConfigOption = None) -> None:
    """Show one device: settings, addresses, what it does with its exams, warnings, its last queries with their keys."""
    with _directory(config) as (context, directory):
        device = device_registry.find(context, directory, title)
        queries = device_registry.recent_queries(context, title, _RECENT)
        did = habits.of_device(context, title, days)
    if device is None:
        raise Failure(f"no device {title!r} is registered or was ever seen; `broker devices list` shows all")
    typer.echo(f"{device.ae_title}  ({_WORDS[device.source]})")
    for other, words in device.near:
        typer.echo(f"  perhaps meant: {other}, which {words}")
    for name, value in device.settings.items():
        typer.echo(f"  {name} = {written(value)}")
    for address in device.addresses:
        typer.echo(f"  from {address.address}, last {address.last_seen_at:%Y-%m-%d %H:%M:%S} UTC")
    for line in _habits(did, days):
        typer.echo(f"  {line}")
    for warning in device.warnings:
        typer.echo(f"  warning, {warning.times} times, last {warning.last_at:%Y-%m-%d %H:%M:%S} UTC: {warning.text}")
    for let in device.tolerations:
        where = f" at {let.path}" if let.path else ""
        last = f"{let.last_at:%Y-%m-%d %H:%M:%S}"
        typer.echo(f"  let pass in MPPS, {let.times} times, last {last} UTC: {let.quirk}{where}")
    for query in queries:
        status = f"{query.status:04X}, {query.answers} items, {query.milliseconds} ms"
        typer.echo(f"  query {query.at:%Y-%m-%d %H:%M:%S} UTC: {status}: {one_line(dict(query.keys)) or 'no keys'}")


def _habits(did: Habits, days: int) -> Iterator[str]:
    within = f"in {days} days"
    if did.words:
        yield f"{within}: {', '.join(did.words)}"
    if did.started:
        length = "" if did.median_seconds is None else f", median length {did.median_seconds / 60:.0f} min"
        yield (
            f"{within}: exams begun {did.started}: {did.completed} completed, {did.discontinued} discontinued, "
            f"{did.running} running, {did.left_open} left open; {did.linked} of a scheduled step{length}"
        )
    if did.steps_given or did.queries:
        yield f"{within}: {did.queries} queries kept, {did.steps_given} steps given, {did.steps_reported} reported"


@app.command("habits")
def show_habits(days: DaysOption = habits.DAYS, config: ConfigOption = None) -> None:
    """List what every device does with its exams: begun, completed, left open, unscheduled."""
    with opened(config) as context:
        found = habits.everybody(context, days)
    headings = ("AE title", "begun", "completed", "discontinued", "running", "left open", "unscheduled", "median", "")
    rows = [
        (h.calling_ae_title, h.started, h.completed, h.discontinued, h.running, h.left_open, h.unscheduled,
         "" if h.median_seconds is None else f"{h.median_seconds / 60:.0f} min", ", ".join(h.words))
        for h in found
    ]  # fmt: skip
    table(headings, rows)


@app.command()
def accept(title: TitleArgument, given: SetOption = None, config: ConfigOption = None) -> None:
    """Register a device, or change its settings: --set stations=CT1 --set charset=ascii.  Counts at once."""
    settings = dict(_pair(text) for text in given) if given else None
    with _directory(config) as (context, directory):
        try:
            profile = device_registry.register(context, directory, title, settings, by="command line")
        except Refusal as refusal:
            raise Failure(f"{refusal.where}: {refusal.text}") from None
    typer.echo(f"{profile.ae_title} is registered; `broker devices show {profile.ae_title}` tells how")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or name not in NAMES:
        raise typer.BadParameter(f"NAME=VALUE is expected, NAME one of {', '.join(NAMES)}; not {text!r}")
    return name, value


@app.command()
def forget(title: TitleArgument, config: ConfigOption = None) -> None:
    """Take the acceptance of a device back; it knocks again."""
    with _directory(config) as (context, directory):
        if not device_registry.unregister(context, directory, title, by="command line"):
            raise Failure(f"{title!r} was not accepted by anybody; devices of the settings file are removed there")
    typer.echo(f"{title} is no longer registered")


@app.command("test")
def try_out(
    title: TitleArgument, to: ToOption = "", called: CalledOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the first item as JSON.")] = False,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Ask the running broker as this device would: association, verification, worklist; nothing is changed."""
    with _directory(config) as (_, directory):
        known = directory.known(title)
    typer.echo(f"registered    {'yes' if known else 'no; it is answered with the defaults, if at all'}")
    peer = peer_of(config, to, called, title)
    try:
        scu.echo(peer)
        typer.echo("verification  answered")
        found = scu.find(peer, identifier({}, {}), limit=100)
    except scu.ScuError as error:
        raise no_answer(peer, error) from None
    status = "cut after 100" if found.final.status == 0xFE00 else f"status {found.final.status:04X}"
    typer.echo(f"worklist      {len(found.items)} items, {status}")
    if found.items:
        charset = found.items[0].get("SpecificCharacterSet") or "none needed"
        typer.echo(f"first item    character set {one_line(charset)}")
        if as_json:
            typer.echo(json.dumps(found.items[0], ensure_ascii=False, indent=2))
    else:
        typer.echo(f"an empty list has its reasons: `broker explain --device {title}`")
