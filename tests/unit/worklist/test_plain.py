"""Plain mappings to pydicom data sets and back."""

import pytest

from broker.dicom.plain import from_dataset, to_dataset

ROUND_TRIPS = [
    {"PatientName": "DOE^JANE", "PatientID": "1"},
    {"PatientWeight": "80.50", "SeriesNumber": "007"},
    {"PregnancyStatus": 4, "ImageType": ["ORIGINAL", "PRIMARY"]},
    {"PatientName": "", "ReferencedStudySequence": []},
    {"PerformedProtocolCodeSequence": [{"CodeValue": "1"}, {"CodeValue": "2", "CodeMeaning": "x"}]},
    {"00091001": "private"},
    {"AccessionNumber": "far too long for a short string"},
    {"StudyDate": "no date"},
]


@pytest.mark.parametrize("attributes", ROUND_TRIPS)
def test_what_goes_in_comes_out(attributes: dict) -> None:
    assert from_dataset(to_dataset(attributes)) == attributes


@pytest.mark.parametrize(
    ("attributes", "declared"),
    [({"PatientName": "DOE"}, None), ({"PatientName": "MÜLLER"}, "ISO_IR 192"),
     ({"SpecificCharacterSet": "ISO_IR 100", "PatientName": "MÜLLER"}, "ISO_IR 100"),
     ({"ReferencedStudySequence": [{"StudyDescription": "Schädel"}]}, "ISO_IR 192")],
)  # fmt: skip
def test_the_character_set_is_declared_when_it_is_needed(attributes: dict, declared: str | None) -> None:
    assert to_dataset(attributes).get("SpecificCharacterSet") == declared


@pytest.mark.parametrize("keyword", ["NoSuchKeyword", "0010", "ZZZZZZZZ"])
def test_unknown_keywords_are_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match=keyword):
        to_dataset({keyword: "x"})
