"""``broker db``: the schema, a backup, the sizes."""

from pathlib import Path
from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, read_settings, table
from broker.store import backup as store_backup
from broker.store import housekeeping, migrate

app = typer.Typer(help="The database: schema, backup, sizes.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigOption = None) -> None:
    """Create the schema, or bring it to this version."""
    url = read_settings(config).database_url
    before, _ = migrate.revision(url)
    migrate.upgrade(url)
    after, _ = migrate.revision(url)
    typer.echo(f"schema {after}" if before == after else f"schema {before or 'none'} -> {after}")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")], config: ConfigOption = None
) -> None:
    """Copy an SQLite database while the broker runs (PostgreSQL: use pg_dump)."""
    if file.exists():
        raise Failure(f"{file} exists; name another file")
    with opened(config) as context:
        if not context.database.is_sqlite:
            raise Failure("the database is PostgreSQL; use pg_dump, which copies it while the broker runs")
        try:
            size = store_backup.copy(context.database, file)
        except OSError as error:
            raise Failure(str(error)) from None
    typer.echo(f"{file}: {size} bytes")


@app.command()
def stats(config: ConfigOption = None) -> None:
    """Count the rows of every table."""
    with opened(config) as context:
        sizes = context.database.read(housekeeping.table_sizes)
    table(("table", "rows"), sorted(sizes.items()))
