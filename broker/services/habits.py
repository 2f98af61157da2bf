"""The habits of devices over some days: what each does with its exams and its list."""

from datetime import timedelta

from broker.domain.habits import Habits
from broker.services.context import Context
from broker.store import devices, habits
from broker.store.database import Connection

__all__ = ["DAYS", "Habits", "everybody", "of_device"]

#: days that are looked at unless asked otherwise
DAYS = 30
#: an exam in progress counts as left open after this where the site knows no limit
_LONG = timedelta(hours=24)


def of_device(context: Context, calling_ae_title: str, days: int = DAYS) -> Habits:
    """What the device did in the last ``days`` days."""
    return context.database.read(lambda c: _look(c, context, calling_ae_title, days))


def everybody(context: Context, days: int = DAYS) -> list[Habits]:
    """The same of every device that asked or reported in these days, by AE title."""

    def work(connection: Connection) -> list[Habits]:
        titles = {*habits.reporters(connection), *(seen.ae_title for seen in devices.listed(connection))}
        found = [_look(connection, context, title, days) for title in sorted(titles)]
        return [one for one in found if one.started or one.steps_given or one.queries]

    return context.database.read(work)


def _look(connection: Connection, context: Context, calling_ae_title: str, days: int) -> Habits:
    now = context.clock()
    open_since = now - (context.site.stuck.limit or _LONG)
    return habits.of_device(connection, calling_ae_title, now - timedelta(days=days), now, open_since)
