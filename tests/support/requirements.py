"""Owns: the optional parts that tests can use, how to find them, what to do without them. Must not: install any.

`need("dcmtk")` skips the test with a line saying what to install, or fails it when BROKER_TEST_REQUIRE names the part
(a comma list, or `all`; .ci/run sets `all`).
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support import nats, postgres, rabbitmq

ROOT = Path(__file__).resolve().parents[2]
NODE_FOLDER = ROOT / "tests" / "interop" / "node"
FOREIGN_BIN = ROOT / ".foreign-venv" / "bin"
#: not ours: Debian's own packages are importable there
SYSTEM_PYTHON = "/usr/bin/python3"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Part:
    """An optional part: whether it is there, and what to do when it is not."""

    present: Callable[[], bool]
    remedy: str


def chromium_path() -> str | None:
    """The Chromium to drive (give it to playwright as executable_path), or None."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def _all_commands(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) for name in names)


@cache
def _system_python_has(module: str) -> bool:
    """True when Debian's Python can import it; never elsewhere."""
    if not Path(SYSTEM_PYTHON).exists():
        return False
    asked = [SYSTEM_PYTHON, "-c", f"import {module}"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


PARTS = {
    "postgresql": Part(
        postgres.available,
        f"a PostgreSQL server: apt install postgresql, or name a running one in {postgres.URL_VARIABLE}",
    ),
    "rabbitmq": Part(
        rabbitmq.available,
        f"a RabbitMQ server: apt install rabbitmq-server, or name a running one in {rabbitmq.URL_VARIABLE}",
    ),
    "nats": Part(
        nats.available,
        f"a NATS server with JetStream: apt install nats-server, or name a running one in {nats.URL_VARIABLE}",
    ),
    "curl": Part(_all_commands("curl"), "curl: apt install curl"),
    "dcmtk": Part(_all_commands("findscu", "echoscu", "dump2dcm", "dcmdump", "dcm2xml"), "DCMTK: apt install dcmtk"),
    "node": Part(
        lambda: bool(shutil.which("node")) and (NODE_FOLDER / "node_modules" / "dcmjs-dimse").is_dir(),
        "Node.js with dcmjs-dimse: apt install nodejs npm, then (cd tests/interop/node && npm ci)",
    ),
    "odil": Part(lambda: _system_python_has("odil"), "odil: apt install python3-odil"),
    "chromium": Part(lambda: chromium_path() is not None, "Chromium: apt install chromium"),
    "python-hl7": Part(
        (FOREIGN_BIN / "mllp_send").is_file,
        "python-hl7 in an environment of its own: python3 -m venv .foreign-venv && "
        ".foreign-venv/bin/pip install -r tests/interop/python-hl7.lock",
    ),
}


def required() -> frozenset[str]:
    """The parts whose absence is a failure. Raises pytest.UsageError for a name that is not a part."""
    named = {name.strip() for name in os.environ.get("BROKER_TEST_REQUIRE", "").split(",")} - {""}
    if unknown := named - set(PARTS) - {"all"}:
        known = ", ".join(["all", *PARTS])
        raise pytest.UsageError(f"BROKER_TEST_REQUIRE: {', '.join(sorted(unknown))} unknown; known: {known}")
    return frozenset(PARTS) if "all" in named else frozenset(named)


def need(name: str) -> None:
    """Goes on when the part is there; else skips the running test, or fails it when the part is required."""
    if not PARTS[name].present():
        give_up(name)


def give_up(name: str) -> NoReturn:
    """Skips or fails the running test for want of a part."""
    if name in required():
        pytest.fail(f"required by BROKER_TEST_REQUIRE, missing: {PARTS[name].remedy}", pytrace=False)
    pytest.skip(f"needs {PARTS[name].remedy}")
