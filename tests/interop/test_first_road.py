"""The whole road with software of foreign make: an HL7 order in, the worklist out, the exam back, the status told.

DCMTK asks for the worklist, dcmjs-dimse performs the exam, python-hl7 receives the notifications; the broker runs as a
process of its own, on SQLite and on PostgreSQL.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.peers import foreign
from tests.peers.foreign import PythonHl7Receiver
from tests.support import command
from tests.support.process import BrokerProcess
from tests.support.requirements import need
from tests.support.wait import until

pytestmark = pytest.mark.interop

ROOT = Path(__file__).resolve().parents[2]
COMPLETED, IN_PROGRESS = "CM", "IP"
KEYS = (
    "ScheduledProcedureStepSequence", "AccessionNumber", "PatientName", "PatientID", "IssuerOfPatientID",
    "PatientBirthDate", "PatientSex", "StudyInstanceUID", "RequestedProcedureID",
)  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """An order message and what it says, to the letter."""

    file: Path
    item: dict[str, str]
    step: dict[str, str | list[str]]
    protocol: tuple[str, str, str]
    orders: tuple[str, str]
    """Placer and filler order number."""


OWN = Sample(
    ROOT / "tests" / "cases" / "messages" / "omi_o23_251.hl7",
    {
        "AccessionNumber": "A200", "PatientName": "GRØNDAL^Åse^Marie^Dr.^jr MD", "PatientID": "0042",
        "IssuerOfPatientID": "HOSP", "PatientBirthDate": "19851224", "PatientSex": "F",
        "StudyInstanceUID": "1.2.3.4.5.200", "RequestedProcedureID": "RP200",
    },
    {
        "ScheduledProcedureStepID": "SPS200", "Modality": "MR", "ScheduledStationAETitle": "MR01",
        "ScheduledStationName": "MR_ROOM1", "ScheduledProcedureStepLocation": "ROOM 3",
        "ScheduledProcedureStepStartDate": "20240705",
    },
    ("MRK1", "99RIS", "MR knee standard"),
    ("P200", "F200"),
)  # fmt: skip
DCM4CHE = Sample(
    ROOT.parent / "shared" / "corpus" / "hl7" / "dcm4che_OMI_O23_imaging_order.hl7",
    {
        "AccessionNumber": "AccessionNumber", "PatientName": "Smith^Lucy^Mark", "PatientID": "PID_1",
        "IssuerOfPatientID": "ADT1", "PatientBirthDate": "20141014", "PatientSex": "F",
        "StudyInstanceUID": "1.2.392.200036.9125.0.198811291108.7", "RequestedProcedureID": "RequestedProcID",
    },
    {
        "ScheduledProcedureStepID": "ScheduledProcStepID", "Modality": "CT",
        "ScheduledStationAETitle": ["ScheduledStationAET1", "ScheduledStationAET2"],
        "ScheduledStationName": "ScheduledStationName",
        "ScheduledProcedureStepStartDate": "20000816", "ScheduledProcedureStepStartTime": "151000",
    },
    ("10637-7", "LN", "Microscopic Observation"),
    ("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest"),
)  # fmt: skip


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[PythonHl7Receiver]:
    for part in ("dcmtk", "node", "python-hl7"):
        need(part)
    with foreign.python_hl7_receiver(tmp_path) as running:
        yield running


@pytest.fixture
def settings(receiver: PythonHl7Receiver, tmp_path: Path, database_url: str) -> dict[str, str]:
    """A settings file with one destination, as a site would write it, and the test's database."""
    file = tmp_path / "broker.toml"
    file.write_text(f'[[destinations]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {receiver.port}\n')
    return {
        "BROKER_CONFIG": str(file), "BROKER__DATABASE__URL": database_url, "BROKER__DATA_DIR": str(tmp_path / "data"),
        "BROKER__INTAKE__PORT": "0", "BROKER__DICOM__PORT": "0", "BROKER__WEB__PORT": "0",
    }  # fmt: skip


@pytest.mark.parametrize("sample", [pytest.param(OWN, id="own"), pytest.param(DCM4CHE, id="dcm4che")])
def test_order_to_worklist_to_exam_to_status(
    sample: Sample,
    settings: dict[str, str],
    receiver: PythonHl7Receiver,
    start_broker: Callable[..., BrokerProcess],
    tmp_path: Path,
) -> None:
    if not sample.file.exists():
        pytest.skip("the corpus of foreign messages is not here")
    dicom = start_broker(settings).ports["dicom"]
    find = partial(foreign.findscu, dicom)

    sent = command.broker("orders", "send", sample.file, environment=settings)
    assert ": AA" in sent, sent

    foreign.echoscu(dicom)
    (item,) = find(tmp_path / "scheduled", *KEYS)
    _check_item(item, sample)

    uid = "2.25.171717171717"
    accession = sample.item["AccessionNumber"]
    started = foreign.modality_js("start", port=dicom, accession=accession, uid=uid)
    assert started["status"] == 0, started
    _wait_for(receiver, 1)
    assert find(tmp_path / "started", *KEYS) == []

    completed = foreign.modality_js("complete", port=dicom, uid=uid)
    assert completed["status"] == 0, completed
    assert find(tmp_path / "completed", *KEYS) == []

    told = _wait_for(receiver, 2)
    assert [message["ORC"][5] for message in told] == [IN_PROGRESS, COMPLETED]
    for message in told:
        _check_message(message, sample)
    again = foreign.modality_js("complete", port=dicom, uid=uid)
    assert again["status"] == 0x0110, again
    read = foreign.modality_js("get", port=dicom, uid=uid)
    assert read["status"] == 0, read
    (kept,) = read["items"]
    assert kept["PerformedProcedureStepStatus"] == "COMPLETED"
    assert [series["SeriesInstanceUID"] for series in kept["PerformedSeriesSequence"]] == [f"{uid}.1"]


def _wait_for(receiver: PythonHl7Receiver, count: int) -> list[dict[str, Any]]:
    until(lambda: len(receiver.received) >= count, 15, f"{count} messages at the receiver")
    return receiver.received


def _check_item(item: Dataset, sample: Sample) -> None:
    assert {name: str(item[name].value) for name in sample.item} == sample.item
    (step,) = item.ScheduledProcedureStepSequence
    assert {name: _plain(step[name].value) for name in sample.step} == sample.step
    (protocol,) = step.ScheduledProtocolCodeSequence
    assert (protocol.CodeValue, protocol.CodingSchemeDesignator, protocol.CodeMeaning) == sample.protocol


def _plain(value: Any) -> str | list[str]:
    return str(value) if isinstance(value, str) else [str(single) for single in value]


def _check_message(message: dict[str, Any], sample: Sample) -> None:
    assert message["MSH"][9] == "ORM^O01"
    assert message["ORC"][1] == "SC"
    assert tuple(message["ORC"][number].split("^")[0] for number in (2, 3)) == sample.orders
    assert message["PID"][3].split("^")[0] == sample.item["PatientID"]
    assert message["OBR"][18] == sample.item["AccessionNumber"]
    assert message["ZDS"][1].split("^")[0] == sample.item["StudyInstanceUID"]
