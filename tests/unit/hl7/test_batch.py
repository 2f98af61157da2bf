"""Batches: cut apart, counted, answered."""

from datetime import UTC, datetime

import pytest

from hl7 import UnreadableMessage, parse
from hl7.batch import acknowledge_batch, is_batch, split

A, B, C = (f"MSH|^~\\&|RIS|RAD|||2024||ADT^A08|{n}|P|2.5\rPID|||{n}\r".encode() for n in "ABC")
FHS = b"FHS|^~\\&|RIS|RAD|BROKER|HUB|20240705||name||F77\r"
BHS = b"BHS|^~\\&|RIS|RAD|BROKER|HUB|20240705||name||B77\r"


@pytest.mark.parametrize(
    ("raw", "counts", "batch", "problems"),
    [
        (A, [1], False, ()),
        (A + B, [2], False, ()),
        (b"\r\n" + A + b"\r\n\r\n" + B + b"\r\n", [2], False, ()),
        (FHS + BHS + A + B + b"BTS|2\rFTS|1\r", [2], True, ()),
        (BHS + A + B + b"BTS|2\r", [2], True, ()),
        (BHS + A + b"BTS\r" + BHS + B + C + b"BTS|2\r", [1, 2], True, ()),
        (FHS + BHS + A + BHS + B, [1, 1], True, ()),
        (BHS + b"BTS|0\r", [0], True, ()),
        (FHS + BHS + A + b"BTS|3\rFTS|2\r", [1], True, ("the batch", "the file")),
        (b"", [], False, ()),
        ((FHS + BHS + A + b"BTS|1\rFTS|1\r").replace(b"\r", b"\r\n"), [1], True, ()),
        ((BHS + A + b"BTS|1\r").replace(b"\r", b"\n"), [1], True, ()),
    ],
)
def test_split(raw: bytes, counts: list[int], batch: bool, problems: tuple[str, ...]) -> None:
    file = split(raw)
    assert [len(found.messages) for found in file.batches] == counts
    assert is_batch(raw) is batch
    assert tuple(problem.split(" states")[0] for problem in file.problems) == problems
    assert [parse(message).control_id for message in file.messages] == list("ABC")[: sum(counts)]


@pytest.mark.parametrize("raw", [b"FHS", b"FHS|\r" + A, BHS + A + b"BTS|1\rBHS||\r" + A, b"BHS|^^\r" + A])
def test_a_header_without_its_delimiters_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableMessage, match=r"[FB]HS-2"):
        split(raw)


@pytest.mark.parametrize("raw", [b"garbage\r", BHS + b"PID|||1\r" + A, b"PID|||1\r" + A])
def test_text_outside_any_message_is_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        split(raw)


def test_an_unusual_count_is_no_count() -> None:
    assert split(BHS + A + b"BTS|many\r").batches[0].declared is None
    assert split(BHS + A + b"BTS" + b"\r").batches[0].declared is None


def test_a_batch_is_answered_as_a_batch() -> None:
    file = split(FHS + BHS + A + B + b"BTS|2\r" + b"FTS|1\r")
    answer = acknowledge_batch(file, [[b"MSH|^~\\&|1\r", b"MSH|^~\\&|2\r"]], now=datetime(2024, 7, 5, tzinfo=UTC))
    lines = answer.decode().split("\r")
    assert [line[:3] for line in lines] == ["FHS", "BHS", "MSH", "MSH", "BTS", "FTS", ""]
    header = lines[1].split("|")
    assert header[2:7] == ["BROKER", "HUB", "RIS", "RAD", "20240705000000+0000"]
    assert header[11] == "B77"
    assert header[10]
    assert lines[0].split("|")[11] == "F77"
    assert lines[4:6] == ["BTS|2", "FTS|1"]
    assert [len(found.messages) for found in split(answer).batches] == [2]


def test_a_headless_batch_is_answered_in_standard_delimiters() -> None:
    answer = acknowledge_batch(split(A), [[b"MSH|^~\\&|1\r"]])
    assert answer.startswith(b"BHS|^~\\&|||||2")
    assert answer.endswith(b"BTS|1\r")


def test_answers_must_match_batches() -> None:
    with pytest.raises(ValueError, match="argument"):
        acknowledge_batch(split(A), [])


def test_counts_that_do_not_agree_are_said_in_the_answer() -> None:
    file = split(FHS + BHS + A + b"BTS|3\rFTS|2\r")
    answer = acknowledge_batch(file, [[b"MSH|answer\r", b""]], now=datetime(2024, 7, 5, tzinfo=UTC))
    assert answer.endswith(
        b"MSH|answer\rBTS|1|the batch states 3 messages and holds 1\rFTS|1|the file states 2 batches and holds 1\r"
    )
