"""Owns: message brokers for a whole run. Must not: install any.

`python -m tests.support.servers COMMAND ...` runs the command while a RabbitMQ and a NATS server answer: those that run
already, else throw-away ones that end with it.

Without it every test process starts throw-away servers of its own.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tests.support import nats, rabbitmq


def main(command: Sequence[str]) -> int:
    """The exit code of the command."""
    with ExitStack() as stack:
        urls = {
            rabbitmq.URL_VARIABLE: stack.enter_context(rabbitmq.server()).url,
            nats.URL_VARIABLE: stack.enter_context(nats.server()),
        }
        return subprocess.run(command, env=os.environ | urls, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
