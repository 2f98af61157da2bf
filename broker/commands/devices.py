"""``broker devices``: which devices were seen, and what each was let pass."""

from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, table
from broker.services import devices

app = typer.Typer(help="Devices: who was seen, what they were let pass.", no_args_is_help=True)


@app.command("list")
def list_devices(config: ConfigOption = None) -> None:
    """List the devices that ever associated; warnings are breaches of the standard that were let pass."""
    with opened(config) as context:
        found = devices.overview(context)
    rows = [
        (d.ae_title, d.address, "yes" if d.known else "no", f"{d.last_seen_at:%Y-%m-%d %H:%M}", warnings)
        for d, warnings in found
    ]
    table(("AE title", "address", "known", "last seen (UTC)", "warnings"), rows)


@app.command()
def show(
    ae_title: Annotated[str, typer.Argument(metavar="AE_TITLE", help="Calling AE title of the device.")],
    config: ConfigOption = None,
) -> None:
    """Show what a device was let pass in MPPS, where, and how often."""
    with opened(config) as context:
        page = devices.show(context, ae_title)
    if page is None:
        raise Failure(f"no device with the AE title {ae_title} was ever seen; see `broker devices list`")
    if page.seen is not None:
        typer.echo(f"{page.ae_title} at {page.seen.address}, first seen {page.seen.first_seen_at:%Y-%m-%d %H:%M} UTC\n")
    if not page.tolerations:
        typer.echo("nothing had to be let pass")
        return
    rows = [(t.quirk, t.path or "-", t.times, f"{t.last_at:%Y-%m-%d %H:%M}") for t in page.tolerations]
    table(("let pass", "attribute", "times", "last (UTC)"), rows)
