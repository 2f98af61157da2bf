"""Owns: running the broker as a process of its own: start, learn its ports, read its log, stop it kindly or not.
Must not: know what the broker does.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.wait import until

ROOT = Path(__file__).resolve().parents[2]
BROKER = (sys.executable, "-m", "broker")
ANY_PORT = {"BROKER__INTAKE__PORT": "0", "BROKER__DICOM__PORT": "0", "BROKER__WEB__PORT": "0"}


class BrokerProcess:
    """`broker serve` (or other arguments) on a data folder, with free ports; may be started again after it stopped.

    `environment` adds settings, e.g. {"BROKER__DATABASE__URL": url}. What it prints in all its lives is in `log_path`.
    """

    def __init__(
        self,
        data_dir: Path,
        arguments: Sequence[str] = ("serve",),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = BROKER,
    ) -> None:
        self.data_dir = data_dir
        self.log_path = data_dir / "process.log"
        self.ports: dict[str, int] = {}
        self._command = [*program, *arguments]
        self._environment = {"BROKER__DATA_DIR": str(data_dir), **ANY_PORT, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 30.0) -> Self:
        """Starts it and waits until ports.json says where it listens; AssertionError with the log if it never does."""
        assert self._process is None, "already running"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        ports_file = self.data_dir / "ports.json"
        ports_file.unlink(missing_ok=True)  # an earlier life may have left it
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=_clean_environment() | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(lambda: self._ended() or self._read_ports(ports_file), timeout, f"{ports_file} is written")
        except AssertionError:
            self.kill9()
            raise AssertionError(f"no ports within {timeout:g} s; log:\n{self.log}") from None
        if not self.ports:
            self.kill9()
            raise AssertionError(f"the process ended before it listened; log:\n{self.log}")
        return self

    @property
    def log(self) -> str:
        """All that the process printed so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._process is not None, "not running"
        return self._process.pid

    def kill9(self) -> None:
        """Ends the process and all it started at once, as `kill -9` or a power cut would."""
        if self._process is not None:
            self._signal_group(signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None

    def terminate(self, timeout: float = 20.0) -> int:
        """Asks the process to stop and returns its exit code; fails when it does not stop in time."""
        assert self._process is not None, "not running"
        self._process.terminate()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"still running {timeout:g} s after SIGTERM; log:\n{self.log}") from None
        self._signal_group(signal.SIGKILL)  # whatever it left behind
        self._process = None
        return code

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill9()

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _read_ports(self, ports_file: Path) -> bool:
        try:
            self.ports = json.loads(ports_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):  # not there yet, or half written
            return False
        return True

    def _signal_group(self, number: int) -> None:
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # nothing is left of the group


def _clean_environment() -> dict[str, str]:
    """Our environment without settings of the broker, so that a developer's own do not leak into a test."""
    return {key: value for key, value in os.environ.items() if not key.startswith("BROKER_")}
