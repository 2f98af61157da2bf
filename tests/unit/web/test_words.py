"""Values in words."""

from datetime import date

import pytest

from broker.web import words


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        ("19700131", date(2026, 1, 30), "55 y"),
        ("19700131", date(2026, 1, 31), "56 y"),
        ("20240229", date(2026, 2, 28), "23 mo"),
        ("20240229", date(2026, 3, 1), "2 y"),
        ("20260620", date(2026, 7, 9), "19 d"),
        ("20260609", date(2026, 7, 9), "1 mo"),
        ("20260709", date(2026, 7, 9), "0 d"),
        ("20260710", date(2026, 7, 9), ""),
        ("", date(2026, 7, 9), ""),
        ("1970", date(2026, 7, 9), ""),
        ("19701332", date(2026, 7, 9), ""),
    ],
)
def test_age(birth: str, on: date, age: str) -> None:
    assert words.age(birth, on) == age


@pytest.mark.parametrize(
    ("keyword", "spelled"),
    [
        ("PatientBirthDate", "Patient birth date"), ("StudyInstanceUID", "Study instance UID"),
        ("OtherPatientIDsSequence", "Other patient IDs sequence"), ("Modality", "Modality"),
        ("added_steps", "added steps"), ("", ""),
    ],
)  # fmt: skip
def test_keywords_are_spelled(keyword: str, spelled: str) -> None:
    assert words.spell(keyword) == spelled


@pytest.mark.parametrize(("day", "said"), [(9, "Today, "), (10, "Tomorrow, "), (8, "Yesterday, "), (12, "")])
def test_near_days_are_named(day: int, said: str) -> None:
    value = date(2026, 7, day)
    assert words.day_words(value, date(2026, 7, 9)) == f"{said}{value:%A} {day} July 2026"


def test_other_forms_of_a_name() -> None:
    assert words.other_names("YAMADA^Tarou=山田^太郎=やまだ^たろう") == ["山田, 太郎", "やまだ, たろう"]
    assert words.other_names("=山田^太郎") == []
    assert words.other_names("MÜLLER^Eva") == []


def test_small_numbers() -> None:
    assert [words.times(n) for n in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [words.plural(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
