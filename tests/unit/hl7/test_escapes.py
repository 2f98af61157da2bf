"""Escape sequences, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7.charset import MessageCharset, resolve
from hl7.delimiters import Delimiters
from hl7.escapes import Escapes


def charset(*names: str) -> MessageCharset:
    found = resolve(names)
    assert found is not None
    return found


STANDARD = Escapes(charset=charset("UNICODE UTF-8"))
OTHER = Escapes(Delimiters("#", "*", "?", "!", "@"), charset("8859/1"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        (r"a\F\b\S\c\T\d\R\e\E\f\P\g", "a|b^c&d~e\\f#g"),
        (r"\E\F\E\ ", "\\F\\ "),
        (r"\X41\\X4243\ ", "ABC "),
        (r"\XC3A9\ ", "é "),
        (r"\XE9\ ", "\\XE9\\ "),
        (r"\X4\x", r"\X4\x"),
        (r"\XZZ\x", r"\XZZ\x"),
        (r"one\.br\two", "one\ntwo"),
        (r"a\.sp\b\.sp 2\c\.sp3\d", "a\nb\n\nc\n\n\nd"),
        (r"a\.in+4\b\.ti-2\c\.sk 5\d\.fi\\.nf\\.ce\e", "abcde"),
        (r"a\H\b\N\c", "abc"),
        (r"a\Zlocal\b", "ab"),
        (r"a\Q\b", r"a\Q\b"),
        (r"a\.zz\b", r"a\.zz\b"),
        (r"a\foo\F\b", r"a\foo|b"),
        (r"a\Fb", r"a\Fb"),
        ("a\\", "a\\"),
        (r"C:\Temp\F\x", r"C:\Temp|x"),
        (r"\\", r"\\"),
        (r"\.sp99999999999999999999\x", r"\.sp99999999999999999999\x"),
    ],
)
def test_unescape(raw: str, text: str) -> None:
    assert STANDARD.unescape(raw) == text


def test_a_count_is_limited() -> None:
    assert STANDARD.unescape("\\.sp9999\\") == "\n" * 100


@pytest.mark.parametrize(
    ("raw", "text"), [("a!F!b!S!c!T!d!R!e!E!", "a#b*c@d?e!"), ("!XE9!", "é"), (r"a\F\b", r"a\F\b"), ("!.br!", "\n")]
)
def test_unescape_with_other_delimiters(raw: str, text: str) -> None:
    assert OTHER.unescape(raw) == text


@pytest.mark.parametrize(
    ("names", "raw", "text"),
    [
        (("", "ISO IR87"), r"\M2442\;3ED\C2842\ Taro", "山田 Taro"),
        (("8859/1",), r"\C2D4C\plain\C2842\ x", "plain x"),
        (("8859/1",), r"\C2A2A\odd", "odd"),
        (("UNICODE UTF-8",), r"é\M2442\;3\C2842\é", "é山é"),
    ],
)
def test_character_set_switches(names: tuple[str, ...], raw: str, text: str) -> None:
    assert Escapes(charset=charset(*names)).unescape(raw) == text


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("O|N^E&I~L\\L", r"O\F\N\S\E\T\I\R\L\E\L"),
        ("one\ntwo\r\nthree\rfour", r"one\.br\two\.br\three\.br\four"),
        ("a\x00b\x0bc\x1cd\x7f\t", r"a\X00\b\X0B\c\X1C\d\X7F\\X09\ ".rstrip()),
        ("山田 é", "山田 é"),
    ],
)
def test_escape(text: str, raw: str) -> None:
    assert STANDARD.escape(text) == raw


def test_without_an_escape_character_delimiters_become_blanks() -> None:
    escapes = Escapes(Delimiters(escape="", subcomponent=""))
    assert escapes.escape("a|b^c\nd\\e&f") == "a b c d\\e&f"
    assert escapes.unescape(r"a\F\b") == r"a\F\b"


@given(st.text().map(lambda text: text.replace("\r\n", "\n").replace("\r", "\n")))
def test_what_is_escaped_comes_back(text: str) -> None:
    for escapes in (STANDARD, OTHER):
        written = escapes.escape(text)
        assert not set(written) & set("\r\n\x0b\x1c" + escapes.delimiters.field + escapes.delimiters.component)
        assert escapes.unescape(written) == text


@given(st.text(alphabet="\\XFSTREHN.brsp0123456789ABCDCMZ +-;$(é", max_size=60))
def test_nothing_makes_unescape_fail(raw: str) -> None:
    for names in (("UNICODE UTF-8",), ("", "ISO IR87"), ("8859/1",)):
        assert isinstance(Escapes(charset=charset(*names)).unescape(raw), str)
