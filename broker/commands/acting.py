"""What commands of people share: who acts, on which step, and a refusal in words."""

import getpass
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from broker.commands.common import Failure
from broker.domain.errors import Refusal
from broker.domain.model import Actor, Source
from broker.services import reconciling
from broker.services.context import Context

T = TypeVar("T")
ByOption = Annotated[str, typer.Option("--by", help="Who does it, for the history; else the user of this terminal.")]
StepOption = Annotated[str, typer.Option("--step", help="Step ID, where the order has several steps.")]
AccessionArgument = Annotated[str, typer.Argument(metavar="ACCESSION", help="Accession number of the order.")]


def person(by: str) -> Actor:
    """Who is at the terminal, unless the command says who else."""
    return Actor(Source.PERSON, by or getpass.getuser())


def attempt(act: Callable[[], T]) -> T:
    """What ``act`` answers.  Raises Failure with the words of a refusal."""
    try:
        return act()
    except Refusal as refusal:
        raise Failure(refusal.text) from None


def step_key(context: Context, accession: str, step_id: str) -> int:
    """The step that is meant.  Raises Failure when it is none or several."""
    steps = reconciling.steps_of(context, accession)
    chosen = [s for s in steps if not step_id or s.scheduled_procedure_step_id == step_id]
    if not chosen:
        raise Failure(f"no order has accession number {accession}" + (f" and step {step_id}" if step_id else ""))
    if len(chosen) > 1:
        known = ", ".join(s.scheduled_procedure_step_id for s in chosen)
        raise Failure(f"{accession} has several steps: choose one with --step: {known}")
    return chosen[0].step_key
