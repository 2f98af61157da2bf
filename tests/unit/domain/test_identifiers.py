"""Which identifiers are valid and how missing ones are made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domain.identifiers import (
    accession_from_filler,
    derived_uid,
    numbered,
    random_uid,
    usable,
    valid_uid,
)


@pytest.mark.parametrize("uid", ["1.2", "0.0", "2.25.123", "1.2.840.10008.5.1.4.31", "1." + "2" * 62])
def test_valid_uids(uid: str) -> None:
    assert valid_uid(uid)


@pytest.mark.parametrize(
    "uid", ["", "1", "1.", ".1", "1..2", "01.2", "1.02", "1.2 ", "1.2\n", "1.a", "1." + "2" * 63, "1.2\\1.3"]
)
def test_invalid_uids(uid: str) -> None:
    assert not valid_uid(uid)


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_derived_uids_are_valid_and_stable(key: list[str]) -> None:
    assert valid_uid(derived_uid(*key))
    assert derived_uid(*key) == derived_uid(*key)


def test_derived_uids_tell_keys_apart() -> None:
    assert derived_uid("ab", "c") != derived_uid("a", "bc")


def test_random_uids_are_valid_and_differ() -> None:
    first, second = random_uid(), random_uid()
    assert valid_uid(first)
    assert first != second


@pytest.mark.parametrize(
    ("filler", "accession"),
    [
        ("F100", "F100"),
        ("A" * 16, "A" * 16),
        ("A" * 17, None),
        ("A*1", None),
        ("-A1", None),
        ("A 1", None),
        ("", None),
    ],
)
def test_accession_from_filler(filler: str, accession: str | None) -> None:
    assert accession_from_filler(filler) == accession


@pytest.mark.parametrize(
    ("identifier", "good"),
    [("A1", True), ("", False), ("A" * 17, False), ("A\\B", False), ("A?", False), ("A\n", False)],
)
def test_usable(identifier: str, *, good: bool) -> None:
    assert usable(identifier, 16) is good


def test_numbered_never_exceeds_its_limit() -> None:
    assert numbered("A100", 2) == "A100-2"
    assert numbered("A" * 15, 1) is None
