"""``broker worklist``: what is in the database, and what a device gets when it asks."""

import json
from collections.abc import Mapping
from typing import Annotated

import typer

from broker.commands import steps
from broker.commands.common import ConfigOption, Failure, endpoint, opened, read_settings, table
from broker.commands.ports import listening
from broker.dicom import scu
from broker.domain.attributes import SPS_SEQUENCE, items_of, text, texts
from broker.domain.errors import Refusal
from broker.domain.names import display
from broker.domain.states import StepStatus
from broker.services import worklist as service

app = typer.Typer(help="Worklists: from the database, or as a device sees them.", no_args_is_help=True)

#: what `query` asks to be returned: what a console shows
_ROOT_KEYS = (
    "AccessionNumber", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedureCodeSequence",
    "RequestedProcedurePriority", "ReferringPhysicianName", "AdmissionID", "CurrentPatientLocation",
)  # fmt: skip
_STEP_KEYS = (
    "ScheduledStationAETitle", "ScheduledStationName", "ScheduledProcedureStepLocation",
    "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence", "ScheduledProcedureStepID",
    "ScheduledProcedureStepStatus",
)  # fmt: skip
_SEQUENCES = ("RequestedProcedureCodeSequence", "ScheduledProtocolCodeSequence")

DateOption = Annotated[str, typer.Option("--date", help="Start date YYYYMMDD, or a range such as 20260101-20260131.")]
ModalityOption = Annotated[str, typer.Option("--modality", help="CT, MR, US ...")]
StationOption = Annotated[str, typer.Option("--station", help="Scheduled station AE title.")]
AccessionOption = Annotated[str, typer.Option("--accession", help="Accession number.")]
PatientOption = Annotated[str, typer.Option("--patient", help="Patient ID.")]
NameOption = Annotated[str, typer.Option("--name", help="Patient name; * and ? are wildcards.")]
ToOption = Annotated[str, typer.Option("--to", help="HOST:PORT of the server; else this broker.")]
CalledOption = Annotated[str, typer.Option("--called", help="AE title of the server; else this broker's.")]
AetOption = Annotated[str, typer.Option("--aet", help="AE title to ask as: the device's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the items as JSON.")]


def peer_of(config: ConfigOption, to: str, called: str, calling: str) -> scu.Peer:
    """The server a command talks to."""
    settings = read_settings(config)
    host, port = listening(settings, "dicom")
    if to:
        host, port = endpoint(to, port)
    return scu.Peer(host, port, called or settings.dicom.ae_title, calling)


def no_answer(peer: scu.Peer, error: scu.ScuError) -> Failure:
    """The failure that says which server could not be asked, and why."""
    where = f"{peer.called_ae_title} at {peer.host}:{peer.port}"
    return Failure(str(error) if where in str(error) else f"{where}: {error}")


def identifier(root: Mapping[str, str], step: Mapping[str, str]) -> dict[str, object]:
    """A C-FIND identifier with the keys of ``root`` and ``step`` that have a value, and all return keys."""
    inner: dict[str, object] = {k: [] if k in _SEQUENCES else step.get(k, "") for k in _STEP_KEYS}
    outer: dict[str, object] = {k: [] if k in _SEQUENCES else root.get(k, "") for k in _ROOT_KEYS}
    return {**outer, SPS_SEQUENCE: [inner]}


@app.command()
def query(
    aet: AetOption = "BROKER_SCU", modality: ModalityOption = "", date: DateOption = "", station: StationOption = "",
    accession: AccessionOption = "", patient: PatientOption = "", name: NameOption = "", to: ToOption = "",
    called: CalledOption = "", as_json: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Ask a worklist server over DICOM, as a modality would."""
    keys = identifier(
        {"AccessionNumber": accession, "PatientID": patient, "PatientName": name},
        {"Modality": modality, "ScheduledProcedureStepStartDate": date, "ScheduledStationAETitle": station},
    )
    peer = peer_of(config, to, called, aet)
    try:
        found = scu.find(peer, keys)
    except scu.ScuError as error:
        raise no_answer(peer, error) from None
    _print(found.items, as_json=as_json)
    if not found.final.succeeded:
        raise Failure(f"the query ended with status {found.final.status:04X} {found.final.error_comment}".rstrip())


@app.command("list")
def list_items(
    modality: ModalityOption = "", date: DateOption = "", station: StationOption = "", accession: AccessionOption = "",
    patient: PatientOption = "", name: NameOption = "", as_json: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """List scheduled procedure steps from the database, also those that no device is shown."""
    wanted = service.ItemFilter(
        modality=modality, date=date, station=station, accession_number=accession, patient_id=patient, name=name
    )
    with opened(config) as context:
        try:
            items = service.list_items(context, wanted)
        except Refusal as refusal:
            raise typer.BadParameter(refusal.text) from None
    _print([_with_status(item.document, item.candidate.status) for item in items], as_json=as_json)


def _with_status(document: Mapping[str, object], status: StepStatus) -> dict[str, object]:
    """The item with the status of its step, for which DICOM need not have a term."""
    step = next(iter(items_of(document.get(SPS_SEQUENCE))), {})  # type: ignore[arg-type]
    return {**document, SPS_SEQUENCE: [{**step, "ScheduledProcedureStepStatus": status.value}]}


def _print(items: "list[Mapping[str, object]] | tuple[Mapping[str, object], ...]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(list(items), ensure_ascii=False, indent=2))
        return
    table(
        ("start", "modality", "station", "patient", "patient ID", "accession", "step", "status", "description"),
        map(_row, items),
    )
    typer.echo(f"{len(items)} item{'' if len(items) == 1 else 's'}")


def _row(item: Mapping[str, object]) -> tuple[str, ...]:
    step = next(iter(items_of(item.get(SPS_SEQUENCE))), {})  # type: ignore[arg-type]
    date, time = (text(step, f"ScheduledProcedureStepStart{part}") for part in ("Date", "Time"))
    return (
        f"{date[:4]}-{date[4:6]}-{date[6:]} {time[:2]}:{time[2:4]}", text(step, "Modality"),
        ",".join(texts(step.get("ScheduledStationAETitle"))), display(str(item.get("PatientName", ""))),
        str(item.get("PatientID", "")), str(item.get("AccessionNumber", "")), text(step, "ScheduledProcedureStepID"),
        text(step, "ScheduledProcedureStepStatus"), text(step, "ScheduledProcedureStepDescription"),
    )  # fmt: skip


for act in (steps.arrive, steps.start, steps.complete, steps.discontinue, steps.undo, steps.stuck, steps.still_running):
    app.command()(act)
