"""The limit of open files, in processes of their own."""

import subprocess
import sys

import pytest

SCRIPT = """
import logging, resource, sys
from broker import open_files
from broker.settings import Settings
logging.basicConfig(format="%(message)s", stream=sys.stdout)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
open_files.allow(Settings())
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 4096, "4096"), (256, 300, "300")])
def test_as_many_as_the_system_allows(soft: int, hard: int, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(soft=soft, hard=hard)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    *said, limit = done.stdout.splitlines()
    assert limit == expected
    assert bool(said) is (expected == "300")
