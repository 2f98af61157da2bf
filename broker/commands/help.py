"""How ``broker --help`` lists its commands: under the headings they are registered with, in plain text.

Must not: know any command.
"""

from itertools import groupby
from typing import Any

from typer.core import TyperGroup

_LONGEST = 200
"""Characters of a command's description; the formatter breaks lines."""


class HeadedHelp(TyperGroup):
    """A group whose help has a section for each ``rich_help_panel`` of its commands, in the order of registration."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        shown = [(name, command) for name, command in found if command is not None and not command.hidden]
        for heading, commands in groupby(shown, lambda pair: _heading(pair[1])):
            with formatter.section(heading):
                formatter.write_dl([(name, command.get_short_help_str(_LONGEST)) for name, command in commands])


def _heading(command: object) -> str:
    heading = getattr(command, "rich_help_panel", None)
    return heading if isinstance(heading, str) else "Commands"
