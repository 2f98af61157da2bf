"""DICOMweb as the web room sees it: requests as text and documents, answers as documents (PS3.18 chapters 14 and 15).

Owns the shapes and the promise of who fulfils it.  Must not: know HTTP, nor how DICOM is written (``broker.dicom``
does).  Rules about exams and worklists are those of the use cases that DIMSE services call, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from broker.domain.dicom_json import Dataset
from broker.domain.errors import Reason, Refusal
from broker.domain.performed_faults import Toleration


class Form(StrEnum):
    """How a data set is written down."""

    #: DICOM JSON Model, PS3.18 Annex F
    JSON = "application/dicom+json"
    #: Native DICOM Model, PS3.19 section A.1
    XML = "application/dicom+xml"


@dataclass(frozen=True, slots=True)
class Caller:
    """The device that asks: its AE title, from where, and the name of the token it showed."""

    ae_title: str
    address: str
    token: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search for scheduled steps: (attribute, value) pairs and attributes to return, as they were written.

    An attribute is a tag of eight hexadecimal digits, a keyword, or a path of those with dots (PS3.18 8.3.4.1).
    """

    match: Sequence[tuple[str, str]] = ()
    include: Sequence[str] = ()
    fuzzy_names: bool = False
    #: results left out at the beginning, and the most of them wanted; None: as many as are given at once
    offset: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, and what the caller should know about how it was done."""

    items: Sequence[Dataset]
    warnings: Sequence[str] = ()


class DocumentRefused(Refusal):
    """A document that is no data set.  ``where`` is the place in it: tags with ``>`` between, empty for the whole."""

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(Reason.INVALID_VALUE, f"{where}: {text}" if where else text, where=where)


class ParameterRefused(Refusal):
    """A parameter of a search that cannot be understood.  ``where`` names it; the text never holds its value."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(Reason.INVALID_VALUE, text, where=name)


class DicomWebDesk(Protocol):
    """Fulfils DICOMweb requests; safe to call from many threads.  Each raises Unavailable without a database."""

    def create(self, caller: Caller, sop_instance_uid: str, form: Form, document: bytes) -> Sequence[Toleration]:
        """Begin a performed step, as N-CREATE does; answers what was let pass.

        Raises DocumentRefused, or PerformedRefusal as ``services.performed.start`` does; nothing is then stored.
        """

    def update(self, caller: Caller, sop_instance_uid: str, form: Form, document: bytes) -> Sequence[Toleration]:
        """Update a performed step, as N-SET does; as ``create`` otherwise."""

    def retrieve(self, sop_instance_uid: str) -> Dataset:
        """The performed step as it stands.  Raises PerformedRefusal (INVALID_UID, UNKNOWN)."""

    def search(self, caller: Caller | None, search: Search) -> Found:
        """Scheduled steps, as C-FIND would list them; without a caller, as for a device without settings.

        Raises ParameterRefused.
        """

    def write(self, dataset: Dataset, form: Form) -> bytes:
        """One document with this data set, UTF-8."""
