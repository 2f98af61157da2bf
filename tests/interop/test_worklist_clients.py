"""The same items read by dcmjs-dimse and by pynetdicom's findscu, in every character set the standard's devices use."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from broker.domain.devices import DeviceProfile
from tests.support.dicom import Provider, provider
from tests.support.requirements import NODE_FOLDER, need
from tests.support.worklist import Item, fill

pytestmark = pytest.mark.interop
CLIENT = Path(__file__).with_name("worklist_client.js")
KANJI = "Yamada^Tarou=山田^太郎=やまだ^たろう"
NAMES = [
    ("ISO_IR 6", "DOE^JANE"),
    ("ISO_IR 100", "Müller^Jörg"),
    ("ISO_IR 101", "Dvořák^Jiří"),
    ("ISO_IR 144", "Иванов^Иван"),
    ("ISO_IR 126", "Διονυσιος"),
    ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה"),
    ("ISO_IR 166", "ไทย"),
    ("ISO_IR 192", KANJI),
    ("\\ISO 2022 IR 87", KANJI),
    ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ("\\ISO 2022 IR 58", "Zhang^XiaoDong=张^小东"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
]


@pytest.fixture
def running(sqlite_url: str) -> Iterator[Provider]:
    # dcmjs-dimse takes each FF01 for the end of the list and releases; it would come to that, because it asks for
    # Study ID, Study Description and Procedure Code Sequence besides
    with provider(sqlite_url, DeviceProfile("DCMJS", warn_unsupported=False)) as started:
        yield started


def put(running: Provider, *names: str) -> None:
    running.context.database.write(lambda c: fill(c, [Item({"PatientName": name}) for name in names]))


def ask_with_dcmjs(running: Provider, charset: str) -> list[dict[str, Any]]:
    argument = json.dumps({"port": running.port, "charset": charset})
    environment = {**os.environ, "NODE_PATH": str(NODE_FOLDER / "node_modules")}
    done = subprocess.run(
        ["node", str(CLIENT), argument], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def spelled(value: object) -> str:
    """A person name of dcmjs, which knows several forms of it, as DICOM writes it."""
    if isinstance(value, list):
        return spelled(value[0]) if value else ""
    if isinstance(value, dict):
        groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return str(value)


#: code extensions (ISO 2022) are left to the two other clients
DCMJS_NAMES = [pair for pair in NAMES if "ISO 2022" not in pair[0]]


@pytest.mark.parametrize(("charset", "name"), DCMJS_NAMES)
def test_dcmjs_dimse_with_its_odd_keys(running: Provider, charset: str, name: str) -> None:
    need("node")
    put(running, name, name)
    *items, final = ask_with_dcmjs(running, charset)
    found = [(spelled(item["name"]), item["id"], item["status"]) for item in items]
    assert found == [(name, "PID1", 0xFF00), (name, "PID2", 0xFF00)]
    assert final["status"] == 0


@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_findscu_of_pynetdicom(running: Provider, tmp_path: Path, charset: str, name: str) -> None:
    put(running, name)
    done = subprocess.run(
        [sys.executable, "-m", "pynetdicom", "findscu", "127.0.0.1", str(running.port), "-W", "-w", "-aet", "CT1",
         "-aec", "BROKER", "-k", f"SpecificCharacterSet={charset}", "-k", "PatientName=", "-k", "PatientID=",
         "-k", "ScheduledProcedureStepSequence[0].Modality=CT"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = sorted(tmp_path.glob("rsp*.dcm"))
    answer = dcmread(file, force=True)
    assert answer.PatientID == "PID1"
    if "IR 58" in charset:  # pydicom takes the escape sequences of IR 58 for handled by Python, which they are not
        assert "Zhang^XiaoDong=\x1b$)A张".encode("gb2312") in file.read_bytes()
    else:
        assert str(answer.PatientName) == name
