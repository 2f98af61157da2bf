"""Owns: running a `broker` command as a process, as a person at a terminal would. Must not: know what commands do."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.process import BROKER, ROOT

LIMIT = 60
"""Seconds that no command may take."""


def broker(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, code: int = 0, folder: Path = ROOT
) -> str:
    """What `broker ARGUMENTS` prints, errors included; fails the test when its exit code is not `code`.

    `environment` adds settings; a developer's own settings do not count.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("BROKER_")}
    done = subprocess.run(
        [*BROKER, *map(str, arguments)], cwd=folder, env=clean | dict(environment or {}), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{' '.join(map(str, done.args))} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout
