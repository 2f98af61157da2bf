"""Owns: PDUs and command sets written by hand, so no test asks the product what it expects. Must not: import it."""

import struct
from collections.abc import Iterable, Sequence

VERIFICATION = "1.2.840.10008.1.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
MPPS_NOTIFICATION = "1.2.840.10008.3.1.2.3.5"
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
ALL_CONTEXTS = (
    (1, VERIFICATION, [IMPLICIT]),
    (3, WORKLIST, [IMPLICIT, EXPLICIT]),
    (5, MPPS, [IMPLICIT]),
    (7, MPPS_RETRIEVE, [IMPLICIT]),
)
RELEASE_RQ = bytes.fromhex("05000000000400000000")
RELEASE_RP = bytes.fromhex("06000000000400000000")
ABORT = bytes.fromhex("07000000000400000000")
COMMAND, LAST = 1, 2


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def item(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


def context(context_id: int, abstract: str, transfers: Sequence[str]) -> bytes:
    syntaxes = item(0x30, abstract.encode()) + b"".join(item(0x40, uid.encode()) for uid in transfers)
    return item(0x20, bytes([context_id, 0, 0, 0]) + syntaxes)


def user_information(max_pdu: int | None = 16384, extra: bytes = b"") -> bytes:
    length = item(0x51, struct.pack(">I", max_pdu)) if max_pdu is not None else b""
    return item(0x50, length + item(0x52, b"1.2.3.4") + extra + item(0x55, b"HAND_1"))


def variable(
    contexts: Iterable[tuple[int, str, Sequence[str]]] = ALL_CONTEXTS,
    *,
    application_context: str = APPLICATION_CONTEXT,
    max_pdu: int | None = 16384,
    extra: bytes = b"",
) -> bytes:
    body = item(0x10, application_context.encode()) + b"".join(context(*parts) for parts in contexts)
    return body + user_information(max_pdu, extra)


def associate_rq(
    body: bytes | None = None, *, called: bytes = b"BROKER", calling: bytes = b"CT1", version: int = 1
) -> bytes:
    fixed = struct.pack(">HH", version, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)
    return pdu(1, fixed + (variable() if body is None else body))


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def p_data(context_id: int, control: int, data: bytes) -> bytes:
    return pdu(4, pdv(context_id, control, data))


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def us(value: int) -> bytes:
    return struct.pack("<H", value)


def uid(value: str) -> bytes:
    return value.encode() + b"\0" * (len(value) % 2)


def command(elements: dict[int, bytes]) -> bytes:
    body = b"".join(element(number, value) for number, value in sorted(elements.items()))
    return element(0, struct.pack("<I", len(body))) + body


def request_command(field: int, message_id: int, sop_class: str, has_dataset: bool, **more: bytes) -> bytes:
    """A request; ``more`` as ``e1000=...``.  N-SET, N-GET, N-ACTION and N-DELETE name the requested class."""
    number = 0x0003 if field in (0x0110, 0x0120, 0x0130, 0x0150) else 0x0002
    elements = {number: uid(sop_class), 0x0100: us(field), 0x0110: us(message_id)}
    elements[0x0800] = us(1 if has_dataset else 0x0101)
    elements.update({int(name[1:], 16): value for name, value in more.items()})
    return command(elements)


def message(context_id: int, encoded_command: bytes, dataset: bytes | None = None) -> bytes:
    head = p_data(context_id, COMMAND | LAST, encoded_command)
    return head if dataset is None else head + p_data(context_id, LAST, dataset)


def echo(message_id: int = 1, context_id: int = 1) -> bytes:
    return message(context_id, request_command(0x0030, message_id, VERIFICATION, False))


def find(message_id: int = 1, dataset: bytes = b"\x10\x00\x10\x00\x00\x00\x00\x00", context_id: int = 3) -> bytes:
    return message(context_id, request_command(0x0020, message_id, WORKLIST, True, e0700=us(0)), dataset)


def cancel(message_id: int = 1, context_id: int = 3) -> bytes:
    return message(context_id, command({0x0100: us(0x0FFF), 0x0120: us(message_id), 0x0800: us(0x0101)}))


def create(message_id: int = 1, dataset: bytes = b"\x40\x00\x52\x02\x02\x00\x00\x00A ", context_id: int = 5) -> bytes:
    encoded = request_command(0x0140, message_id, MPPS, True, e1000=uid("1.2.3.99"))
    return message(context_id, encoded, dataset)


def event_reply(message_id: int, status: int = 0, context_id: int = 9, dataset: bytes | None = None) -> bytes:
    """The answer to an event, as a user of MPPS Notification gives it."""
    elements = {
        0x0002: uid(MPPS_NOTIFICATION), 0x0100: us(0x8100), 0x0120: us(message_id), 0x0900: us(status),
        0x0800: us(0x0101 if dataset is None else 1),
    }  # fmt: skip
    return message(context_id, command(elements), dataset)
