"""``broker messages``: the journal of everything received over HL7."""

from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, table
from broker.parts import readable_segments
from broker.services import journal
from broker.services.journal import JournalEntry, JournalFilter

app = typer.Typer(help="The journal: every message received and what became of it.", no_args_is_help=True)


@app.command("list")
def list_messages(
    outcome: Annotated[str, typer.Option(help="Only this outcome: applied, held, refused, duplicate ...")] = "",
    sender: Annotated[str, typer.Option(help="Only this sender.")] = "",
    control_id: Annotated[str, typer.Option(help="Only this message control ID (MSH-10).")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    config: ConfigOption = None,
) -> None:
    """List messages, newest first."""
    wanted = JournalFilter(outcome=outcome, sender=sender, control_id=control_id, limit=limit)
    with opened(config) as context:
        entries = journal.find(context, wanted)
    rows = [
        (e.key, f"{e.received_at:%Y-%m-%d %H:%M:%S}", e.sender, e.message_type, e.control_id, e.outcome, reason(e))
        for e in entries
    ]
    table(("id", "received (UTC)", "sender", "type", "control ID", "outcome", "why"), rows)


@app.command()
def show(
    key: Annotated[int, typer.Argument(metavar="ID", help="Number of the message, as `list` shows it.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes as received, nothing else.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show one message: its segments, what became of it, and the answer it got."""
    with opened(config) as context:
        entry = journal.load(context, key)
    if entry is None:
        raise Failure(f"there is no message {key}; `broker messages list` shows the newest")
    if raw:
        typer.echo(entry.raw, nl=False)
        return
    typer.echo(f"message {entry.key} of {entry.sender} from {entry.peer}, {entry.received_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"{entry.outcome} {reason(entry)}".rstrip())
    for warning in warnings(entry):
        typer.echo(f"  warning: {warning}")
    for heading, content in (("received", entry.raw), ("answered", entry.acknowledgement)):
        typer.echo(f"\n{heading}:")
        for segment in readable_segments(content or b""):
            typer.echo(f"  {segment}")


def reason(entry: JournalEntry) -> str:
    """Why a message was refused, with code and place; empty otherwise."""
    return " ".join(part for part in (entry.error_code, entry.error_location, entry.error_text) if part)


def warnings(entry: JournalEntry) -> list[str]:
    """What was let pass while the message was read and applied."""
    found = [entry.changes.get(key) for key in ("warnings", "noticed")]
    return [str(warning) for group in found if isinstance(group, list) for warning in group]
