"""The command line: groups, options and exit codes; what a command does is in ``broker.commands``.

Exit codes: 0 done, 1 failed (the text says why and what to do), 2 wrong usage or settings.
"""

import sys

import typer

from broker.commands import (
    availability,
    catalogue,
    check,
    conformance,
    db,
    demo,
    destinations,
    devices,
    docs,
    emulate,
    explain,
    messages,
    mpps,
    notifications,
    orders,
    performed,
    serve,
    users,
    worklist,
)
from broker.commands.common import Failure
from broker.commands.help import HeadedHelp
from broker.domain.errors import Unavailable
from broker.settings_source import SettingsError

app = typer.Typer(
    name="broker",
    cls=HeadedHelp,
    help="Modality worklist and MPPS broker: HL7 orders in, worklists out, exams back, everybody told.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command(rich_help_panel="Run")(serve.serve)
app.command(rich_help_panel="Run")(demo.demo)
app.command(rich_help_panel="Run")(check.check)
app.add_typer(db.app, name="db", rich_help_panel="Run")
app.add_typer(orders.app, name="orders", rich_help_panel="Work")
app.add_typer(messages.app, name="messages", rich_help_panel="Work")
app.add_typer(catalogue.app, name="catalogue", rich_help_panel="Work")
app.add_typer(worklist.app, name="worklist", rich_help_panel="Work")
app.command(rich_help_panel="Work")(explain.explain)
app.add_typer(devices.app, name="devices", rich_help_panel="Work")
app.add_typer(mpps.app, name="mpps", rich_help_panel="Work")
app.add_typer(performed.app, name="performed", rich_help_panel="Work")
app.add_typer(availability.app, name="availability", rich_help_panel="Work")
app.add_typer(notifications.app, name="notifications", rich_help_panel="Work")
app.add_typer(destinations.app, name="destinations", rich_help_panel="Work")
app.add_typer(users.app, name="users", rich_help_panel="Work")
app.add_typer(emulate.app, name="emulate", rich_help_panel="Peers")
app.command(rich_help_panel="Documentation")(conformance.conformance)
app.add_typer(docs.app, name="docs", rich_help_panel="Documentation")


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
