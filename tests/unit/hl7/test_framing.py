"""MLLP framing: whole, byte by byte, cut short, hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7 import Frame, FrameDecoder, FramingError, FramingKind, frame
from hl7.framing import Event

Shown = tuple[str, bytes | int]


def show(events: list[Event]) -> list[Shown]:
    return [
        (event.kind.value, event.byte_count) if isinstance(event, FramingError) else ("frame", event.payload)
        for event in events
    ]


def run(data: bytes, size: int, max_frame: int = 100) -> list[Shown]:
    decoder = FrameDecoder(max_frame=max_frame)
    events: list[Event] = []
    for at in range(0, len(data), size):
        events += decoder.feed(data[at : at + size])
    return show(events + decoder.close())


CASES: list[tuple[bytes, list[Shown]]] = [
    (b"", []),
    (b"\x0bMSH\x1c\r", [("frame", b"MSH")]),
    (b"\x0bA\x1c\r\x0bB\x1c\r", [("frame", b"A"), ("frame", b"B")]),
    (b"\x0b\x1c\r", [("frame", b"")]),
    (b"\r\n\x0bA\x1c\r\n\x0bB\x1c\r\r\n", [("frame", b"A"), ("frame", b"B")]),
    (b"junk\x0bA\x1c\rmore\r\n\x0bB\x1c\r", [("junk", 4), ("frame", b"A"), ("junk", 4), ("frame", b"B")]),
    (b"\x0bA\x1c\x0bB\x1c\r", [("frame", b"A"), ("frame", b"B")]),
    (b"\x0bA\x1cjunk\x0bB\x1c", [("frame", b"A"), ("junk", 4), ("frame", b"B")]),
    (b"\x0bunfin\x0bA\x1c\r", [("unfinished", 5), ("frame", b"A")]),
    (b"\x0bunfin", [("unfinished", 5)]),
    (b"\x0b", [("unfinished", 0)]),
    (b"\x0ba\rb\r\x1c\r", [("frame", b"a\rb\r")]),
    (b"\x1c\r\x0bA\x1c\r", [("junk", 1), ("frame", b"A")]),
    (b"only junk", [("junk", 9)]),
]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(("data", "expected"), CASES)
def test_events_do_not_depend_on_how_bytes_arrive(data: bytes, expected: list[Shown], size: int) -> None:
    assert sorted(map(str, run(data, size))) == sorted(map(str, expected))
    assert [event for event in run(data, size) if event[0] != "junk"] == [e for e in expected if e[0] != "junk"]


def test_junk_is_counted_with_line_ends() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\r\nabc\x0bA\x1c\r\r\n")
    assert decoder.junk_bytes == 7


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
def test_a_frame_above_the_limit_kills_the_decoder(size: int) -> None:
    exact = b"\x0b" + b"x" * 100 + b"\x1c\r"
    assert run(exact, size) == [("frame", b"x" * 100)]
    decoder = FrameDecoder(max_frame=100)
    events: list[Event] = []
    data = b"\x0bA\x1c\r\x0b" + b"x" * 101 + b"\x1c\r" + exact
    for at in range(0, len(data), size):
        events += decoder.feed(data[at : at + size])
    assert [kind for kind, _ in show(events)] == ["frame", "too large"]
    assert decoder.dead
    assert decoder.feed(exact) == []


def test_the_limit_counts_from_the_newest_start() -> None:
    data = b"\x0b" + b"x" * 90 + b"\x0b" + b"y" * 90 + b"\x1c\r"
    assert run(data, 1000) == [("unfinished", 90), ("frame", b"y" * 90)]


def test_an_end_without_carriage_return_waits_for_flush() -> None:
    decoder = FrameDecoder()
    waiting = [decoder.waiting_for_end]
    assert decoder.feed(b"\x0bA\x1c") == []
    waiting.append(decoder.waiting_for_end)
    assert decoder.flush() == [Frame(b"A")]
    waiting.append(decoder.waiting_for_end)
    assert waiting == [False, True, False]
    assert decoder.flush() == []
    assert decoder.feed(b"\r\x0bB") == []
    assert decoder.inside_frame


@pytest.mark.parametrize("payload", [b"a\x0bb", b"a\x1cb"])
def test_frame_bytes_cannot_be_framed(payload: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be framed"):
        frame(payload)


def test_no_content_shows() -> None:
    assert "MEIER" not in repr(Frame(b"MEIER"))
    assert FramingError(FramingKind.JUNK, 3, "x").ack_code == "AR"


@given(st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\x0b", b"").replace(b"\x1c", b""))), st.data())
def test_frames_survive_any_split(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder()
    events: list[Event] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += decoder.feed(stream[start:end])
    assert events + decoder.close() == [Frame(payload) for payload in payloads]


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\x1c\r"]), max_size=30))
def test_arbitrary_bytes_never_raise_and_never_get_lost(chunks: list[bytes]) -> None:
    decoder = FrameDecoder(max_frame=50)
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.close()
    whole = run(b"".join(chunks), 1, 50)
    assert [e for e in show(events) if e[0] == "frame"] == [e for e in whole if e[0] == "frame"]
