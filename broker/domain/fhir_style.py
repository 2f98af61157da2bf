"""What writing FHIR R4 resources depends on: the site's naming and zone, how patients are told, what refers to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from broker.domain.fhir_codes import Naming

#: the payload of a notification
Payload = Mapping[str, Any]


class PatientMode(StrEnum):
    """How a resource says whom it is about."""

    #: by the patient's number alone; nobody is named
    REFERENCE = "reference"
    #: with number, name, birth date and sex inside the resource
    CONTAINED = "contained"
    #: as a resource of its own, made by whoever lacks it
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class FhirStyle:
    """What the mapping needs to know of the site and of whom it writes for."""

    naming: Naming = field(default_factory=Naming)
    zone: tzinfo = field(default_factory=lambda: ZoneInfo("UTC"))
    patient: PatientMode = PatientMode.REFERENCE


@dataclass(frozen=True, slots=True)
class Links:
    """How the resources of one order are known: the order by the broker's own ``number``, which never changes; the
    references to the ServiceRequest, and to a Patient resource if there is any."""

    number: str
    order: str
    patient: str = ""
