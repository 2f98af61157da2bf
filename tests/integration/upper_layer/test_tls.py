"""Associations over TLS: certificates, handshakes that hang, large answers."""

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from broker.dicom.messages import Request, Response
from broker.dicom.upper_layer import (
    AssociationClosed,
    AssociationOpened,
)
from tests.integration.upper_layer.acceptor import Peer, Script, running
from tests.support.certificates import Certificates, make_certificates
from tests.unit.upper_layer import wire


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_tls_with_a_client_certificate(certificates: Certificates) -> None:
    with running(ssl_context=certificates.server()) as acceptor:
        with Peer(acceptor.port, tls=certificates.client("ct1")) as peer:
            peer.associate().send(wire.echo())
            assert peer.response() == (0, None)
            proof = acceptor.requests[0].tls
            assert proof is not None
            assert proof.subject == (("organizationName", "Radiology"), ("commonName", "ct1"))
            assert proof.version.startswith("TLSv1")
            assert proof.certificate == ssl.PEM_cert_to_DER_cert((certificates.folder / "ct1.pem").read_text())
            assert acceptor.seen(AssociationOpened).encrypted
            peer.release()
        acceptor.seen(AssociationClosed)


def test_without_the_demanded_certificate_nothing_is_asked(certificates: Certificates) -> None:
    with running(ssl_context=certificates.server()) as acceptor:
        with pytest.raises((OSError, EOFError)), Peer(acceptor.port, tls=certificates.client(None)) as peer:
            peer.associate()
        assert acceptor.requests == []


def test_silent_and_plain_peers_do_not_hold_up_a_handshake(certificates: Certificates) -> None:
    with running(ssl_context=certificates.server(), artim_timeout=1.0) as acceptor:
        with Peer(acceptor.port) as silent, Peer(acceptor.port) as plain:
            plain.send(wire.associate_rq())
            with Peer(acceptor.port, tls=certificates.client("ct1")) as peer:
                peer.associate().release()
            assert silent.closed()
            assert plain.socket.recv(1) in (b"", b"\x15")  # closed, or a TLS alert first
        assert len(acceptor.requests) == 1


def test_a_large_answer_over_tls(certificates: Certificates) -> None:
    def answers(_: Request) -> Iterator[Response]:
        for number in range(2000):
            yield Response(0xFF00, number.to_bytes(4, "little") * 250)
        yield Response(0)

    settings: dict[str, Any] = {"ssl_context": certificates.server()}
    tls = certificates.client("ct1")
    with running(Script(answers), **settings) as acceptor, Peer(acceptor.port, tls=tls) as peer:
        peer.associate().send(wire.find())
        found = [peer.response()[1] for _ in range(2000)]
        assert found == [number.to_bytes(4, "little") * 250 for number in range(2000)]
        assert peer.response() == (0, None)
