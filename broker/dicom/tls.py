"""TLS for the DICOM acceptor: from files to a context (PS3.15 Annex B.9 and B.10, BCP 195 profiles).

Owns which files are needed and what is demanded of a peer.  Handshakes are asyncio's.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path


class TlsError(Exception):
    """The files do not make a context; the text names file and reason, never contents."""


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """Our certificate and whose certificates we trust."""

    #: PEM: our certificate, then those between it and the root
    certificate: Path
    #: PEM without a passphrase
    key: Path
    #: PEM: who signs the certificates of devices; None: no device is asked for one
    ca: Path | None = None
    #: a device without a trusted certificate is turned away in the handshake
    require_client_certificate: bool = True


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 and newer, with ciphers as the platform's OpenSSL recommends.

    :raises TlsError: a file cannot be read, does not hold what it should, or key and certificate are no pair.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in filter(None, (config.certificate, config.key, config.ca)):
        if not file.is_file():
            raise TlsError(f"{file} is no file")
    try:
        context.load_cert_chain(config.certificate, config.key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise TlsError(
            f"{config.certificate} and {config.key} are no certificate with its key: {_why(error)}"
        ) from error
    if config.ca is not None:
        try:
            context.load_verify_locations(config.ca)
        except OSError as error:
            raise TlsError(f"{config.ca} holds no certificates: {_why(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED if config.require_client_certificate else ssl.CERT_OPTIONAL
    return context


def _no_passphrase() -> str:
    """Called for an encrypted key: a server that starts by itself has nobody to ask."""
    raise ValueError("the key needs a passphrase")


def _why(error: Exception) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
