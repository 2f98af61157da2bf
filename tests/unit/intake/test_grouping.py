"""Order groups, however a sender arranges its segments."""

import pytest

from broker.intake.grouping import order_groups
from broker.intake.pieces import Index
from hl7.parsing import parse

ARRANGEMENTS = [
    ("PID ORC OBR NTE ZDS", [("ORC", "ORC OBR NTE ZDS")]),
    ("PID ORC OBR ORC OBR", [("ORC", "ORC OBR"), ("ORC[2]", "ORC OBR")]),
    ("PID ORC TQ1 OBR OBX OBR NTE", [("ORC", "ORC TQ1 OBR OBX"), ("ORC", "ORC TQ1 OBR NTE")]),
    ("PID OBR OBR", [("OBR", "OBR"), ("OBR[2]", "OBR")]),
    ("PID ORC ORC OBR", [("ORC", "ORC"), ("ORC[2]", "ORC OBR")]),
    ("PID ORC OBR ORC OBR ZDS", [("ORC", "ORC OBR ZDS"), ("ORC[2]", "ORC OBR ZDS")]),
    ("PID ORC OBR ZDS ORC OBR ZDS", [("ORC", "ORC OBR ZDS"), ("ORC[2]", "ORC OBR ZDS")]),
    ("PID ORC OBR AL1 NTE", [("ORC", "ORC OBR NTE")]),
    ("PID PV1", []),
]


@pytest.mark.parametrize(("segments", "expected"), ARRANGEMENTS)
def test_groups(segments, expected):
    text = "MSH|^~\\&|A|B|||20240101||ORM^O01|1|P|2.5\r" + "\r".join(f"{name}|1" for name in segments.split())
    groups = order_groups(Index(parse(text.encode())))
    assert [(g.where, " ".join(s.name for s in g.segments)) for g in groups] == expected
    for group in groups:
        assert group.scope().segments.first("PID") is not None
        assert ("AL1" in segments) == (group.scope().segments.first("AL1") is not None)


def test_each_ipc_is_a_step():
    text = "MSH|^~\\&|A|B|||20240101||OMI^O23|1|P|2.5\rORC|NW\rOBR|1\rIPC|A\rIPC|B"
    (group,) = order_groups(Index(parse(text.encode())))
    assert [scope.segments.text("IPC-1") for scope in group.step_scopes()] == ["A", "B"]
