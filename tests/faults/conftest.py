"""Fixtures of the fault tests: a broker that is killed and started again, and what it talks to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.mllp_receiver import MllpReceiver
from tests.support.process import BrokerProcess

StartBroker = Callable[..., BrokerProcess]


@pytest.fixture
def receiver() -> Iterator[MllpReceiver]:
    """A system that is told what happened, and acknowledges."""
    with MllpReceiver() as listening:
        yield listening


@pytest.fixture
def settings(tmp_path: Path, database_url: str, receiver: MllpReceiver) -> dict[str, str]:
    """Settings of a broker that tells the receiver, and repeats quickly what failed."""
    file = tmp_path / "broker.toml"
    file.write_text(f'[[destinations]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {receiver.port}\n')
    return {
        "BROKER_CONFIG": str(file), "BROKER__DATABASE__URL": database_url,
        "BROKER__DELIVERY__FIRST_RETRY": "0.1", "BROKER__DELIVERY__CEILING": "0.5",
        "BROKER__DELIVERY__ANSWER_TIMEOUT": "2",
    }  # fmt: skip


@pytest.fixture
def broker(settings: dict[str, str], start_broker: StartBroker) -> BrokerProcess:
    """A running broker; `kill9` and `start` as often as a test likes."""
    return start_broker(settings)
