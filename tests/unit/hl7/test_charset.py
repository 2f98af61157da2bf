"""The table of character sets, its aliases, and ISO 2022 text."""

import codecs

import pytest

from hl7 import iso2022
from hl7.charset import find, resolve


@pytest.mark.parametrize(
    ("name", "codec", "terms"),
    [
        ("8859/1", "iso8859_1", ("ISO_IR 100",)),
        ("iso-8859-1", "iso8859_1", ("ISO_IR 100",)),
        ("ISO8859/1", "iso8859_1", ("ISO_IR 100",)),
        ("ISO_IR 100", "iso8859_1", ("ISO_IR 100",)),
        ("8859/2", "iso8859_2", ("ISO_IR 101",)),
        ("8859/5", "iso8859_5", ("ISO_IR 144",)),
        ("8859/6", "iso8859_6", ("ISO_IR 127",)),
        ("8859/7", "iso8859_7", ("ISO_IR 126",)),
        ("8859/8", "iso8859_8", ("ISO_IR 138",)),
        ("8859/9", "iso8859_9", ("ISO_IR 148",)),
        ("8859/15", "iso8859_15", ("ISO_IR 192",)),
        ("ASCII", "ascii", ()),
        ("UNICODE UTF-8", "utf_8", ("ISO_IR 192",)),
        ("UNICODE", "utf_8", ("ISO_IR 192",)),
        ("utf8", "utf_8", ("ISO_IR 192",)),
        ("ISO IR14", "shift_jis", ("ISO_IR 13",)),
        ("ISO IR87", "iso2022_jp", ("", "ISO 2022 IR 87")),
        ("KS X 1001", "euc_kr", ("", "ISO 2022 IR 149")),
        ("GB 18030-2000", "gb18030", ("GB18030",)),
        ("BIG-5", "big5", ("ISO_IR 192",)),
        ("Windows-1252", "cp1252", ("ISO_IR 192",)),
    ],
)
def test_names_codecs_and_dicom_terms(name: str, codec: str, terms: tuple[str, ...]) -> None:
    charset = resolve([name])
    assert charset is not None
    assert charset.codec == codec
    assert codecs.lookup(charset.codec)
    assert charset.dicom_terms == terms


@pytest.mark.parametrize("name", ["CNS 11643-1992", "UNICODE UTF-16", "UNICODE UTF-32", "KLINGON", "", " "])
def test_unsupported_names_are_not_found(name: str) -> None:
    assert find(name) is None


@pytest.mark.parametrize(
    ("names", "terms"),
    [
        ([""], ()),
        ([], ()),
        (["", "ISO IR87"], ("ISO 2022 IR 6", "ISO 2022 IR 87")),
        (["ISO IR14", "ISO IR87"], ("ISO 2022 IR 13", "ISO 2022 IR 87")),
        (["8859/1", "UNICODE UTF-8"], ("ISO_IR 192",)),
    ],
)
def test_several_sets_in_one_message(names: list[str], terms: tuple[str, ...]) -> None:
    charset = resolve(names)
    assert charset is not None
    assert charset.dicom_terms == terms


def test_one_unsupported_repetition_makes_all_unsupported() -> None:
    assert resolve(["8859/1", "CNS 11643-1992"]) is None


# The byte strings are those of DICOM PS3.5 annexes H and I, which show the same escapes.
@pytest.mark.parametrize(
    ("raw", "high", "text"),
    [
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "ascii", "Yamada^Tarou=山田^太郎"),
        (b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田"),
        (b"\x1b(ITOC\x1b(B", "ascii", "\uff94\uff8f\uff83"),
        (b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "ascii", "Hong=洪^吉洞"),
        (b"\x1b$)A\xcd\xf5", "ascii", "王"),
        (b"\x1b-L\xbf\x1b-F\xc1", "ascii", "ПΑ"),
        (b"\x1b$(D0!\x1b(B", "ascii", "丂"),
        (b"\x1b$B;3\rED", "ascii", "山\rED"),
        (b"plain", "ascii", "plain"),
    ],
)
def test_iso_2022(raw: bytes, high: str, text: str) -> None:
    assert iso2022.decode(raw, high) == text


@pytest.mark.parametrize(
    "raw", [b"\x1b$Zab", b"\x1b", b"\x1b$B;", b"\x1b$)C\xff\xff", b"\xe9", b"\x1b(Qabc", b"\x1b$B\x7e\x7e"]
)
def test_iso_2022_refuses_what_it_cannot_read(raw: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        iso2022.decode(raw, "ascii")


def test_a_lone_escape_character_in_a_plain_set_is_a_character() -> None:
    charset = resolve(["8859/1"])
    assert charset is not None
    assert charset.decode(b"a\x1bEb\xe9") == "a\x1bEbé"
    assert charset.decode(b"\x1b$B;3\x1b(B\xe9") == "山é"
