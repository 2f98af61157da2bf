"""The command set codec against pynetdicom's: byte-equal responses, equal readings of requests, no surprise on junk."""

from io import BytesIO
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.tag import Tag
from pynetdicom import dimse_messages as theirs
from pynetdicom import dimse_primitives as primitives
from pynetdicom.dsutils import encode

from broker.dicom.messages import Response
from broker.dicom.upper_layer.commands import (
    Command,
    CommandError,
    EventReply,
    Operation,
    decode_message,
    decode_request,
    encode_event_report,
    encode_response,
)
from tests.unit.upper_layer import wire

PRIMITIVES = {
    Operation.C_ECHO: (primitives.C_ECHO, theirs.C_ECHO_RSP),
    Operation.C_FIND: (primitives.C_FIND, theirs.C_FIND_RSP),
    Operation.N_CREATE: (primitives.N_CREATE, theirs.N_CREATE_RSP),
    Operation.N_SET: (primitives.N_SET, theirs.N_SET_RSP),
    Operation.N_GET: (primitives.N_GET, theirs.N_GET_RSP),
}
DATASET_NAME = {Operation.C_FIND: "Identifier", Operation.N_CREATE: "AttributeList", Operation.N_GET: "AttributeList"}


def pynetdicoms(operation: Operation, response: Response, message_id: int, sop_class: str) -> bytes:
    make_primitive, make_message = PRIMITIVES[operation]
    primitive = make_primitive()
    primitive.MessageIDBeingRespondedTo = message_id
    primitive.AffectedSOPClassUID = sop_class
    primitive.Status = response.status
    for name, value in (
        ("ErrorComment", response.error_comment),
        ("ErrorID", response.error_id),
        ("AffectedSOPInstanceUID", response.sop_instance_uid),
        ("OffendingElement", list(response.offending) or None),
        ("AttributeIdentifierList", list(response.offending) or None),
    ):
        if value is not None and hasattr(primitive, name):
            setattr(primitive, name, value)
    if response.dataset:
        setattr(primitive, DATASET_NAME[operation], BytesIO(response.dataset))
    message = make_message()
    message.primitive_to_message(cast(Any, primitive))
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    return encoded


RESPONSES = [
    (Operation.C_ECHO, wire.VERIFICATION, Response(0)),
    (Operation.C_FIND, wire.WORKLIST, Response(0)),
    (Operation.C_FIND, wire.WORKLIST, Response(0xFF00, b"ab")),
    (Operation.C_FIND, wire.WORKLIST, Response(0xFF01, b"ab")),
    (Operation.C_FIND, wire.WORKLIST, Response(0xFE00)),
    (Operation.C_FIND, wire.WORKLIST, Response(0xA900, error_comment="odd", offending=(0x00400100,))),
    (Operation.C_FIND, wire.WORKLIST, Response(0xA900, error_comment="even", offending=(0x00400100, 0x00100010))),
    (Operation.N_CREATE, wire.MPPS, Response(0, sop_instance_uid="1.2.3")),
    (Operation.N_CREATE, wire.MPPS, Response(0, b"ab", sop_instance_uid="1.2.34")),
    (Operation.N_CREATE, wire.MPPS, Response(0x0111, error_comment="twice", error_id=7, sop_instance_uid="1.2")),
    (Operation.N_SET, wire.MPPS, Response(0x0110, error_id=0xA710, error_comment="final")),
    (Operation.N_SET, wire.MPPS, Response(0x0107, offending=(0x00400252,), sop_instance_uid="1.2.3")),
    (Operation.N_GET, wire.MPPS_RETRIEVE, Response(0, b"ab", sop_instance_uid="1.2.3", offending=(0x1, 0xFFFEE000))),
    (Operation.N_GET, wire.MPPS_RETRIEVE, Response(0x0112, sop_instance_uid="1.2.3")),
]


