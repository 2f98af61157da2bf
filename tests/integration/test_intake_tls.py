"""HL7 over TLS: a sender told apart by its certificate, and one that shows none."""

import asyncio
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.domain.site import Site
from broker.intake.handler import HandlerConfig
from broker.intake.listener import IntakeConfig, IntakeListener
from broker.intake.senders import Sender, Senders
from broker.intake.tls import TlsConfig, server_context
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalFilter
from broker.store.database import Database
from hl7.framing import frame
from tests.unit.intake import cases


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, the broker's certificate, and one of a sender."""
    made = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=made, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    openssl(*new, "ca.key", "-x509", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    for name in ("localhost", "ris.example"):
        (made / "names").write_text(f"subjectAltName=DNS:{name}\n")
        openssl(*new, f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *authority)
    return made


def client(folder: Path, *, with_certificate: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    if with_certificate:
        context.load_cert_chain(folder / "ris.example.pem", folder / "ris.example.key")
    return context


async def test_a_certificate_names_the_sender(folder, sqlite_url):
    database = Database(sqlite_url)
    context = Context(database, Site(zone=UTC), lambda: datetime(2024, 7, 5, tzinfo=UTC))
    tls = server_context(TlsConfig(folder / "localhost.pem", folder / "localhost.key", folder / "ca.pem"))
    senders = Senders((Sender("main ris", certificate="ris.example"),), "refuse")
    config = IntakeConfig(port=0, ssl_context=tls, handler=HandlerConfig(senders))
    listener = IntakeListener(config, context, {"ihe-swf": cases.usual_mapping()}, cases.usual_site(), lambda _: None)
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.port, ssl=client(folder, with_certificate=True), server_hostname="localhost"
        )
        writer.write(frame(cases.message("adt_a08")))
        assert b"MSA|AA" in await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
        writer.close()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await _ask_without_certificate(folder, listener.port)
        assert [entry.sender for entry in journal.find(context, JournalFilter())] == ["main ris"]
    finally:
        await listener.stop()
        database.close()


async def _ask_without_certificate(folder: Path, port: int) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client(folder, with_certificate=False), server_hostname="localhost"
    )
    try:
        writer.write(frame(cases.message("adt_a08")))
        await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
    finally:
        writer.close()


def test_files_that_cannot_be_used(folder):
    with pytest.raises(OSError):  # noqa: PT011 - ssl names its own kinds of OSError
        server_context(TlsConfig(folder / "localhost.pem", folder / "ris.example.key"))
