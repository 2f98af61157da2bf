"""Owns: a RabbitMQ server for tests: the one named, the one on the usual port, or a throw-away one of our own.
Must not: use our own AMQP code, nor touch anything on the server that it did not make.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import pika
from pika.exceptions import AMQPError

from tests.support.ports import free_port
from tests.support.wait import until

URL_VARIABLE = "BROKER_TEST_AMQP_URL"
USUAL_URL = "amqp://guest:guest@127.0.0.1:5672/%2F"
START_SECONDS = 90
# It reports every refused connection as an error with its traceback, and we ask until the server is up.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class RabbitServer:
    """A running server by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.parameters = pika.URLParameters(url)

    @property
    def port(self) -> int:
        port: int = self.parameters.port
        return port

    def answers(self) -> bool:
        """Whether the server lets us in."""
        try:
            self.connect().close()
        except (OSError, AMQPError):
            return False
        return True

    def connect(self) -> pika.BlockingConnection:
        """A connection of the foreign client."""
        return pika.BlockingConnection(self.parameters)


@contextlib.contextmanager
def server() -> Iterator[RabbitServer]:
    """A server to test on while the context lasts; LookupError when there is neither a server nor its programs."""
    named = os.environ.get(URL_VARIABLE)
    running = RabbitServer(named or USUAL_URL)
    if running.answers():
        yield running
    elif named:
        raise ConnectionError(f"{URL_VARIABLE} names a server that does not let us in")
    else:
        with ThrowAwayRabbit() as own:
            yield RabbitServer(own.url)


def available() -> bool:
    """Whether `server` would give one."""
    named = os.environ.get(URL_VARIABLE)
    return bool(named) or program() is not None or RabbitServer(USUAL_URL).answers()


def program() -> Path | None:
    """The server's own start script.  Debian puts one before it in PATH that serves only its own account."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if found:
        return found[-1]
    in_path = shutil.which("rabbitmq-server")
    return Path(in_path) if in_path else None


class ThrowAwayRabbit:
    """A server on a new folder and free ports of the loopback; may stop and start again, keeping durable queues.

    `settings` are lines of rabbitmq.conf; `user` has the password guest.
    """

    def __init__(
        self, *settings: str, tls: bool = False, plugins: Iterable[str] = (), user: str = "guest"
    ) -> None:
        self.port, self.tls_port, self._distribution, self._epmd = (free_port() for _ in range(4))
        self._user, self._plugins = user, plugins
        self._settings = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "loopback_users = none", *settings]
        self._settings += [f"default_user = {user}", "default_pass = guest"]
        self._settings += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}"] if tls else []
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://{self._user}:guest@127.0.0.1:{self.port}/%2F"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="broker-test-rabbitmq-"))
        (self._folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n", encoding="utf-8")
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # the name service of Erlang, which the server started and which outlives it
        subprocess.run(["epmd", "-kill"], env=self._environment(), capture_output=True, check=False)
        shutil.rmtree(self._folder)

    def start(self, *more: str) -> None:
        """Starts it, with more settings, and waits until it lets clients in."""
        (self._folder / "rabbitmq.conf").write_text("\n".join([*self._settings, *more, ""]), encoding="utf-8")
        programs = program()
        if programs is None:
            raise LookupError("no RabbitMQ programs found")
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [str(programs)], env=self._environment(), cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True,
            )  # fmt: skip
        started = self._process
        answers = RabbitServer(self.url).answers
        until(lambda: answers() or started.poll() is not None, START_SECONDS, "RabbitMQ answers", interval=0.2)
        if started.poll() is not None:
            raise ConnectionError(f"RabbitMQ did not start: {(self._folder / 'out').read_text()[-2000:]}")

    def stop(self) -> None:
        """Stops it in good order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            finally:
                with contextlib.suppress(ProcessLookupError):  # all of it has ended
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process = None

    def _environment(self) -> dict[str, str]:
        own = {
            "HOME": self._folder, "RABBITMQ_CONFIG_FILE": self._folder / "rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": os.devnull, "RABBITMQ_NODENAME": f"broker-test-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": self._distribution, "RABBITMQ_MNESIA_BASE": self._folder / "data",
            "RABBITMQ_LOG_BASE": self._folder / "log", "RABBITMQ_ENABLED_PLUGINS_FILE": self._folder / "plugins",
            "RABBITMQ_LOGS": "-",
            "ERL_EPMD_PORT": self._epmd, "ERL_EPMD_ADDRESS": "127.0.0.1",
        }  # fmt: skip
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("RABBITMQ_")}
        return inherited | {key: str(value) for key, value in own.items()}
