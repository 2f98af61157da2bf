"""One C-FIND between a handler's generator and the event loop: batches, cancel, failure, and that it is closed."""

import logging
from collections.abc import Iterator

import pytest

from broker.dicom.messages import Association, Request, Response
from broker.dicom.upper_layer import query as module
from broker.dicom.upper_layer.assembler import MessageAssembler
from broker.dicom.upper_layer.commands import Command, Operation
from broker.dicom.upper_layer.pdus import PduReader, read_pdvs
from broker.dicom.upper_layer.query import Query
from broker.dicom.upper_layer.responses import ResponseEncoder
from tests.unit.upper_layer import wire

COMMAND = Command(Operation.C_FIND, 7, True, wire.WORKLIST)
REQUEST = Request(Association("CT1", "BROKER", "127.0.0.1", 1), 7, wire.WORKLIST, wire.IMPLICIT)


class Handler:
    """Yields ``answers`` and remembers whether it was closed."""

    def __init__(self, answers: list[Response | Exception], on_close: Exception | None = None) -> None:
        self.answers = answers
        self.on_close = on_close
        self.yielded = 0
        self.closed = 0

    def find(self, request: Request) -> Iterator[Response]:
        assert request is REQUEST
        try:
            for answer in self.answers:
                if isinstance(answer, Exception):
                    raise answer
                self.yielded += 1
                yield answer
        finally:
            self.closed += 1
            if self.on_close is not None:
                raise self.on_close


def new_query(handler: Handler) -> Query:
    return Query(handler.find, REQUEST, ResponseEncoder(COMMAND, 3, 16384))


def statuses(encoded: bytes) -> list[tuple[int, bytes | None]]:
    """What a peer reads: status and data set of each response; command and data set each in PDUs of their own."""
    found: list[tuple[int, bytes | None]] = []
    for pdu in PduReader(1 << 20).feed(encoded):
        (value,) = read_pdvs(pdu.body)
        if value.is_command:
            at = value.fragment.index(bytes.fromhex("0000000902000000")) + 8
            found.append((int.from_bytes(value.fragment[at : at + 2], "little"), None))
        else:
            found[-1] = (found[-1][0], value.fragment)
    return found


def run(query: Query) -> list[tuple[int, bytes | None]]:
    while not query.run_batch():
        pass
    return statuses(query.take())


def pending(count: int, size: int = 10) -> list[Response | Exception]:
    return [Response(0xFF00, bytes([number % 256]) * size) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_all_answers_arrive_in_order_and_the_final_one_last(count: int) -> None:
    handler = Handler([*pending(count), Response(0)])
    assert run(new_query(handler)) == [(0xFF00, bytes([n % 256]) * 10) for n in range(count)] + [(0, None)]
    assert handler.closed == 1


@pytest.mark.parametrize(("size", "expected"), [(10, module.BATCH_RESPONSES), (20_000, 4), (200_000, 1)])
def test_a_batch_ends_by_number_or_by_size(size: int, expected: int) -> None:
    handler = Handler([*pending(500, size), Response(0)])
    query = new_query(handler)
    assert query.run_batch() is False
    assert handler.yielded == expected
    assert [status for status, _ in statuses(query.take())] == [0xFF00] * expected
    query.stop()
    assert run(query) == [(0xFE00, None)]


def test_answers_differ_in_status_comment_and_offending_elements() -> None:
    handler = Handler([Response(0xFF01, b"ab"), Response(0xFF00, b"cd"), Response(0xA900, error_comment="no")])
    assert run(new_query(handler)) == [(0xFF01, b"ab"), (0xFF00, b"cd"), (0xA900, None)]


def test_answers_after_the_final_one_are_not_asked_for() -> None:
    handler = Handler([Response(0), Response(0xFF00, b"late")])
    assert run(new_query(handler)) == [(0, None)]
    assert (handler.yielded, handler.closed) == (1, 1)


def test_a_stop_between_batches_closes_the_handler_and_answers_cancel() -> None:
    handler = Handler([*pending(1000), Response(0)])
    query = new_query(handler)
    query.run_batch()
    query.stop()
    assert query.run_batch() is True
    assert statuses(query.take())[-1] == (0xFE00, None)
    assert (handler.yielded, handler.closed) == (module.BATCH_RESPONSES, 1)


def test_a_stop_within_a_batch_ends_it_there() -> None:
    class Cancelling(Handler):
        def find(self, request: Request) -> Iterator[Response]:
            for answer in super().find(request):
                if self.yielded == 5:
                    query.stop()
                yield answer

    handler = Cancelling([*pending(1000), Response(0)])
    query = new_query(handler)
    assert query.run_batch() is True
    assert [status for status, _ in statuses(query.take())] == [0xFF00] * 5 + [0xFE00]
    assert handler.yielded == 5


def test_a_stop_before_the_start_never_asks_the_handler() -> None:
    handler = Handler([Response(0)])
    query = new_query(handler)
    query.stop()
    assert run(query) == [(0xFE00, None)]
    assert (handler.yielded, handler.closed) == (0, 0)


@pytest.mark.parametrize("answers", [[ValueError("DOE^JOHN")], [*pending(3), ValueError("DOE^JOHN")], [], pending(3)])
def test_a_handler_that_fails_or_forgets_its_final_answer_is_answered_for(
    answers: list[Response | Exception], caplog: pytest.LogCaptureFixture
) -> None:
    count = sum(isinstance(answer, Response) for answer in answers)
    with caplog.at_level(logging.ERROR):
        assert [status for status, _ in run(new_query(Handler(answers)))] == [0xFF00] * count + [0xC001]
    assert len(caplog.records) == 1
    assert "DOE" not in caplog.text


def test_a_handler_that_fails_while_it_is_closed_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler([Response(0), Response(0)], on_close=ValueError("DOE^JOHN"))
    assert run(new_query(handler)) == [(0, None)]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "DOE" not in caplog.text


def test_what_is_encoded_is_what_an_assembler_reads_elsewhere() -> None:
    """Our own answers cannot be requests: a peer that echoes them back is refused."""
    encoded = ResponseEncoder(COMMAND, 3, 16384).encode(Response(0))
    (pdu,) = PduReader(16384).feed(encoded)
    with pytest.raises(ValueError, match="not a request"):
        list(MessageAssembler({3}, 100).feed(read_pdvs(pdu.body)))
