"""``broker performed``: exams that name no order, corrections, and the export of protocol records."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from broker.commands.acting import AccessionArgument, ByOption, StepOption, attempt, person, step_key
from broker.commands.common import ConfigOption, Failure, opened, table
from broker.domain.performing_reasons import MEANINGS
from broker.domain.states import PerformedStatus
from broker.services import correcting, orders_from_exams, protocol_export, reconciling
from broker.services.context import Context
from broker.services.correcting import Correction

app = typer.Typer(help="Exams that devices performed: reconcile, correct, export.", no_args_is_help=True)

ExamArgument = Annotated[str, typer.Argument(metavar="EXAM", help="Number of the exam, or its SOP Instance UID.")]


@app.command("list")
def list_waiting(
    aside: Annotated[bool, typer.Option("--aside", help="Those that were set aside.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    config: ConfigOption = None,
) -> None:
    """List the exams that wait for an order, newest first."""
    with opened(config) as context:
        found = reconciling.queue(context, limit, aside=aside)
    rows = [
        (e.performed_key, e.started_at, e.station, e.modality, e.status, e.accession_number or "-", e.items)
        for e in found
    ]
    table(("exam", "started (local)", "station", "modality", "state", "accession", "open items"), rows)


@app.command()
def show(exam: ExamArgument, config: ConfigOption = None) -> None:
    """Show what an exam is linked to and which steps it could be about, with the reasons."""
    with opened(config) as context:
        case = reconciling.show(context, _key(context, exam))
        made = correcting.made(context, case.exam.key) if case else []
    if case is None:
        raise Failure(f"there is no exam {exam}")
    said = case.exam
    typer.echo(f"exam {said.key}, {said.status.value}, {said.sop_instance_uid}")
    for one in made:
        ended = f", ended by {one.withdrawn_by}" if one.withdrawn_at else ""
        typer.echo(f"corrected to {one.correction.status.value} by {one.made_by}: {one.correction.note}{ended}")
    typer.echo(f"{case.open_items} open item{'' if case.open_items == 1 else 's'}\n")
    table(
        ("linked to", "step", "how"),
        [(step.accession_number, step.scheduled_procedure_step_id, origin) for step, origin in case.linked],
    )
    typer.echo("")
    table(
        ("suggested", "step", "score", "because"),
        [(s.step.accession_number, s.step.scheduled_procedure_step_id, s.score, ", ".join(s.reasons))
         for s in case.suggestions],
    )  # fmt: skip


@app.command()
def link(
    exam: ExamArgument, accession: AccessionArgument, step: StepOption = "", by: ByOption = "",
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Say that an exam was of a step of this order."""
    with opened(config) as context:
        key, chosen = _key(context, exam), step_key(context, accession, step)
        attempt(lambda: reconciling.link(context, person(by), key, chosen))
    typer.echo(f"exam {key}: linked to {accession}")


@app.command()
def unlink(
    exam: ExamArgument, accession: AccessionArgument, step: StepOption = "", by: ByOption = "",
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Take a link back; the step is again what its other exams say."""
    with opened(config) as context:
        key, chosen = _key(context, exam), step_key(context, accession, step)
        attempt(lambda: reconciling.unlink(context, person(by), key, chosen))
    typer.echo(f"exam {key}: unlinked from {accession}")


@app.command("create-order")
def create_order(
    exam: ExamArgument,
    patient_id: Annotated[str, typer.Option("--patient-id", help="Where the device named no patient.")] = "",
    by: ByOption = "",
    config: ConfigOption = None,
) -> None:
    """Make an order from an exam that nobody ordered; `unlink` takes it back."""
    with opened(config) as context:
        key = _key(context, exam)
        attempt(lambda: orders_from_exams.create_order(context, person(by), key, patient_id))
        case = reconciling.show(context, key)
    numbers = ", ".join(step.accession_number for step, _ in case.linked) if case else ""
    typer.echo(f"exam {key}: order {numbers} made")


@app.command("set-aside")
def set_aside(
    exam: ExamArgument,
    back: Annotated[bool, typer.Option("--back", help="Put it back into the queue.")] = False,
    by: ByOption = "",
    config: ConfigOption = None,
) -> None:
    """Take an exam that has no order from the queue."""
    act = reconciling.queue_again if back else reconciling.set_aside
    with opened(config) as context:
        key = _key(context, exam)
        attempt(lambda: act(context, person(by), key))
    typer.echo(f"exam {key}: {'back in the queue' if back else 'set aside'}")


@app.command()
def correct(
    exam: ExamArgument,
    status: Annotated[PerformedStatus, typer.Argument(help="What counts from now on.")],
    note: Annotated[str, typer.Option("--note", help="Why; kept in the history.")],
    reason: Annotated[
        str, typer.Option("--reason", help="With DISCONTINUED: code of CID 9300, such as 110514, or CODE^SCHEME.")
    ] = "",
    start: Annotated[str, typer.Option("--start", help="Start, YYYYMMDDHHMMSS, where the device was wrong.")] = "",
    end: Annotated[str, typer.Option("--end", help="End, YYYYMMDDHHMMSS, where the device was wrong.")] = "",
    by: ByOption = "",
    config: ConfigOption = None,
) -> None:
    """Correct what a device said; the exam itself stays as it was, and others are told a correction."""
    correction = Correction(status, note, reason, MEANINGS.get(reason, ""), start, end)
    with opened(config) as context:
        key = _key(context, exam)
        attempt(lambda: correcting.correct(context, person(by), key, correction))
    typer.echo(f"exam {key}: counts as {status.value}")


@app.command()
def withdraw(exam: ExamArgument, by: ByOption = "", config: ConfigOption = None) -> None:
    """Withdraw a correction: what the device said counts again."""
    with opened(config) as context:
        key = _key(context, exam)
        attempt(lambda: correcting.withdraw(context, person(by), key))
    typer.echo(f"exam {key}: correction withdrawn")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="CSV file to write.")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day, YYYY-MM-DD; else today.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day; else the first.")] = "",
    config: ConfigOption = None,
) -> None:
    """Export series, dose, contrast, consumables and codes of the exams of some days."""
    with opened(config) as context:
        today = context.clock().astimezone(context.site.zone).date()
        begin = _day(first) if first else today
        text, count = protocol_export.export(context, begin, _day(last) if last else begin)
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"{count} exam{'' if count == 1 else 's'} in {file}")


def _key(context: Context, exam: str) -> int:
    found = int(exam) if exam.isdigit() and len(exam) < 19 else reconciling.find_key(context, exam)
    if found is None:
        raise Failure(f"there is no exam {exam}; see `broker performed list`")
    return found


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise typer.BadParameter(f"a day is written YYYY-MM-DD, not {text!r}") from None
