"""DICOMweb with software of others: the commands of its page by curl, and DCMTK's Native DICOM Model."""

import re
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from broker.dicom import datasets, xml_reader
from broker.dicom.datasets import EXPLICIT_LITTLE
from tests.conftest import StartBroker
from tests.support import exams
from tests.support.process import BROKER, ROOT, BrokerProcess
from tests.support.requirements import need

pytestmark = pytest.mark.interop
PAGE = ROOT / "docs" / "dicomweb.md"


@pytest.fixture
def running(start_broker: StartBroker) -> BrokerProcess:
    need("curl")
    return start_broker()


def shell(script: str, running: BrokerProcess, folder: Path) -> str:
    """What a shell prints that runs ``script`` in the clone beside the running broker."""
    settings = f'export BROKER__DATA_DIR="{running.data_dir}"\nbroker() {{ "{BROKER[0]}" -m broker "$@"; }}\n'
    file = folder / "script.sh"
    file.write_text(f"set -e\n{settings}{script}", encoding="utf-8")
    done = subprocess.run(["sh", str(file)], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_can_be_followed(running: BrokerProcess, tmp_path: Path) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Try it\n")[2].partition("\n## ")[0]
    commands = [line.strip() for line in section.splitlines() if line.startswith("    ")]
    assert len(commands) >= 10
    script = "\n".join(commands).replace(":8080", f":{running.ports['web']}")
    script = script.replace("broker orders send", f"broker orders send --to 127.0.0.1:{running.ports['intake']}")
    said = shell(script, running, tmp_path)
    assert said.count('"00080050":{"vr":"SH","Value":["A100"]}') == 2 + 1, "two searches and the exam"
    assert re.findall(r"HTTP/1\.1 (\d+)", said) == ["201", "200", "200", "204", "409"]
    assert '"fault":"final"' in said


def test_an_exam_as_dcmtk_writes_it(running: BrokerProcess, tmp_path: Path) -> None:
    need("dcmtk")
    plain = exams.dataset(exams.create())
    ds = Dataset.from_json(plain)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.add_new(0x00090010, "LO", "ACME")
    ds.add_new(0x00091001, "OB", b"\x01\x02")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.3.1.2.3.3")
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.9.1")
    ds.save_as(tmp_path / "exam.dcm", enforce_file_format=True)
    exam = f"http://127.0.0.1:{running.ports['web']}/dicomweb/modality-performed-procedure-steps/1.9.1"
    said = shell(
        f"""
        cd "{tmp_path}"
        TOKEN=$(broker users token ct1 --role integration --ae-title CT1)
        dcm2xml --native-format --encode-base64 exam.dcm exam.xml
        curl -sS -o /dev/null -w '%{{http_code}}\\n' -H "Authorization: Bearer $TOKEN" \\
          -H 'Content-Type: application/dicom+xml' --data-binary @exam.xml {exam}
        curl -sS -H "Authorization: Bearer $TOKEN" -H 'Accept: application/dicom+xml' {exam}
        """,
        running, tmp_path,
    )  # fmt: skip
    status, _, document = said.partition("\n")
    assert status == "201"
    found = datasets.decode(datasets.encode(xml_reader.read(document.encode()), EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    private = {"00090010": {"vr": "LO", "Value": ["ACME"]}, "00091001": {"vr": "OB", "InlineBinary": "AQI="}}
    unicode = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    assert found.dataset == plain | private | unicode
