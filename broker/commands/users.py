"""``broker users``: who may sign in to the board, and the one-time links that let them in."""

from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, read_settings, table
from broker.commands.ports import listening
from broker.services import people

app = typer.Typer(help="Who may sign in to the board.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The person's user name.")]
RoleOption = Annotated[people.Role, typer.Option("--role", help="What the person may do.")]


def link_address(host: str, port: int, token: str) -> str:
    """Where a one-time link points."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/sign-in/{token}"


@app.command()
def link(name: NameArgument, role: RoleOption = people.Role.OPERATOR, config: ConfigOption = None) -> None:
    """Print a link that signs NAME in once, within 15 minutes; the user is added when unknown."""
    with opened(config) as context:
        token = people.create_link(context, name, role)
    host, port = listening(read_settings(config), "web")
    typer.echo(link_address(host, port, token))


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


def _set(name: str, *, locked: bool, config: ConfigOption) -> None:
    with opened(config) as context:
        if not people.lock(context, name, locked=locked):
            raise Failure(f"there is no user {name!r}; `broker users list` shows all")