@pytest.mark.parametrize(("operation", "sop_class", "response"), RESPONSES)
@pytest.mark.parametrize("message_id", [1, 256, 65535])
def test_responses_are_pynetdicoms_bytes(
    operation: Operation, sop_class: str, response: Response, message_id: int
) -> None:
    command = Command(operation, message_id, False, sop_class)
    assert encode_response(command, response) == pynetdicoms(operation, response, message_id, sop_class)


def test_a_missing_attribute_is_named_to_a_creator() -> None:
    """PS3.7 C.5: Attribute Identifier List goes with 0x0120; pynetdicom's N-CREATE-RSP has no room for it."""
    encoded = encode_response(Command(Operation.N_CREATE, 1, False, ""), Response(0x0120, offending=(0x00400241,)))
    assert encoded.endswith(wire.element(0x1005, bytes.fromhex("40004102")))


@pytest.mark.parametrize(("text", "expected"), [("x" * 70, b"x" * 64), ("Jürg", b"J?rg"), ("abc", b"abc ")])
def test_error_comments_fit_their_value_representation(text: str, expected: bytes) -> None:
    encoded = encode_response(Command(Operation.C_FIND, 1, False, ""), Response(0xC001, error_comment=text))
    assert encoded.endswith(wire.element(0x0902, expected))


REQUESTS = [
    (wire.request_command(0x30, 7, wire.VERIFICATION, False), Command(Operation.C_ECHO, 7, False, wire.VERIFICATION)),
    (
        wire.request_command(0x20, 65535, wire.WORKLIST, True, e0700=wire.us(1)),
        Command(Operation.C_FIND, 65535, True, wire.WORKLIST),
    ),
    (
        wire.request_command(0x140, 2, wire.MPPS, True, e1000=wire.uid("1.2.3.45")),
        Command(Operation.N_CREATE, 2, True, wire.MPPS, "1.2.3.45"),
    ),
    (wire.request_command(0x140, 2, wire.MPPS, True), Command(Operation.N_CREATE, 2, True, wire.MPPS)),
    (wire.request_command(0x140, 2, wire.MPPS, True, e1000=b""), Command(Operation.N_CREATE, 2, True, wire.MPPS)),
    (
        wire.request_command(0x120, 3, wire.MPPS, True, e1001=wire.uid("1.2.3")),
        Command(Operation.N_SET, 3, True, wire.MPPS, "1.2.3"),
    ),
    (
        wire.request_command(
            0x110, 4, wire.MPPS_RETRIEVE, False, e1001=wire.uid("1.2"), e1005=bytes.fromhex("4000520210001000")
        ),
        Command(Operation.N_GET, 4, False, wire.MPPS_RETRIEVE, "1.2", (0x00400252, 0x00100010)),
    ),
    (
        wire.command({0x0100: wire.us(0xFFF), 0x0120: wire.us(9), 0x0800: wire.us(0x101)}),
        Command(Operation.C_CANCEL, 9, False),
    ),
    # some devices pad a UID with a space; the group length is neither needed nor trusted
    (
        wire.command({0x2: b"1.2.840.10008.1.1 ", 0x100: wire.us(0x30), 0x110: wire.us(1), 0x800: wire.us(0x101)})[12:],
        Command(Operation.C_ECHO, 1, False, wire.VERIFICATION),
    ),
]


@pytest.mark.parametrize(("encoded", "expected"), REQUESTS)
def test_requests_are_read(encoded: bytes, expected: Command) -> None:
    assert decode_request(encoded) == expected


def test_requests_of_pynetdicom_are_read() -> None:
    primitive = primitives.N_GET()
    primitive.MessageID = 12
    primitive.RequestedSOPClassUID = wire.MPPS_RETRIEVE
    primitive.RequestedSOPInstanceUID = "1.2.3.4.5"
    primitive.AttributeIdentifierList = [Tag(0x00400252), Tag(0x00400254)]
    message = theirs.N_GET_RQ()
    message.primitive_to_message(primitive)
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    tags = (0x00400252, 0x00400254)
    assert decode_request(encoded) == Command(Operation.N_GET, 12, False, wire.MPPS_RETRIEVE, "1.2.3.4.5", tags)


