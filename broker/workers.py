"""Worker processes: further acceptors and listeners on the same ports (SO_REUSEPORT), watched and started again.

Owns the processes, and the line to each: it tells the parent of commits, and the worker of the parent's end.  What a
worker does is ``worker``.  They meet the rest of the broker in the database only.
"""

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from functools import partial

from broker import worker
from broker.settings import Settings

_log = logging.getLogger(__name__)
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
#: seconds before a worker that ended is started again, doubled up to the ceiling while it ends soon after its start
_FIRST_WAIT, _LONGEST_WAIT, _STABLE = 0.5, 30.0, 60.0
# spawn: a fork would inherit threads, connections and the event loop
_processes = multiprocessing.get_context("spawn")


class Workers:
    """All worker processes of one broker.  ``start``, then ``stop``."""

    def __init__(self, settings: Settings, ports: Mapping[str, int], committed: Callable[[], None]) -> None:
        self._settings = settings
        self._ports = dict(ports)
        self._committed = committed
        self._watched: list[_Watched] = []

    async def start(self) -> None:
        """Start them and wait until they listen.  Raises OSError when one does not."""
        dicom, intake = self._settings.dicom.workers, self._settings.intake.workers
        for number in range(1, max(dicom, intake)):
            duty = worker.Duty(number, dicom=number < dicom, intake=number < intake, ports=self._ports)
            self._watched.append(_Watched(self._settings, duty, self._committed))
        try:
            await asyncio.gather(*(one.start() for one in self._watched))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let each finish what runs, and end."""
        await asyncio.gather(*(one.stop() for one in self._watched))


class _Life:
    """One worker process from its start to its end, heard over its line.  Made on the event loop."""

    def __init__(self, settings: Settings, duty: worker.Duty, committed: Callable[[], None]) -> None:
        self.ready, self.ended = asyncio.Event(), asyncio.Event()
        self._committed = committed
        self._line, theirs = _processes.Pipe()
        name = f"worker-{duty.number}"
        self.process = _processes.Process(target=worker.run, args=(settings, duty, theirs), name=name)
        self.process.start()
        theirs.close()
        os.set_blocking(self._line.fileno(), False)
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._read)

    def _read(self) -> None:
        try:
            said = os.read(self._line.fileno(), 65536)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            self.ended.set()
        if worker.LISTENING in said:
            self.ready.set()
        if worker.COMMITTED in said:
            self._committed()

    async def over(self) -> int | None:
        """Wait for the end of the process and clear up after it; answers its exit code."""
        await self.ended.wait()
        await asyncio.to_thread(self.process.join)
        code = self.process.exitcode
        self._line.close()
        self.process.close()
        return code


class _Watched:
    """One worker, and the task that starts it again when it ends by itself."""

    def __init__(self, settings: Settings, duty: worker.Duty, committed: Callable[[], None]) -> None:
        self._number = duty.number
        self._begin = partial(_Life, settings, duty, committed)
        self._life: _Life | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it listens.  Raises OSError."""
        self._life = life = self._begin()
        waits = [asyncio.ensure_future(event.wait()) for event in (life.ready, life.ended)]
        await asyncio.wait(waits, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not life.ready.is_set():
            raise OSError(f"worker process {self._number} did not start; the log says why")
        self._watch = asyncio.create_task(self._keep_running(life), name=f"worker-{self._number}")

    async def stop(self) -> None:
        """Ask it to end, wait, and end it."""
        if self._watch is not None:
            self._watch.cancel()
        life, self._life = self._life, None
        if life is None:
            return
        life.process.terminate()
        try:
            await asyncio.wait_for(life.ended.wait(), _STOP_SECONDS)
        except TimeoutError:
            _log.error("worker process %d does not stop and is killed", self._number)
            life.process.kill()
        await life.over()

    async def _keep_running(self, life: _Life) -> None:
        wait = _FIRST_WAIT
        while True:
            began = time.monotonic()
            code = await life.over()
            self._life = None
            _log.error("worker process %d ended with code %s and is started again", self._number, code)
            await asyncio.sleep(wait)
            wait = _FIRST_WAIT if time.monotonic() - began > _STABLE else min(2 * wait, _LONGEST_WAIT)
            self._life = life = self._begin()
