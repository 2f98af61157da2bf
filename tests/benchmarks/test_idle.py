"""What a thousand devices cost that are connected and silent: processor time and memory of the broker."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import mpps_load, stage
from tests.benchmarks.report import Row, measure, processor_seconds, show

ASSOCIATIONS = 1000
SECONDS = 5.0


def test_idle_associations(tmp_path: Path, sqlite_url: str) -> None:
    """The same process before and with them; nothing is asked meanwhile."""
    with stage.broker(tmp_path / "data", sqlite_url) as process, ExitStack() as stack:
        rows = [_Row(process.pid).of("no association")]
        measure(rows)
        for number in range(ASSOCIATIONS):
            stack.enter_context(_association(process.ports["dicom"], number))
        rows.append(_Row(process.pid).of(f"{ASSOCIATIONS:,} idle associations"))
        measure(rows[1:])
    show("Idle associations", "percent of one core", rows)


class _Row:
    def __init__(self, pid: int) -> None:
        self._pid = pid

    def of(self, name: str) -> Row:
        """What the process uses of one core while nobody asks it anything; its memory is in the name."""
        memory = int(Path(f"/proc/{self._pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1024
        return Row(f"{name} ({memory:.0f} MB)", self._share)

    def _share(self) -> float:
        before = processor_seconds(self._pid)
        time.sleep(SECONDS)  # the time over which is measured
        return (processor_seconds(self._pid) - before) / SECONDS * 100


def _association(port: int, number: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 60)
    client = mpps_load.Client(port, calling=f"IDLE{number}")
    client.associate(connection)
    return connection
