"""The service user against a provider: answers, refusals, and every way not to get one."""

import socket
from collections.abc import Callable, Iterator

import pytest

from broker.dicom import scu
from broker.dicom.acceptor import Acceptor
from broker.dicom.datasets import encode
from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import ACCEPT, SUPPORTED, AcceptorConfig


class Handlers:
    """Answers with what it was asked."""

    def find(self, request: Request) -> Iterator[Response]:
        for _ in range(5):
            yield Response(0xFF01, request.dataset)
        yield Response(0xA700, error_comment="busy", offending=(0x00080050,))

    def create(self, request: Request) -> Response:
        return Response(0, request.dataset, sop_instance_uid=request.sop_instance_uid or "1.2.99")

    def set(self, request: Request) -> Response:
        return Response(0x0110, error_comment="final", error_id=0xA710, offending=(0x00400252,))

    def get(self, request: Request) -> Response:
        tags = {f"{tag:08X}": {"vr": "LO", "Value": ["x"]} for tag in request.attribute_identifiers}
        return Response(0x0001, encode(tags, request.transfer_syntax_uid))


@pytest.fixture
def port() -> Iterator[int]:
    with Acceptor(AcceptorConfig(port=0), Handlers(), lambda _: ACCEPT) as acceptor:
        yield acceptor.port


def peer(port: int, **more: object) -> scu.Peer:
    return scu.Peer("127.0.0.1", port, **more)  # type: ignore[arg-type]


def test_find_gives_items_and_the_final_answer(port: int) -> None:
    found = scu.find(peer(port), {"PatientName": "MÜLLER*"})
    assert found.items == ({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "MÜLLER*"},) * 5
    assert sorted(found.pending) == [0xFF01]
    assert (found.final.status, found.final.error_comment, found.final.offending) == (0xA700, "busy", (0x00080050,))
    assert not found.final.succeeded


@pytest.mark.parametrize(("uid", "expected"), [(None, "1.2.99"), ("1.2.3", "1.2.3")])
def test_create_gives_the_uid(port: int, uid: str | None, expected: str) -> None:
    answer = scu.create(peer(port), {"PerformedProcedureStepID": "P1"}, uid)
    assert (answer.succeeded, answer.sop_instance_uid) == (True, expected)
    assert answer.attributes == {"PerformedProcedureStepID": "P1"}


def test_set_gives_the_refusal(port: int) -> None:
    answer = scu.set_(peer(port), {"PerformedProcedureStepStatus": "COMPLETED"}, "1.2.3")
    assert (answer.status, answer.error_id, answer.offending) == (0x0110, 0xA710, (0x00400252,))


def test_get_asks_for_the_named_attributes(port: int) -> None:
    answer = scu.get(peer(port), "1.2.3", ["PerformedProcedureStepDescription"])
    assert answer.attributes == {"PerformedProcedureStepDescription": "x"}
    assert answer.succeeded


def test_one_association_for_many_requests(port: int) -> None:
    with scu.connect(peer(port)) as session:
        assert session.echo().succeeded
        assert session.create({"PerformedProcedureStepID": "P1"}).succeeded
        assert session.find({"PatientID": ""}).final.status == 0xA700
        assert session.echo().succeeded


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(scu.NotReachable, match=f"127.0.0.1:{port}"):
        scu.echo(peer(port))


def test_a_listener_that_does_not_speak_dicom() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(scu.NotReachable):
        scu.echo(peer(silent.getsockname()[1], answer_timeout=0.5))


def test_a_wrong_called_ae_title(port: int) -> None:
    with pytest.raises(scu.Rejected) as rejected:
        scu.echo(peer(port, called_ae_title="OTHER"))
    assert rejected.value.codes == (1, 1, 7)


ONLY_VERIFICATION = AcceptorConfig(port=0, supported=SUPPORTED[:1])


def test_a_service_that_is_not_offered() -> None:
    with Acceptor(ONLY_VERIFICATION, Handlers(), lambda _: ACCEPT) as acceptor, pytest.raises(scu.NotOffered):
        scu.find(peer(acceptor.port), {"PatientID": ""})


CALLS: list[Callable[[scu.Session], object]] = [
    lambda s: s.find({"PatientID": ""}),
    lambda s: s.create({"PatientID": ""}),
    lambda s: s.set({"PatientID": ""}, "1.2"),
    lambda s: s.get("1.2"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_service_that_is_not_offered_beside_one_that_is(call: Callable[[scu.Session], object]) -> None:
    with (
        Acceptor(ONLY_VERIFICATION, Handlers(), lambda _: ACCEPT) as acceptor,
        scu.connect(peer(acceptor.port)) as session,
        pytest.raises(scu.NotOffered),
    ):
        call(session)


def test_an_answer_that_does_not_come() -> None:
    class Silent(Handlers):
        def find(self, request: Request) -> Iterator[Response]:
            socket_pair[1].recv(1)
            yield Response(0)

    socket_pair = socket.socketpair()
    with Acceptor(AcceptorConfig(port=0), Silent(), lambda _: ACCEPT) as acceptor:
        with pytest.raises(scu.NoAnswer):
            scu.find(peer(acceptor.port, answer_timeout=0.5), {"PatientID": ""})
        socket_pair[0].sendall(b"x")
    for end in socket_pair:
        end.close()
