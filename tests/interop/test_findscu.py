"""DCMTK as the device: echoscu and findscu against the broker's worklist."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.dicom import Provider, provider
from tests.support.requirements import need
from tests.support.worklist import Item, fill

pytestmark = pytest.mark.interop

RETURN_KEYS = (
    "AccessionNumber", "PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID",
    "RequestedProcedureDescription", "ReferringPhysicianName", "ScheduledProcedureStepSequence",
)  # fmt: skip


@pytest.fixture
def running(sqlite_url: str) -> Iterator[Provider]:
    need("dcmtk")
    with provider(sqlite_url) as started:
        yield started


def run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, cwd=folder, errors="replace"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def findscu(running: Provider, folder: Path, keys: Sequence[str], *options: str) -> tuple[str, list[Path]]:
    """What findscu said, and the answers as files."""
    asked = [part for key in keys for part in ("-k", key)]
    said = run("findscu", "-v", "-W", "-X", *options, "-aet", "CT1", "-aec", "BROKER", *asked,
               "127.0.0.1", str(running.port), folder=folder)  # fmt: skip
    return said, sorted(folder.glob("rsp*.dcm"))


def values(file: Path, keyword: str) -> list[str]:
    """The values of an attribute in a file, at any depth, as dcmdump shows them in UTF-8."""
    shown = run("dcmdump", "+U8", "+P", keyword, str(file))
    return [value.strip("[]") for value in re.findall(r"^ *\(\w{4},\w{4}\) \w\w (\[.*?\]|=\w+|\S+)", shown, re.M)]


def put(running: Provider, *items: Item) -> None:
    running.context.database.write(lambda c: fill(c, items))


def test_echoscu(running: Provider) -> None:
    run("echoscu", "-aec", "BROKER", "127.0.0.1", str(running.port))


def test_an_empty_step_sequence_gives_the_whole_item(running: Provider, tmp_path: Path) -> None:
    code = {"CodeValue": "CTHEAD", "CodingSchemeDesignator": "99X", "CodeMeaning": "CT head plain"}
    put(running, Item(step={"ScheduledProtocolCodeSequence": [code]}))
    said, files = findscu(running, tmp_path, RETURN_KEYS)
    assert "Success" in said
    assert len(files) == 1
    for keyword, expected in (
        ("AccessionNumber", "A1"), ("PatientName", "DOE^JANE"), ("PatientID", "PID1"), ("StudyInstanceUID", "1.2.3.1"),
        ("ScheduledProcedureStepID", "SPS1"), ("ScheduledStationAETitle", "CT1"), ("CodeValue", "CTHEAD"),
        ("ScheduledProcedureStepStartDate", "20261123"), ("Modality", "CT"),
    ):  # fmt: skip
        assert values(files[0], keyword) == [expected], keyword


QUERIES = [
    # keys, accession numbers found
    (["ScheduledProcedureStepSequence[0].Modality=MR"], ["A2"]),
    (["ScheduledProcedureStepSequence[0].ScheduledStationAETitle=MR1"], ["A2"]),
    (["ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20261123-20261124",
      "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime=1000-0900"], ["A2"]),
    (["ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartDate=20261123"], ["A1"]),
    (["PatientName=do*"], ["A1"]),
    (["PatientName=*"], ["A1", "A2"]),
    (["PatientID=PID?"], ["A1", "A2"]),
    (["StudyInstanceUID=1.2.3.1\\1.2.3.2"], ["A1", "A2"]),
    (["AccessionNumber=A9"], []),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), QUERIES)
def test_queries(running: Provider, tmp_path: Path, keys: list[str], expected: list[str]) -> None:
    second = {"Modality": "MR", "ScheduledStationAETitle": ["MR1"], "ScheduledProcedureStepStartDate": "20261124",
              "ScheduledProcedureStepStartTime": "0800"}  # fmt: skip
    put(running, Item(), Item({"PatientName": "SMITH^JOHN"}, second))
    extra = [] if any(key.startswith("AccessionNumber") for key in keys) else ["AccessionNumber"]
    said, files = findscu(running, tmp_path, [*keys, *extra])
    assert [values(file, "AccessionNumber")[0] for file in files] == expected
    assert "Success" in said


NAMES = [
    ("ISO_IR 192", "Müller^Jörg"), ("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 101", "Dvořák^Jiří"),
    ("ISO_IR 144", "Иванов^Иван"), ("ISO_IR 126", "Διονυσιος"), ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה"), ("ISO_IR 166", "ไทย"), ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"), ("GB18030", "Wang^XiaoDong=王^小东"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "name"), NAMES)
def test_names_are_read_right(running: Provider, tmp_path: Path, declared: str, name: str) -> None:
    """The answer comes in the set of the request, and DCMTK reads from it the name that was stored."""
    put(running, Item(root={"PatientName": name}))
    _, files = findscu(running, tmp_path, [f"SpecificCharacterSet={declared}", "PatientName", "PatientID"])
    assert values(files[0], "PatientName") == [name]
    raw = run("dcmdump", "+P", "SpecificCharacterSet", str(files[0]))
    assert f"[{declared}]" in raw


def test_kanji_arrive_as_they_are(running: Provider, tmp_path: Path) -> None:
    """DCMTK as Debian builds it cannot convert ISO 2022 IR 87, but it keeps the bytes (PS3.5 section H.3.1)."""
    put(running, Item(root={"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}))
    _, files = findscu(running, tmp_path, ["SpecificCharacterSet=\\ISO 2022 IR 87", "PatientName"])
    expected = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"
    assert expected in files[0].read_bytes()


@pytest.mark.parametrize("option", ["-xi", "-xe", "-xb", "-xd"])
def test_transfer_syntaxes(running: Provider, tmp_path: Path, option: str) -> None:
    put(running, Item(root={"PatientName": "Müller^Jörg"}))
    _, files = findscu(running, tmp_path, ["PatientName", "ScheduledProcedureStepSequence[0].Modality"], option)
    assert values(files[0], "PatientName") == ["Müller^Jörg"]
    assert values(files[0], "Modality") == ["CT"]


def test_cancel_after_some_answers(running: Provider, tmp_path: Path) -> None:
    put(running, *[Item()] * 3000)
    said, files = findscu(running, tmp_path, ["PatientName"], "--cancel", "3")
    assert "MatchingTerminatedDueToCancelRequest" in said.replace(" ", "") or "Cancel" in said
    assert 3 <= len(files) < 3000
