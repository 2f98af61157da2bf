"""Data sets as JSON and XML documents: against pydicom, there and back again, and what is refused with which words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from broker.dicom import datasets, json_model, xml_reader, xml_writer
from broker.dicom.datasets import EXPLICIT_LITTLE
from broker.services.dicomweb import DocumentRefused
from tests.support.exams import create, dataset, final

WHOLE = dataset(create() | final())
NS = 'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM"'


def canonical(found: Any) -> Any:
    """As it is stored: by way of the bytes that a device would send."""
    return datasets.decode(datasets.encode(found, EXPLICIT_LITTLE), EXPLICIT_LITTLE).dataset


def rich() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = "山田^太郎=やまだ^たろう"
    ds.OperatorsName = ["CURIE^Marie^^Dr", "MÜLLER"]
    ds.PatientID = ""
    ds.ExposedArea = [3, 4]
    ds.EntranceDoseInmGy = "1.50"
    ds.CommentsOnRadiationDose = "one\\line\r\nand <another> & more"
    ds.FailureAttributes = [0x00100010, 0x00400340]
    ds.ExposureTimeInms = 1.25
    ds.add_new(0x00090010, "LO", "ACME")
    ds.add_new(0x00091001, "UN", b"\x00\x01\x02\x03")
    ds.add_new(0x00091002, "LO", ["a", "", "c"])
    item = Dataset()
    item.StudyInstanceUID = "1.2.3"
    item.ReferencedStudySequence = []
    ds.ScheduledStepAttributesSequence = [item, Dataset()]
    return ds


def test_json_of_pydicom_is_read_and_ours_is_read_by_pydicom() -> None:
    found = canonical(json_model.read(rich().to_json().encode()))
    assert found["00100010"]["Value"] == [{"Alphabetic": "山田^太郎", "Ideographic": "やまだ^たろう"}]
    assert found["00408302"]["Value"] == ["1.5"], "pydicom writes decimal strings as numbers"
    again = Dataset.from_json(json_model.write(found).decode())
    again.EntranceDoseInmGy = rich().EntranceDoseInmGy
    assert again == rich()


def test_decimal_strings_keep_their_spelling() -> None:
    for spelled in ("1.50", "-0.0", "1E-3", '"1.50"'):
        document = f'{{"00408302": {{"vr": "DS", "Value": [{spelled}]}}}}'
        assert json_model.read(document.encode())["00408302"]["Value"] == [spelled.strip('"')]


@pytest.mark.parametrize("values", [WHOLE, canonical(json_model.read(rich().to_json().encode())), {}])
def test_there_and_back_again(values: Any) -> None:
    stored = canonical(values)
    assert canonical(json_model.read(json_model.write(stored))) == stored
    assert canonical(json_model.read(b"[" + json_model.write(stored) + b"]")) == stored
    assert canonical(xml_reader.read(xml_writer.write(stored))) == stored


_WORDS = st.text("aZ0 ü山\N{GRINNING FACE}<&\"'", max_size=5)
_NAMES = st.fixed_dictionaries({}, optional={"Alphabetic": _WORDS, "Ideographic": _WORDS, "Phonetic": _WORDS})
_ELEMENTS = st.one_of(
    st.fixed_dictionaries({"vr": st.sampled_from(["LO", "SH", "UC"]), "Value": st.lists(_WORDS, max_size=3)}),
    st.fixed_dictionaries({"vr": st.just("PN"), "Value": st.lists(_NAMES, max_size=2)}),
    st.fixed_dictionaries({"vr": st.just("US"), "Value": st.lists(st.integers(0, 65535), max_size=3)}),
    st.fixed_dictionaries({"vr": st.just("FD"), "Value": st.lists(st.floats(allow_nan=False), max_size=2)}),
)
_TAGS = st.integers(0x00080001, 0x00FFFFFF).filter(lambda t: t & 0xFFFF and not (t >> 16) % 2).map("{:08X}".format)
_DATASETS = st.recursive(
    st.dictionaries(_TAGS, _ELEMENTS, max_size=4),
    lambda inner: st.dictionaries(
        _TAGS, st.fixed_dictionaries({"vr": st.just("SQ"), "Value": st.lists(inner, max_size=2)}), max_size=3
    ),
    max_leaves=6,
)  # fmt: skip


@given(_DATASETS)
@settings(max_examples=60)
def test_any_data_set_goes_there_and_back_again(values: Any) -> None:
    stored = canonical(values)
    assert canonical(json_model.read(json_model.write(stored))) == stored
    assert canonical(xml_reader.read(xml_writer.write(stored))) == stored


def nested(levels: int) -> str:
    return '{"00400270":{"vr":"SQ","Value":[' * levels + "{}" + "]}}" * levels


JSON_REFUSED = [
    ("", "the document is no JSON: line 1, column 1"),
    ("{", "the document is no JSON"),
    ("\ufeff{}", "the document is no JSON"),
    ("[]", "one JSON object is expected"),
    ("[{}, {}]", "one JSON object is expected"),
    ('"text"', "one JSON object is expected"),
    ('{"PatientID": {"vr": "LO"}}', "a tag has eight hexadecimal digits"),
    ('{"0010002": {"vr": "LO"}}', "a tag has eight hexadecimal digits"),
    ('{"00020010": {"vr": "UI"}}', "00020010: this group or element does not belong"),
    ('{"FFFEE000": {"vr": "UI"}}', "FFFEE000: this group or element does not belong"),
    ('{"00100000": {"vr": "UL", "Value": [4]}}', "00100000: this group or element does not belong"),
    ('{"00100020": "4711"}', "00100020: an object with vr and Value is expected"),
    ('{"00100020": {"Value": ["4711"]}}', "00100020: vr is missing"),
    ('{"00100020": {"vr": "XX", "Value": ["4711"]}}', "00100020: vr is missing, or none"),
    ('{"00100020": {"vr": "LO", "value": ["4711"]}}', "00100020: besides vr there is one of Value"),
    ('{"00100020": {"vr": "LO", "Value": [], "InlineBinary": ""}}', "00100020: besides vr there is one of Value"),
    ('{"00100020": {"vr": "LO", "Value": "4711"}}', "00100020: Value is a list"),
    ('{"00100020": {"vr": "LO", "Value": [4711]}}', "00100020: LO values are texts"),
    ('{"00100020": {"vr": "LO", "Value": [true]}}', "00100020: LO values are texts"),
    ('{"00100020": {"vr": "LO", "Value": ["A\\\\B"]}}', "00100020: a backslash or control character"),
    ('{"00100020": {"vr": "LO", "Value": ["A\\u0000"]}}', "00100020: a backslash or control character"),
    ('{"00104000": {"vr": "LT", "Value": ["a", "b"]}}', "00104000: LT has one value"),
    ('{"00104000": {"vr": "LT", "Value": ["a\\u001bb"]}}', "00104000: a control character is in the text"),
    ('{"00100010": {"vr": "PN", "Value": ["DOE"]}}', "00100010: a name is an object"),
    ('{"00100010": {"vr": "PN", "Value": [{"Family": "DOE"}]}}', "00100010: a name is an object"),
    ('{"00100010": {"vr": "PN", "Value": [{"Alphabetic": 1}]}}', "00100010: PN values are texts"),
    ('{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A=B"}]}}', "00100010: a group of a name holds no ="),
    ('{"00400302": {"vr": "US", "Value": ["many"]}}', "00400302: US values are whole numbers"),
    ('{"00400302": {"vr": "US", "Value": [1.5]}}', "00400302: US values are whole numbers"),
    ('{"00400302": {"vr": "US", "Value": [true]}}', "00400302: US values are numbers"),
    ('{"00400302": {"vr": "US", "Value": ["1_0"]}}', "00400302: US values are whole numbers"),
    ('{"00189073": {"vr": "FD", "Value": ["x"]}}', "00189073: FD values are numbers"),
    ('{"00189073": {"vr": "FD", "Value": [NaN]}}', "NaN and Infinity are no JSON"),
    ('{"00209165": {"vr": "AT", "Value": ["PatientID"]}}', "00209165: AT values have eight hexadecimal digits"),
    ('{"00091001": {"vr": "OB", "Value": ["AA=="]}}', "00091001: OB cannot be given as a list"),
    ('{"00091001": {"vr": "OB", "InlineBinary": "A"}}', "00091001: the binary value is no base64"),
    ('{"00091001": {"vr": "LO", "InlineBinary": "AA=="}}', "00091001: LO has no binary value"),
    ('{"00091001": {"vr": "OB", "BulkDataURI": "http://10.0.0.1/x"}}', "00091001: bulk data is not fetched"),
    ('{"00081032": {"vr": "SQ", "Value": ["x"]}}', "00081032: the items of a sequence are objects"),
    ('{"00081032": {"vr": "SQ", "Value": [{}, {"00080100": {"vr": "XX"}}]}}', "00081032[2]>00080100: vr is missing"),
    ('{"00100020": {"vr": "LO"}, "00100020": {"vr": "LO"}}', "a key stands twice in one object"),
    ('{"0020000d": {"vr": "UI"}, "0020000D": {"vr": "UI"}}', "0020000D: the element stands there twice"),
    ('{"00081032": {"vr": "SQ", "Value": [' + "{}," * 200_000 + "{}]}}", "there are more than 200000 elements"),
    ('{"00400302": {"vr": "US", "Value": [' + "1," * 200_000 + "1]}}", "there are more than 200000 elements"),
    (nested(40), "sequences are nested too deeply"),
    ("[" * 100_000, "the document is nested too deeply"),
    ('{"a":' * 100_000, "the document is nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "why"), JSON_REFUSED, ids=range(len(JSON_REFUSED)))
def test_json_that_is_refused(document: str, why: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        json_model.read(document.encode())
    assert refused.value.text.startswith(why)


def test_json_that_is_not_utf_8() -> None:
    with pytest.raises(DocumentRefused, match="not UTF-8"):
        json_model.read(json.dumps({"00100020": {"vr": "LO", "Value": ["ü"]}}, ensure_ascii=False).encode("latin-1"))


@pytest.mark.parametrize("number", ["65536", "-1"])
def test_numbers_beyond_their_kind_cannot_be_encoded(number: str) -> None:
    found = json_model.read(f'{{"00400302": {{"vr": "US", "Value": [{number}]}}}}'.encode())
    with pytest.raises(datasets.DatasetError, match=r"\(0040,0302\)"):
        datasets.encode(found, EXPLICIT_LITTLE)


def model(content: str) -> str:
    return f"<NativeDicomModel {NS}>{content}</NativeDicomModel>"


def attribute(tag: str, vr: str, content: str = "", more: str = "") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}" {more}>{content}</DicomAttribute>'


def one(tag: str, vr: str, content: str = "", more: str = "") -> str:
    """A document with one element."""
    return model(attribute(tag, vr, content, more))


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>' + model(attribute("00100020", "LO", "&b;"))
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + model(attribute("00100020", "LO", "&a;"))
DEEP = model(
    '<DicomAttribute tag="00081032" vr="SQ"><Item number="1">' * 40 + "</Item></DicomAttribute>" * 40
)  # fmt: skip
XML_REFUSED = [
    ("", "the document is no XML in UTF-8: line 1, column 1"),
    ("{}", "the document is no XML in UTF-8"),
    (model("<"), "the document is no XML in UTF-8"),
    (LAUGHS, "the document has a document type declaration"),
    (FILE, "the document has a document type declaration"),
    ('<?xml version="1.0" encoding="ISO-8859-1"?>' + model(""), "the document is not in UTF-8"),
    ("<html/>", "an element stands where the Native DICOM Model has none such"),
    ('<NativeDicomModel xmlns="urn:x"/>', "an element is not of the Native DICOM Model"),
    (model("<DicomAttribute/>"), "a tag has eight hexadecimal digits"),
    (model("stray"), "text stands where the Native DICOM Model has none"),
    (model("<Value/>"), "an element stands where the Native DICOM Model has none such"),
    (one("00100020", "LO", "<Item number='1'/>"), "00100020: LO is not written with Item"),
    (one("00100020", "LO", "<Value number='0'>1</Value>"), "00100020: numbers of values count from 1"),
    (one("00100020", "LO", "<Value number='900'>1</Value>"), "00100020: numbers of values count from 1"),
    (one("00100020", "LO", "<Value number='1'/><Value number='1'/>"), "00100020: two values have one number"),
    (one("00100020", "", ""), "00100020: vr is missing"),
    (one("00100020", "LO", "<Value number='1'>A\\B</Value>"), "00100020: a backslash or control character"),
    (one("00100020", "LO", "", 'keyword="PatientName"'), "00100020: the tag is that of PatientID"),
    (model(attribute("00100020", "LO") * 2), "00100020: the element stands there twice"),
    (one("00100020", "LO", "", 'privateCreator="X"'), "00100020: only elements of odd groups are private"),
    (one("00091001", "OB", "<InlineBinary>?</InlineBinary>"), "00091001: the binary value is no base64"),
    (one("00091001", "OB", "<BulkData uri='http://10.0.0.1/'/>"), "00091001: bulk data is not fetched"),
    (one("00091001", "OB", "<Value number='1'>AA==</Value>"), "00091001: OB is not written with Value"),
    (one("00100010", "PN", "<Value number='1'>DOE</Value>"), "00100010: PN is not written with Value"),
    (one("00100010", "PN", "<PersonName><Alphabetic><FamilyName>A^B</FamilyName></Alphabetic></PersonName>"),
     "00100010: a component of the name"),
    (one("00100010", "PN", "<PersonName><Alphabetic/><Alphabetic/></PersonName>"), "00100010: a group of the name"),
    (one("00081032", "SQ", "<Item number='2'/>"), "00081032: an item is missing"),
    (one("00081032", "SQ", f"<Item>{attribute('00080100', 'XX')}</Item>"), "00081032[1]>00080100: vr is missing"),
    (model("<DicomAttribute tag='00081032' vr='SQ'>" + "<Item/>" * 200_000), "there are more than 200000 elements"),
    (DEEP, "sequences are nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "why"), XML_REFUSED, ids=range(len(XML_REFUSED)))
def test_xml_that_is_refused(document: str, why: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        xml_reader.read(document.encode())
    assert refused.value.text.startswith(why)


def test_values_keep_their_places() -> None:
    found = xml_reader.read(
        model(attribute("00081070", "LO", "<Value number='3'>c</Value><Value number='1'>a</Value>")).encode()
    )
    assert found["00081070"] == {"vr": "LO", "Value": ["a", None, "c"]}


@pytest.mark.parametrize("space", [NS, ""])
def test_private_elements_come_into_the_block_of_their_creator(space: str) -> None:
    private = "".join(
        (
            attribute("00090001", "LO", "<Value number='1'>x</Value>", 'privateCreator="NEW"'),
            attribute("00090012", "LO", "<Value number='1'>ACME</Value>"),
            attribute("00090002", "LO", "<Value number='1'>y</Value>", 'privateCreator="ACME"'),
            attribute("00091203", "LO", "<Value number='1'>z</Value>", 'privateCreator="ACME"'),
        )
    )
    found = xml_reader.read(f"<NativeDicomModel {space}>{private}</NativeDicomModel>".encode())
    told = {tag: element["Value"] for tag, element in found.items()}
    assert told == {
        "00090010": ["NEW"], "00091001": ["x"], "00090012": ["ACME"], "00091202": ["y"], "00091203": ["z"],
    }  # fmt: skip


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    document = xml_writer.write({"00104000": {"vr": "LT", "Value": ["a\x0cb\r\nc"]}})
    assert xml_reader.read(document)["00104000"]["Value"] == ["a\N{REPLACEMENT CHARACTER}b\r\nc"]
