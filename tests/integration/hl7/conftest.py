"""A running MLLP server, and certificates of the test's own."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hl7 import MllpServer
from hl7.server import Handler
from tests.integration.hl7.helpers import RunningServer, StartServer


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """Call it to start a server on a free port; all are stopped after the test."""
    running: list[RunningServer] = []

    async def start(handler: Handler | None = None, **options: object) -> RunningServer:
        one = RunningServer()
        one.server = MllpServer(
            "127.0.0.1",
            0,
            handler or one.accept,
            on_error=one.problems.append,
            **options,  # type: ignore[arg-type]
        )
        await one.server.start()
        running.append(one)
        return one

    yield start
    for one in running:
        await one.server.stop(grace=1)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-nodes", "-days", "2"]
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *new_key, *subject, *files], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def client_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))
