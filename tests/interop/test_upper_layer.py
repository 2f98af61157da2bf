"""The upper layer against requestors of foreign make: DCMTK and dcmjs-dimse."""

import json
import os
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import AssociationClosed, AssociationRejected, SopClass
from broker.dicom.upper_layer.commands import Operation
from broker.dicom.upper_layer.config import TRANSFER_SYNTAXES
from tests.integration.upper_layer.acceptor import Acceptor, Script, running
from tests.support.requirements import NODE_FOLDER, need
from tests.unit.upper_layer import wire

pytestmark = pytest.mark.interop
CLIENT = Path(__file__).with_name("upper_layer_client.js")


def encoded(transfer_syntax: str, **values: Any) -> bytes:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian = transfer_syntax != wire.BIG_ENDIAN
    buffer.is_implicit_VR = transfer_syntax == wire.IMPLICIT
    write_dataset(buffer, dataset)
    if transfer_syntax != wire.DEFLATED:
        return buffer.getvalue()
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflate.compress(buffer.getvalue()) + deflate.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def patients(count: int) -> Script:
    def answers(request: Request) -> Iterator[Response]:
        for number in range(count):
            filler = "X" * 50
            item = encoded(request.transfer_syntax_uid, PatientID=f"P{number:05}", PatientComments=filler * 20)
            yield Response(0xFF00, item)
        yield Response(0)

    return Script(answers)


def dcmtk(tool: str, acceptor: Acceptor, *arguments: str, called: str = "BROKER") -> subprocess.CompletedProcess[str]:
    need("dcmtk")
    command = [tool, "-v", "-aet", "DCMTK", "-aec", called, *arguments, "127.0.0.1", str(acceptor.port)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def found_patients(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"\(0010,0020\) LO \[(P\d+)", done.stdout + done.stderr)


def test_echoscu() -> None:
    with running() as acceptor:
        done = dcmtk("echoscu", acceptor, "--repeat", "10", "--propose-ts", "4")
        assert done.returncode == 0, done.stderr
        assert acceptor.seen(AssociationClosed).messages == 10


def test_echoscu_is_told_why_it_was_rejected() -> None:
    with running() as acceptor:
        done = dcmtk("echoscu", acceptor, called="OTHER")
        assert done.returncode != 0
        assert "Called AE Title Not Recognized" in done.stderr + done.stdout
        assert acceptor.seen(AssociationRejected).request.called_ae_title == "OTHER"


def test_echoscu_that_aborts_leaves_nothing_behind() -> None:
    with running() as acceptor:
        assert dcmtk("echoscu", acceptor, "--abort").returncode == 0
        assert dcmtk("echoscu", acceptor).returncode == 0


# all but "-xi" and "-xd" offer every uncompressed transfer syntax; ours is chosen by preference
@pytest.mark.parametrize(
    ("option", "supported", "syntax"),
    [
        ("-xi", TRANSFER_SYNTAXES, wire.IMPLICIT),
        ("-x=", TRANSFER_SYNTAXES, wire.EXPLICIT),
        ("-xb", TRANSFER_SYNTAXES, wire.EXPLICIT),
        ("-xb", (wire.BIG_ENDIAN,), wire.BIG_ENDIAN),
        ("-xe", (wire.IMPLICIT,), wire.IMPLICIT),
        ("-xd", TRANSFER_SYNTAXES, wire.EXPLICIT),
        ("-xd", (wire.DEFLATED,), wire.DEFLATED),
    ],
)
@pytest.mark.parametrize("limit", ["4096", "131072"])
def test_findscu_reads_every_answer(option: str, supported: tuple[str, ...], syntax: str, limit: str) -> None:
    worklist = SopClass(wire.WORKLIST, frozenset({Operation.C_FIND}), supported)
    with running(patients(100), supported=(worklist,)) as acceptor:
        done = dcmtk("findscu", acceptor, "-W", option, "-pdu", limit, "-k", "0010,0020=")
        assert done.returncode == 0, done.stderr
        assert found_patients(done) == [f"P{number:05}" for number in range(100)]
        assert acceptor.script.asked[0][1].transfer_syntax_uid == syntax


def test_findscu_cancels() -> None:
    with running(patients(100_000), send_buffer=16384) as acceptor:
        done = dcmtk("findscu", acceptor, "-W", "--cancel", "5", "-k", "0010,0020=")
        assert done.returncode == 0, done.stderr
        assert "Cancel" in done.stdout + done.stderr
        assert 5 <= len(found_patients(done)) < 20_000
        assert acceptor.script.closed == 1


def test_dcmjs_dimse_speaks_every_service() -> None:
    need("node")
    script = patients(3)
    script.reply = lambda request: Response(
        0,
        encoded(request.transfer_syntax_uid, PerformedProcedureStepStatus="DONE") if request.dataset == b"" else None,
        sop_instance_uid=request.sop_instance_uid,
    )
    with running(script) as acceptor:
        argument = json.dumps({"port": acceptor.port, "uid": "1.2.3.4"})
        done = subprocess.run(
            ["node", str(CLIENT), argument],
            env={**os.environ, "NODE_PATH": str(NODE_FOLDER / "node_modules")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [
            ["echo", 0, None],
            *(["find", 0xFF00, f"P{number:05}"] for number in range(3)),
            ["find", 0, None],
            ["create", 0, None],
            ["set", 0, None],
            ["get", 0, "DONE"],
        ]
        assert [name for name, _ in script.asked] == ["find", "create", "set", "get"]
        assert {request.sop_instance_uid for name, request in script.asked if name != "find"} == {"1.2.3.4"}
