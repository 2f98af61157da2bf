"""``broker orders``: send order messages as a RIS would; see how one is read without storing anything."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from broker import parts
from broker.commands.common import ConfigOption, Failure, endpoint, one_line, read_settings, table
from broker.commands.desk import open_desk, print_rehearsal
from broker.commands.ports import listening
from broker.commands.sending import send_files
from broker.intake.catalogue import CatalogueError
from broker.intake.dry_run import MappingReport, map_message
from broker.intake.mapping_file import MappingError
from broker.services.examination import Question

app = typer.Typer(help="Order messages: send them, or see how they are read.", no_args_is_help=True)


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="HL7 messages or batches, as bytes to send.")],
    to: Annotated[str, typer.Option("--to", help="HOST:PORT; else this broker's intake.")] = "",
    config: ConfigOption = None,
) -> None:
    """Send HL7 files over MLLP and show what is answered."""
    host, port = listening(read_settings(config), "intake")
    if to:
        host, port = endpoint(to, port)
    refused = send_files(files, host, port)
    if refused:
        raise Failure(f"{refused} message{'' if refused == 1 else 's'} not accepted")


@app.command("map")
def map_file(
    file: Annotated[Path, typer.Argument(help="One HL7 message.")],
    mapping: Annotated[str, typer.Option("--mapping", help="Name of a mapping; else intake.mapping.")] = "",
    against_database: Annotated[
        bool, typer.Option("--database", help="Also show the items and what would change in the database.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Show what a message would become and where each value comes from; nothing is stored."""
    settings = read_settings(config)
    try:
        chosen = parts.load_named_mapping(settings, mapping or settings.intake.mapping)
        site = parts.intake_site(settings)
        raw = file.read_bytes()
    except (MappingError, CatalogueError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error.filename} cannot be read: {error.strerror}") from None
    report = map_message(raw, chosen, site, zone=ZoneInfo(settings.site.timezone))
    _print(report)
    refused = _print_would(config, raw, mapping) if against_database else bool(report.errors_if_new)
    if report.errors or refused:
        raise Failure("this message would be refused")
    if report.held:
        raise Failure("this message would be held until the table of order control is mended")


def _print_would(config: Path | None, raw: bytes, mapping: str) -> bool:
    """The items as devices would get them, and the database before and after; True when all of it would be refused."""
    with open_desk(config) as (_context, desk):
        found = desk.examine(Question(raw, mapping, described=False))
    for item in found.items:
        missing = f", not sent for lack of {', '.join(item.missing)}" if item.missing else ""
        typer.echo(f"\nworklist item {item.title}, {item.status}{missing}")
        rows = [
            (row.tag, "  " * row.depth + row.keyword, row.vr, row.return_type,
             f"{row.length}/{row.limit}" if row.limit else "", one_line(row.value))
            for row in item.rows
        ]  # fmt: skip
        table(("tag", "attribute", "VR", "type", "length", "value"), rows)
    if found.would is not None:
        typer.echo("\nin the database:")
        print_rehearsal(found.would)
    return found.would is not None and found.would.refusal is not None


def _print(report: MappingReport) -> None:
    typer.echo(f"{report.message_type or 'unreadable'}, read by the mapping {report.mapping}")
    for change in report.changes:
        typer.echo(f"\n{change.where}: {change.asked}")
        table(
            ("entity", "attribute", "value", "from"),
            [(v.entity, v.keyword, one_line(v.value), v.source + (" (only if unknown)" if v.fills else ""))
             for v in change.values],
        )  # fmt: skip
    for heading, lines in (
        ("ignored", report.ignored), ("warnings", report.warnings), ("errors", report.errors),
        ("errors, unless the order is known already", report.errors_if_new), ("held", report.held),
    ):  # fmt: skip
        if lines:
            typer.echo(f"\n{heading}:")
            for line in lines:
                typer.echo(f"  {line}")
