"""Request identifiers: which keys they hold, what is to come back, what is refused."""

import pytest

from broker.dicom import datasets, identifiers
from broker.dicom.charset import charset
from broker.dicom.identifiers import IdentifierError, whole
from broker.dicom.statuses import FindStatus
from broker.dicom.texts import proper_term
from broker.domain.attributes import SPS_SEQUENCE, SPS_SEQUENCE_TAG, STEP_LEVEL
from broker.domain.dicom_json import texts
from tests.support.worklist import pydicom_bytes


def identifier(attributes: dict, uid: str = datasets.EXPLICIT_LITTLE) -> identifiers.Identifier:
    return identifiers.read(pydicom_bytes(attributes, uid), uid)


def test_keys_and_shape() -> None:
    found = identifier({"PatientName": "D*", "AccessionNumber": "", SPS_SEQUENCE: [{"Modality": "CT"}]})
    assert found.keys == {"PatientName": ["D*"], "AccessionNumber": [], SPS_SEQUENCE: [{"Modality": ["CT"]}]}
    assert found.shape == ((0x00080050, ()), (0x00100010, ()), (SPS_SEQUENCE_TAG, ((0x00080060, ()),)))
    assert found.unsupported == ()


WHOLE_STEP = whole(STEP_LEVEL)


@pytest.mark.parametrize("sequence", [[], [{}], [{"00091001": "private"}]])
def test_an_empty_sequence_asks_for_all_of_the_step(sequence: list) -> None:
    assert identifier({SPS_SEQUENCE: sequence}).shape == ((SPS_SEQUENCE_TAG, WHOLE_STEP),)


def test_blanks_that_begin_a_paragraph_are_part_of_the_key() -> None:
    keys = identifier({"PatientComments": " a\\b ", "PatientID": " P1 ", "PregnancyStatus": 4}).keys
    assert keys == {"PatientComments": [" a\\b"], "PatientID": ["P1"], "PregnancyStatus": ["4"]}


def test_escape_sequences_of_a_set_that_is_not_declared() -> None:
    name = b"Yamada=\x1b$B;3ED\x1b(B"
    raw = b"\x10\x00\x10\x00PN" + len(name).to_bytes(2, "little") + name
    assert identifiers.read(raw, datasets.EXPLICIT_LITTLE).keys == {"PatientName": ["Yamada=*"]}
    decoded = datasets.decode(raw, datasets.EXPLICIT_LITTLE)
    assert decoded.faulty_text
    assert texts(decoded.dataset, 0x00100010) == ("Yamada=山田",)


@pytest.mark.parametrize("term", ["ISO_IR 100", "ISO-IR 100", "iso ir 100", "ISO_IR_100", "ISOIR100"])
def test_misspelled_character_sets_are_understood(term: str) -> None:
    raw = b"\x08\x00\x05\x00CS" + len(term).to_bytes(2, "little") + term.encode()
    found = identifiers.read(raw + b"\x10\x00\x10\x00PN\x06\x00M\xfcller", datasets.EXPLICIT_LITTLE)
    assert found.keys == {"PatientName": ["Müller"]}
    assert charset(found.charset) == charset("ISO_IR 100")


@pytest.mark.parametrize(
    ("term", "proper"), [("ISO 2022-IR 87", "ISO 2022 IR 87"), ("utf-8", "ISO_IR 192"), ("GB18030 ", "GB18030")]
)
def test_spellings_of_character_sets(term: str, proper: str) -> None:
    assert proper_term(term) == proper


def test_an_absent_sequence_is_not_returned() -> None:
    assert identifier({"PatientName": ""}).shape == ((0x00100010, ()),)


UNSUPPORTED = [
    ({"QueryRetrieveLevel": ""}, ()),
    ({"TimezoneOffsetFromUTC": "+0100"}, ()),
    ({"00091001": "private"}, ()),
    ({"StudyID": ""}, (0x00200010,)),
    ({"Modality": "CT"}, (0x00080060,)),
    ({SPS_SEQUENCE: [{"PatientName": "X", "Modality": ""}]}, (0x00100010,)),
    ({"RequestedProcedureCodeSequence": [{"ContextIdentifier": ""}]}, (0x0008010F,)),
]


@pytest.mark.parametrize(("more", "expected"), UNSUPPORTED)
def test_unsupported_keys(more: dict, expected: tuple) -> None:
    assert identifier({"PatientID": "", **more}).unsupported == expected


@pytest.mark.parametrize(
    ("attributes", "tag"),
    [({SPS_SEQUENCE: [{}, {}]}, SPS_SEQUENCE_TAG), ({"RequestedProcedureCodeSequence": [{}, {}]}, 0x00321064),
     ({"StudyID": "1"}, None), ({}, None)],
)  # fmt: skip
def test_identifiers_of_no_worklist_query(attributes: dict, tag: int | None) -> None:
    with pytest.raises(IdentifierError) as error:
        identifier(attributes)
    assert (error.value.status, error.value.tag) == (FindStatus.IDENTIFIER_DOES_NOT_MATCH, tag)


def test_every_cut_of_an_identifier_is_refused_or_read() -> None:
    """Bytes cut short are a data set only where an element ends."""
    data = pydicom_bytes({"AccessionNumber": "A1", "PatientName": "DOE", SPS_SEQUENCE: [{"Modality": "CT"}]},
                         datasets.EXPLICIT_LITTLE)  # fmt: skip
    read = []
    for length in range(1, len(data)):
        try:
            identifiers.read(data[:length], datasets.EXPLICIT_LITTLE)
            read.append(length)
        except IdentifierError as error:
            assert error.status is FindStatus.IDENTIFIER_UNREADABLE  # noqa: PT017
    assert read == [10, 22]


@pytest.mark.parametrize("term", [b"ISO_IR 999", b""])
def test_text_beyond_the_declared_set_becomes_a_wildcard(term: bytes) -> None:
    name = b"M\xfcller"
    raw = b"\x10\x00\x10\x00PN" + len(name).to_bytes(2, "little") + name
    if term:
        raw = b"\x08\x00\x05\x00CS" + len(term).to_bytes(2, "little") + term + raw
    assert identifiers.read(raw, datasets.EXPLICIT_LITTLE).keys == {"PatientName": ["M*ller"]}


@pytest.mark.parametrize("syntax", [datasets.IMPLICIT_LITTLE, datasets.DEFLATED_LITTLE])
def test_an_identifier_that_would_hold_others_up_is_not_read(syntax: str) -> None:
    data = datasets.encode({"00321066": {"vr": "UT", "Value": ["x" * identifiers.MOST_BYTES]}}, syntax)
    with pytest.raises(IdentifierError) as error:
        identifiers.read(data, syntax)
    assert error.value.status is FindStatus.IDENTIFIER_UNREADABLE
