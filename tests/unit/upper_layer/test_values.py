"""Configuration and admission refuse what the standard or common sense forbids; requests meet their context."""

from typing import Any

import pytest

from broker.dicom.messages import Response
from broker.dicom.upper_layer.commands import Command, Operation
from broker.dicom.upper_layer.config import SUPPORTED, AcceptorConfig, SopClass
from broker.dicom.upper_layer.negotiation import AgreedContext
from broker.dicom.upper_layer.policy import Admission
from broker.dicom.upper_layer.responses import refusal_of
from tests.unit.upper_layer import wire

BY_UID = {sop_class.uid: sop_class for sop_class in SUPPORTED}


@pytest.mark.parametrize(
    "values",
    [
        {"max_pdu": 100},
        {"max_pdu": 1 << 30},
        {"ae_title": "X" * 17},
        {"implementation_version_name": ""},
        {"implementation_version_name": "X" * 17},
        {"max_dataset": 0},
        {"max_associations": 0},
        {"handler_threads": 0},
        {"backlog": 0},
        {"send_buffer": 0},
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        AcceptorConfig(**values)


@pytest.mark.parametrize(
    ("codes", "is_allowed"),
    [
        ((1, 1, 3), True),
        ((1, 1, 7), True),
        ((2, 2, 1), True),
        ((2, 3, 2), True),
        ((0, 1, 1), False),
        ((3, 1, 1), False),
        ((1, 0, 1), False),
        ((1, 4, 1), False),
        ((1, 1, 0), False),
        ((1, 2, 3), False),
    ],
)
def test_only_the_standards_rejections_exist(codes: tuple[int, int, int], is_allowed: bool) -> None:
    if is_allowed:
        found = Admission.reject(*codes)
        assert (found.accepted, found.result, found.source, found.reason) == (False, *codes)
    else:
        with pytest.raises(ValueError, match=r"Table 9-21"):
            Admission.reject(*codes)


@pytest.mark.parametrize(
    ("abstract", "operation", "named", "expected"),
    [
        (wire.VERIFICATION, Operation.C_ECHO, wire.VERIFICATION, None),
        (wire.WORKLIST, Operation.C_FIND, wire.WORKLIST, None),
        (wire.WORKLIST, Operation.C_FIND, "", None),
        (wire.WORKLIST, Operation.C_FIND, wire.MPPS, 0x0122),
        (wire.WORKLIST, Operation.C_ECHO, wire.VERIFICATION, 0x0211),
        (wire.VERIFICATION, Operation.C_FIND, wire.WORKLIST, 0x0211),
        (wire.MPPS, Operation.N_CREATE, wire.MPPS, None),
        (wire.MPPS, Operation.N_SET, wire.MPPS, None),
        (wire.MPPS, Operation.N_SET, wire.WORKLIST, 0x0118),
        (wire.MPPS, Operation.N_DELETE, wire.MPPS, 0x0211),
        (wire.MPPS, Operation.N_GET, wire.MPPS, 0x0211),
        (wire.MPPS, Operation.C_STORE, wire.MPPS, 0x0211),
        (wire.MPPS_RETRIEVE, Operation.N_GET, wire.MPPS_RETRIEVE, None),
        (wire.MPPS_RETRIEVE, Operation.N_GET, wire.MPPS, None),
        (wire.MPPS_RETRIEVE, Operation.N_GET, wire.WORKLIST, 0x0118),
    ],
)
def test_requests_meet_the_rules_of_their_context(
    abstract: str, operation: Operation, named: str, expected: int | None
) -> None:
    context = AgreedContext(1, BY_UID[abstract], wire.IMPLICIT)
    found = refusal_of(Command(operation, 1, False, named), context)
    assert found == (Response(expected) if expected is not None else None)


def test_sop_classes_can_be_chosen() -> None:
    only_echo = AcceptorConfig(supported=(SopClass(wire.VERIFICATION, frozenset({Operation.C_ECHO})),))
    assert [sop_class.uid for sop_class in only_echo.supported] == [wire.VERIFICATION]
