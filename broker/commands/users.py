"""``broker users``: who may sign in to the board and by which link, and which programs have a token."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, read_settings, table
from broker.commands.ports import listening
from broker.domain.errors import Refusal
from broker.services import api_tokens, people
from broker.services.context import Context

app = typer.Typer(help="Who may sign in to the board, and which programs have a token.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The person's user name.")]
RoleOption = Annotated[people.Role, typer.Option("--role", help="What the person may do.")]
TokenName = Annotated[str, typer.Argument(help="What the program is called in the history.")]
TokenRole = Annotated[people.Role, typer.Option("--role", help="What the program may do.")]


def link_address(host: str, port: int, token: str) -> str:
    """Where a one-time link points."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/sign-in/{token}"


@app.command()
def link(name: NameArgument, role: RoleOption = people.Role.OPERATOR, config: ConfigOption = None) -> None:
    """Print a link that signs NAME in once, within 15 minutes; the user is added when unknown."""
    with opened(config) as context:
        try:
            secret = people.create_link(context, name, role)
        except Refusal as refusal:
            raise Failure(f"{refusal.where}: {refusal.text}") from None
    host, port = listening(read_settings(config), "web")
    typer.echo(link_address(host, port, secret))


@app.command("list")
def list_users(config: ConfigOption = None) -> None:
    """List every user."""
    with opened(config) as context:
        rows = [(u.name, u.role, "yes" if u.active else "locked") for u in people.list_users(context)]
    table(("name", "role", "may sign in"), rows)


@app.command()
def lock(name: NameArgument, config: ConfigOption = None) -> None:
    """Keep a user out; sessions and links end at once."""
    _set(name, locked=True, config=config)


@app.command()
def unlock(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a locked user in again."""
    _set(name, locked=False, config=config)


@app.command()
def token(
    name: TokenName,
    role: TokenRole,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=36500, help="Days that it lasts; without, until revoked.")
    ] = None,
    ae_title: Annotated[
        str, typer.Option("--ae-title", help="The device that it acts as: needed to report exams by DICOMweb.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Print a token for a program, once: it cannot be shown again.  Sent as "Authorization: Bearer TOKEN"."""
    lifetime = None if days is None else timedelta(days=days)
    with opened(config) as context:
        try:
            made = api_tokens.issue(context, name, role, ae_title=ae_title, lifetime=lifetime)
        except Refusal as refusal:
            raise Failure(f"{refusal.where}: {refusal.text}") from None
    typer.echo(made)


@app.command()
def tokens(config: ConfigOption = None) -> None:
    """List every token of a program, without the tokens themselves."""
    with opened(config) as context:
        rows = [
            (t.name, t.role, t.ae_title or "-", _state(context, t), _moment(context, t.expires_at, "never"),
             _moment(context, t.last_used_at, "never"))
            for t in api_tokens.listed(context)
        ]  # fmt: skip
    table(("name", "role", "acts as", "state", "ends", "last used"), rows)


@app.command()
def revoke(name: TokenName, config: ConfigOption = None) -> None:
    """End the token of a program at once."""
    with opened(config) as context:
        if not api_tokens.revoke(context, name):
            raise Failure(f"there is no token {name!r} to revoke; `broker users tokens` shows all")


def _state(context: Context, found: api_tokens.ApiTokenRow) -> str:
    if found.in_force(context.clock()):
        return "in force"
    return "revoked" if found.revoked_at is not None else "ended"


def _moment(context: Context, at: datetime | None, otherwise: str) -> str:
    return otherwise if at is None else f"{at.astimezone(context.site.zone):%Y-%m-%d %H:%M}"


def _set(name: str, *, locked: bool, config: ConfigOption) -> None:
    with opened(config) as context:
        if not people.lock(context, name, locked=locked):
            raise Failure(f"there is no user {name!r}; `broker users list` shows all")
