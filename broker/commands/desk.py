"""What commands about messages share: the desk of intake on the configured database, and its answers in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from broker import parts
from broker.commands.common import Failure, one_line, opened, read_settings, table
from broker.intake.catalogue import CatalogueError
from broker.intake.desk import Desk
from broker.intake.mapping_file import MappingError
from broker.services.context import Context
from broker.services.rehearsal import Rehearsal


@contextmanager
def open_desk(config: Path | None) -> Iterator[tuple[Context, Desk]]:
    """The context and the desk, closed at the end.  Raises Failure when mappings or catalogue cannot be read."""
    settings = read_settings(config)
    with opened(config) as context:
        try:
            reading = parts.make_reading(settings)
        except (MappingError, CatalogueError) as error:
            raise Failure(str(error)) from None
        except OSError as error:
            raise Failure(f"{error.filename} cannot be read: {error.strerror}") from None
        desk = parts.make_desk(settings, context, reading)
        try:
            yield context, desk
        finally:
            desk.close()


def print_rehearsal(would: Rehearsal) -> None:
    """What would change in the database."""
    if would.refusal is not None:
        typer.echo(f"would be refused: {would.refusal.text} ({would.refusal.where})")
        return
    if not would.changes:
        typer.echo("would change nothing: all of it is stored already")
    for change in would.changes:
        typer.echo(f"\n{change.entity}: {'new' if change.is_new else 'changed'}")
        rows = [
            (value.keyword, one_line(value.before) if value.before is not None else "-",
             one_line(value.after) if value.after is not None else "(deleted)")
            for value in change.values
        ]  # fmt: skip
        table(("attribute", "now", "then"), rows)
    for destination, count in would.notifications.items():
        typer.echo(f"\nnotifications for {destination}: {count}")
    for warning in would.warnings:
        typer.echo(f"warning: {warning}")
