"""Owns: a certificate authority for one test folder and what it signs. Must not: be used outside tests."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """`ca.pem`, and for each of localhost and ct1: NAME.pem with NAME.key."""

    folder: Path

    def context(self, side: int, name: str | None) -> ssl.SSLContext:
        """One side of a connection that trusts the authority and, with a name, shows its certificate."""
        context = ssl.SSLContext(side)
        context.load_verify_locations(self.folder / "ca.pem")
        if name is not None:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def server(self) -> ssl.SSLContext:
        """Localhost, who demands a certificate."""
        context = self.context(ssl.PROTOCOL_TLS_SERVER, "localhost")
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str | None) -> ssl.SSLContext:
        """A client with the certificate of that name, or without one."""
        return self.context(ssl.PROTOCOL_TLS_CLIENT, name)

    def der(self, name: str) -> bytes:
        """The certificate as it travels."""
        return ssl.PEM_cert_to_DER_cert((self.folder / f"{name}.pem").read_text())


def make_certificates(folder: Path) -> Certificates:
    """Writes them with the openssl command."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    openssl(*new, "ca.key", "-x509", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    for name in ("localhost", "ct1"):
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        openssl(*new, f"{name}.key", "-out", f"{name}.csr", "-subj", f"/O=Radiology/CN={name}")
        authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *authority)
    return Certificates(folder)
