"""Folding, trimming and showing person names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.domain.names import component_groups, display, fold, fold_name


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("MÜLLER^Änne", "muller^anne"),
        ("Straße", "strasse"),
        ("Åse Øverås", "ase overas"),
        ("Łukasz", "lukasz"),
        ("İpek Çağ", "ipek cag"),
        ("Þór", "thor"),
        ("Αθηνά", "αθηνα"),
        ("ИВАНОВ^Ёлка", "иванов^елка"),
        ("Ｙａｍａｄａ", "yamada"),
        ("  a   b ", "a b"),
    ],
)
def test_fold(name: str, folded: str) -> None:
    assert fold(name) == folded


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("A^B^^^", ("A^B",)),
        ("A^B^^^==", ("A^B",)),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", ("Yamada^Tarou", "山田^太郎", "やまだ^たろう")),
        ("=山田^太郎", ("", "山田^太郎")),
        (" A ^ B ", ("A^B",)),
        ("", ()),
        ("==", ()),
        ("A=B=C=D", ("A", "B", "C")),
    ],
)
def test_component_groups(name: str, groups: tuple[str, ...]) -> None:
    assert component_groups(name) == groups


def test_equal_names_fold_equal() -> None:
    assert fold_name("Müller^Eva^^^") == fold_name("MULLER^EVA==") == "muller^eva"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("MEIER^Eva^Maria^Dr", "MEIER, Eva Maria"),
        ("MEIER", "MEIER"),
        ("^Eva", "Eva"),
        ("=山田^太郎", "山田, 太郎"),
        ("", ""),
    ],
)
def test_display(name: str, shown: str) -> None:
    assert display(name) == shown
