"""odil (Debian's python3-odil) as a device: echo, worklist, N-CREATE and N-SET in one association."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import StartBroker
from tests.support.command import broker as command
from tests.support.requirements import ROOT, SYSTEM_PYTHON, need

pytestmark = pytest.mark.interop
CLIENT = Path(__file__).with_name("odil_client.py")


def test_an_exam_by_odil(start_broker: StartBroker) -> None:
    need("odil")
    running = start_broker()
    settings = {
        "BROKER__DATA_DIR": str(running.data_dir), "BROKER__INTAKE__PORT": str(running.ports["intake"]),
    }  # fmt: skip
    command("orders", "send", ROOT / "docs" / "samples" / "order.hl7", environment=settings)
    asked = [SYSTEM_PYTHON, str(CLIENT), str(running.ports["dicom"])]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + running.log
    assert json.loads(done.stdout) == {
        "seen": [
            {
                "PatientName": "Müller^Eva^Maria",
                "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.100",
                "ScheduledProcedureStepID": "SPS100",
            }
        ],
        "statuses": [0, 0],
        "left": 0,
    }
