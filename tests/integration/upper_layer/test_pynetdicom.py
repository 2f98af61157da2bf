"""pynetdicom as a requestor, and pynetdicom's own acceptor as the oracle for what we answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom import _config as pynetdicom_settings
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from broker.dicom import reactor_gate
from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer.config import SUPPORTED
from tests.integration.upper_layer.acceptor import Acceptor, Peer, Script, running
from tests.support.wait import until
from tests.unit.upper_layer import wire

SYNTAXES = [wire.IMPLICIT, wire.EXPLICIT, wire.BIG_ENDIAN]


def item(number: int) -> Dataset:
    found = Dataset()
    found.PatientName = f"DOE^JANE{number}"
    found.PatientID = f"P{number}"
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledProcedureStepID = f"S{number}"
    found.ScheduledProcedureStepSequence = [step]
    return found


def encoded(dataset: Dataset, transfer_syntax: str) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = transfer_syntax != wire.BIG_ENDIAN
    buffer.is_implicit_VR = transfer_syntax == wire.IMPLICIT
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def decoded(request: Request) -> Dataset:
    syntax = UID(request.transfer_syntax_uid)
    return read_dataset(BytesIO(request.dataset), syntax.is_implicit_VR, syntax.is_little_endian)


def twenty(request: Request) -> Iterator[Response]:
    for number in range(20):
        yield Response(0xFF00, encoded(item(number), request.transfer_syntax_uid))
    yield Response(0)


@contextmanager
def associated(
    acceptor: Acceptor, sop_class: str, syntaxes: list[str], items: list[Any] | None = None
) -> Iterator[Association]:
    requestor = AE("PYNET")
    requestor.add_requested_context(sop_class, syntaxes)
    association = requestor.associate("127.0.0.1", acceptor.port, ae_title="BROKER", ext_neg=items)
    reactor_gate.guard(association)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        association.join()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_worklist_query(syntax: str) -> None:
    with running(Script(twenty)) as acceptor, associated(acceptor, wire.WORKLIST, [syntax]) as association:
        answers = list(association.send_c_find(item(99), wire.WORKLIST))
        assert [status.Status for status, _ in answers] == [0xFF00] * 20 + [0]
        assert [found for _, found in answers[:-1]] == [item(number) for number in range(20)]
        (_, request) = acceptor.script.asked[0]
        assert (request.transfer_syntax_uid, decoded(request)) == (syntax, item(99))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_performed_procedure_step(syntax: str) -> None:
    script = Script(reply=lambda request: Response(0, request.dataset or None, sop_instance_uid="1.2.3.4"))
    with running(script) as acceptor, associated(acceptor, wire.MPPS, [syntax]) as association:
        status, attributes = association.send_n_create(item(1), wire.MPPS, "1.2.3.4")
        assert (status.Status, attributes) == (0, item(1))
        status, attributes = association.send_n_set(item(2), wire.MPPS, "1.2.3.4")
        assert (status.Status, attributes) == (0, item(2))
        assert [name for name, _ in script.asked] == ["create", "set"]


def test_retrieving_a_performed_procedure_step() -> None:
    script = Script(reply=lambda request: Response(0, encoded(item(3), request.transfer_syntax_uid)))
    with running(script) as acceptor, associated(acceptor, wire.MPPS_RETRIEVE, SYNTAXES) as association:
        status, attributes = association.send_n_get([Tag(0x00400252)], wire.MPPS_RETRIEVE, "1.2.3.4")
        assert (status.Status, attributes) == (0, item(3))
        assert script.asked[0][1].attribute_identifiers == (0x00400252,)


def test_cancel_between_answers() -> None:
    def endless(request: Request) -> Iterator[Response]:
        while True:
            yield Response(0xFF00, encoded(item(1), request.transfer_syntax_uid))

    with (
        running(Script(endless), send_buffer=16384) as acceptor,
        associated(acceptor, wire.WORKLIST, SYNTAXES) as association,
    ):
        statuses = []
        for status, _ in association.send_c_find(item(1), wire.WORKLIST, msg_id=9):
            statuses.append(status.Status)
            if len(statuses) == 5:
                association.send_c_cancel(9, query_model=wire.WORKLIST)
        assert statuses[-1] == 0xFE00
        until(lambda: acceptor.script.closed == 1)


def test_user_identity_and_extended_negotiation() -> None:
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.positive_response_requested = True
    identity.primary_field, identity.secondary_field = b"anna", b"secret"
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = UID(wire.WORKLIST)
    extended.service_class_application_information = b"\1\1\1\1"
    with running(fuzzy_names=True) as acceptor:
        with associated(acceptor, wire.WORKLIST, SYNTAXES, [identity, extended]) as association:
            assert association.acceptor.user_identity is not None
            assert association.acceptor.sop_class_extended == {UID(wire.WORKLIST): b"\1\1\1\0"}
            list(association.send_c_find(item(1), wire.WORKLIST))
        asked = acceptor.requests[0].user_identity
        assert asked is not None
        assert (asked.primary, asked.secondary) == (b"anna", b"secret")
        assert acceptor.script.asked[0][1].association.fuzzy_names
        assert not acceptor.script.asked[0][1].association.timezone_adjustment


def test_twenty_requestors_at_once() -> None:
    failures: list[str] = []

    def work() -> None:
        with associated(acceptor, wire.WORKLIST, SYNTAXES) as association:
            answers = list(association.send_c_find(item(1), wire.WORKLIST))
            if len(answers) != 21:
                failures.append(f"{len(answers)} answers")

    with running(Script(twenty)) as acceptor:
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


# -- the oracle


@pytest.fixture(scope="module")
def oracle() -> Iterator[int]:
    """pynetdicom's acceptor with the same contexts and answers; its port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pynetdicom_settings, "LOG_REQUEST_IDENTIFIERS", False)
        patch.setattr(pynetdicom_settings, "LOG_RESPONSE_IDENTIFIERS", False)
        entity = AE("BROKER")
        entity.maximum_associations = 50
        entity.require_called_aet = True
        for sop_class in SUPPORTED:
            entity.add_supported_context(
                sop_class.uid, list(sop_class.transfer_syntaxes), scu_role=True, scp_role=False
            )

        def find(_: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
            for number in range(20):
                yield 0xFF00, item(number)

        handlers: Any = [
            (evt.EVT_C_FIND, find),
            (evt.EVT_N_CREATE, lambda _: (0, None)),
            (evt.EVT_N_SET, lambda _: (0, None)),
            (evt.EVT_N_GET, lambda _: (0, item(3))),
            (evt.EVT_C_ECHO, lambda _: 0),
        ]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        assert server is not None
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def same_answers(request: Request) -> Response:
    if request.sop_class_uid == wire.MPPS_RETRIEVE:
        return Response(0, encoded(item(3), request.transfer_syntax_uid), sop_instance_uid=request.sop_instance_uid)
    return Response(0, sop_instance_uid=request.sop_instance_uid)


REQUESTS = {
    "echo": [wire.echo(1), wire.echo(65535)],
    "find": [wire.find(3)],
    "create": [wire.create(4)],
    "set": [
        wire.message(
            5, wire.request_command(0x120, 5, wire.MPPS, True, e1001=wire.uid("1.2.3")), b"\x40\0\x52\x02\2\0\0\0A "
        )
    ],
    "get": [
        wire.message(
            7, wire.request_command(0x110, 6, wire.MPPS_RETRIEVE, False, e1001=wire.uid("1.2"), e1005=b"\x40\0\x52\x02")
        )
    ],
}
PROPOSALS = {
    "usual": wire.variable(),
    "all syntaxes": wire.variable([(1, wire.WORKLIST, SYNTAXES), (9, wire.WORKLIST, [wire.DEFLATED])]),
    "partly unknown": wire.variable([(1, "1.2.840.10008.5.1.4.1.1.2", [wire.IMPLICIT]), (3, wire.MPPS, ["1.2.3.4"])]),
    "roles": wire.variable(extra=wire.item(0x54, b"\0\x16" + wire.WORKLIST.encode() + b"\1\1")),
    "no limit": wire.variable(max_pdu=0),
    "events": wire.variable([(1, wire.MPPS_NOTIFICATION, SYNTAXES), (3, wire.MPPS_RETRIEVE, SYNTAXES)]),
    **{
        f"events, roles {scu} {scp}": wire.variable(
            [(1, wire.MPPS_NOTIFICATION, SYNTAXES), (3, wire.MPPS_RETRIEVE, SYNTAXES)],
            extra=wire.item(0x54, b"\0\x17" + wire.MPPS_NOTIFICATION.encode() + bytes([scu, scp])),
        )
        for scu, scp in ((0, 0), (0, 1), (1, 0), (1, 1))
    },
}


def conversation(port: int, proposal: bytes, requests: list[bytes], answers: int) -> tuple[Any, list[bytes]]:
    """The negotiated result, and each answer's command sets and data sets without their fragmentation."""
    with Peer(port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.send(wire.associate_rq(proposal))
        kind, body = peer.pdu()
        accepted = A_ASSOCIATE_AC()
        accepted.decode(wire.pdu(kind, body))
        primitive = accepted.to_primitive()
        contexts = {
            cx.context_id: (cx.result, list(cx.transfer_syntax) if cx.result == 0 else None)
            for cx in primitive.presentation_context_definition_results_list
        }
        roles = sorted(
            (str(found.sop_class_uid), found.scu_role, found.scp_role)
            for found in primitive.user_information
            if isinstance(found, SCP_SCU_RoleSelectionNegotiation)
        )
        parts = []
        for request in requests:
            peer.send(request)
            parts += [peer._part()[0] for _ in range(answers)]
        peer.release()
        return (contexts, roles, body[:68]), parts


@pytest.mark.parametrize("name", PROPOSALS)
def test_negotiation_gives_what_pynetdicom_gives(name: str, oracle: int) -> None:
    with running() as acceptor:
        ours = conversation(acceptor.port, PROPOSALS[name], [], 0)
        assert ours == conversation(oracle, PROPOSALS[name], [], 0)


@pytest.mark.parametrize(("name", "answers"), [("echo", 1), ("find", 41), ("create", 1), ("set", 1), ("get", 2)])
def test_answers_are_pynetdicoms_byte_for_byte(name: str, answers: int, oracle: int) -> None:
    with running(Script(twenty, same_answers)) as acceptor:
        ours = conversation(acceptor.port, wire.variable(), REQUESTS[name], answers)
        assert ours == conversation(oracle, wire.variable(), REQUESTS[name], answers)


@pytest.mark.parametrize(
    "request_pdu",
    [
        wire.associate_rq(called=b"OTHER"),
        wire.associate_rq(version=2),
    ],
)
def test_rejections_are_pynetdicoms(request_pdu: bytes, oracle: int) -> None:
    answers = []
    with running() as acceptor:
        for port in (acceptor.port, oracle):
            with Peer(port) as peer:
                peer.send(request_pdu)
                answers.append(peer.pdu())
    assert answers[0] == answers[1]
