"""``broker explain``: why a device's list is as it is, step by step, with the remedy."""

from collections.abc import Iterator
from typing import Annotated

import typer

from broker import parts
from broker.commands.common import ConfigOption, Failure, one_line, opened, read_settings, table
from broker.domain.attributes import SPS_SEQUENCE, items_of, text
from broker.domain.errors import Refusal
from broker.domain.zones import as_offset
from broker.services import explaining
from broker.services.explaining import Account, Explanation
from broker.services.worklist import Asking, ItemFilter

DeviceOption = Annotated[str, typer.Option("--device", help="Calling AE title of the device.")]
PatientOption = Annotated[str, typer.Option("--patient", help="Patient ID: only this patient's steps.")]
AccessionOption = Annotated[str, typer.Option("--accession", help="Accession number: only this order's steps.")]
DateOption = Annotated[str, typer.Option("--date", help="Start date YYYYMMDD or a range: only steps of then.")]
NowOption = Annotated[bool, typer.Option("--now", help="Leave its last query aside: what would it see now?")]


def explain(
    device: DeviceOption, patient: PatientOption = "", accession: AccessionOption = "", date: DateOption = "",
    now: NowOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Explain a device's list: its last query, and for each step whether it is shown, else why not and what helps."""
    settings = read_settings(config)
    wanted = ItemFilter(patient_id=patient, accession_number=accession, date=date)
    with opened(config) as context:
        directory = parts.make_directory(settings, context)
        directory.refresh()
        try:
            account = explaining.explain_device(
                context, directory, device, wanted, parts.site_rules(settings), recorded=not now
            )
        except Refusal as refusal:
            raise typer.BadParameter(refusal.text) from None
    _head(account, device, known=directory.known(device))
    if wanted == ItemFilter() and not account.refused:
        typer.echo("candidates: steps from yesterday on, and earlier ones that wait; others by patient, order or date")
    if account.refused:
        raise Failure(f"it gets no list: {account.refused}")
    table(("start", "station", "modality", "accession", "step", "shown", "why not"), map(_row, account.explanations))
    remedies = dict.fromkeys(e.reason.remedy for e in account.explanations if e.reason is not None)
    for remedy in remedies:
        typer.echo(f"remedy: {remedy}")


def _head(account: Account, device: str, *, known: bool) -> None:
    typer.echo(f"{device} is {'registered' if known else 'not registered'}")
    if account.refused and account.asked_at is None:
        return
    if account.asked_at is None:
        typer.echo("no recorded query: what it would be shown if it asked for everything now")
    else:
        typer.echo(
            f"its query of {account.asked_at:%Y-%m-%d %H:%M:%S} UTC: {one_line(dict(account.keys)) or 'no keys'}"
        )
    typer.echo("".join(f"negotiated: {words}\n" for words in _negotiated(account.asking)), nl=False)
    if account.refused:
        return
    shown = sum(e.verdict is None for e in account.explanations)
    more = "; there are more: name a patient, order or date" if account.more else ""
    typer.echo(f"{shown} of {len(account.explanations)} candidates are shown{more}")


def _negotiated(asking: Asking) -> Iterator[str]:
    if asking.fuzzy_names:
        yield "names by their sound"
    if asking.offset is not None:
        yield f"times in the zone {as_offset(asking.offset)}"


def _row(explanation: Explanation) -> tuple[str, ...]:
    entry, reason = explanation.entry, explanation.reason
    step = next(iter(items_of(entry.document.get(SPS_SEQUENCE))), {})
    start = entry.start_at
    return (
        f"{start[:4]}-{start[4:6]}-{start[6:8]} {start[8:10]}:{start[10:12]}" if start else "", entry.station,
        text(step, "Modality"), str(entry.document.get("AccessionNumber", "")),
        entry.scheduled_procedure_step_id, "no" if reason else "yes", reason.what if reason else "",
    )  # fmt: skip
