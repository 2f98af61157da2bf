"""TLS of the HL7 listener: its certificate, and whose certificates it believes.

Owns: the TLS settings of intake as the library takes them.  Must not: decide who may send (``senders``).
"""

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """PEM files.  With ``client_ca`` every sender must show a certificate that it signed."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """The context of a TLS server, TLS 1.2 or newer.  Raises OSError (ssl.SSLError) for files that cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.certificate, config.key)
    if config.client_ca is not None:
        context.load_verify_locations(config.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
