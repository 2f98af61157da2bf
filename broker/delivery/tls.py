"""TLS towards receivers: whose certificates are believed, and which one we show."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; empty: the system's authorities, and no certificate of our own."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that verifies the receiver's certificate and name (TLS 1.2 or newer; BCP 195).

    Raises OSError (ssl.SSLError is one) when a file cannot be read or is no certificate or key.
    """
    context = ssl.create_default_context(cafile=files.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate:
        context.load_cert_chain(files.certificate, files.key or None)
    return context
