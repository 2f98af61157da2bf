"""Bytes to messages: separators, delimiters, junk, limits, character sets right, wrong and missing."""

import pytest

from hl7 import AckCode, ContentError, Hl7Error, Limits, Location, UnreadableMessage, parse

HEADER = "MSH|^~\\&|RIS|RAD|BROKER|RAD|20240705||ADT^A08|1|P|2.5||||||"


def message(charset: str = "", text: str = "PID|||1||MEIER", codec: str = "ascii") -> bytes:
    return f"{HEADER}{charset}\r{text}\r".encode(codec)


@pytest.mark.parametrize("separator", ["\r", "\n", "\r\n", "\r\n\r\n"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("after", [b"", b"\r\n\r\n", b"\x00\x00", b"\x1a", b"  \r"])
def test_separators_and_bytes_around_do_not_matter(separator: str, before: bytes, after: bytes) -> None:
    raw = before + separator.join([HEADER, "PID|||1", "PV1||I"]).encode() + after
    parsed = parse(raw)
    assert [segment.name for segment in parsed] == ["MSH", "PID", "PV1"]
    assert parsed.text("PV1-2") == "I"
    assert parsed.raw == raw


@pytest.mark.parametrize(
    ("encoding", "path", "text"),
    [
        ("^~\\&", "PID-3.4.2", "1.2"),
        ("^~\\&#", "PID-3.4.2", "1.2"),
        ("^~\\", "PID-3.4.1", "A&1.2"),
        ("^~", "PID-5", "a\\F\\b"),
        ("^~\\&", "PID-5", "a|b"),
        ("^", "PID-3.5", "MR~2"),
    ],
)
def test_encoding_characters_of_one_to_five(encoding: str, path: str, text: str) -> None:
    parsed = parse(f"MSH|{encoding}|RIS\rPID|||1^^^A&1.2^MR~2||a\\F\\b\r".encode())
    assert parsed.text(path) == text
    assert parsed.text("MSH-2") == encoding


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        b"MS",
        b"MSH",
        b"MSH|",
        b"MSH||RIS",
        b"MSH|^~\\&#$|RIS",
        b"MSH|^^\\&|RIS",
        b"MSHA^~\\&A",
        b"MSH|aB\\&|RIS",
        b"MSH\xa7^~\\&\xa7RIS",
        b"PID|||1",
        b"FHS|^~\\&|RIS\rMSH|^~\\&|",
        b"\x00\x01\x02\xff",
        HEADER.encode() + b"\r" + HEADER.encode(),
    ],
)
def test_what_is_no_message_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        parse(raw)
    assert caught.value.ack_code is AckCode.AR
    assert caught.value.location is not None


def test_a_broken_text_is_joined_and_other_lines_are_left_out_and_both_are_said() -> None:
    parsed = parse(f"{HEADER}\rstray line\rNTE|1||first\nsecond line\nOBX|1|TX|||a\r<b>\rPV1||I\r??\r".encode())
    assert parsed.text("NTE-3") == "first\nsecond line"
    assert parsed.text("OBX-5") == "a\n<b>"
    assert parsed.text("PV1-2") == "I"
    assert [warning.split(" was ")[0] for warning in parsed.warnings] == ["line 2", "line 4", "line 6", "line 8"]
    assert not any("stray" in warning or "second" in warning for warning in parsed.warnings)


