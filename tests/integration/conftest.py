"""Fixtures of several integration tests. The work is done in tests/peers and tests/support."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from broker.intake.handler import HandlerConfig
from tests.peers.feed import Feed


@pytest.fixture
def feed(database_url: str) -> Iterator[Callable[..., Feed]]:
    """feed(config, **policy) -> Feed: a sender on a database of this test's own."""
    feeds: list[Feed] = []

    def make(config: HandlerConfig | None = None, **policy: Any) -> Feed:
        feeds.append(Feed(database_url, config, **policy))
        return feeds[-1]

    yield make
    for one in feeds:
        one.close()
