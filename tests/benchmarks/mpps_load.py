"""Owns: a load of exams: `python -m tests.benchmarks.mpps_load PORT COUNT CLIENTS FIRST`; prints pairs per second.
Must not: use our own DICOM server.

Each pair is an association of its own: open, N-CREATE, N-SET, release. Everything is encoded before the clock starts
and sent on plain sockets, so that the client costs little. Exit code 1 when a status is not 0000.
"""

import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    A_RELEASE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from broker.dicom.datasets import encode
from tests.peers.order_messages import UID_ROOT
from tests.support import exams

MPPS = "1.2.840.10008.3.1.2.3.3"
IMPLICIT = "1.2.840.10008.1.2"
_ASSOCIATE_AC, _P_DATA, _RELEASE_RP = 2, 4, 6


Plain = dict[str, dict[str, object]]


def datasets_of(number: int) -> tuple[str, Plain, Plain]:
    """SOP Instance UID and the data sets of N-CREATE and N-SET for order `number` of tests.peers.order_messages."""
    uid = f"{UID_ROOT}.77.{number}"
    names = {"StudyInstanceUID": f"{UID_ROOT}.{number}", "AccessionNumber": f"A{number}"}
    step = {"RequestedProcedureID": f"RP{number}", "ScheduledProcedureStepID": f"S{number}-1"}
    person = {"PatientID": f"P{number}", "PatientName": "TELLER^Zoë"}
    begin = exams.create([exams.reference(**names, **step)], **person)
    series = {**exams.SERIES, "SeriesInstanceUID": f"{uid}.1"}
    end = exams.final(PerformedSeriesSequence=[series])
    return uid, exams.dataset(begin), exams.dataset(end)


def pair(number: int) -> tuple[bytes, bytes]:
    """N-CREATE and N-SET as P-DATA-TF."""
    uid, begin, end = datasets_of(number)
    return (
        _p_data(_command(0x0140, 1, 0x0002, 0x1000, uid), encode(begin, IMPLICIT)),
        _p_data(_command(0x0120, 2, 0x0003, 0x1001, uid), encode(end, IMPLICIT)),
    )


def _command(field: int, message_id: int, class_element: int, instance_element: int, uid: str) -> bytes:
    body = b"".join(
        (
            _element(class_element, _uid(MPPS)), _element(0x0100, struct.pack("<H", field)),
            _element(0x0110, struct.pack("<H", message_id)), _element(0x0800, struct.pack("<H", 1)),
            _element(instance_element, _uid(uid)),
        )
    )  # fmt: skip
    return _element(0x0000, struct.pack("<I", len(body))) + body


def _element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def _p_data(command: bytes, dataset: bytes) -> bytes:
    """One PDU for the command, one for the data set."""
    pdus = b""
    for control, body in ((3, command), (2, dataset)):
        value = struct.pack(">IBB", len(body) + 2, 1, control) + body
        pdus += struct.pack(">BBI", _P_DATA, 0, len(value)) + value
    return pdus


def _request(calling: str) -> bytes:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = calling, "BROKER"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 65536
    implementation.implementation_class_uid = f"{UID_ROOT}.1"
    primitive.user_information = [length, implementation]
    context = build_context(MPPS, IMPLICIT)
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    encoded: bytes = pdu.encode()
    return encoded


def _release() -> bytes:
    pdu = A_RELEASE_RQ()
    pdu.from_primitive(A_RELEASE())
    encoded: bytes = pdu.encode()
    return encoded


class Client:
    """One modality after another on one thread."""

    def __init__(self, port: int, calling: str = "CT1") -> None:
        self.port = port
        self.request, self.release = _request(calling), _release()

    def perform(self, messages: Iterable[bytes]) -> None:
        """One association with these messages."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            self.associate(connection)
            for message in messages:
                connection.sendall(message)
                self._succeed(connection)
            connection.sendall(self.release)
            self._expect(connection, _RELEASE_RP)

    def associate(self, connection: socket.socket) -> None:
        """Open an association on a connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(self.request)
        self._expect(connection, _ASSOCIATE_AC)

    def _succeed(self, connection: socket.socket) -> None:
        body = self._expect(connection, _P_DATA)
        command, with_dataset = body[6:], False
        position = 0
        while position < len(command):
            _, number, length = struct.unpack_from("<HHI", command, position)
            value = command[position + 8 : position + 8 + length]
            if number == 0x0900 and value != b"\0\0":
                raise RuntimeError(f"status {value[::-1].hex()}")
            with_dataset |= number == 0x0800 and value != b"\x01\x01"
            position += 8 + length
        if with_dataset:
            self._expect(connection, _P_DATA)

    def _expect(self, connection: socket.socket, kind: int) -> bytes:
        header = self._read(connection, 6)
        body = self._read(connection, int.from_bytes(header[2:], "big"))
        if header[0] != kind:
            raise RuntimeError(f"PDU {header[0]} instead of {kind}")
        return body

    def _read(self, connection: socket.socket, length: int) -> bytes:
        data = b""
        while len(data) < length:
            received = connection.recv(length - len(data))
            if not received:
                raise RuntimeError("the connection ended")
            # acknowledge at once: the peer may hold back its next segment until then (Nagle)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            data += received
        return data


def main(port: int, count: int, clients: int, first: int) -> float:
    """Pairs per second."""
    work = iter([pair(number) for number in range(first, first + count)])
    failed: list[Exception] = []
    lock = threading.Lock()
    threads = [threading.Thread(target=_client, args=(Client(port), work, lock, failed)) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"{len(failed)} clients failed, the first with: {failed[0]}")
    return count / (time.perf_counter() - began)


def _client(client: Client, work: Iterator[tuple[bytes, bytes]], lock: threading.Lock, failed: list[Exception]) -> None:
    try:
        while True:
            with lock:
                messages = next(work, None)
            if messages is None:
                return
            client.perform(messages)
    except (OSError, RuntimeError) as error:
        failed.append(error)


if __name__ == "__main__":
    sys.stdout.write(f"{main(*(int(text) for text in sys.argv[1:5]))}\n")