@pytest.mark.parametrize("event_type", [1, 2, 3, 4, 65535])
@pytest.mark.parametrize("instance", ["1.2.3", "1.2.34", "9" * 64])
def test_events_are_pynetdicoms_bytes(event_type: int, instance: str) -> None:
    primitive = primitives.N_EVENT_REPORT()
    primitive.MessageID = 300
    primitive.AffectedSOPClassUID = wire.MPPS_NOTIFICATION
    primitive.AffectedSOPInstanceUID = instance
    primitive.EventTypeID = event_type
    message = theirs.N_EVENT_REPORT_RQ()
    message.primitive_to_message(primitive)
    expected = encode(message.command_set, True, True)
    assert encode_event_report(300, wire.MPPS_NOTIFICATION, instance, event_type) == expected


@pytest.mark.parametrize(
    ("status", "comment", "reply"), [(0, "", None), (0x0112, "no such step", None), (0, "", BytesIO(b"ab"))]
)
def test_answers_to_events_by_pynetdicom_are_read(status: int, comment: str, reply: BytesIO | None) -> None:
    primitive = primitives.N_EVENT_REPORT()
    primitive.MessageIDBeingRespondedTo = 77
    primitive.AffectedSOPClassUID = wire.MPPS_NOTIFICATION
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.EventTypeID = 2
    primitive.Status = status
    primitive.EventReply = reply
    if comment:
        setattr(primitive, "ErrorComment", comment)  # noqa: B010 - theirs is annotated as None
    message = theirs.N_EVENT_REPORT_RSP()
    message.primitive_to_message(primitive)
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    assert decode_message(encoded) == EventReply(77, reply is not None, status, comment)


@pytest.mark.parametrize(("encoded", "expected"), REQUESTS)
def test_a_message_may_be_a_request(encoded: bytes, expected: Command) -> None:
    assert decode_message(encoded) == expected


REPLY = {0x0100: wire.us(0x8100), 0x0120: wire.us(1), 0x0800: wire.us(0x101), 0x0900: wire.us(0)}


@pytest.mark.parametrize(
    "encoded",
    [
        *(wire.command({**REPLY, 0x0100: wire.us(field)}) for field in (0x8020, 0x8030, 0x8110, 0x8140, 0x8001)),
        *(wire.command({k: v for k, v in REPLY.items() if k != missing}) for missing in (0x0120, 0x0800, 0x0900)),
        wire.command({**REPLY, 0x0900: b"\0"}),
    ],
)
def test_other_answers_and_damaged_ones_are_refused(encoded: bytes) -> None:
    with pytest.raises(CommandError):
        decode_message(encoded)


GOOD = {0x0002: wire.uid(wire.WORKLIST), 0x0100: wire.us(0x20), 0x0110: wire.us(1), 0x0800: wire.us(1)}


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0" * 7,
        wire.command(GOOD)[:-1],
        wire.command({**GOOD, 0x0100: wire.us(0x8020)}),
        wire.command({**GOOD, 0x0100: wire.us(0x7777)}),
        wire.command({**GOOD, 0x0100: b""}),
        wire.command({**GOOD, 0x0110: b"\1\0\2\0"}),
        wire.command({number: value for number, value in GOOD.items() if number != 0x0800}),
        wire.command({number: value for number, value in GOOD.items() if number != 0x0110}),
        wire.command({**GOOD, 0x0002: b"1" * 66}),
        wire.command({**GOOD, 0x0002: b"\xff\xfe"}),
        wire.command({**GOOD, 0x1005: b"\0\0"}),
        wire.command(GOOD) + bytes.fromhex("0800050000000000"),
    ],
)
def test_damaged_command_sets_are_refused(encoded: bytes) -> None:
    with pytest.raises(CommandError):
        decode_request(encoded)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_message_or_a_command_error(encoded: bytes) -> None:
    try:
        found = decode_message(encoded)
    except CommandError:
        return
    field = 0x8100 if isinstance(found, EventReply) else found.operation
    assert field.to_bytes(2, "little") in encoded
