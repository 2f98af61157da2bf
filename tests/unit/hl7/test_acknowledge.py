"""Acknowledgements: wanted, written per version, read back."""

import re
from datetime import UTC, datetime

import pytest

from hl7 import (
    AckCode,
    ContentError,
    Header,
    Hl7Error,
    Location,
    TransientError,
    UnreadableMessage,
    UnsupportedMessage,
    acknowledge,
    new_control_id,
    parse,
    read_acknowledgement,
    read_header,
    wanted,
)

OLD_ERROR = "ERR|PID^1^3^101&Required field missing&HL70357"
NEW_ERROR = "ERR||PID^1^3|101^Required field missing^HL70357|E||||patient identifier missing"
NOW = datetime(2024, 7, 5, 8, 0, 0, tzinfo=UTC)
MISSING = ContentError("patient identifier missing", error_code="101", location=Location("PID", 1, 3))
WRONG = ContentError("not a date", location=Location("ORC", 2, 7, 1, 4))


def request(version: str = "2.5.1", conditions: str = "||", charset: str = "", application: str = "RIS") -> bytes:
    start = f"MSH|^~\\&|{application}|RAD&1.2&ISO|BROKER|HUB|20240705||ORM^O01|MSG 1|T|{version}||"
    return f"{start}{conditions}||{charset}\rPID|||1\r".encode()


def lines(raw: bytes) -> list[str]:
    return raw.decode().rstrip("\r").split("\r")


@pytest.mark.parametrize(
    ("version", "type_", "written", "error"),
    [
        ("2.1", "ACK", "2.1", OLD_ERROR),
        ("2.2", "ACK^O01", "2.2", OLD_ERROR),
        ("2.3.1", "ACK^O01", "2.3.1", OLD_ERROR),
        ("2.4", "ACK^O01^ACK", "2.4", OLD_ERROR),
        (
            "2.5.1",
            "ACK^O01^ACK",
            "2.5.1",
            NEW_ERROR,
        ),
        ("2.8.2", "ACK^O01^ACK", "2.8.2", NEW_ERROR),
        ("2.9", "ACK^O01^ACK", "2.9", NEW_ERROR),
        ("3.0", "ACK^O01^ACK", "2.9", NEW_ERROR),
        ("", "ACK^O01^ACK", "2.5.1", NEW_ERROR),
    ],
)
def test_a_refusal_in_every_version(version: str, type_: str, written: str, error: str) -> None:
    raw = acknowledge(parse(request(version)), AckCode.AE, errors=[MISSING], control_id="ACK1", now=NOW)
    header, acknowledgement, reported = lines(raw)
    assert header == f"MSH|^~\\&|BROKER|HUB|RIS|RAD&1.2&ISO|20240705080000+0000||{type_}|ACK1|T|{written}"
    assert acknowledgement == "MSA|AE|MSG 1|patient identifier missing"
    assert reported == error


def test_acceptance_is_short() -> None:
    assert lines(acknowledge(parse(request()), AckCode.AA, now=NOW))[1:] == ["MSA|AA|MSG 1"]


def test_several_errors() -> None:
    old = lines(acknowledge(parse(request("2.3.1")), AckCode.AE, errors=[MISSING, WRONG]))
    assert old[2:] == ["ERR|PID^1^3^101&Required field missing&HL70357~ORC^2^7^102&Data type error&HL70357"]
    new = lines(acknowledge(parse(request()), AckCode.AE, errors=[MISSING, WRONG], text="two | faults"))
    assert new[1] == "MSA|AE|MSG 1|two \\F\\ faults"
    assert [line.split("|")[2] for line in new[2:]] == ["PID^1^3", "ORC^2^7^1^4"]


def test_delimiters_and_character_set_are_the_senders() -> None:
    raw = "MSH#*?!@#RÖNTGEN#RAD#BROKER#HUB#2024##ORM*O01#7#P#2.3.1######8859/1\r".encode("latin_1")
    for header in (parse(raw), read_header(raw)):
        answer = acknowledge(header, AckCode.AE, errors=[MISSING], control_id="X", now=NOW)
        assert answer.decode("latin_1").startswith(
            "MSH#*?!@#BROKER#HUB#RÖNTGEN#RAD#20240705080000+0000##ACK*O01#X#P#2.3.1"
        )
        assert "#8859/1\rMSA#AE#7#" in answer.decode("latin_1")
        assert "ERR#PID*1*3*101@Required field missing@HL70357" in answer.decode("latin_1")


def test_an_unparsable_message_can_be_answered() -> None:
    raw = request("2.5.1", charset="UNICODE UTF-8", application="R\xd6").replace(b"\xc3\x96", b"\xd6")
    with pytest.raises(ContentError) as caught:
        parse(raw)
    answer = acknowledge(read_header(raw), caught.value.ack_code, errors=[caught.value])
    assert answer.split(b"|")[4] == b"R\xd6"
    assert b"MSA|AE|MSG 1|" in answer


