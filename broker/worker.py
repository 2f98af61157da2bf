"""One worker process: acceptor and listener on ports that other processes listen on too.

Runs until SIGTERM, or until the parent is gone.  Has no delivery, no jobs and no pages: the parent has those.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import uvloop

from broker import log, parts
from broker.destination_list import DestinationList
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog
from broker.settings import Settings
from broker.wiring import open_context

_log = logging.getLogger(__name__)
#: what is said over the line to the parent
LISTENING, COMMITTED = b"L", b"C"
_GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Duty:
    """Which worker this is, and what it listens for; ``ports`` are those that the parent has."""

    number: int
    dicom: bool
    intake: bool
    ports: Mapping[str, int]


def run(settings: Settings, duty: Duty, line: Connection) -> None:
    """The whole life of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent decides
    log.setup(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(_on_ports(settings, duty.ports), duty, line))


def _on_ports(settings: Settings, ports: Mapping[str, int]) -> Settings:
    """The settings with the ports that the parent found where they say 0."""
    dicom = settings.dicom
    tls = dicom.tls.model_copy(update={"port": ports.get("dicom_tls", dicom.tls.port)})
    return settings.model_copy(
        update={
            "dicom": dicom.model_copy(update={"port": ports["dicom"], "tls": tls}),
            "intake": settings.intake.model_copy(update={"port": ports["intake"]}),
        }
    )


async def _run(settings: Settings, duty: Duty, line: Connection) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    os.set_blocking(line.fileno(), False)
    loop.add_reader(line.fileno(), end.set)  # nothing is ever said to a worker: only the parent's end is heard
    async with AsyncExitStack() as stack:
        context = open_context(settings)
        stack.callback(context.database.close)
        context.database.on_commit(lambda: _say(line, COMMITTED))
        known = DestinationList(settings, context)  # what happens here is told to those that people added, too
        known.start()
        stack.push_async_callback(asyncio.to_thread, known.stop)
        await _listen(stack, settings, duty, context)
        _log.info("worker process %d listens", duty.number)
        _say(line, LISTENING)
        await end.wait()
        loop.remove_reader(line.fileno())


def _say(line: Connection, what: bytes) -> None:
    """A full line says enough already; a closed one is noticed elsewhere."""
    with suppress(OSError):
        os.write(line.fileno(), what)


async def _listen(stack: AsyncExitStack, settings: Settings, duty: Duty, context: Context) -> None:
    if duty.dicom:
        devices = DeviceLog(context)
        stack.push_async_callback(asyncio.to_thread, devices.stop)
        directory: DeviceDirectory = parts.make_directory(settings, context)
        directory.start()
        stack.push_async_callback(asyncio.to_thread, directory.stop)
        subscribers = parts.make_subscribers(settings)
        for acceptor in parts.make_acceptors(settings, context, devices, directory, subscribers).values():
            await acceptor.start()
            stack.push_async_callback(acceptor.stop, _GRACE)
    if duty.intake:
        intake = parts.make_intake(settings, context, parts.make_reading(settings))
        await intake.start()
        stack.push_async_callback(intake.stop)
