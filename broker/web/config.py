"""What the pages need to know of the settings.  ``app`` makes one from them; this room never reads settings itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from broker.domain.fhir_style import FhirStyle, PatientMode
from broker.services.board import Patience
from broker.services.explaining import SiteRules

#: a message as people read it: its segments, one text each
Segments = Callable[[bytes], list[str]]


def plain_segments(raw: bytes) -> list[str]:
    """Segments of a message as UTF-8, else as Latin-1, which shows every byte as some character."""
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError:
        decoded = raw.decode("latin-1")
    return [segment for segment in decoded.replace("\n", "\r").split("\r") if segment]


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Address, names and limits of the web part.  ``port`` 0 picks a free one."""

    host: str = "127.0.0.1"
    port: int = 8080
    site_name: str = "Radiology"
    #: names under which browsers reach us; empty: the loopback names on a loopback address, any name elsewhere
    allowed_hosts: tuple[str, ...] = ()
    session_lifetime: timedelta = timedelta(hours=12)
    patience: Patience = field(default_factory=Patience)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    segments: Segments = plain_segments
    #: seconds between looks for changes that other processes made
    poll_seconds: float = 0.5
    #: seconds between signs of life to a browser
    beat_seconds: float = 5.0
    version: str = ""
    #: largest document of a DICOMweb request, in bytes
    document_limit: int = 4 * 1024 * 1024
    #: the site's rules of the worklist, for explanations
    worklist: SiteRules = field(default_factory=SiteRules)
    #: how FHIR resources are written; who asks is signed in and may know whom an order is about
    fhir: FhirStyle = field(default_factory=lambda: FhirStyle(patient=PatientMode.CONTAINED))

    @property
    def tls(self) -> bool:
        """True when browsers speak TLS with us."""
        return self.tls_certificate is not None
