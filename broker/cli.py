"""The command line: groups, options and exit codes; what a command does is in ``broker.commands``.

Exit codes: 0 done, 1 failed (the text says why and what to do), 2 wrong usage or settings.
"""

import sys
from typing import Any

import typer

from broker.commands.common import Failure
from broker.commands.help import HEADINGS, HeadedHelp
from broker.commands.lazy import LazyCommands, Place
from broker.domain.errors import Unavailable
from broker.settings_source import SettingsError

_RUN, _WORK, _PEERS, _DOCUMENTATION = HEADINGS
COMMANDS = {
    "serve": Place(_RUN, "serve", "serve"),
    "demo": Place(_RUN, "demo", "demo"),
    "check": Place(_RUN, "check", "check"),
    "db": Place(_RUN, "db"),
    "explain": Place(_WORK, "explain", "explain"),
    "orders": Place(_WORK, "orders"),
    "messages": Place(_WORK, "messages"),
    "catalogue": Place(_WORK, "catalogue"),
    "worklist": Place(_WORK, "worklist"),
    "devices": Place(_WORK, "devices"),
    "mpps": Place(_WORK, "mpps"),
    "performed": Place(_WORK, "performed"),
    "availability": Place(_WORK, "availability"),
    "notifications": Place(_WORK, "notifications"),
    "destinations": Place(_WORK, "destinations"),
    "users": Place(_WORK, "users"),
    "emulate": Place(_PEERS, "emulate"),
    "conformance": Place(_DOCUMENTATION, "conformance", "conformance"),
    "docs": Place(_DOCUMENTATION, "docs"),
}


class _Commands(HeadedHelp):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "commands": LazyCommands(COMMANDS)})


app = typer.Typer(
    name="broker", cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def _broker() -> None:
    """Modality worklist and MPPS broker: HL7 orders in, worklists out, exams back, everybody told."""


def main() -> int:
    """Entry of the console script."""
    try:
        app(prog_name="broker")
    except SettingsError as error:
        print("The settings cannot be used:", file=sys.stderr)  # noqa: T201
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)  # noqa: T201
        return 2
    except Failure as error:
        print(f"broker: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except Unavailable as error:
        print(f"broker: {error}; `broker check` tells more", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
