"""A thousand idle associations: next to no processor time, little memory, and others are served as before."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import StartBroker
from tests.integration.upper_layer.acceptor import Peer
from tests.support.process import BrokerProcess
from tests.unit.upper_layer import wire

IDLE = 1000
_TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def enough_files() -> Iterator[None]:
    """A thousand sockets on our side; the broker, started after this, inherits it for its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * IDLE + 512
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"needs {wanted} open files, the limit here is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_a_thousand_idle_associations(enough_files: None, start_broker: StartBroker) -> None:
    broker = start_broker({"BROKER__DICOM__MAX_ASSOCIATIONS": "1100"})
    port = broker.ports["dicom"]
    with Peer(port) as warm:
        warm.associate().release()
    memory, alone = _memory(broker), _busy(broker, 4.0)
    with ExitStack() as stack:
        idle = [stack.enter_context(Peer(port)).associate() for _ in range(IDLE)]
        more = _busy(broker, 4.0) - alone
        assert more < 0.02, f"{IDLE} idle associations take {more:.1%} of a core"
        assert _memory(broker) - memory < 100 * 1024 * 1024
        with Peer(port) as other:
            other.associate().send(wire.echo())
            assert other.response() == (0, None)
            other.release()
        for peer in (idle[0], idle[-1]):
            peer.send(wire.echo())
            assert peer.response() == (0, None)


def _busy(broker: BrokerProcess, seconds: float) -> float:
    """The share of one core the process takes over that time: the lowest of three, because others work here too."""
    shares = []
    for _ in range(3):
        began, used = time.monotonic(), _processor_seconds(broker)
        time.sleep(seconds / 3)  # the measured time itself: nothing is waited for
        shares.append((_processor_seconds(broker) - used) / (time.monotonic() - began))
    return min(shares)


def _processor_seconds(broker: BrokerProcess) -> float:
    fields = Path(f"/proc/{broker.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(broker: BrokerProcess) -> int:
    pages = int(Path(f"/proc/{broker.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
