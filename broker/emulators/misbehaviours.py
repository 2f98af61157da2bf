"""What ill-behaved senders do on the MLLP port: each way as the bytes it puts on the wire.

Used to train people and to test the broker.  Must not judge the answers.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from broker.emulators.orders import Envelope, InventedOrder, orm
from hl7.framing import frame


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """``wire`` makes the bytes from an order and a header; ``text`` says what is wrong, for help and output."""

    text: str
    wire: Callable[[InventedOrder, Envelope], bytes]


def _new(order: InventedOrder, envelope: Envelope) -> bytes:
    return orm(order, "NW", envelope)


def _without(message: bytes, segment: bytes) -> bytes:
    return b"\r".join(line for line in message.split(b"\r") if not line.startswith(segment))


def _relabelled(order: InventedOrder, envelope: Envelope) -> bytes:
    utf_8 = replace(order, patient=replace(order.patient, charset="UNICODE UTF-8", family="Müller"))
    return _new(utf_8, envelope).replace(b"UNICODE UTF-8", b"8859/1")


def _unknown_type(order: InventedOrder, envelope: Envelope) -> bytes:
    return _new(order, envelope).replace(b"ORM^O01", b"QRY^Q99")


def _two_at_once(order: InventedOrder, envelope: Envelope) -> bytes:
    second = replace(envelope, control_id=envelope.control_id[-18:] + "-2")
    return frame(_new(order, envelope)) + frame(_new(order, second))


MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    "repeat": Misbehaviour("the same message twice", lambda o, e: frame(_new(o, e)) * 2),
    "wrong-charset": Misbehaviour("UTF-8 text labelled 8859/1", lambda o, e: frame(_relabelled(o, e))),
    "no-patient": Misbehaviour("an order without PID", lambda o, e: frame(_without(_new(o, e), b"PID"))),
    "no-patient-id": Misbehaviour(
        "an order without patient ID",
        lambda o, e: frame(_new(replace(o, patient=replace(o.patient, patient_id="")), e)),
    ),
    "unknown-type": Misbehaviour("a message type nobody knows", lambda o, e: frame(_unknown_type(o, e))),
    "unknown-order": Misbehaviour("a cancellation of an order never sent", lambda o, e: frame(orm(o, "CA", e))),
    "line-feeds": Misbehaviour(
        "LF instead of CR between segments", lambda o, e: frame(_new(o, e).replace(b"\r", b"\n"))
    ),
    "two-at-once": Misbehaviour("two messages without waiting for the answer", _two_at_once),
    "cut-frame": Misbehaviour("a frame cut in the middle, then closed", lambda o, e: frame(_new(o, e))[:200]),
    "garbage": Misbehaviour("bytes that are no HL7", lambda o, e: b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
}


def misbehave(host: str, port: int, kind: str, order: InventedOrder, envelope: Envelope) -> bytes:
    """Do it once on a connection of its own, half-close, and answer everything that came back (may be nothing).

    Raises KeyError for an unknown kind, OSError when the port cannot be reached or does not answer in ten seconds.
    """
    wire = MISBEHAVIOURS[kind].wire(order, envelope)
    answers = b""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            answers += data
    return answers
