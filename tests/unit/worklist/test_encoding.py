"""Answers as bytes: the same as pydicom writes, exactly what was asked for, in a set that can say it."""

import zlib
from io import BytesIO

import pytest
from pydicom.charset import convert_encodings
from pydicom.valuerep import PersonName
from pynetdicom.dsutils import decode as read_back

from broker.dicom import datasets, identifiers
from broker.dicom.charset import ASCII, Charset, charset, choices
from broker.dicom.encoded_items import EncodedItems, Key
from broker.dicom.encoding import encoder
from broker.dicom.identifiers import ROOT_BY_TAG, whole
from broker.dicom.plain import from_dataset
from broker.dicom.texts import TextDecoder
from broker.domain.attributes import SPS_SEQUENCE, SPS_SEQUENCE_TAG, STEP_LEVEL, TABLE, Level
from broker.domain.fitting import ItemUnfitError, fitting
from tests.support.worklist import pydicom_bytes

EVERYTHING = whole({a.keyword: a for a in ROOT_BY_TAG.values()})
SYNTAXES = datasets.TRANSFER_SYNTAXES
UTF_8 = choices("", "", "")


SAMPLES = {"DA": "20240705", "TM": "103000", "DS": "1.5", "US": 2, "UI": "1.2.3", "AS": "031Y", "PN": "DOE^JANE"}


def full_document() -> dict:
    """Every attribute of the table, with a value of its VR."""

    def level(attributes) -> dict:
        return {a.keyword: [level(a.items.values())] if a.is_sequence else SAMPLES.get(a.vr, "X") for a in attributes}

    root = level(a for a in TABLE.values() if a.level is not Level.STEP)
    return {**root, SPS_SEQUENCE: [level(STEP_LEVEL.values())]}


@pytest.mark.parametrize("uid", SYNTAXES)
def test_a_full_item_is_written_as_pydicom_writes_it(uid: str) -> None:
    written = encoder(EVERYTHING, uid, UTF_8).encode(full_document())
    if uid == datasets.DEFLATED_LITTLE:
        written = zlib.decompress(written, -15)
    assert written == pydicom_bytes(full_document(), uid)


@pytest.mark.parametrize("uid", SYNTAXES)
@pytest.mark.parametrize("name", ["MÜLLER^Jörg", "Иванов^Иван", "Yamada^Tarou=山田^太郎=やまだ^たろう", "قباني^لنزار"])
def test_unicode_names_are_written_as_pydicom_writes_them(uid: str, name: str) -> None:
    attributes = {"PatientName": name, "PatientID": "4711", "MedicalAlerts": ["Pénicilline", "X"]}
    shape = tuple(sorted((identifiers.tag_of(k) or 0, ()) for k in attributes))
    written = encoder(shape, uid, UTF_8).encode(attributes)
    if uid == datasets.DEFLATED_LITTLE:
        written = zlib.decompress(written, -15)
    assert written == pydicom_bytes({"SpecificCharacterSet": "ISO_IR 192", **attributes}, uid)


def test_only_what_was_asked_for_comes_back() -> None:
    shape = ((0x00080050, ()), (0x00100010, ()), (SPS_SEQUENCE_TAG, ((0x00400009, ()),)))
    item = decoded(encoder(shape, datasets.EXPLICIT_LITTLE, UTF_8).encode(full_document()))
    assert item == {"AccessionNumber": "X", "PatientName": "DOE^JANE",
                    SPS_SEQUENCE: [{"ScheduledProcedureStepID": "X"}]}  # fmt: skip


def decoded(data: bytes) -> dict:
    return from_dataset(read_back(BytesIO(data), False, True))


EMPTY = [
    # keyword, what comes back of it when it has no value
    ("AccessionNumber", ""),
    ("ReferringPhysicianName", ""),
    ("ReferencedStudySequence", []),
    ("PregnancyStatus", ""),
    ("StudyDate", ""),
    ("RequestedProcedureCodeSequence", None),
    ("RequestedProcedureDescription", None),
]


@pytest.mark.parametrize(("keyword", "expected"), EMPTY)
def test_attributes_without_a_value(keyword: str, expected: object) -> None:
    """Type 2 and 3 come back empty when asked for, the either-or pairs (1C) do not come back."""
    tag = identifiers.tag_of(keyword)
    assert tag is not None
    written = encoder(((tag, whole(TABLE[keyword].items)),), datasets.EXPLICIT_LITTLE, UTF_8).encode({})
    assert decoded(written) == ({} if expected is None else {keyword: expected})


def test_an_empty_reference_leaves_the_sequence_empty() -> None:
    shape = ((0x00081110, whole(TABLE["ReferencedStudySequence"].items)),)
    written = encoder(shape, datasets.EXPLICIT_LITTLE, UTF_8).encode({"ReferencedStudySequence": [{}]})
    assert decoded(written) == {"ReferencedStudySequence": []}


FITTING = [
    ("RequestedProcedureDescription", "x" * 70, "x" * 64),
    ("RequestedProcedureDescription", "a\\b\r\nc", "a/b  c"),
    ("RequestedProcedureComments", "a\\b\r\nc\x07", "a\\b\r\nc "),
    ("PatientName", "A" * 70 + "^B=" + "山" * 70, "A" * 64 + "=" + "山" * 64),
]


