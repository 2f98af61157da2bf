"""The ticks of the broker: APScheduler calls services at intervals, nothing else.

Jobs live in memory and in one process only; what must survive a restart is a row in the database, not a job.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from broker.services import availability, concluding, destinations, housekeeping, stuck
from broker.services.context import Context


@dataclass(frozen=True, slots=True)
class JobConfig:
    """How long things are kept, and how often forgotten work is looked for."""

    keep_queries: timedelta
    keep_sessions: timedelta
    tick: timedelta = timedelta(seconds=1)
    sweep: timedelta = timedelta(hours=1)
    #: how often images are looked at: whether their exam or order has come, and whether they conclude an exam
    images: timedelta = timedelta(minutes=1)
    #: None: messages are kept for ever
    keep_messages: timedelta | None = None
    #: None: notifications and notices of images are kept for ever
    keep_notifications: timedelta | None = None
    #: how often exams are looked for that never end, and destinations that are late
    watch: timedelta = timedelta(minutes=1)
    #: which process this is; no two of one database share it
    owner: str = "broker"


class Jobs:
    """The running ticks; ``wake`` is called every ``tick`` (the delivery looks for due notifications)."""

    def __init__(self, config: JobConfig, context: Context, wake: Callable[[], None]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_job(wake, "interval", seconds=config.tick.total_seconds())
        self._scheduler.add_job(
            housekeeping.sweep, "interval", seconds=config.sweep.total_seconds(),
            args=(context, config.keep_queries, config.keep_sessions),
        )  # fmt: skip
        for look in (availability.attach_waiting, concluding.look):
            self._scheduler.add_job(look, "interval", seconds=config.images.total_seconds(), args=(context,))
        for watch in (stuck.look, destinations.watch):
            self._scheduler.add_job(
                watch, "interval", seconds=config.watch.total_seconds(), next_run_time=context.clock(),
                args=(context, config.owner, 3 * config.watch),
            )  # fmt: skip
        kept = (
            (housekeeping.sweep_messages, config.keep_messages),
            (housekeeping.sweep_notifications, config.keep_notifications),
        )
        for sweep, keep in kept:
            if keep is not None:
                seconds = config.sweep.total_seconds()
                self._scheduler.add_job(sweep, "interval", seconds=seconds, args=(context, keep))

    def start(self) -> None:
        """Begin ticking."""
        self._scheduler.start()

    def stop(self) -> None:
        """End; waits for a tick that runs."""
        self._scheduler.shutdown(wait=True)
