"""How ``broker --help`` lists its commands: under the headings they are registered with, in plain text.

Must not: know any command.
"""

from typing import Any

from typer.core import TyperGroup

HEADINGS = ("Run", "Work", "Peers", "Documentation")
"""The sections, in the order they are read; others follow."""
_LONGEST = 200
"""Characters of a command's description; the formatter breaks lines."""


class HeadedHelp(TyperGroup):
    """A group whose help has a section for each ``rich_help_panel`` of its commands, wherever they are registered."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, without looking at the commands."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for name, command in found:
            if command is not None and not command.hidden:
                sections.setdefault(_heading(command), []).append((name, command.get_short_help_str(_LONGEST)))
        for heading, commands in sections.items():
            if commands:
                with formatter.section(heading):
                    formatter.write_dl(commands)


def _heading(command: object) -> str:
    heading = getattr(command, "rich_help_panel", None)
    return heading if isinstance(heading, str) else "Commands"
