"""Terms of FHIR R4 (4.0.1) for ours: states, priorities, code systems, and identifiers with their systems.

Sources: the R4 value sets request-status, task-status, request-priority and identifier-type (HL7 v2 table 0203); the
systems of DICOM, SNOMED CT and LOINC as the R4 specification names them (section 4.3, Using Codes).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from broker.domain.states import OrderStatus, StepStatus

#: a resource or a part of one, as JSON
Json = dict[str, object]

#: (our order status) -> ServiceRequest.status; an order whose steps all wait on hold is ``on-hold``
REQUEST_STATUS: Mapping[OrderStatus, str] = {
    OrderStatus.SCHEDULED: "active",
    OrderStatus.IN_PROGRESS: "active",
    OrderStatus.COMPLETED: "completed",
    # every step has ended and none was completed: nothing more will be done
    OrderStatus.DISCONTINUED: "revoked",
    OrderStatus.CANCELED: "revoked",
}
#: a step that waits is ``ready`` when it has a time, else ``received``
TASK_STATUS: Mapping[StepStatus, str] = {
    StepStatus.SCHEDULED: "ready",
    StepStatus.ARRIVED: "ready",
    StepStatus.READY: "ready",
    StepStatus.STARTED: "in-progress",
    StepStatus.HELD: "on-hold",
    StepStatus.COMPLETED: "completed",
    StepStatus.DISCONTINUED: "failed",
    StepStatus.CANCELED: "cancelled",
}
UNSCHEDULED_TASK = "received"
#: DICOM's requested procedure priority (0040,1003); each of the four of FHIR is used once, in the same sequence
PRIORITY: Mapping[str, str] = {
    "STAT": "stat", "HIGH": "asap", "MEDIUM": "urgent", "ROUTINE": "routine", "LOW": "routine",
}  # fmt: skip
GENDER: Mapping[str, str] = {"M": "male", "F": "female", "O": "other"}

DICOM_UID_SYSTEM = "urn:dicom:uid"
URI_SYSTEM = "urn:ietf:rfc:3986"
DCM_SYSTEM = "http://dicom.nema.org/resources/ontology/DCM"
_IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
#: DICOM's coding scheme designators (PS3.16 Table 8-1) that FHIR has a system for
_CODE_SYSTEMS: Mapping[str, str] = {
    "DCM": DCM_SYSTEM, "SCT": "http://snomed.info/sct", "LN": "http://loinc.org", "UCUM": "http://unitsofmeasure.org",
}  # fmt: skip
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


@dataclass(frozen=True, slots=True)
class Naming:
    """The systems of identifiers and codes: FHIR wants a URI where HL7 v2 has a short name.

    ``systems`` gives the URI of an issuer or coding scheme by its name (``HOSP``), or by kind and name
    (``placer:HOSP``, ``accession:``); the others become ``base`` with what is numbered and the issuer's name, such as
    ``urn:worklist-broker:accession:HOSP``.
    """

    base: str = "urn:worklist-broker"
    systems: Mapping[str, str] = field(default_factory=dict)

    def system(self, kind: str, issuer: str = "") -> str:
        """The URI of the numbers of a kind (``accession``, ``patient`` ...) that ``issuer`` assigns."""
        for name in (f"{kind}:{issuer}", issuer):
            if name in self.systems:
                return self.systems[name]
        if _OID.fullmatch(issuer):
            return f"urn:oid:{issuer}"
        if issuer.startswith(("urn:", "http://", "https://")):
            return issuer
        between = ":" if self.base.startswith("urn:") else "/"
        return between.join([self.base.rstrip(":/"), kind, *([quote(issuer, safe="")] if issuer else [])])

    def code_system(self, scheme: str) -> str:
        """The URI of a coding scheme by its DICOM designator."""
        return _CODE_SYSTEMS.get(scheme) or self.system("code", scheme)


def identifier(system: str, value: str, type_code: str = "") -> Json:
    """An Identifier; ``type_code`` of HL7 table 0203."""
    typed: Json = {"type": {"coding": [{"system": _IDENTIFIER_TYPE, "code": type_code}]}} if type_code else {}
    return {**typed, "system": system, "value": value}


def uid_identifier(uid: str) -> Json:
    """A DICOM UID as FHIR's imaging resources write it (R4, ImagingStudy, notes)."""
    return {"system": DICOM_UID_SYSTEM, "value": f"urn:oid:{uid}"}


def dicom_code(code: str, meaning: str = "") -> Json:
    """A Coding of DICOM's own terminology (PS3.16): modalities, reasons, concept names."""
    return {"system": DCM_SYSTEM, "code": code, **({"display": meaning} if meaning else {})}


def concept(coding: list[Json], text: str = "") -> Json | None:
    """A CodeableConcept, or None when there is nothing to say."""
    return filled({"coding": coding, "text": text}) or None


def filled(resource: Mapping[str, object]) -> Json:
    """Without what has no value: FHIR knows no empty arrays, objects and strings."""
    return {key: value for key, value in resource.items() if value not in (None, "", [], {})}
