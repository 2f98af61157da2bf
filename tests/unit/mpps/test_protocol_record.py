"""The protocol record: every section, read from data sets as devices send them."""

from broker.domain.protocol_record import Entry, Section, by_section, read

IMAGE = {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}, "00081155": {"vr": "UI", "Value": ["1.2.3"]}}


def sq(*items: object) -> dict[str, object]:
    return {"vr": "SQ", "Value": list(items)}


def one(vr: str, *values: object) -> dict[str, object]:
    return {"vr": vr, "Value": list(values)}


def code(value: str, meaning: str, scheme: str = "99ISR") -> dict[str, dict[str, object]]:
    return {"00080100": one("SH", value), "00080102": one("SH", scheme), "00080104": one("LO", meaning)}


SERIES = {
    "0008103E": one("LO", "Thorax 1.0"), "00181030": one("LO", "THORAX KM"), "0020000E": one("UI", "1.2.9"),
    "00081070": one("PN", {"Alphabetic": "CURIE^Marie"}), "00081140": sq(IMAGE, IMAGE, IMAGE),
    "00400220": sq(IMAGE), "00180010": one("LO", "Ultravist 370"), "00181041": one("DS", 80),
}  # fmt: skip
WHOLE: dict[str, dict[str, object]] = {
    "00400340": sq(SERIES),
    "0018115E": one("DS", 12.5), "00408302": one("DS", "3.1"), "00400303": one("US", 240, 300),
    "00400310": one("ST", "two attempts"), "00400300": one("US", 42),
    "0040030E": sq({"00180060": one("DS", 120), "00181150": one("IS", 500)}),
    "00180012": sq(code("C-B0322", "Iodinated contrast", "SRT")),
    "00400324": sq({
        "00400296": sq(code("CATH5F", "Catheter 5F")),
        "00400293": sq({"00400294": one("DS", 2), "00400295": sq(code("{piece}", "piece", "UCUM"))}),
    }),
    "00400321": sq({"21000170": one("IS", 3), "20000030": one("CS", "BLUE FILM"), "20100050": one("CS", "14INX17IN")}),
    "00400320": sq(code("B100", "CT thorax, billing")),
    "00081032": sq(code("CTTHORAX", "CT thorax")),
}  # fmt: skip
EXPECTED = {
    Section.SERIES: [Entry(Section.SERIES, "Thorax 1.0", "4", "instances", "1.2.9", "", "THORAX KM; CURIE Marie")],
    Section.DOSE: [
        Entry(Section.DOSE, "Area dose product", "12.5", "dGy·cm²"),
        Entry(Section.DOSE, "Entrance dose", "3.1", "mGy"),
        Entry(Section.DOSE, "Total time of fluoroscopy", "42", "s"),
        Entry(Section.DOSE, "Exposed area", "240 × 300", "mm"),
        Entry(Section.DOSE, "Comment on dose", "two attempts"),
        Entry(Section.DOSE, "kVp", "120", "kV", note="exposure 1"),
        Entry(Section.DOSE, "Exposure time", "500", "ms", note="exposure 1"),
    ],
    Section.CONTRAST: [
        Entry(Section.CONTRAST, "Iodinated contrast", code="C-B0322", scheme="SRT"),
        Entry(Section.CONTRAST, "Ultravist 370", note="series 1"),
        Entry(Section.CONTRAST, "Contrast volume", "80", "ml", note="series 1"),
    ],
    Section.CONSUMABLE: [
        Entry(Section.CONSUMABLE, "Catheter 5F", "2", "{piece}", "CATH5F", "99ISR"),
        Entry(Section.CONSUMABLE, "Blue film", "3", "films", note="14INX17IN"),
    ],
    Section.BILLING: [Entry(Section.BILLING, "CT thorax, billing", code="B100", scheme="99ISR")],
    Section.PROCEDURE: [Entry(Section.PROCEDURE, "CT thorax", code="CTTHORAX", scheme="99ISR")],
}  # fmt: skip


def test_every_section_of_a_whole_record() -> None:
    assert dict(by_section(read(WHOLE))) == EXPECTED


def test_an_exam_that_reports_nothing_has_no_record() -> None:
    assert read({}) == ()
    assert by_section(()) == {}


def test_sequences_without_items_and_codes_without_meaning() -> None:
    bare: dict[str, dict[str, object]] = {
        "00400324": sq({}), "00400321": {"vr": "SQ"}, "00081032": sq({"00080100": one("SH", "X1")}),
        "00400340": sq({}),
    }  # fmt: skip
    assert read(bare) == (
        Entry(Section.SERIES, "Series 1", "0", "instances"), Entry(Section.PROCEDURE, "X1", code="X1"),
    )  # fmt: skip