@pytest.mark.parametrize(("keyword", "value", "expected"), FITTING)
def test_descriptions_are_cut_to_length(keyword: str, value: str, expected: str) -> None:
    assert fitting(TABLE[keyword], value) == expected


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("AccessionNumber", "x" * 17), ("PatientID", "x" * 65), ("StudyInstanceUID", "1." * 40 + "1"),
     ("Modality", "x" * 17), ("PregnancyStatus", 70000), ("Modality", "É"), ("StudyInstanceUID", "1.2.é")],
)  # fmt: skip
def test_numbers_and_codes_are_never_cut(keyword: str, value: object) -> None:
    attribute = TABLE[keyword]
    document: dict = {SPS_SEQUENCE: [{keyword: value}]} if attribute.level is Level.STEP else {keyword: value}
    with pytest.raises(ItemUnfitError):
        encoder(EVERYTHING, datasets.EXPLICIT_LITTLE, UTF_8).encode(document)


NAMES = [
    ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 101", "Dvořák^Jiří"), ("ISO_IR 144", "Люксембург^Иван"),
    ("ISO_IR 126", "Διονυσιος"), ("ISO_IR 127", "قباني^لنزار"), ("ISO_IR 138", "שרון^דבורה"),
    ("ISO_IR 148", "Çavuşoğlu"), ("ISO_IR 166", "ไทย"), ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"), ("ISO_IR 192", "山田^太郎"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("GBK", "Wang^XiaoDong=王^小东"), ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"), ("\\ISO 2022 IR 159", "Ding=丂"),
    ("\\ISO 2022 IR 100\\ISO 2022 IR 144", "Müller Иван^x"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "name"), NAMES)
def test_what_is_written_is_read_back(term: str, name: str) -> None:
    known = charset(term)
    assert known is not None
    decoder = TextDecoder(term.split("\\"))
    assert decoder.decode(known.encode(name, name=True), name=True) == name
    assert not decoder.faulty


#: pydicom takes the escape sequences of IR 58 for handled by Python, which they are not
@pytest.mark.parametrize(("term", "name"), [c for c in NAMES if "58" not in c[0]])
def test_what_is_written_is_read_back_by_pydicom(term: str, name: str) -> None:
    known = charset(term)
    assert known is not None
    assert str(PersonName(known.encode(name, name=True), convert_encodings(term.split("\\")))) == name


STANDARD_EXAMPLES = [
    # PS3.5 section H.3, with and without JIS X 0201
    ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう",
     b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
     b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"),
    # PS3.5 section I.2
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동",
     b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"),
    # PS3.5 section K.2
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东=", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="),
]  # fmt: skip


@pytest.mark.parametrize(("term", "name", "expected"), STANDARD_EXAMPLES)
def test_the_standards_examples(term: str, name: str, expected: bytes) -> None:
    known = charset(term)
    assert known is not None
    assert known.encode(name, name=True) == expected


@pytest.mark.parametrize(
    ("term", "text"),
    [("ISO_IR 100", "山"), ("ISO_IR 144", "é"), ("\\ISO 2022 IR 87", "é"), ("ISO_IR 13", "山"), ("ISO_IR 6", "é"),
     ("\\ISO 2022 IR 149", "é山")],
)  # fmt: skip
def test_a_character_is_never_lost(term: str, text: str) -> None:
    known = charset(term)
    assert known is not None
    with pytest.raises(UnicodeEncodeError):
        known.encode(text)


CHOICES = [
    # device, request, site, name, the set of the answer
    ("", "", "ISO_IR 192", "DOE", ""),
    ("", "ISO_IR 100", "ISO_IR 192", "DOE", ""),
    ("", "ISO_IR 100", "ISO_IR 192", "MÜLLER", "ISO_IR 100"),
    ("", "ISO_IR 100", "ISO_IR 192", "山田", "ISO_IR 192"),
    ("", "", "ISO_IR 100", "MÜLLER", "ISO_IR 100"),
    ("", "no such set", "ISO_IR 192", "MÜLLER", "ISO_IR 192"),
    ("", "\\ISO 2022 IR 87", "ISO_IR 192", "山田", "\\ISO 2022 IR 87"),
    ("ISO_IR 144", "ISO_IR 100", "ISO_IR 192", "Иванов", "ISO_IR 144"),
    ("ISO_IR 100", "ISO_IR 192", "ISO_IR 192", "Łukasz", "ISO_IR 100"),
    ("ISO_IR 100", "ISO_IR 192", "ISO_IR 192", "山田", "ISO_IR 192"),
    ("ISO_IR 6", "ISO_IR 192", "ISO_IR 192", "MÜLLER", ""),
]


@pytest.mark.parametrize(("device", "request_set", "site", "name", "expected"), CHOICES)
def test_the_set_of_an_answer(device: str, request_set: str, site: str, name: str, expected: str) -> None:
    written = encoder(((0x00100010, ()),), datasets.EXPLICIT_LITTLE, choices(device, request_set, site)).encode(
        {"PatientName": name}
    )
    terms = decoded(written).get("SpecificCharacterSet", "")
    assert ("\\".join(terms) if isinstance(terms, list) else terms) == expected
    assert b"?" not in written


def test_accents_are_left_out_before_utf_8_is_used() -> None:
    plain = Charset("ISO_IR 100", ("latin_1",), transliterates=True)
    assert plain.encode("Łukasz Ğuler é") == "Lukasz Guler é".encode("latin-1")
    assert ASCII.encode("DOE") == b"DOE"


def test_encoded_items_are_made_once_and_bounded() -> None:
    writer = encoder(((0x00100010, ()),), datasets.EXPLICIT_LITTLE, UTF_8)
    kept = EncodedItems(limit=100)
    made = []

    def make() -> bytes:
        made.append(1)
        return b"x" * 40

    keys = [Key(n, 1, writer) for n in range(3)]
    for key in (keys[0], keys[0], keys[1], keys[0], keys[2]):
        kept.get(key, make)
    assert len(made) == 3
    assert kept.size == 80
    kept.get(keys[0], make)
    assert len(made) == 3
    kept.get(keys[1], make)
    assert len(made) == 4
    kept.get(Key(0, 2, writer), make)
    assert len(made) == 5
