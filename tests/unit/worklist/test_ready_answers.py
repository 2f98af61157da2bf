"""Whole answers at hand: given under their data version only, bounded, long ones not kept."""

import pytest

from broker.dicom.charset import choices
from broker.dicom.datasets import IMPLICIT_LITTLE
from broker.dicom.encoding import encoder
from broker.dicom.messages import ReadyResponses, Response
from broker.dicom.ready_answers import Answer, Question, ReadyAnswers
from broker.domain.query import WorklistQuery

WRITER = encoder(((0x00100010, ()),), IMPLICIT_LITTLE, choices("", "", "ISO_IR 192"))


def question(limit: int = 0, status: int = 0xFF00) -> Question:
    return Question(WorklistQuery(limit=limit), WRITER, status)


def answer(size: int = 10) -> Answer:
    return Answer(ReadyResponses((Response(0xFF00, b"x" * size), Response(0))), (1,))


@pytest.mark.parametrize(
    ("kept", "asked", "given"), [(7, 7, True), (7, 8, False), (8, 7, False), (7, None, False), (None, None, False)]
)
def test_only_under_the_version_it_was_made_for(kept: int | None, asked: int | None, given: bool) -> None:
    answers = ReadyAnswers()
    answers.keep(question(), kept, answer())
    assert (answers.get(question(), asked) is not None) is given


@pytest.mark.parametrize("other", [question(limit=1), question(status=0xFF01)])
def test_another_question_has_another_answer(other: Question) -> None:
    answers = ReadyAnswers()
    answers.keep(question(), 1, answer())
    assert answers.get(other, 1) is None


def test_the_newest_answer_counts_once() -> None:
    answers = ReadyAnswers()
    answers.keep(question(), 1, answer(10))
    size = answers.size
    answers.keep(question(), 2, answer(10))
    assert answers.size == size
    assert answers.get(question(), 1) is None
    assert answers.get(question(), 2) == answer(10)


def test_long_answers_are_not_kept() -> None:
    answers = ReadyAnswers()
    answers.keep(question(), 1, answer(128 * 1024))
    assert (answers.get(question(), 1), answers.size) == (None, 0)


def test_the_least_recently_given_goes_first() -> None:
    answers = ReadyAnswers(limit=3 * (answer(1000).size + 1024))
    for number in range(3):
        answers.keep(question(number), 1, answer(1000))
    answers.get(question(0), 1)
    answers.keep(question(3), 1, answer(1000))
    assert [n for n in range(4) if answers.get(question(n), 1)] == [0, 2, 3]
    assert answers.size <= 3 * (answer(1000).size + 1024)
