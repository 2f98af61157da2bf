"""What messages about patients and reports ask for; what they ask of orders is ``model.OrderChange``."""

from dataclasses import dataclass
from datetime import datetime

from broker.domain.model import Identifier, PatientChange, VisitChange


@dataclass(frozen=True, slots=True)
class PatientUpdate:
    """Demographics and visit of a patient.  ``arrived``: the patient is here, so that today's steps can begin."""

    patient: PatientChange
    visit: VisitChange
    arrived: bool = False
    #: when the sender says it happened (EVN-2, else MSH-7), aware
    occurred_at: datetime | None = None
    #: the location is where the patient is now, whatever visit an order belongs to
    located: bool = False


@dataclass(frozen=True, slots=True)
class PatientMerge:
    """Two records are one person: what the ``prior`` ones had goes to the ``survivor`` (A18, A34, A40)."""

    survivor: PatientChange
    prior: tuple[Identifier, ...]
    #: where the prior identifiers stood, for refusals: ``MRG-1``
    where: str = ""


@dataclass(frozen=True, slots=True)
class PatientUnlink:
    """Two records are two persons after all: a merge between them is undone (A37)."""

    one: Identifier
    other: Identifier
    where: str = ""


@dataclass(frozen=True, slots=True)
class PatientRename:
    """The same person under another number (A47): ``prior`` becomes the identifier of ``patient``."""

    patient: PatientChange
    prior: Identifier
    where: str = ""


@dataclass(frozen=True, slots=True)
class ReportChange:
    """A report on an order became available or changed (ORU^R01).  ``status`` is OBR-25 (table 0123)."""

    placer: Identifier | None
    filler: Identifier | None
    accession: Identifier | None
    status: str
    where: str = ""
    occurred_at: datetime | None = None
