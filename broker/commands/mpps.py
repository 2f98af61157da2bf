"""``broker mpps``: act as a modality that reports its exams, against this broker or any other server."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from broker.commands.common import ConfigOption, Failure, one_line, read_settings, table
from broker.commands.worklist import AetOption, CalledOption, ToOption, identifier, no_answer, peer_of
from broker.dicom import scu
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.availability import Availability
from broker.domain.identifiers import random_uid
from broker.emulators import archive, mpps

app = typer.Typer(help="Exams: report them as a modality would.", no_args_is_help=True)

UidArgument = Annotated[str, typer.Argument(help="SOP Instance UID of the exam, as `start` prints it.")]


@app.command()
def start(
    accession: Annotated[str, typer.Option("--accession", help="Accession number of the order.")] = "",
    step: Annotated[str, typer.Option("--step", help="Scheduled procedure step ID, when the order has several.")] = "",
    aet: AetOption = "CT1",
    to: ToOption = "",
    called: CalledOption = "",
    config: ConfigOption = None,
) -> None:
    """Take a step from the worklist and start its exam (N-CREATE); prints the exam's UID."""
    if not accession and not step:
        raise typer.BadParameter("name the order with --accession, or the step with --step")
    peer = peer_of(config, to, called, aet)
    keys = identifier({"AccessionNumber": accession}, {"ScheduledProcedureStepID": step})
    found = _ask(peer, lambda: scu.find(peer, keys))
    if len(found.items) != 1:
        raise Failure(f"{len(found.items)} items of the worklist fit; `broker worklist query` shows them")
    uid = random_uid()
    attributes = mpps.begin(found.items[0], aet, _local_now(config), f"CLI{uid[-8:]}")
    _succeed(_ask(peer, lambda: scu.create(peer, attributes, uid)))
    typer.echo(uid)


@app.command()
def complete(
    uid: UidArgument, aet: AetOption = "CT1", to: ToOption = "", called: CalledOption = "", config: ConfigOption = None
) -> None:
    """Complete an exam (N-SET COMPLETED, one series)."""
    _end(uid, None, peer_of(config, to, called, aet), _local_now(config))
    typer.echo(f"{uid} completed")


@app.command()
def discontinue(
    uid: UidArgument,
    reason: Annotated[
        str, typer.Option("--reason", help="Code of CID 9300: " + ", ".join(map(" ".join, mpps.REASONS.items())))
    ] = "110513",
    aet: AetOption = "CT1",
    to: ToOption = "",
    called: CalledOption = "",
    config: ConfigOption = None,
) -> None:
    """Discontinue an exam (N-SET DISCONTINUED)."""
    if reason not in mpps.REASONS:
        raise typer.BadParameter(f"{reason!r} is none of {', '.join(mpps.REASONS)}", param_hint="--reason")
    _end(uid, reason, peer_of(config, to, called, aet), _local_now(config))
    typer.echo(f"{uid} discontinued: {mpps.REASONS[reason]}")


@app.command()
def show(
    uid: UidArgument, aet: AetOption = "CT1", to: ToOption = "", called: CalledOption = "", config: ConfigOption = None
) -> None:
    """Show an exam as the server has it (N-GET)."""
    peer = peer_of(config, to, called, aet)
    answer = _ask(peer, lambda: scu.get(peer, uid))
    _succeed(answer)
    table(("attribute", "value"), [(k, one_line(v)) for k, v in sorted(answer.attributes.items()) if v not in ("", [])])


@app.command()
def available(
    uid: Annotated[str, typer.Argument(help="SOP Instance UID of the exam; not with --study.")] = "",
    study: Annotated[
        str, typer.Option("--study", help="Study Instance UID, for a device that reports no exams.")
    ] = "",
    aet: AetOption = "ARCHIVE",
    at: Annotated[str, typer.Option("--at", help="AE title the images can be retrieved from; else --aet.")] = "",
    availability: Annotated[Availability, typer.Option("--availability")] = Availability.ONLINE,
    to: ToOption = "",
    called: CalledOption = "",
    config: ConfigOption = None,
) -> None:
    """Tell as an archive would that the images of an exam are there (Instance Availability Notification)."""
    if bool(uid) == bool(study):
        raise typer.BadParameter("name the exam, or its study with --study")
    peer = peer_of(config, to, called, aet)
    if study:
        notices = [archive.of_study(study, at or aet, random_uid(), availability)]
    else:
        stored = _ask(peer, lambda: scu.get(peer, uid))
        _succeed(stored)
        notices = archive.of_exam(stored.attributes, uid, at or aet, availability)
    if not notices:
        raise Failure("the exam names no images yet; complete it first")
    for notice in notices:
        _succeed(_tell(peer, notice))
        typer.echo(f"{notice['StudyInstanceUID']} {availability} at {at or aet}")


def _tell(peer: scu.Peer, notice: Mapping[str, object]) -> scu.Answer:
    try:
        return scu.create(peer, notice, random_uid(), sop_class=scu.INSTANCE_AVAILABILITY)
    except scu.ScuError as error:
        raise no_answer(peer, error) from None


def _end(uid: str, reason: str | None, peer: scu.Peer, at: datetime) -> None:
    stored = _ask(peer, lambda: scu.get(peer, uid))
    _succeed(stored)
    attributes = mpps.end(_item_of(stored.attributes), at, random_uid(), reason)
    _succeed(_ask(peer, lambda: scu.set_(peer, attributes, uid)))


def _item_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What the worklist had said, as far as the exam repeats it."""
    scheduled: dict[str, Any] = next(iter(stored.get("ScheduledStepAttributesSequence") or []), {})
    return {**scheduled, SPS_SEQUENCE: [{**scheduled, "Modality": stored.get("Modality", "OT")}]}


def _local_now(config: ConfigOption) -> datetime:
    return datetime.now(ZoneInfo(read_settings(config).site.timezone))


def _ask(peer: scu.Peer, call: "Callable[[], Any]") -> Any:
    try:
        return call()
    except scu.ScuError as error:
        raise no_answer(peer, error) from None


def _succeed(answer: scu.Answer) -> None:
    if not answer.succeeded:
        raise Failure(f"refused with status {answer.status:04X}: {answer.error_comment or 'no comment'}")
