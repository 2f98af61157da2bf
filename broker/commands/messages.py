"""``broker messages``: the journal of everything received over HL7; finding, comparing and reading messages again."""

import getpass
from datetime import datetime
from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, table
from broker.commands.desk import open_desk, print_rehearsal
from broker.domain.errors import Refusal
from broker.intake.comparison import differences
from broker.intake.description import describe
from broker.intake.desk import Desk
from broker.services import journal, replay
from broker.services.context import Context
from broker.services.journal import JournalEntry, JournalFilter
from broker.services.replay import ReplayRun

app = typer.Typer(help="The journal: every message received and what became of it.", no_args_is_help=True)
_Key = Annotated[int, typer.Argument(metavar="ID", help="Number of the message, as `list` shows it.")]


@app.command("list")
def list_messages(
    number: Annotated[str, typer.Option(help="Only about this patient ID, order number or accession number.")] = "",
    outcome: Annotated[str, typer.Option(help="Only this outcome: applied, held, refused, duplicate ...")] = "",
    sender: Annotated[str, typer.Option(help="Only this sender.")] = "",
    message_type: Annotated[str, typer.Option("--type", help="Only this type, such as ORM^O01.")] = "",
    control_id: Annotated[str, typer.Option(help="Only this message control ID (MSH-10).")] = "",
    since: Annotated[datetime | None, typer.Option(help="Only received at or after this, in site time.")] = None,
    before: Annotated[int | None, typer.Option(metavar="ID", help="Only older than this message.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    config: ConfigOption = None,
) -> None:
    """List messages, newest first."""
    with opened(config) as context:
        wanted = JournalFilter(
            outcome=outcome, sender=sender, control_id=control_id, message_type=message_type, number=number,
            since=since.replace(tzinfo=context.site.zone) if since else None, before=before, limit=limit,
        )  # fmt: skip
        entries = journal.find(context, wanted)
    rows = [
        (e.key, f"{e.received_at:%Y-%m-%d %H:%M:%S}", e.sender, e.message_type, e.control_id, e.outcome, reason(e))
        for e in entries
    ]
    table(("id", "received (UTC)", "sender", "type", "control ID", "outcome", "why"), rows)


@app.command()
def show(
    key: _Key,
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes as received, nothing else.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Every field with the name the standard gives it.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show one message: its segments, what became of it, and the answer it got."""
    with opened(config) as context:
        entry, runs = _load(context, key), replay.runs(context, key)
    if raw:
        typer.echo(entry.raw, nl=False)
        return
    typer.echo(f"message {entry.key} of {entry.sender} from {entry.peer}, {entry.received_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"{entry.outcome} {reason(entry)}".rstrip())
    for warning in warnings(entry):
        typer.echo(f"  warning: {warning}")
    for run in runs:
        typer.echo(f"  read again by {run.actor}, {run.at:%Y-%m-%d %H:%M:%S} UTC: {_words(run)}")
    for heading, content in (("received", entry.raw), ("answered", entry.acknowledgement)):
        typer.echo(f"\n{heading}:")
        _print_message(content or b"", names=names)


def _print_message(raw: bytes, *, names: bool) -> None:
    description = describe(raw)
    if not names or description.problem:
        text = "\n".join(s.raw for s in description.segments) or raw.decode("latin-1").replace("\r", "\n")
        for line in text.splitlines():
            typer.echo(f"  {line}")
        return
    table(("place", "name", "value"), [(f.place, f.name, f.text) for s in description.segments for f in s.fields])
    for finding in description.findings:
        typer.echo(f"  {finding.severity} {finding.place}: {finding.text}")


@app.command()
def diff(
    one: _Key,
    other: Annotated[int, typer.Argument(metavar="ID", help="Number of the message to compare with.")],
    config: ConfigOption = None,
) -> None:
    """Compare two messages field by field."""
    with opened(config) as context:
        first, second = _load(context, one), _load(context, other)
    found = differences(describe(first.raw), describe(second.raw))
    if not found:
        typer.echo("the two messages say the same")
        return
    rows = [(d.place, d.name, d.before or "-", d.after or "-") for d in found]
    table(("place", "name", f"message {one}", f"message {other}"), rows)


@app.command("replay")
def read_again(
    keys: Annotated[list[int], typer.Argument(metavar="ID...", help="Numbers of messages, in the order to read them.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Read messages again with the mapping and catalogue of now: shows what would change, asks, then does it.

    Nobody is answered.  A message that was applied before is applied again, onto the same order.
    """
    by = getpass.getuser()
    failed = 0
    with open_desk(config) as (_context, desk):
        for key in keys:
            failed += not _read_one(desk, key, by, dry_run=dry_run, yes=yes)
    if failed:
        raise Failure(f"{failed} of {len(keys)} message(s) not applied")


def _read_one(desk: Desk, key: int, by: str, *, dry_run: bool, yes: bool) -> bool:
    """True unless the message was refused or held, now or in the rehearsal."""
    try:
        run, found = desk.replay(key, by, dry_run=True)
    except Refusal as refusal:
        raise Failure(refusal.text) from None
    typer.echo(f"message {key}: {_words(run)}")
    if found is not None and found.would is not None:
        print_rehearsal(found.would)
    if dry_run or run.outcome != "applied":
        return run.outcome == "applied"
    if not yes and not typer.confirm("Apply it?"):
        typer.echo("left as it is")
        return True
    run, _ = desk.replay(key, by, dry_run=False)
    typer.echo(f"message {key}: {_words(run)}")
    return run.outcome in ("applied", "ignored")


def _words(run: ReplayRun) -> str:
    what = f"{'would be ' if run.dry_run else ''}{run.outcome}"
    return what + (f" ({run.text})" if run.text else "") + (f", message {run.result_key}" if run.result_key else "")


def _load(context: Context, key: int) -> JournalEntry:
    entry = journal.load(context, key)
    if entry is None:
        raise Failure(f"there is no message {key}; `broker messages list` shows the newest")
    return entry


def reason(entry: JournalEntry) -> str:
    """Why a message was refused, with code and place; empty otherwise."""
    return " ".join(part for part in (entry.error_code, entry.error_location, entry.error_text) if part)


def warnings(entry: JournalEntry) -> list[str]:
    """What was let pass while the message was read and applied."""
    found = [entry.changes.get(key) for key in ("warnings", "noticed")]
    return [str(warning) for group in found if isinstance(group, list) for warning in group]
