"""`kill -9` during a burst of orders: every order that was acknowledged is there and whole, no order is half there."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.peers.mllp_sender import MllpSender
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support.process import BrokerProcess
from tests.support.wait import until

ORDERS, CONNECTIONS, STEPS = 200, 4, 2
ENOUGH = 40
"""Acknowledged orders after which the broker is killed, well within the burst."""


class Burst:
    """The burst, over several connections; `acknowledged` holds the numbers of orders that got AA."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        self._lock = threading.Lock()

    def send(self, port: int, numbers: list[int]) -> None:
        """Sends orders one after the other until the broker goes away."""
        with MllpSender(port) as sender:
            for number in numbers:
                try:
                    answer = sender.exchange(omi(number, steps=STEPS))
                except OSError:  # the kill: this order is in doubt
                    return
                assert (answer.code, answer.control_id) == ("AA", f"C{number}")
                with self._lock:
                    self.acknowledged.add(number)


def steps_by_order(broker: BrokerProcess) -> Counter[str]:
    return Counter(item["AccessionNumber"] for item in Modality(broker.ports["dicom"]).worklist())


def test_every_acknowledged_order_survives_whole(broker: BrokerProcess) -> None:
    burst = Burst()
    numbers = list(range(1, ORDERS + 1))
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        port = broker.ports["intake"]
        sending = [pool.submit(burst.send, port, numbers[first::CONNECTIONS]) for first in range(CONNECTIONS)]
        until(lambda: len(burst.acknowledged) >= ENOUGH, 30, f"{ENOUGH} orders acknowledged", interval=0.001)
        broker.kill9()
        for connection in sending:
            connection.result(20)
    acknowledged = set(burst.acknowledged)
    assert len(acknowledged) < ORDERS, "the kill came too late to prove anything"

    broker.start()
    found = steps_by_order(broker)
    assert set(found.values()) == {STEPS}, "an order is half there"
    assert {f"A{number}" for number in acknowledged} <= set(found), "an acknowledged order is lost"

    # Senders repeat what was not acknowledged; what had been stored all the same does not appear twice.
    burst.send(broker.ports["intake"], [number for number in numbers if number not in acknowledged])
    assert steps_by_order(broker) == {f"A{number}": STEPS for number in numbers}
