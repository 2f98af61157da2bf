"""Outgoing messages: escaped, encoded, complete, read back by us and by hl7apy."""

from datetime import datetime, timedelta, timezone

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from hl7 import NULL, ContentError, Presence, parse
from hl7.build import MessageBuilder, Repeated
from hl7.validation import VERSIONS, check

NOW = datetime(2024, 7, 5, 8, 0, tzinfo=timezone(timedelta(hours=2)))


def status_message(version: str = "2.3.1", charset: str = "UNICODE UTF-8") -> MessageBuilder:
    builder = MessageBuilder("ORM", "O01", version=version, charset=charset, control_id="C1")
    builder.header(sending_application="BROKER", receiving_application=("RIS", "1.2", "ISO"), timestamp=NOW)
    builder.segment(
        "PID", {3: Repeated([("4711", None, None, ("HOSP", "1.2.3", "ISO"), "MR"), "33"]), 5: ("Ö&H|M^", "E\nF")}
    )
    for number in (1, 2):
        builder.segment("ORC", ["SC", (f"P{number}", "HIS"), None, None, "CM"])
        builder.segment("OBR", {1: number, 4: ("CT", "head", "L"), 18: f"A{number}"})
        builder.segment("ZDS", [(f"1.2.{number}", "RIS", "Application", "DICOM")])
    return builder


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "2.1"])
def test_what_is_built_is_read_back(version: str) -> None:
    message = parse(status_message(version).to_bytes())
    assert [segment.name for segment in message] == ["MSH", "PID", *["ORC", "OBR", "ZDS"] * 2]
    assert (message.sending_application, message.receiving_application, message.text("MSH-5.2")) == (
        "BROKER",
        "RIS",
        "1.2",
    )
    assert (message.control_id, message.version, message.timestamp) == ("C1", version, "20240705080000+0200")
    assert (message.text("PID-5.1"), message.text("PID-5.2")) == ("Ö&H|M^", "E\nF")
    assert message.values("PID-3*.1") == ("4711", "33")
    assert message.text("PID-3.4.2") == "1.2.3"
    assert message.values("ZDS*-1.1") == ("1.2.1", "1.2.2")
    assert message.values("OBR*-18") == ("A1", "A2")
    assert message.structure == ("ORM_O01" if "2.4" <= version < "2.7" else "")


def test_hl7apy_reads_the_same() -> None:
    message = status_message()
    foreign = parse_message(message.to_bytes().decode(), find_groups=False, validation_level=VALIDATION_LEVEL.TOLERANT)
    assert [child.name for child in foreign.children] == [segment.name for segment in parse(message.to_bytes())]
    assert foreign.pid.pid_5.pid_5_1.value == r"Ö\T\H\F\M\S" + "\\"
    assert foreign.zds[1].zds_1.value == "1.2.2^RIS^Application^DICOM"


def test_what_is_built_conforms() -> None:
    assert check(parse(status_message().to_bytes())) == []


def test_null_and_nothing_differ() -> None:
    builder = MessageBuilder("ADT", "A08", version="2.5.1").segment("PID", {3: "1", 7: NULL, 8: None, 5: ("X", NULL)})
    message = parse(builder.to_bytes())
    assert [message.state(path) for path in ("PID-7", "PID-8", "PID-5.2")] == [
        Presence.NULL,
        Presence.ABSENT,
        Presence.NULL,
    ]
    assert message.structure == "ADT_A01"
    assert message.processing_id == "P"
    assert message.control_id == builder.control_id


def test_structure_and_header_fields_can_be_given() -> None:
    builder = MessageBuilder("ORU", "R01", version="2.3.1", structure="ORU_R01")
    message = parse(builder.header(processing_id="T", fields={15: "NE", 16: "AL"}).to_bytes())
    assert (message.structure, message.processing_id) == ("ORU_R01", "T")
    assert (message.accept_acknowledgement, message.application_acknowledgement) == ("NE", "AL")


@pytest.mark.parametrize(
    ("charset", "codec", "label"),
    [
        ("", "ascii", ""),
        ("8859/1", "latin_1", "8859/1"),
        ("ISO-8859-2", "iso8859_2", "8859/2"),
        ("UTF-8", "utf_8", "UNICODE UTF-8"),
    ],
)
def test_character_sets(charset: str, codec: str, label: str) -> None:
    raw = MessageBuilder("ADT", "A08", charset=charset).segment("PID", {5: "Ö" if charset else "O"}).to_bytes()
    assert raw.decode(codec)
    assert parse(raw).text("PID-5") == ("Ö" if charset else "O")
    assert parse(raw).text("MSH-18") == label


def test_text_that_does_not_fit_is_refused_without_showing_it() -> None:
    builder = MessageBuilder("ADT", "A08", charset="8859/1").segment("PID", {5: "MEIER"}).segment("NTE", {3: "山田"})
    with pytest.raises(ContentError) as caught:
        builder.to_bytes()
    assert str(caught.value).startswith("NTE: ")
    assert "山" not in str(caught.value)


@pytest.mark.parametrize(
    ("action", "hint"),
    [
        (lambda: MessageBuilder("ADT", "A08", version="2.9"), "none of the HL7 versions"),
        (lambda: MessageBuilder("ADT", "A08", charset="KLINGON"), "table 0211"),
        (lambda: MessageBuilder("ORM", "O01").segment("IPC", {1: "x"}), "no segment IPC"),
        (lambda: MessageBuilder("ORM", "O01").segment("ORC", {99: "x"}), "fields 1 to"),
        (lambda: MessageBuilder("ORM", "O01").segment("ORC", {0: "x"}), "fields 1 to"),
    ],
)
def test_mistakes_of_the_program_are_refused(action: object, hint: str) -> None:
    assert callable(action)
    with pytest.raises(ValueError, match=hint):
        action()


CLEAN = st.text(max_size=30).map(lambda text: text.replace("\r\n", "\n").replace("\r", "\n").strip(" "))


@given(CLEAN.filter(lambda text: text and text != NULL), CLEAN.filter(lambda text: text != NULL))
def test_any_text_comes_back(first: str, second: str) -> None:
    builder = MessageBuilder("ADT", "A08", charset="UTF-8").segment("PID", {5: ("x", first, second)})
    message = parse(builder.to_bytes())
    assert message.text("PID-5.2") == first
    assert message.text("PID-5.3") == second
