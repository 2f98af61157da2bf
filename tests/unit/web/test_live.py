"""What changed between two looks, and the queue of one browser."""

import pytest

from broker.services.board import Pulse
from broker.web.live import QUEUE_LIMIT, Change, Listener, difference


@pytest.mark.parametrize(
    ("known", "now", "orders"),
    [
        ({1: 10}, {1: 10, 2: 11, 3: 11, 4: None}, (11,)),
        ({1: 10, 3: 10}, {1: 10, 2: 12, 3: 10}, (12,)),  # 2 became visible after 3
        ({1: 10}, {5: 10, 6: 11}, None),  # nothing in common: perhaps more happened in between
        ({}, {1: 10}, None),
    ],
)
def test_changes_name_their_orders(
    known: dict[int, int | None], now: dict[int, int | None], orders: tuple[int, ...] | None
) -> None:
    assert difference(Pulse(known), Pulse(now)) == Change(Pulse(now).fingerprint, orders)


def test_no_change_is_no_change() -> None:
    assert difference(Pulse({1: 10, 2: 11}), Pulse({1: 10, 2: 11})) is None
    assert difference(Pulse({1: 10, 2: 11}), Pulse({2: 11})) is None


def test_a_destination_that_stands_out_is_a_change_of_no_order() -> None:
    known, now = Pulse({1: 10}), Pulse({1: 10}, frozenset({("ris", "paused")}))
    assert difference(known, now) == Change(now.fingerprint, ())
    assert difference(now, known) == Change(known.fingerprint, ())
    assert difference(now, now) is None
    assert known.fingerprint != now.fingerprint


def test_fingerprints_differ_for_late_events_too() -> None:
    prints = [Pulse(dict.fromkeys(keys, 1)).fingerprint for keys in ((), (1,), (1, 3), (1, 2, 3))]
    assert len(set(prints)) == 4


async def test_a_slow_browser_is_told_to_fetch_everything() -> None:
    listener = Listener()
    for number in range(QUEUE_LIMIT + 1):
        listener.put(Change(str(number), (number,)))
    assert listener.queue.qsize() == 1
    assert listener.queue.get_nowait() == Change(str(QUEUE_LIMIT), None)
