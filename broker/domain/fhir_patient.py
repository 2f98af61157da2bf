"""Whom a FHIR R4 resource is about: by number, inside the resource, or as a Patient of its own (``PatientMode``)."""

from broker.domain import fhir_times
from broker.domain.fhir_codes import GENDER, Json, filled, identifier
from broker.domain.fhir_style import FhirStyle, Links, PatientMode, Payload
from broker.domain.names import component_groups

#: HumanName of other scripts (R4 extension iso21090-EN-representation), by position of the component group (PS3.5 6.2)
_SCRIPTS = ("ABC", "IDE", "SYL")
_SCRIPT_URL = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_CONTAINED = "patient"


def patient_identifiers(payload: Payload, style: FhirStyle) -> list[Json]:
    """Every number the patient is known by, the primary first."""
    numbers = filter(None, payload["patient"]["identifiers"]) if payload["patient"] else ()
    return [identifier(style.naming.system("patient", n["issuer"]), n["value"], "MR") for n in numbers]


def subject(payload: Payload, style: FhirStyle, links: Links) -> Json | None:
    """The reference to the patient; None when the payload tells none."""
    numbers = patient_identifiers(payload, style)
    if style.patient is PatientMode.CREATE and links.patient:
        return {"reference": links.patient}
    if style.patient is PatientMode.CONTAINED and payload["patient"]:
        return {"reference": f"#{_CONTAINED}"}
    return {"type": "Patient", "identifier": numbers[0]} if numbers else None


def contained(payload: Payload, style: FhirStyle) -> list[Json]:
    """The Patient inside a resource, when it goes there."""
    if style.patient is not PatientMode.CONTAINED or not payload["patient"]:
        return []
    return [{**patient(payload, style), "id": _CONTAINED}]


def patient(payload: Payload, style: FhirStyle) -> Json:
    """The Patient resource."""
    who = payload["patient"]
    return filled({
        "resourceType": "Patient", "identifier": patient_identifiers(payload, style), "name": _names(who["name"]),
        "gender": GENDER.get(who["sex"]), "birthDate": fhir_times.date(who["birth_date"]),
    })  # fmt: skip


def _names(name: str) -> list[Json]:
    """One HumanName for each component group (alphabetic, ideographic, phonetic)."""
    groups = component_groups(name)
    found = []
    for script, group in zip(_SCRIPTS, groups, strict=False):
        family, given, middle, prefix, suffix = (*group.split("^"), "", "", "", "", "")[:5]
        words = filled({
            "family": family, "given": [part for part in (given, middle) if part],
            "prefix": [prefix] if prefix else [], "suffix": [suffix] if suffix else [],
        })  # fmt: skip
        if words:
            several = [{"url": _SCRIPT_URL, "valueCode": script}] if len(groups) > 1 else []
            found.append(filled({"extension": several, **words}))
    return found
