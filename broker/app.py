"""The running broker: every part started in order, and stopped in reverse.  The only module that knows them all."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

import uvloop

from broker import open_files, parts
from broker.destination_list import DestinationList
from broker.jobs import Jobs
from broker.services.context import Context
from broker.services.devices import DeviceLog
from broker.settings import Settings
from broker.store import migrate
from broker.wiring import open_context
from broker.workers import Workers

_log = logging.getLogger(__name__)
_SWITCH_SECONDS = 0.0005


class Broker:
    """All roles in this process.  ``start``, then ``ports`` tells where it listens; ``stop`` finishes what runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.context: Context = open_context(settings)
        self._stack = AsyncExitStack()
        self.ports: dict[str, int] = {}

    def on_stop(self, work: Callable[[], object]) -> None:
        """Do ``work`` (on a thread) when stopping, before anything stops; the last one given goes first."""
        self._stack.push_async_callback(asyncio.to_thread, work)

    async def start(self) -> None:
        """Start every part.  Raises OSError when a port cannot be bound; what had started is stopped again."""
        async with AsyncExitStack() as stack:
            stack.callback(self.context.database.close)
            subscribers = parts.make_subscribers(self.settings)
            delivery = parts.make_delivery(self.settings, self.context, subscribers)
            subscribers.on_join(delivery.wake)
            delivery.start()
            stack.push_async_callback(asyncio.to_thread, delivery.stop)
            known = DestinationList(self.settings, self.context)
            parts.follow_destinations(self.settings, self.context, delivery, subscribers, known)
            known.start()
            stack.push_async_callback(asyncio.to_thread, known.stop)
            jobs = Jobs(parts.job_config(self.settings), self.context, delivery.wake)
            jobs.start()
            stack.push_async_callback(asyncio.to_thread, jobs.stop)
            devices = DeviceLog(self.context)
            stack.push_async_callback(asyncio.to_thread, devices.stop)
            reading = parts.make_reading(self.settings)
            desk = parts.make_desk(self.settings, self.context, reading)
            stack.push_async_callback(asyncio.to_thread, desk.close)
            directory = parts.make_directory(self.settings, self.context)
            directory.start()
            stack.push_async_callback(asyncio.to_thread, directory.stop)
            dicomweb = parts.make_web_desk(self.settings, self.context, devices, directory)
            web = parts.make_web(
                self.settings, self.context, desk, directory, dicomweb,
                parts.make_outgoing(self.settings, self.context, delivery, subscribers, known),
            )  # fmt: skip
            await web.start()
            stack.push_async_callback(web.stop)
            self.ports["web"] = web.port
            acceptors = parts.make_acceptors(self.settings, self.context, devices, directory, subscribers)
            for name, acceptor in acceptors.items():
                await acceptor.start()
                stack.push_async_callback(acceptor.stop, 5.0)
                self.ports[name] = acceptor.port
            intake = parts.make_intake(self.settings, self.context, reading)
            await intake.start()
            stack.push_async_callback(intake.stop)
            self.ports["intake"] = intake.port
            workers = Workers(self.settings, self.ports, self.context.database.tell_of_commit)
            await workers.start()
            stack.push_async_callback(workers.stop)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Take no new work, finish what runs, close the database."""
        await self._stack.aclose()


def run(settings: Settings, started: Callable[[Broker], None]) -> None:
    """Upgrade the schema, run until SIGTERM or SIGINT, stop in good order.  ``started`` is called once listening."""
    open_files.allow(settings)
    migrate.upgrade(settings.database_url)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, started))


def _settle() -> None:
    """What was made while starting stays: the collector need not look at it again.  Threads take turns quickly, so
    that a short answer does not wait behind longer work."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


async def _run(settings: Settings, started: Callable[[Broker], None]) -> None:
    broker = Broker(settings)
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    await broker.start()
    _settle()
    try:
        started(broker)
        await end.wait()
        _log.info("stopping")
    finally:
        await broker.stop()
