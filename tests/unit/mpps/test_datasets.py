"""Encoded data sets and the DICOM JSON Model: against pydicom, byte by byte, cut short, and hostile."""

import contextlib
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from broker.dicom import datasets
from broker.dicom.datasets import (
    DEFLATED_LITTLE,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    DatasetError,
    decode,
    encode,
)
from broker.dicom.texts import TextDecoder
from broker.domain import dicom_json
from broker.domain.performed_table import TABLE, TAG
from tests.support.exams import create, dataset, final

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "dicom" / "mpps"
WHOLE = dataset(create() | final())
PLAIN_SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]


def by_pydicom(ds: Dataset, syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR = syntax == IMPLICIT_LITTLE
    buffer.is_little_endian = syntax != EXPLICIT_BIG
    write_dataset(buffer, ds)
    return buffer.getvalue()


@pytest.fixture
def rich() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = "山田^太郎=やまだ^たろう"
    ds.PatientID = "4711"
    ds.EntranceDose = 7
    ds.ExposedArea = [3, 4]
    ds.EntranceDoseInmGy = "1.50"
    ds.CommentsOnRadiationDose = "one\\line"
    ds.FailureAttributes = [0x00100010]
    ds.ExposureTimeInms = 1.25
    ds.add_new(0x00091001, "UN", b"\x00\x01")
    item = Dataset()
    item.StudyInstanceUID = "1.2.3"
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3.4"
    item.ReferencedStudySequence = [inner]
    ds.ScheduledStepAttributesSequence = [item, Dataset()]
    ds.PerformedSeriesSequence = []
    return ds


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_reads_what_pydicom_writes(rich: Dataset, syntax: str, undefined: bool) -> None:
    rich["ScheduledStepAttributesSequence"].is_undefined_length = undefined
    for item in rich.ScheduledStepAttributesSequence:
        item.is_undefined_length_sequence_item = undefined
    found = decode(by_pydicom(rich, syntax), syntax)
    assert not found.faulty_text
    expected = rich.to_json_dict(suppress_invalid_tags=False)
    expected["00408302"]["Value"] = ["1.50"]  # as sent, where pydicom makes a number of it
    assert found.dataset == {key: _trimmed(element) for key, element in expected.items()}


def _trimmed(element: object) -> object:
    """pydicom writes empty elements as they are; empty values and groups are left out of the comparison."""
    if isinstance(element, dict):
        return {k: _trimmed(v) for k, v in element.items() if v not in ([], "")}
    if isinstance(element, list):
        return [_trimmed(v) for v in element]
    return element


@pytest.mark.parametrize("syntax", PLAIN_SYNTAXES)
def test_writes_what_pydicom_reads(rich: Dataset, syntax: str) -> None:
    first = decode(by_pydicom(rich, syntax), syntax).dataset
    assert decode(encode(first, syntax), syntax).dataset == first
    assert encode(first, syntax) == by_pydicom(rich, syntax)


def test_words_are_swapped_for_big_endian() -> None:
    words = {"00091001": {"vr": "OW", "InlineBinary": "AQIDBA=="}}
    assert encode(words, EXPLICIT_LITTLE)[-4:] == b"\x01\x02\x03\x04"
    assert encode(words, EXPLICIT_BIG)[-4:] == b"\x02\x01\x04\x03"
    assert decode(encode(words, EXPLICIT_BIG), EXPLICIT_BIG).dataset == words


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_an_exam_survives_every_transfer_syntax(syntax: str) -> None:
    found = decode(encode(WHOLE, syntax), syntax)
    assert found.dataset == WHOLE | {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    assert not found.faulty_text


def test_ascii_needs_no_character_set() -> None:
    plain = dataset(create(PatientName="MEIER^Eva"))
    assert decode(encode(plain, EXPLICIT_LITTLE), EXPLICIT_LITTLE).dataset == plain


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_every_prefix_is_refused_or_a_whole_number_of_elements(syntax: str) -> None:
    """A data set that is cut within an element never passes for a shorter one."""
    data = encode(WHOLE, syntax)
    whole = decode(data, syntax).dataset
    passed = 0
    for length in range(len(data)):
        with contextlib.suppress(DatasetError):
            found = decode(data[:length], syntax).dataset
            assert all(whole[key] == element for key, element in found.items())
            assert len(found) < len(whole)
            passed += 1
    assert passed == (0 if syntax == DEFLATED_LITTLE else len(whole))


@given(st.binary(max_size=300), st.sampled_from(TRANSFER_SYNTAXES))
def test_arbitrary_bytes_are_refused_in_one_way_only(data: bytes, syntax: str) -> None:
    with contextlib.suppress(DatasetError):
        encode(decode(data, syntax).dataset, syntax)


@given(st.integers(0, len(encode(WHOLE, EXPLICIT_LITTLE)) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_in_one_way_only(at: int, value: int) -> None:
    data = bytearray(encode(WHOLE, EXPLICIT_LITTLE))
    data[at] = value
    with contextlib.suppress(DatasetError):
        encode(decode(bytes(data), EXPLICIT_LITTLE).dataset, EXPLICIT_LITTLE)


def _implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


SEQUENCE = TAG["ScheduledStepAttributesSequence"]
HOSTILE = {
    "longer than the data": _implicit(0x00100020, b"4711", 400),
    "half a header": b"\x10\x00\x20\x00",
    "command group": _implicit(0x00000002, b"1.2 "),
    "file meta group": _implicit(0x00020010, b"1.2 "),
    "item without sequence": _implicit(0xFFFEE000, b""),
    "sequence without end": _implicit(SEQUENCE, b"", 0xFFFFFFFF),
    "sequence longer than the data": _implicit(SEQUENCE, b"", 8),
    "no item in a sequence": _implicit(SEQUENCE, _implicit(0x00100020, b"4711")),
    "item longer than its sequence": _implicit(SEQUENCE, _implicit(0xFFFEE000, b"", 8)),
    "item without end": _implicit(SEQUENCE, _implicit(0xFFFEE000, b"", 0xFFFFFFFF)),
    "three bytes of US": _implicit(TAG["EntranceDose"], b"abc"),
    "endless nesting": (_implicit(SEQUENCE, b"", 0xFFFFFFFF) + _implicit(0xFFFEE000, b"", 0xFFFFFFFF)) * 2000,
    "undefined length of text": _implicit(0x00100020, b"4711", 0xFFFFFFFF),
}  # fmt: skip


@pytest.mark.parametrize("case", list(HOSTILE))
def test_hostile_data_sets(case: str) -> None:
    with pytest.raises(DatasetError) as caught:
        decode(HOSTILE[case], IMPLICIT_LITTLE)
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize("vr", ["XX", "\0\0", "sq"])
def test_an_invalid_value_representation(vr: str) -> None:
    data = struct.pack("<HH", 0x0010, 0x0020) + vr.encode() + struct.pack("<H", 0) + b"\0" * 4
    with pytest.raises(DatasetError):
        decode(data, EXPLICIT_LITTLE)


def test_a_deflate_bomb_is_refused() -> None:
    bomb = zlib.compressobj(wbits=-15)
    data = bomb.compress(b"\0" * 1_000_000) + bomb.flush()
    with pytest.raises(DatasetError, match="too large"):
        decode(data, DEFLATED_LITTLE, 100_000)


def test_an_unknown_transfer_syntax() -> None:
    with pytest.raises(DatasetError):
        decode(b"", "1.2.840.10008.1.2.4.50")


def test_group_lengths_are_dropped_and_empty_is_no_value() -> None:
    data = _implicit(0x00100000, b"\0\0\0\0") + _implicit(0x00100020, b"  ") + _implicit(0x00100030, b"")
    assert decode(data, IMPLICIT_LITTLE).dataset == {"00100020": {"vr": "LO"}, "00100030": {"vr": "DA"}}


def test_what_is_not_a_number_stays_readable() -> None:
    data = struct.pack("<HH2sHd", 0x0018, 0x9328, b"FD", 8, float("nan"))
    assert decode(data, EXPLICIT_LITTLE).dataset["00189328"]["Value"] == ["nan"]
    assert encode(decode(data, EXPLICIT_LITTLE).dataset, EXPLICIT_LITTLE) == data


CHARACTER_SETS = [
    ([""], b"MEIER^Eva", "MEIER^Eva", False),
    (["ISO_IR 100"], "MÜLLER^Eva".encode("latin-1"), "MÜLLER^Eva", False),
    (["ISO_IR 192"], "Иванов^Иван".encode(), "Иванов^Иван", False),
    (["ISO_IR 144"], "Иванов".encode("iso8859_5"), "Иванов", False),
    (["ISO_IR 126"], "Νίκος".encode("iso8859_7"), "Νίκος", False),
    (["GB18030"], "张^小东\\乙".encode("gb18030"), "张^小东\\乙", False),
    (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎", False),
    (["", "ISO 2022 IR 149"], b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞", False),
    (["ISO 2022 IR 100", "ISO 2022 IR 144"], b"M\xdcLLER=\x1b-L\xb8\xd2\xd0\xdd", "MÜLLER=Иван", False),
    ([""], "MÜLLER".encode(), "MÜLLER", True),
    ([""], "MÜLLER".encode("latin-1"), "MÜLLER", True),
    (["ISO_IR 999"], b"MEIER", "MEIER", True),
    (["ISO_IR 192"], b"M\xdcLLER", "M\N{REPLACEMENT CHARACTER}LLER", True),
    ([""], b"Yamada=\x1b$B;3ED", "Yamada=山田", True),
    ([""], b"ME\0IER\0", "ME\N{REPLACEMENT CHARACTER}IER", True),
]


@pytest.mark.parametrize(("terms", "value", "text", "faulty"), CHARACTER_SETS)
def test_character_sets(terms: list[str], value: bytes, text: str, faulty: bool) -> None:
    decoder = TextDecoder(terms)
    assert decoder.decode(value, name=True) == text
    assert decoder.faulty is faulty


def test_an_item_may_have_a_character_set_of_its_own() -> None:
    cyrillic = "КТ".encode("iso8859_5")
    item = _implicit(0x00080005, b"ISO_IR 144") + _implicit(TAG["RequestedProcedureDescription"], cyrillic)
    data = (
        _implicit(0x00080005, b"ISO_IR 100")
        + _implicit(0x00100010, b"M\xdcLLER")
        + _implicit(SEQUENCE, _implicit(0xFFFEE000, item))
    )
    found = decode(data, IMPLICIT_LITTLE)
    assert dicom_json.text(found.dataset, TAG["PatientName"]) == "MÜLLER"
    (inner,) = dicom_json.items(found.dataset, SEQUENCE)
    assert dicom_json.text(inner, TAG["RequestedProcedureDescription"]) == "КТ"
    assert not found.faulty_text


@pytest.mark.parametrize("row", list(TABLE.values()), ids=[r.keyword for r in TABLE.values()])
def test_the_table_agrees_with_the_dictionary(row: object) -> None:
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    from broker.domain.performed_table import walk

    for one in walk((row,)):  # type: ignore[arg-type]
        assert tag_for_keyword(one.keyword) == one.tag
        assert dictionary_VR(one.tag) == one.vr


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of foreign samples is not here")
@pytest.mark.parametrize("name", ["dvtk_mpps-inprogress1.dcm", "dvtk_mpps-completed1.dcm"])
def test_foreign_samples_read_as_pydicom_reads_them(name: str) -> None:
    ds = dcmread(CORPUS / name, force=True)
    meta = getattr(ds, "file_meta", FileMetaDataset())
    syntax = str(meta.get("TransferSyntaxUID", IMPLICIT_LITTLE))
    found = decode(by_pydicom(ds, syntax), syntax)
    assert {int(key, 16) for key in found.dataset} == {int(e.tag) for e in ds if e.tag.element}
    assert dicom_json.text(found.dataset, TAG["PerformedProcedureStepStatus"]) == ds.PerformedProcedureStepStatus


ITEM = b"\xfe\xff\x00\xe0" + bytes(4)
OPEN_SEQUENCE = struct.pack("<HHI", 0x0040, 0x0340, 0xFFFFFFFF)
MANY = datasets.MOST_PARTS


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OPEN_SEQUENCE + ITEM * MANY, "more than 300000 elements and items"),
        (struct.pack("<HHI", 0x0009, 0x1000, 0) * (MANY + 1), "more than 300000 elements and items"),
        (struct.pack("<HHI", 0x0010, 0x0010, 65_536) + b"\\" * 65_536, "(0010,0010) has too many values"),
        (struct.pack("<HHI", 0x0020, 0x000D, 131_072) + b"1\\" * 65_536, "(0020,000D) has too many values"),
        (struct.pack("<HHI", 0x0010, 0x21C0, 131_072) + bytes(131_072), "(0010,21C0) has too many values"),
    ],
)
def test_few_bytes_cannot_fill_the_memory(data: bytes, why: str) -> None:
    with pytest.raises(DatasetError) as error:
        decode(data, IMPLICIT_LITTLE)
    assert why in str(error.value)


def test_a_large_exam_is_read_whole() -> None:
    image = struct.pack("<HHI", 0x0008, 0x1150, 4) + b"1.2\0" + struct.pack("<HHI", 0x0008, 0x1155, 4) + b"1.3\0"
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(image)) + image
    data = struct.pack("<HHI", 0x0008, 0x1140, len(item) * 20_000) + item * 20_000
    assert len(decode(data, IMPLICIT_LITTLE).dataset["00081140"]["Value"]) == 20_000  # type: ignore[arg-type]


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, DEFLATED_LITTLE])
def test_a_data_set_may_be_held_to_a_length(syntax: str) -> None:
    data = encode({"00104000": {"vr": "LT", "Value": ["x" * 100]}}, syntax)
    assert decode(data, syntax, 200).dataset
    with pytest.raises(DatasetError, match=r"longer|too large"):
        decode(data, syntax, 50)
