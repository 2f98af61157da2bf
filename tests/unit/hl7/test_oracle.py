"""Our reader against hl7apy's parser, and against arbitrary bytes.

The samples are our own and, where the folder is present beside the repository, those of other hands.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from hl7 import AckCode, Hl7Error, Message, acknowledge, frame, parse, parse_path, read_acknowledgement, read_header
from hl7.batch import split
from hl7.framing import Frame, FrameDecoder
from hl7.header import Header
from hl7.validation import VERSIONS, check

ROOT = Path(__file__).parents[3]
OURS = sorted((ROOT / "tests" / "cases" / "messages").glob("*.hl7"))
CORPUS = ROOT.parent / "shared" / "corpus" / "hl7"
FOREIGN = sorted(CORPUS.glob("*.hl7"))
CONVENTIONAL = [path for path in [*OURS, *FOREIGN] if "custom_delimiters" not in path.name]


def _foreign_leaves(message: Any) -> Iterator[tuple[int, int, int, int | None, str]]:
    """(segment, field, repetition, component, text) of what hl7apy holds by number; component None: the whole.

    It keeps fields beyond a version's definition without a number, and components of unknown types without one and in
    another order.
    """
    for at, segment in enumerate(message.children):
        repetitions: dict[int, int] = {}
        for field in segment.children:
            if field.name is None:
                continue
            number = int(field.name.rpartition("_")[2])
            repetitions[number] = repetitions.get(number, 0) + 1
            places = [(component.name or "").rpartition("_")[2] for component in field.children]
            if not all(place.isdigit() for place in places):
                yield at, number, repetitions[number], None, field.to_er7()
                continue
            for place, component in zip(places, field.children, strict=True):
                yield at, number, repetitions[number], int(place), component.to_er7()


def _plain(text: str) -> str:
    """hl7apy writes the number 001 as 1, and drops blanks at the end."""
    leaves = (leaf.strip() for leaf in text.split("&"))
    return "&".join(leaf.lstrip("0") if leaf.isdigit() else leaf for leaf in leaves)


def _parts(text: str) -> list[str]:
    return sorted(_plain(part) for part in text.split("^") if part.strip())


@pytest.mark.parametrize("path", CONVENTIONAL, ids=lambda path: path.stem)
def test_our_reader_agrees_with_hl7apy(path: Path) -> None:
    ours = parse(path.read_bytes())
    if ours.version not in VERSIONS:
        pytest.skip("hl7apy has no dictionary for this version")
    text = "\r".join(segment.raw for segment in ours) + "\r"
    try:
        foreign = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    except HL7apyException as error:
        pytest.skip(f"hl7apy cannot read it: {type(error).__name__}")
    compared = 0
    for at, number, repetition, component, value in _foreign_leaves(foreign):
        if "\\" in value or (ours[at].name == "MSH" and number <= 2):
            continue  # hl7apy rewrites escapes
        found = ours[at].field(number).repetition(repetition)
        if component is None:
            assert _parts(found.raw) == _parts(value)
        else:
            assert _plain(found.component(component).raw) == _plain(value)
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("path", CONVENTIONAL, ids=lambda path: path.stem)
def test_paths_agree_with_parts(path: Path) -> None:
    message = parse(path.read_bytes())
    seen: dict[str, int] = {}
    for segment in message:
        seen[segment.name] = seen.get(segment.name, 0) + 1
        for number in range(1, len(segment.fields)):
            for at, repetition in enumerate(segment.field(number).repetitions, 1):
                for place, component in enumerate(repetition.components, 1):
                    wanted = parse_path(f"{segment.name}[{seen[segment.name]}]-{number}[{at}].{place}")
                    assert message.text(wanted) == component.text
                    assert message.state(wanted) is component.presence


@pytest.mark.parametrize("path", [*OURS, *FOREIGN], ids=lambda path: path.stem)
def test_every_sample_is_checked_and_answered(path: Path) -> None:
    message = parse(path.read_bytes())
    assert message.message_type
    assert all(str(finding.location) for finding in check(message))
    assert f"MSA|AA|{message.header.field(10).raw}".encode() in acknowledge(message, AckCode.AA).replace(b"#", b"|")


@pytest.mark.skipif(not FOREIGN, reason="the samples of other hands are not beside this repository")
def test_the_samples_of_other_hands_are_there() -> None:
    assert len(FOREIGN) > 50


def _read_everything(message: Message) -> None:
    for segment in message:
        for number in range(1, min(len(segment.fields), 40)):
            for repetition in segment.field(number).repetitions[:5]:
                for component in repetition.components[:9]:
                    assert isinstance("".join(component.subcomponents) + component.whole_text, str)
    assert isinstance(acknowledge(message, AckCode.AE, errors=[Hl7Error("x")]), bytes)
    assert isinstance(acknowledge(Header.of(message), AckCode.AA), bytes)
    check(message)


PIECES = st.sampled_from(
    [
        b"MSH|^~\\&|A|B|||2024||ORM^O01|1|P|2.5||||||", b"MSH", b"\r", b"\n", b"PID|||", b"|", b"^", b"~", b"\\", b"&",
        b'""', b"\\X0", b"\\.br\\", b"\\M2442\\", b"8859/1", b"~ISO IR87", b"UNICODE UTF-8", b"\x1b$B", b"\x1b(B",
        b"\xc3\xa9", b"\xff", b"NTE|1||", b"OBX|1|", b"ORC|NW", b"FHS|", b"BHS|^~\\&", b"BTS|1", b"\x00", b"2.3.1",
        b"#", b"MSA|AE|1",
    ]
)  # fmt: skip


@given(st.binary(max_size=200) | st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join))
def test_arbitrary_bytes_give_a_message_or_an_hl7_error(raw: bytes) -> None:
    try:
        message = parse(raw)
    except Hl7Error as error:
        refusal = error
    else:
        _read_everything(message)
        return
    assert refusal.text
    assert not refusal.ack_code.accepted


@given(st.binary(max_size=200) | st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join))
@pytest.mark.parametrize("reader", [read_header, split, read_acknowledgement])
def test_arbitrary_bytes_give_a_result_or_an_hl7_error(reader: Callable[[bytes], object], raw: bytes) -> None:
    try:
        found = reader(raw)
    except Hl7Error as error:
        found = error.text
    assert found


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_anything_after_a_good_header_can_be_answered(rest: bytes) -> None:
    header = read_header(b"MSH|^~\\&|A|B|C|D|2024||ORM^O01|77|P|2.3.1\r" + rest)
    assert b"MSA|AR|77" in acknowledge(header, AckCode.AR)


@given(st.data())
def test_a_sample_split_at_any_byte_is_the_same_message(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(OURS)).read_bytes()
    stream = frame(raw)
    at = data.draw(st.integers(0, len(stream)))
    decoder = FrameDecoder()
    events = decoder.feed(stream[:at]) + decoder.feed(stream[at:])
    assert events == [Frame(raw)]
