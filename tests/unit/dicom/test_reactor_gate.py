"""The gate that keeps pynetdicom's reactor away while a request waits for its answer."""

import threading
from collections.abc import Iterator

import pytest

from broker.dicom.reactor_gate import ReactorGate


class Reactor(threading.Thread):
    """Passes its gate again and again; between two passes it waits to be let on, as one would that is slow."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gate = ReactorGate(self)
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.ended = False

    def run(self) -> None:
        while True:
            self.gate.wait()
            if self.ended:
                return
            self.inside.set()
            self.go_on.wait()
            self.go_on.clear()

    def end(self) -> None:
        self.ended = True
        self.gate.set()
        self.go_on.set()
        self.join()


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    thread = Reactor()
    thread.start()
    thread.inside.wait()
    yield thread
    thread.end()


def closing(reactor: Reactor) -> threading.Thread:
    closer = threading.Thread(target=reactor.gate.clear)
    closer.start()
    return closer


def test_closing_waits_for_a_reactor_that_has_just_passed(reactor: Reactor) -> None:
    closer = closing(reactor)
    closer.join(0.2)
    assert closer.is_alive()
    reactor.go_on.set()
    closer.join()


def test_nobody_passes_a_closed_gate_until_it_is_opened(reactor: Reactor) -> None:
    closer = closing(reactor)
    reactor.inside.clear()
    reactor.go_on.set()
    closer.join()
    assert not reactor.inside.wait(0.1)
    reactor.gate.set()
    assert reactor.inside.wait()


def test_a_waiting_reactor_does_not_pass_while_the_gate_opens_and_closes(reactor: Reactor) -> None:
    closer = closing(reactor)
    reactor.go_on.set()
    closer.join()
    for _ in range(100):
        reactor.gate.set()
        reactor.go_on.set()
        reactor.gate.clear()
        reactor.inside.clear()
        assert not reactor.inside.wait(0.001)


def test_closing_does_not_wait_for_a_reactor_that_has_ended(reactor: Reactor) -> None:
    reactor.end()
    reactor.gate.clear()


def test_a_reactor_may_close_its_own_gate() -> None:
    def close() -> None:
        gates[0].clear()

    thread = threading.Thread(target=close)
    gates = [ReactorGate(thread)]
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
