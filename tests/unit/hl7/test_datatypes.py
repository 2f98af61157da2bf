"""Data types read from message parts."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hl7 import ContentError
from hl7.datatypes import (
    Address,
    Coded,
    EntityIdentifier,
    ExtendedIdentifier,
    HierarchicDesignator,
    IdentifiedName,
    PersonLocation,
    PersonName,
    Precision,
    Telephone,
    TimingQuantity,
    parse_dtm,
    read_cnn,
    read_coded,
    read_cx,
    read_ei,
    read_hd,
    read_ndl_name,
    read_pl,
    read_tq,
    read_ts,
    read_xad,
    read_xcn,
    read_xpn,
    read_xtn,
)
from hl7.elements import Component, Field
from hl7.escapes import Escapes

ESCAPES = Escapes()
HOSP = HierarchicDesignator("HOSP", "1.2.3", "ISO")
BERLIN = ZoneInfo("Europe/Berlin")


def field(raw: str) -> Field:
    return Field(raw, ESCAPES)


def component(raw: str) -> Component:
    return Component(raw, ESCAPES)


@pytest.mark.parametrize(
    ("text", "local", "precision", "offset"),
    [
        ("2024", datetime(2024, 1, 1), Precision.YEAR, None),
        ("202407", datetime(2024, 7, 1), Precision.MONTH, None),
        ("20240705", datetime(2024, 7, 5), Precision.DAY, None),
        ("2024070509", datetime(2024, 7, 5, 9), Precision.HOUR, None),
        ("202407050930", datetime(2024, 7, 5, 9, 30), Precision.MINUTE, None),
        ("20240705093015", datetime(2024, 7, 5, 9, 30, 15), Precision.SECOND, None),
        ("20240705093015.5", datetime(2024, 7, 5, 9, 30, 15, 500000), Precision.FRACTION, None),
        ("20240705093015.123456789", datetime(2024, 7, 5, 9, 30, 15, 123456), Precision.FRACTION, None),
        ("20240705093015123", datetime(2024, 7, 5, 9, 30, 15, 123000), Precision.FRACTION, None),
        ("20240705093015+0200", datetime(2024, 7, 5, 9, 30, 15), Precision.SECOND, timedelta(hours=2)),
        ("20240705-0330", datetime(2024, 7, 5), Precision.DAY, -timedelta(hours=3, minutes=30)),
        ("202407052400", datetime(2024, 7, 6), Precision.MINUTE, None),
        ("20241231240000", datetime(2025, 1, 1), Precision.SECOND, None),
        ("20161231235960", datetime(2016, 12, 31, 23, 59, 59), Precision.SECOND, None),
        ("20161231235960.7", datetime(2016, 12, 31, 23, 59, 59), Precision.FRACTION, None),
        ("20240229", datetime(2024, 2, 29), Precision.DAY, None),
    ],
)
def test_dates_and_times(text: str, local: datetime, precision: Precision, offset: timedelta | None) -> None:
    found = parse_dtm(text)
    assert (found.local, found.precision, found.offset, found.text) == (local, precision, offset, text)
    assert found.date == (local.date() if len(text) >= 8 else None)
    assert found.time == (local.time() if precision >= Precision.HOUR else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "20240",
        "20241301",
        "20240230",
        "20230229",
        "2024070525",
        "202407050960",
        "20240705093061",
        "202407052401",
        "20240705T0930",
        "2024-07-05",
        "today",
        "20240705093015.",
        "20240705+02",
        "20240705+2500",
        "20240705+0260",
        "00000000",
        "99991231240000",
        "２０２４",
    ],
)
def test_wrong_dates_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(ContentError) as caught:
        parse_dtm(text)
    assert caught.value.error_code == "102"
    assert len(text) < 3 or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240705093000", datetime(2024, 7, 5, 7, 30, tzinfo=UTC)),
        ("20240105093000", datetime(2024, 1, 5, 8, 30, tzinfo=UTC)),
        ("20240705093000+0000", datetime(2024, 7, 5, 9, 30, tzinfo=UTC)),
        ("20240705", datetime(2024, 7, 4, 22, 0, tzinfo=UTC)),
        ("20240331023000", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),  # skipped: becomes 03:30 summer time
        ("20241027023000", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),  # twice: the first, summer time
    ],
)
def test_moments_in_a_zone(text: str, expected: datetime) -> None:
    moment = parse_dtm(text).at(BERLIN)
    assert moment.astimezone(UTC) == expected
    assert moment.tzinfo is BERLIN


def test_a_skipped_wall_time_moves_forward() -> None:
    assert parse_dtm("20240331023000").at(BERLIN).time() == time(3, 30)


@given(st.datetimes(), st.sampled_from([None, "+0200", "-0330", "+1400"]))
def test_every_datetime_is_read_back(moment: datetime, zone: str | None) -> None:
    found = parse_dtm(f"{moment:%Y%m%d%H%M%S.%f}".rjust(21, "0") + (zone or ""))
    assert found.local == moment
    assert (found.offset is None) == (zone is None)


@given(st.text(alphabet="0123456789.+- T", max_size=26))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        found = parse_dtm(text)
    except ContentError:
        return
    assert found.text == text
    assert (found.date is None) == (found.precision < Precision.DAY)


NAMES = [
    ("MEIER^EVA^MARIA^jr^Dr.^MD^L^A", PersonName("MEIER", "EVA", "MARIA", "jr", "Dr.", "MD", "L", "A")),
    ("van Beek&van&Beek^Jan", PersonName("van Beek", "Jan")),
    ("&van&Beek^Jan", PersonName("van Beek", "Jan")),
    ("&&Beek", PersonName("Beek")),
    ("DOE, JOHN", PersonName("DOE, JOHN")),
    ("O\\T\\BRIEN^ ^X", PersonName("O&BRIEN", "", "X")),
    ("^EVA", PersonName("", "EVA")),
    ("MEIER~MAIER", PersonName("MEIER")),
    ('""', None),
    ('""^""', None),
    ("^^^^Dr.", None),
    ("", None),
]


@pytest.mark.parametrize(("raw", "name"), NAMES)
def test_xpn(raw: str, name: PersonName | None) -> None:
    assert read_xpn(field(raw)) == name
    assert read_xpn(field(raw).repetition(1)) == name


def test_xpn_in_subcomponents() -> None:
    assert read_xpn(component("MEIER&EVA&M&jr&Dr.")) == PersonName("MEIER", "EVA", "M", "jr", "Dr.")


DOCTOR = PersonName("ROE", "RICHARD", "B", "sr", "Prof.", "MD")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("1234^ROE^RICHARD^B^sr^Prof.^MD", IdentifiedName("1234", DOCTOR)),
        (
            "1234^ROE^^^^^^^HOSP&1.2.3&ISO^L^^^NPI^WARD^A",
            IdentifiedName(
                "1234",
                PersonName("ROE", type_code="L", representation="A"),
                HOSP,
                "NPI",
                HierarchicDesignator("WARD"),
            ),
        ),
        ("1234", IdentifiedName("1234")),
        ("^ROE&&^R", IdentifiedName("", PersonName("ROE", "R"))),
        ("^^^^^Prof.", None),
        ("", None),
    ],
)
def test_xcn(raw: str, name: IdentifiedName | None) -> None:
    assert read_xcn(field(raw)) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("1234&ROE&RICHARD&B&sr&Prof.&MD&&HOSP&1.2.3&ISO^20240705", IdentifiedName("1234", DOCTOR, HOSP)),
        ("1234&ROE&RICHARD&B&sr&Prof.&MD", IdentifiedName("1234", DOCTOR)),
        ("1234^ROE^RICHARD^B^sr^Prof.^MD", IdentifiedName("1234", DOCTOR)),
        ("1234^20240705093000", IdentifiedName("1234")),
        ("1234", IdentifiedName("1234")),
        ("^ROE^R", IdentifiedName("", PersonName("ROE", "R"))),
        ("", None),
    ],
)
def test_names_in_ndl(raw: str, name: IdentifiedName | None) -> None:
    assert read_ndl_name(field(raw)) == name


def test_xcn_and_cnn_in_subcomponents() -> None:
    assert (
        read_xcn(component("1&ROE&R")) == read_cnn(component("1&ROE&R")) == IdentifiedName("1", PersonName("ROE", "R"))
    )
    assert read_cnn(component("")) is None


@pytest.mark.parametrize(
    ("raw", "identifier"),
    [
        ("4711", ExtendedIdentifier("4711")),
        ("0042 A", ExtendedIdentifier("0042 A")),
        ("4711^9^M11^HOSP&1.2.3&ISO^MR", ExtendedIdentifier("4711", "9", "M11", HOSP, "MR")),
        (
            "1^^^A^PI^F&2.1&ISO^20240101^20251231^CH&Switzerland&I3166^ARMY",
            ExtendedIdentifier(
                "1",
                authority=HierarchicDesignator("A"),
                type_code="PI",
                facility=HierarchicDesignator("F", "2.1", "ISO"),
                effective_date="20240101",
                expiration_date="20251231",
                jurisdiction=Coded("CH", "Switzerland", "I3166"),
                agency=Coded("ARMY"),
            ),
        ),
        ("^^^HOSP", None),
        ('""', None),
        ("", None),
    ],
)
def test_cx(raw: str, identifier: ExtendedIdentifier | None) -> None:
    assert read_cx(field(raw)) == identifier


def test_cx_in_subcomponents() -> None:
    found = read_cx(component("1&2&M10&HOSP&MR"))
    assert found == ExtendedIdentifier("1", "2", "M10", HierarchicDesignator("HOSP"), "MR")


@pytest.mark.parametrize(
    ("raw", "identifier"),
    [
        ("P100^HOSP^1.2.3^ISO", EntityIdentifier("P100", HOSP)),
        ("P100", EntityIdentifier("P100")),
        ("^HIS", None),
        ("", None),
    ],
)
def test_ei(raw: str, identifier: EntityIdentifier | None) -> None:
    assert read_ei(field(raw)) == identifier
    assert read_ei(component(raw.replace("^", "&"))) == identifier


def test_hd() -> None:
    assert read_hd(field("HOSP^1.2.3^ISO")) == HOSP
    assert not read_hd(field("^^ISO"))
    assert read_hd(field("^1.2"))


@pytest.mark.parametrize(
    ("raw", "coded", "meaning"),
    [
        ("CT1^CT head^LOCAL", Coded("CT1", "CT head", "LOCAL"), "CT head"),
        (
            "CT1^CT head^LOCAL^ALT^Other^99RIS^2^3^as typed",
            Coded("CT1", "CT head", "LOCAL", "2", "as typed", Coded("ALT", "Other", "99RIS", "3")),
            "CT head",
        ),
        ("^free text", Coded("", "free text"), "free text"),
        ("CT1", Coded("CT1"), "CT1"),
        ("CT1^^^^^^^^typed", Coded("CT1", original_text="typed"), "typed"),
        ("^^^A^B^C", Coded("", alternate=Coded("A", "B", "C")), ""),
    ],
)
def test_coded(raw: str, coded: Coded, meaning: str) -> None:
    assert read_coded(field(raw)) == coded
    assert coded.meaning == meaning


@pytest.mark.parametrize("raw", ["", "^^LOCAL", '""', "  ^  "])
def test_nothing_coded(raw: str) -> None:
    assert read_coded(field(raw)) is None


def test_places() -> None:
    location = read_pl(field("W1^101^2^HOSP&1.2.3&ISO^U^N^B7^3^Ward one"))
    assert location == PersonLocation("W1", "101", "2", HOSP, "U", "N", "B7", "3", "Ward one")
    assert read_pl(component("W1&101&2&HOSP")) == PersonLocation("W1", "101", "2", HierarchicDesignator("HOSP"))
    assert read_pl(field("^^^^U")) is None


def test_addresses() -> None:
    raw = "Fjordveien 3&Fjordveien&3^2nd floor^Bergen^VL^5003^NO^H"
    assert read_xad(field(raw)) == Address("Fjordveien 3", "2nd floor", "Bergen", "VL", "5003", "NO", "H")
    assert read_xad(field("^^^^^^H")) is None


@pytest.mark.parametrize(
    ("raw", "telephone"),
    [
        ("031 123 45 67^PRN^PH", Telephone("031 123 45 67", "", "PRN", "PH")),
        ("^NET^Internet^eva@example.org", Telephone("", "eva@example.org", "NET", "Internet")),
        ("^PRN^PH^^41^31^1234567^89", Telephone("+41 31 1234567 x89", "", "PRN", "PH")),
        ("^^^^+41^^1234567", Telephone("+41 1234567")),
        ("old^^^^41^31^1^^^^^new", Telephone("new")),
        ("^PRN^PH", None),
        ("^^^^41", None),
        ("", None),
    ],
)
def test_telephones(raw: str, telephone: Telephone | None) -> None:
    assert read_xtn(field(raw)) == telephone


def test_timing() -> None:
    expected = TimingQuantity("1", "", "M30", "20240705093000", "20240705100000", "S", "cond", "text")
    assert read_tq(field("1^^M30^20240705093000^20240705100000^S^cond^text")) == expected
    assert read_tq(field("1&unit^^^bad date^^R")) == TimingQuantity("1", start="bad date", priority="R")
    assert read_tq(field("^^^")) is None
    assert read_ts(field("20240705^D")) == parse_dtm("20240705")
    assert read_ts(component("20240705&S")) == parse_dtm("20240705")
    assert read_ts(field('""')) is None


def test_no_content_shows() -> None:
    shown = "".join(
        map(
            repr,
            [
                read_xpn(field("MEIER^EVA")),
                read_cx(field("4711^9")),
                read_xad(field("STR 1^^BERN")),
                read_xtn(field("031123")),
                parse_dtm("19700131"),
            ],
        )
    )
    assert not any(text in shown for text in ("MEIER", "EVA", "4711", "STR 1", "BERN", "031123", "19700131"))
