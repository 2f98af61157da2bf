"""Commands that are imported when they are asked for: most of a command's time was reading the other commands.

Must not: know any command.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: under a heading of the help, in a module of this folder, by name.

    ``attribute`` is a function, or a ``typer.Typer`` with commands of its own.
    """

    heading: str
    module: str
    attribute: str = "app"


class LazyCommands(Mapping[str, Any]):
    """Commands by name, in the order of ``places``; each is made when it is first looked at."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = dict(places)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name, self._places[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _make(name: str, place: Place) -> Any:
    found = getattr(import_module(f"broker.commands.{place.module}"), place.attribute)
    group = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    group.callback()(lambda: None)  # so that it stays a group, with one command
    if isinstance(found, typer.Typer):
        group.add_typer(found, name=name, rich_help_panel=place.heading)
    else:
        group.command(name, rich_help_panel=place.heading)(found)
    made: Any = typer.main.get_command(group)
    return made.commands[name]