@pytest.mark.parametrize(
    ("label", "codec", "name"),
    [
        ("8859/1", "iso8859_1", "MÜLLER"),
        ("ISO-8859-1", "iso8859_1", "MÜLLER"),
        ("8859/2", "iso8859_2", "KÓŁKO"),
        ("8859/2", "iso8859_2", "ŻÓŁTOWSKI"),
        ("8859/5", "iso8859_5", "ТАРАСОВ"),
        ("8859/7", "iso8859_7", "ΠΑΠΑΔΟΠΟΥΛΟΥ"),
        ("8859/6", "iso8859_6", "قباني"),
        ("8859/8", "iso8859_8", "שרון"),
        ("8859/9", "iso8859_9", "ÇAVUŞOĞLU"),
        ("8859/15", "iso8859_15", "ŒUVRÉ"),
        ("UNICODE UTF-8", "utf_8", "Müller 山田 Ø"),
        ("UNICODE", "utf_8", "山田"),
        ("UTF-8", "utf_8", "山田"),
        ("GB 18030-2000", "gb18030", "王小东"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("BIG-5", "big5", "王小東"),
        ("~ISO IR87", "iso2022_jp", "山田^太郎"),
        ("ISO IR14~ISO IR87", "iso2022_jp", "ヤマダ山田"),
        ("ISO IR87", "iso2022_jp", "山田"),
        ("~ISO IR159", "iso2022_jp_2", "丂山田"),
    ],
)
def test_declared_character_sets(label: str, codec: str, name: str) -> None:
    parsed = parse(message(label, f"PID|||1||{name}", codec))
    assert parsed.text("PID-5.*") == name
    assert parsed.warnings == ()


@pytest.mark.parametrize(
    ("label", "codec", "name", "fallback", "hint"),
    [
        ("8859/1", "utf_8", "MÜLLER", None, "UTF-8"),
        ("8859/1", "utf_8", "山田", None, "UTF-8"),
        ("8859/2", "utf_8", "ŻÓŁTOWSKI", None, "UTF-8"),
        ("", "utf_8", "MÜLLER", None, "UTF-8"),
        ("ASCII", "utf_8", "MÜLLER", "8859/1", "UTF-8"),
        ("", "cp1252", "MÜLLER €", "CP1252", "fallback"),
        ("UNICODE UTF-8", "iso8859_1", "MÜLLER", "8859/1", "fallback"),
        ("CNS 11643-1992", "big5", "王小東", "BIG-5", "fallback"),
        ("KS X 1001", "utf_8", "김희중é", None, "UTF-8"),
    ],
)
def test_wrong_and_missing_labels_are_mended_and_said(
    label: str, codec: str, name: str, fallback: str | None, hint: str
) -> None:
    parsed = parse(message(label, f"PID|||1||{name}", codec), charset_fallback=fallback)
    assert parsed.text("PID-5") == name
    assert len(parsed.warnings) == 1
    assert hint in parsed.warnings[0]


def test_an_unsupported_label_does_no_harm_to_plain_text() -> None:
    parsed = parse(message("CNS 11643-1992"))
    assert parsed.text("PID-5") == "MEIER"
    assert "plain ASCII" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("raw", "location", "code", "ack"),
    [
        (message("UNICODE UTF-8", "PID|||1||MÜLLER", "latin_1"), Location("PID", 1, 5), "102", AckCode.AE),
        (message("", "PID|||1||MÜLLER", "latin_1"), Location("PID", 1, 5), "102", AckCode.AE),
        (message("ASCII", "NTE|1\rNTE|||\xe9", "latin_1"), Location("NTE", 2, 3), "102", AckCode.AE),
        (message("CNS 11643-1992", "PID|||1||王", "big5"), Location("MSH", 1, 18), "103", AckCode.AR),
        (message("UNICODE UTF-16", "PID|||1||é", "utf_8"), Location("MSH", 1, 18), "103", AckCode.AR),
        (message("ISO IR87", "PID|||1||\x1b$ZABC", "latin_1"), Location("PID", 1, 5), "102", AckCode.AE),
    ],
)
def test_undecodable_bytes_are_refused_at_their_place(raw: bytes, location: Location, code: str, ack: AckCode) -> None:
    with pytest.raises(ContentError) as caught:
        parse(raw)
    assert (caught.value.location, caught.value.error_code, caught.value.ack_code) == (location, code, ack)
    assert "LLER" not in str(caught.value)


def test_an_override_beats_the_label() -> None:
    raw = message("8859/1", "PID|||1||ТАРАСОВ", "cp1251")
    assert parse(raw, charset_override="WINDOWS-1251").text("PID-5") == "ТАРАСОВ"
    with pytest.raises(ContentError):
        parse(raw, charset_override="UNICODE UTF-8")


def test_an_unknown_setting_is_the_programs_fault() -> None:
    raw = message("UTF-8", "PID|||1||\xe9", "latin_1")
    with pytest.raises(ValueError, match="table 0211"):
        parse(raw, charset_override="KLINGON")
    with pytest.raises(ValueError, match="table 0211"):
        parse(raw, charset_fallback="KLINGON")


def test_limits() -> None:
    many = HEADER + "\r" + "NTE|1\r" * 50
    with pytest.raises(UnreadableMessage, match="more than 50 segments"):
        parse(many.encode(), limits=Limits(segments=50))
    repeated = f"{HEADER}\rPID|||1\rPID|||" + "~".join("12345")
    assert parse(repeated.encode(), limits=Limits(repetitions=5)).text("PID[2]-3[5]") == "5"
    with pytest.raises(Hl7Error, match=r"PID\[2\]: .*more than 4 repetitions"):
        parse(repeated.encode(), limits=Limits(repetitions=4))
