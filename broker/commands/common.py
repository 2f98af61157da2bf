"""What commands share: the ``--config`` option, opening the database, printing tables, failing with a clear word."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from broker import settings_source
from broker.destination_list import DestinationList
from broker.services.context import Context
from broker.settings import Settings
from broker.store import migrate
from broker.wiring import open_context

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; else BROKER_CONFIG, else config/broker.toml if present."),
]


class Failure(Exception):
    """A command could not do what it was asked; its text says why and what to do."""


def read_settings(config: Path | None) -> Settings:
    """The settings in force.  Raises SettingsError with every problem."""
    return settings_source.load(config)


@contextmanager
def opened(config: Path | None) -> Iterator[Context]:
    """The context of use cases on the configured database, closed at the end.

    Raises Failure when the database has no schema, or one of another version.
    """
    settings = read_settings(config)
    present, newest = migrate.revision(settings.database_url)
    if present != newest:
        what = "has no tables yet" if present is None else f"is at schema {present}, this version needs {newest}"
        raise Failure(f"the database {what}; run `broker db upgrade` (or `broker serve`, which does it)")
    context = open_context(settings)
    try:
        DestinationList(settings, context).refresh()
        yield context
    finally:
        context.database.close()


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns under their headings."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max([len(h), *(len(row[i]) for row in texts)]) for i, h in enumerate(headings)]
    for line in ([*headings], *texts):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def one_line(value: object) -> str:
    """A value in one line: sequences as their items' values, line breaks as " / ", None as a deletion."""
    if value is None:
        return "(deleted)"
    if isinstance(value, dict):
        return " ".join(f"{k}={one_line(v)}" for k, v in value.items() if v not in ("", []))
    if isinstance(value, list | tuple):
        return " | ".join(one_line(v) for v in value)
    return " / ".join(str(value).splitlines())


def endpoint(text: str, default_port: int) -> tuple[str, int]:
    """``HOST:PORT`` or ``HOST`` as a pair.  Raises a usage error for anything else."""
    host, separator, port = text.rpartition(":")
    if not separator:
        return text, default_port
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"HOST:PORT is expected, not {text!r}")
    return host.strip("[]"), int(port)
