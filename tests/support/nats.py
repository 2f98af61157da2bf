"""Owns: a NATS server with JetStream for tests: the one named, the one on the usual port, or a throw-away one.
Must not: touch anything on the server that it did not make.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from tests.support.ports import free_port
from tests.support.wait import until

URL_VARIABLE = "BROKER_TEST_NATS_URL"
USUAL_URL = "nats://127.0.0.1:4222"
DEBIAN_PROGRAM = "/usr/sbin/nats-server"


def offers_jetstream(url: str) -> bool:
    """Whether a NATS server with JetStream greets us there (NATS client protocol, INFO)."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 4222), timeout=3) as connection:
            greeting = connection.makefile("rb").readline()
    except OSError:
        return False
    return greeting.startswith(b"INFO ") and bool(json.loads(greeting.removeprefix(b"INFO ")).get("jetstream"))


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server to test on while the context lasts; LookupError when there is none and no program."""
    named = os.environ.get(URL_VARIABLE)
    if offers_jetstream(named or USUAL_URL):
        yield named or USUAL_URL
    elif named:
        raise ConnectionError(f"{URL_VARIABLE} names no NATS server with JetStream")
    else:
        with ThrowAwayNats() as own:
            yield own.url


def available() -> bool:
    """Whether `server` would give one."""
    return bool(os.environ.get(URL_VARIABLE)) or program() is not None or offers_jetstream(USUAL_URL)


def program() -> str | None:
    """The server's program.  Debian's place is not in every user's PATH."""
    return shutil.which("nats-server") or (DEBIAN_PROGRAM if Path(DEBIAN_PROGRAM).exists() else None)


class ThrowAwayNats:
    """A server on a new folder and a free port of the loopback; may stop and start again, keeping its streams.

    `settings` are lines of its configuration file.
    """

    def __init__(self, *settings: str, jetstream: bool = True) -> None:
        self.port = free_port()
        self._settings, self._jetstream = settings, jetstream
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="broker-test-nats-"))
        own = [f"listen: 127.0.0.1:{self.port}"]
        own += [f'jetstream {{ store_dir: "{self._folder}/streams" }}'] if self._jetstream else []
        (self._folder / "nats.conf").write_text("\n".join([*own, *self._settings, ""]), encoding="utf-8")
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Starts it and waits until it greets."""
        found = program()
        if found is None:
            raise LookupError("no NATS program found")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([found, "-c", str(self._folder / "nats.conf")], stdout=log, stderr=log)
        started = self._process
        until(lambda: _greets(self.port) or started.poll() is not None, 30, "the NATS server answers")
        if started.poll() is not None:
            raise ConnectionError(f"the NATS server did not start: {(self._folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Stops it in good order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)
            self._process = None


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
            return connection.makefile("rb").readline().startswith(b"INFO ")
    except OSError:
        return False