@pytest.mark.parametrize("raw", [b"", b"garbage MSH|^~\\&|", b"PID|1", b"MSH", b"MSH|^^^^|"])
def test_without_a_header_nothing_can_be_answered(raw: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        read_header(raw)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n "])
def test_a_short_header_is_enough(before: bytes) -> None:
    header = read_header(before + b"MSH|^~\\&")
    assert (header.control_id, header.version, header.trigger, header.message_type) == ("", "", "", "")
    assert lines(acknowledge(header, AckCode.AR, now=NOW))[1] == "MSA|AR|"


@pytest.mark.parametrize(
    ("accept", "application", "outcome", "expected"),
    [
        ("", "", "AA", (True, None, "AA", "AA")),
        ("", "", "AE", (True, None, "AE", "AE")),
        ("", "", "AR", (True, None, "AR", "AR")),
        ("AL", "NE", "AA", (False, "CA", None, "CA")),
        ("AL", "NE", "AE", (False, "CE", None, "CE")),
        ("AL", "NE", "AR", (False, "CR", None, "CR")),
        ("AL", "", "AE", (False, "CE", None, "CE")),
        ("AL", "AL", "AA", (False, "CA", "AA", "CA")),
        ("AL", "AL", "AE", (False, "CE", "AE", "CE")),
        ("AL", "AL", "AR", (False, "CR", "AR", "CR")),
        ("AL", "ER", "AA", (False, "CA", None, "CA")),
        ("AL", "ER", "AE", (False, "CE", "AE", "CE")),
        ("AL", "SU", "AE", (False, "CE", None, "CE")),
        ("NE", "AL", "AA", (False, None, "AA", "AA")),
        ("NE", "AL", "AE", (False, None, "AE", "AE")),
        ("NE", "ER", "AA", (False, None, None, None)),
        ("NE", "ER", "AR", (False, None, "AR", "AR")),
        ("ER", "AL", "AA", (False, None, "AA", "AA")),
        ("", "AL", "AA", (False, None, "AA", "AA")),
        ("NE", "NE", "AE", (False, None, None, None)),
        ("ER", "NE", "AA", (False, None, None, None)),
        ("ER", "NE", "AE", (False, "CE", None, "CE")),
        ("SU", "NE", "AA", (False, "CA", None, "CA")),
        ("SU", "NE", "AR", (False, None, None, None)),
        ('""', "Y", "AA", (True, None, "AA", "AA")),
        ("Y", "AL", "AA", (False, None, "AA", "AA")),
        ("al", "ne", "AA", (False, "CA", None, "CA")),
    ],
)
def test_which_acknowledgements_are_wanted(
    accept: str, application: str, outcome: str, expected: tuple[bool, str | None, str | None, str | None]
) -> None:
    message = parse(request(conditions=f"|{accept}|{application}"))
    answer = wanted(message, AckCode(outcome))
    assert (answer.original, answer.accept, answer.application, answer.immediate) == expected
    assert wanted(Header.of(message), AckCode(outcome)) == answer


@pytest.mark.parametrize("version", ["2.3.1", "2.5.1"])
@pytest.mark.parametrize("code", list(AckCode))
def test_what_is_written_is_read_back(version: str, code: AckCode) -> None:
    errors = [] if code.accepted else [MISSING, WRONG]
    answer = read_acknowledgement(acknowledge(parse(request(version)), code, errors=errors))
    assert (answer.code, answer.control_id, answer.accepted) == (code, "MSG 1", code in ("AA", "CA"))
    assert [error.code for error in answer.errors] == [error.error_code for error in errors]
    assert [error.location for error in answer.errors][:1] == ["PID^1^3"][: len(errors)]
    assert answer.text == (errors[0].text if errors else "")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"MSH|^~\\&|A\rPID|||1\r", "100"),
        (b"MSH|^~\\&|A\rMSA|XX|1\r", "103"),
        (b"MSH|^~\\&|A\rMSA||1\r", "103"),
        (b"no answer at all", "100"),
    ],
)
def test_what_is_no_acknowledgement_is_unreadable(raw: bytes, code: str) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        read_acknowledgement(raw)
    assert caught.value.error_code == code


def test_foreign_answers_are_read() -> None:
    answer = read_acknowledgement(b"MSH|^~\\&|A||||||ORR^O02|9|P|2.3\nMSA|aa|X1|fine\nERR|^^^0\nORC|OK\n")
    assert (answer.code, answer.control_id, answer.text) == (AckCode.AA, "X1", "fine")
    assert [(error.code, error.location) for error in answer.errors] == [("0", "")]


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (Hl7Error("x"), AckCode.AE, "207"),
        (ContentError("x"), AckCode.AE, "102"),
        (UnreadableMessage("x"), AckCode.AR, "100"),
        (UnsupportedMessage("x", error_code="203"), AckCode.AR, "203"),
        (TransientError("x"), AckCode.AR, "207"),
    ],
)
def test_every_error_knows_its_answer(error: Hl7Error, code: AckCode, number: str) -> None:
    assert (error.ack_code, error.error_code) == (code, number)
    assert error.error_name != "Application error"
    assert str(error) == "x"


def test_control_ids_differ_and_fit() -> None:
    ids = [new_control_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(re.fullmatch(r"[0-9A-F]{11,20}", found) for found in ids)
