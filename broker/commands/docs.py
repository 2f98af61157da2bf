"""``broker docs``: the generated parts of the documentation, from the tables the code reads."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from broker.commands.common import Failure
from broker.domain.site import Site
from broker.intake.catalogue import load_catalogue
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.interface_spec import filled, sections, table
from broker.intake.mapping_file import load_mapping
from broker.intake.order_parts import Site as IntakeSite
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalFilter
from broker.shipped import config_folder
from broker.store import migrate
from broker.store.database import Database

app = typer.Typer(help="Generated parts of the documentation.", no_args_is_help=True)
_MSA = re.compile(rb"(?:^|\r)MSA\|(\w\w)")
_MAPPING = "ihe-swf"
#: when the samples are read: what they say of "now" must not change from run to run
_READ_AT = datetime(2026, 1, 1, tzinfo=UTC)


@app.command("hl7-interface")
def hl7_interface(
    file: Annotated[Path, typer.Argument(help="The document to fill.")] = Path("docs/hl7-interface.md"),
    corpus: Annotated[
        Path | None, typer.Option(help="Folder of sample messages; without it the table of outcomes stays as it is.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when the document is not up to date.")
    ] = False,
) -> None:
    """Fill the generated parts of the HL7 interface specification."""
    try:
        present = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
    parts = sections(load_mapping(_MAPPING))
    if corpus is not None:
        parts["corpus"] = corpus_outcomes(corpus)
    wanted = filled(present, parts)
    if wanted == present:
        typer.echo(f"{file} is up to date")
    elif check:
        raise Failure(f"{file} is not up to date; run `broker docs hl7-interface`")
    else:
        file.write_text(wanted, encoding="utf-8")
        typer.echo(f"{file} is filled")


def corpus_outcomes(folder: Path) -> str:
    """What each sample is answered, each by a broker that knows nothing yet, as a table.  Raises Failure."""
    files = sorted(folder.glob("*.hl7"))
    if not files:
        raise Failure(f"{folder} holds no *.hl7 files")
    with TemporaryDirectory() as scratch:
        empty = Path(scratch) / "empty.db"
        migrate.upgrade(f"sqlite:///{empty}")
        rows = [_outcome(file, empty) for file in files]
    return table(("Sample", "Type", "Answer", "Outcome", "Where", "Why"), rows)


def _outcome(file: Path, empty: Path) -> tuple[str, ...]:
    own = shutil.copy(empty, empty.with_name(f"{file.stem}.db"))
    database = Database(f"sqlite:///{own}")
    try:
        context = Context(database, Site(zone=UTC), lambda: _READ_AT)
        site = IntakeSite(load_catalogue(config_folder() / "procedures.csv"))
        config = HandlerConfig(processing_ids=("P", "T", "D"))
        answer = MessageHandler(config, context, {_MAPPING: load_mapping(_MAPPING)}, site).answer(file.read_bytes(), "")
        entries = journal.find(context, JournalFilter())
    finally:
        database.close()
    codes = [code.decode() for code in _MSA.findall(answer or b"")]
    first = entries[-1]
    why = " ".join(part for part in (first.error_code, first.error_text) if part)
    return file.name, first.message_type, " ".join(codes) or "none wanted", first.outcome, first.error_location, why
