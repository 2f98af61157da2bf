"""Owns: software of foreign make as peers: DCMTK's clients, a modality on dcmjs-dimse, a receiver on python-hl7.
Must not: judge; the caller asks tests.support.requirements for what it needs first.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom import config
from pydicom.dataset import Dataset

from tests.support.requirements import FOREIGN_BIN, NODE_FOLDER
from tests.support.wait import until

HERE = Path(__file__).resolve().parents[1] / "interop"
LIMIT = 30
"""Seconds that no program may take."""


def echoscu(port: int, called: str = "BROKER") -> str:
    """DCMTK's C-ECHO; what it said. Fails the test when it failed."""
    return _run(["echoscu", "-v", "-aet", "ECHO", "-aec", called, "127.0.0.1", str(port)])


def findscu(port: int, folder: Path, *keys: str, calling: str = "CT1") -> list[Dataset]:
    """DCMTK's worklist C-FIND with `keys` (as its option -k takes them); the answers as it wrote them to files."""
    folder.mkdir(parents=True, exist_ok=True)
    options = [part for key in keys for part in ("-k", key)]
    command = ["findscu", "-W", "-X", "-od", str(folder), "-aet", calling, "-aec", "BROKER", *options]
    _run([*command, "127.0.0.1", str(port)])
    return [_read(path) for path in sorted(folder.glob("rsp*.dcm"))]


def modality_js(verb: str, **arguments: object) -> dict[str, Any]:
    """dcmjs-dimse as a modality (tests/interop/node/modality.js says how); the responses it got."""
    answer: dict[str, Any] = json.loads(_run(["node", str(NODE_FOLDER / "modality.js"), verb, json.dumps(arguments)]))
    return answer


@dataclass
class PythonHl7Receiver:
    """python-hl7's MLLP server, answering AA to everything."""

    port: int
    path: Path

    @property
    def received(self) -> list[dict[str, Any]]:
        """The fields of every message so far, as python-hl7 read them: {"MSH": [...], "ORC": [...] ...}."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        return [json.loads(line) for line in lines]


@contextlib.contextmanager
def python_hl7_receiver(folder: Path) -> Iterator[PythonHl7Receiver]:
    """A receiver that runs in the environment of python-hl7 while the context lasts."""
    port_file, path = folder / "receiver.port", folder / "receiver.jsonl"
    command = [str(FOREIGN_BIN / "python"), str(HERE / "python_hl7_receiver.py"), str(port_file), str(path)]
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        until(lambda: port_file.exists() or process.poll() is not None, LIMIT, "python-hl7 listens")
        assert process.poll() is None, (folder / "receiver.log").read_text()
        yield PythonHl7Receiver(int(port_file.read_text()), path)
    finally:
        process.terminate()
        process.wait(10)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _read(path: Path) -> Dataset:
    # The values are compared as they came; some are longer than DICOM allows, as the order had them.
    with config.disable_value_validation():
        dataset = pydicom.dcmread(path, force=True)
        dataset.decode()
        dataset.walk(lambda _, element: element.value)
    return dataset
