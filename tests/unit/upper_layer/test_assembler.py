"""Messages out of fragments: how they may be cut, and what is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dicom.upper_layer.assembler import MAX_COMMAND_LENGTH, Message, MessageAssembler, Reply
from broker.dicom.upper_layer.commands import EventReply
from broker.dicom.upper_layer.pdus import AbortReason, PduError, Pdv
from tests.unit.upper_layer import wire

FIND = wire.request_command(0x20, 5, wire.WORKLIST, True, e0700=wire.us(0))
ECHO = wire.request_command(0x30, 6, wire.VERIFICATION, False)


def fragments(payload: bytes, is_command: bool, cuts: list[int], context_id: int = 3) -> list[Pdv]:
    edges = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    parts = [payload[start:stop] for start, stop in pairwise(edges)]
    return [Pdv(context_id, is_command, n == len(parts) - 1, part) for n, part in enumerate(parts)]


def run(values: list[Pdv], max_dataset: int = 1000) -> list[Message]:
    return [m for m in MessageAssembler({1, 3}, max_dataset).feed(values) if isinstance(m, Message)]


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6), st.lists(st.integers(0, 400), max_size=6))
def test_any_fragmentation_gives_the_same_message(dataset: bytes, cuts: list[int], more: list[int]) -> None:
    found = run(fragments(FIND, True, cuts) + fragments(dataset, False, more))
    assert [(message.context_id, message.command.message_id, message.dataset) for message in found] == [(3, 5, dataset)]


def test_messages_follow_one_another_on_different_contexts() -> None:
    values = fragments(ECHO, True, [], 1) + fragments(FIND, True, [10]) + fragments(b"data", False, [2])
    assert [message.context_id for message in run(values + fragments(ECHO, True, [], 1))] == [1, 3, 1]


def test_partial_says_whether_a_message_is_under_way() -> None:
    assembler = MessageAssembler({3}, 1000)
    seen = []
    for value in fragments(FIND, True, [10]) + fragments(b"data", False, [2]):
        list(assembler.feed([value]))
        seen.append(assembler.partial)
    assert seen == [True, True, True, False]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([Pdv(5, True, True, ECHO)], AbortReason.INVALID_PARAMETER_VALUE),
        ([Pdv(3, False, True, b"data")], AbortReason.UNEXPECTED_PARAMETER),
        ([Pdv(3, True, True, FIND), Pdv(3, True, True, FIND)], AbortReason.UNEXPECTED_PARAMETER),
        ([Pdv(3, True, True, FIND), Pdv(1, False, True, b"data")], AbortReason.UNEXPECTED_PARAMETER),
        ([Pdv(3, True, False, FIND[:10]), Pdv(3, False, True, b"data")], AbortReason.UNEXPECTED_PARAMETER),
        ([Pdv(3, True, True, b"junk")], AbortReason.INVALID_PARAMETER_VALUE),
        ([Pdv(3, True, True, FIND), Pdv(3, False, False, bytes(1001))], AbortReason.NOT_SPECIFIED),
        ([Pdv(3, True, False, bytes(MAX_COMMAND_LENGTH)), Pdv(3, True, False, b"x")], AbortReason.NOT_SPECIFIED),
    ],
)
def test_what_cannot_be_a_message_is_refused(values: list[Pdv], reason: AbortReason) -> None:
    with pytest.raises(PduError) as caught:
        run(values)
    assert caught.value.reason is reason


def test_a_data_set_of_exactly_the_limit_passes() -> None:
    assert run([Pdv(3, True, True, FIND), Pdv(3, False, True, bytes(1000))])[0].dataset == bytes(1000)


@pytest.mark.parametrize("has_dataset", [False, True])
def test_an_answer_to_an_event_is_no_request(has_dataset: bool) -> None:
    command = wire.command(
        {0x0100: wire.us(0x8100), 0x0120: wire.us(4), 0x0800: wire.us(1 if has_dataset else 0x101), 0x0900: wire.us(0)}
    )
    values = fragments(command, True, [9]) + (fragments(b"reply", False, [2]) if has_dataset else [])
    found = list(MessageAssembler({3}, 1000).feed(values + fragments(FIND, True, []) + fragments(b"x", False, [])))
    assert found[0] == Reply(3, EventReply(4, has_dataset, 0))
    assert isinstance(found[1], Message)
