"""The commands of ``broker worklist`` for steps that no device reports: what became of them, undo, what is stuck."""

from typing import Annotated

import typer

from broker.commands.acting import AccessionArgument, ByOption, StepOption, attempt, person, step_key
from broker.commands.common import ConfigOption, Failure, opened, table
from broker.domain.errors import Refusal
from broker.domain.inferring import RUNNING
from broker.domain.states import StepStatus
from broker.services import inferring
from broker.services import stuck as watch
from broker.services.inferring import Saying

NoteOption = Annotated[str, typer.Option("--note", help="Kept in the history.")]
RunningOption = Annotated[
    bool, typer.Option("--although-running", help="Also when a device reports the exam and has not ended it.")
]


def arrive(
    accession: AccessionArgument, step: StepOption = "", note: NoteOption = "", by: ByOption = "",
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Say that the patient is here."""
    _say(accession, step, Saying(StepStatus.ARRIVED, note=note), by, config)


def start(
    accession: AccessionArgument, step: StepOption = "", note: NoteOption = "", by: ByOption = "",
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Say that the exam has begun (no device reports it)."""
    _say(accession, step, Saying(StepStatus.STARTED, note=note), by, config)


def complete(
    accession: AccessionArgument, step: StepOption = "", note: NoteOption = "", by: ByOption = "",
    although_running: RunningOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Say that the exam is done."""
    _say(accession, step, Saying(StepStatus.COMPLETED, note=note), by, config, although_running=although_running)


def discontinue(
    accession: AccessionArgument,
    reason: Annotated[str, typer.Option("--reason", help="Code of CID 9300, such as 110501, or CODE^SCHEME.")],
    step: StepOption = "", note: NoteOption = "", by: ByOption = "", although_running: RunningOption = False,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Say that the exam was given up, and why."""
    saying = Saying(StepStatus.DISCONTINUED, reason, note=note)
    _say(accession, step, saying, by, config, although_running=although_running)


def undo(accession: AccessionArgument, step: StepOption = "", by: ByOption = "", config: ConfigOption = None) -> None:
    """Take back what was said last about a step."""
    with opened(config) as context:
        key = step_key(context, accession, step)
        said = attempt(lambda: inferring.undo(context, person(by), key))
    typer.echo(f"{accession}: {said.status.value}")


def stuck(config: ConfigOption = None) -> None:
    """List steps in progress of which nothing is heard."""
    with opened(config) as context:
        found = watch.listed(context)
    rows = [
        (f"{one.stuck.silent_since:%Y-%m-%d %H:%M}", _length(one.stuck.limit_minutes), one.modality,
         one.accession_number, "its device" if one.reported else "hand")
        for one in found
    ]  # fmt: skip
    table(("silent since (UTC)", "expected within", "modality", "accession", "begun by"), rows)
    if rows:
        typer.echo("`broker worklist complete`, `discontinue` or `still-running` settles one.")


def still_running(
    accession: AccessionArgument, step: StepOption = "", by: ByOption = "", config: ConfigOption = None
) -> None:
    """Say that a stuck exam still runs: ask again later."""
    with opened(config) as context:
        key = step_key(context, accession, step)
        until = attempt(lambda: watch.postpone(context, person(by), key))
    typer.echo(f"{accession}: asked again at {until:%Y-%m-%d %H:%M} UTC")


def _length(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes / 60:.1f} h".replace(".0", "")


def _say(
    accession: str, step: str, saying: Saying, by: str, config: ConfigOption, *, although_running: bool = False
) -> None:
    with opened(config) as context:
        key = step_key(context, accession, step)
        try:
            said = inferring.say(context, person(by), key, saying, although_running=although_running)
        except Refusal as refusal:
            hint = ": add --although-running" if refusal.where == RUNNING else ""
            raise Failure(refusal.text + hint) from None
    typer.echo(f"{accession}: {said.status.value}, inferred; `broker worklist undo {accession}` takes it back")
