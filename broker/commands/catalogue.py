"""``broker catalogue``: the table of procedure codes; what it lacks, checking, taking it in and out as CSV."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from broker import parts
from broker.commands.common import ConfigOption, Failure, read_settings, table
from broker.commands.desk import open_desk
from broker.intake.catalogue import Catalogue, CatalogueError, load_catalogue, merged, write_catalogue
from broker.intake.mapping_lines import write_atomically
from broker.settings import Settings

app = typer.Typer(help="The procedure catalogue: what a procedure code means.", no_args_is_help=True)
_File = Annotated[Path, typer.Argument(help="CSV file with the columns of config/procedures.csv.")]


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="CSV file; else the catalogue in use.")] = None,
    config: ConfigOption = None,
) -> None:
    """Tell everything that is wrong with a catalogue, with the line."""
    path = file or parts.catalogue_file(read_settings(config))
    typer.echo(f"{path}: {_counted(_load(path))}; nothing is wrong")


@app.command("export")
def export_to(
    file: Annotated[Path | None, typer.Argument(help="File to write; else standard output.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write the catalogue in use as CSV."""
    text = _as_text(_load(parts.catalogue_file(read_settings(config))))
    if file is None:
        sys.stdout.write(text)
    else:
        _write(file, text)


@app.command("import")
def import_from(
    file: _File,
    replace: Annotated[bool, typer.Option("--replace", help="Forget procedures that the file does not have.")] = False,
    config: ConfigOption = None,
) -> None:
    """Take procedures from a CSV file into the site's catalogue; those with the same code and scheme are replaced."""
    settings = read_settings(config)
    target = _own_file(settings)
    added = _load(file)
    present = Catalogue() if replace or not target.exists() else _load(target)
    _write(target, _as_text(merged(present, added)))
    typer.echo(f"{target}: {_counted(added)} taken over; a running broker reads the catalogue when it starts again")


@app.command()
def unmapped(config: ConfigOption = None) -> None:
    """List the procedure codes that came in orders and are not in the catalogue."""
    with open_desk(config) as (_context, desk):
        found = desk.unmapped_codes()
    if not found:
        typer.echo("every procedure code that came is in the catalogue")
        return
    rows = [
        (one.code, one.scheme or "-", one.meaning, one.sender, one.modality or "none: not shown to devices",
         one.messages, f"{one.last_seen_at:%Y-%m-%d %H:%M}")
        for one in found
    ]  # fmt: skip
    table(("code", "scheme", "meaning", "sender", "modality in the message", "messages", "last (UTC)"), rows)


def _own_file(settings: Settings) -> Path:
    """The site's file.  Raises Failure when the shipped example is in use: it is never written to."""
    if not settings.intake.procedures:
        raise Failure("the shipped example is in use; name a file of your own in intake.procedures first")
    return Path(settings.intake.procedures)


def _load(path: Path) -> Catalogue:
    try:
        return load_catalogue(path)
    except CatalogueError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path} cannot be read: save it as UTF-8") from None


def _as_text(catalogue: Catalogue) -> str:
    text = io.StringIO()
    write_catalogue(catalogue, text)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None


def _counted(catalogue: Catalogue) -> str:
    steps = sum(len(rows) for rows in catalogue.procedures.values())
    return f"{len(catalogue.procedures)} procedures with {steps} steps"
