"""The settings of a device: read from typed values and from text, checked, written back; the CSV file of devices."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.charset import python_encoding

from broker.device_file import load_devices
from broker.domain.device_settings import CHARSETS, NAMES, profile_of, settings_of, written
from broker.domain.devices import DeviceProfile
from broker.domain.errors import Refusal
from broker.domain.fitting import TooLong
from broker.domain.near_misses import near_misses
from broker.domain.states import StepStatus
from broker.domain.treatment import Treatment
from broker.settings import DeviceSettings
from broker.settings_source import SettingsError

EVERYTHING: dict[str, Any] = {
    "stations": ["CT1", "CT 2"],
    "own_station": True,
    "modalities": ["CT"],
    "locations": ["Room 1"],
    "window": [12.0, 36.0],
    "shown": ["SCHEDULED", "STARTED"],
    "grace": {"STARTED": 30.0},
    "limit": 50,
    "charset": "ISO_IR 100",
    "warn_unsupported": False,
    "ignore_case": True,
    "exact_names": True,
    "strip": ["Allergies"],
    "rename": {"MedicalAlerts": "Allergies"},
    "clip": {"RequestedProcedureDescription": 32},
    "too_long": "whole",
    "max_pdu": 16384,
}
PROFILE = DeviceProfile(
    "CT1",
    ("CT1", "CT 2"),
    own_station=True,
    modalities=("CT",),
    locations=("Room 1",),
    charset="ISO_IR 100",
    limit=50,
    shown=frozenset({StepStatus.SCHEDULED, StepStatus.STARTED}),
    grace=((StepStatus.STARTED, 30.0),),
    window=(12, 36),
    warn_unsupported=False,
    ignore_case=True,
    exact_names=True,
    max_pdu=16384,
    treatment=Treatment(
        frozenset({"Allergies"}),
        (("MedicalAlerts", "Allergies"),),
        (("RequestedProcedureDescription", 32),),
        TooLong.WHOLE,
    ),
)


#: what decides about associations and exam reports, not about lists: set in the settings file only
ASSOCIATION = {"ae_title", "addresses", "certificates", "max_associations", "tolerate"}


def test_the_case_has_every_setting() -> None:
    assert set(EVERYTHING) == set(NAMES) == set(DeviceSettings.model_fields) - ASSOCIATION


def test_typed_values_and_text_make_the_same_profile() -> None:
    assert profile_of("CT1", EVERYTHING) == PROFILE
    assert profile_of("CT1", {name: written(value) for name, value in EVERYTHING.items()}) == PROFILE
    assert DeviceSettings(ae_title="CT1", **EVERYTHING).profile() == PROFILE


def test_settings_are_read_back_as_they_were_written() -> None:
    assert profile_of("CT1", settings_of(PROFILE)) == PROFILE
    assert settings_of(DeviceProfile("CT1")) == {}


WRONG = [
    ({"colour": "blue"}, "colour"),
    ({"stations": "A" * 17}, "stations"),
    ({"limit": "-1"}, "limit"),
    ({"limit": 1.5}, "limit"),
    ({"charset": "LATIN"}, "charset"),
    ({"shown": "COMPLETED"}, "shown"),
    ({"grace": "STARTED"}, "grace"),
    ({"grace": "COMPLETED=5"}, "grace"),
    ({"window": "12"}, "window"),
    ({"own_station": "maybe"}, "own_station"),
    ({"strip": "PatientID"}, "strip"),
    ({"strip": "Colour"}, "strip"),
    ({"rename": "Modality=PatientName"}, "rename"),
    ({"clip": "StudyInstanceUID=5"}, "clip"),
    ({"clip": "Allergies=0"}, "clip"),
    ({"too_long": "never"}, "too_long"),
    ({"max_pdu": 100}, "max_pdu"),
]


@pytest.mark.parametrize(("given", "where"), WRONG)
def test_wrong_settings_are_named(given: dict[str, Any], where: str) -> None:
    with pytest.raises(Refusal) as refused:
        profile_of("CT1", given)
    assert refused.value.where == where


def test_the_character_sets_are_those_the_encoder_knows() -> None:
    assert set(python_encoding) >= CHARSETS


def test_a_csv_file_of_devices(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("ae_title,stations,charset,grace\nCT1,CT1;CT2,ascii,STARTED=30\nMR1,,,\n", encoding="utf-8")
    assert load_devices(file) == [
        DeviceProfile("CT1", ("CT1", "CT2"), charset="ascii", grace=((StepStatus.STARTED, 30.0),)),
        DeviceProfile("MR1"),
    ]


CSV_PROBLEMS = [
    ("title\nCT1\n", ["line 1"]),
    ("ae_title,colour\nCT1,blue\n", ["line 1, colour"]),
    (
        "ae_title,limit\nCT1,x\nTHIS_TITLE_IS_TOO_LONG,\nCT2,1,2\n",
        ["line 2, limit", "line 3, ae_title", "line 4, the end"],
    ),
    ("ae_title\nCT1\n\nCT1\n", ["line 4, ae_title"]),
    ("ae_title;stations\nCT1;CT1\n", ["line 1"]),
    ('ae_title,stations\nCT1,CT1\n"CT2,CT2\n', ["line 3"]),
]


@pytest.mark.parametrize(("text", "keys"), CSV_PROBLEMS)
def test_every_problem_of_a_csv_file_is_told(tmp_path: Path, text: str, keys: list[str]) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as wrong:
        load_devices(file)
    assert [p.key for p in wrong.value.problems] == keys
    assert {p.source for p in wrong.value.problems} == {str(file)}


def test_a_missing_csv_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"check dicom\.devices"):
        load_devices(tmp_path / "none.csv")


NEAR = [
    ("CT_1", "CT1", "differs in spaces, underscores or dashes"),
    ("ct1", "CT1", "differs in upper and lower case"),
    ("CT 1", "CT1", "differs in spaces"),
    ("CT1", "CT2", None),
    ("MRROOM1", "MRROOM2", "differs in one character"),
    ("ULTRA", "ULTRAS", "differs in one character"),
    ("CT1", "CT1", None),
    ("MODALITY", "MR1", None),
    ("__", "--", None),
]


@pytest.mark.parametrize(("knocking", "known", "words"), NEAR)
def test_near_misses(knocking: str, known: str, words: str | None) -> None:
    assert near_misses(knocking, ["XYZ99", known]) == ([] if words is None else [(known, words)])
