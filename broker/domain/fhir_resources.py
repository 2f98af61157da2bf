"""Orders and their steps as FHIR R4 resources, from the payload of a notification.

One ServiceRequest for an order, one Task for each scheduled procedure step.  Owns the mapping; must not know how
resources travel: whoever sends or serves them says by what references they find each other (``Links``).
"""

from datetime import datetime

from broker.domain import fhir_times
from broker.domain.fhir_codes import (
    PRIORITY,
    REQUEST_STATUS,
    TASK_STATUS,
    UNSCHEDULED_TASK,
    Json,
    concept,
    dicom_code,
    filled,
    identifier,
    uid_identifier,
)
from broker.domain.fhir_patient import contained, subject
from broker.domain.fhir_style import FhirStyle, Links, PatientMode, Payload
from broker.domain.names import display
from broker.domain.states import OrderStatus, StepStatus, order_status

#: the same for every order; SNOMED CT as R4's example value set for ServiceRequest.category has it
_IMAGING = {"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}
#: the department's own request that follows from the placer's order (R4, request-intent)
_INTENT = "filler-order"


def order_key(number: str, style: FhirStyle) -> Json:
    """The identifier by which an order's ServiceRequest is found again.

    The numbers of messages do not serve: placer, filler and accession number may come later, and what was generated
    here (procedure ID, Study Instance UID, step ID) may be replaced as long as nothing has begun.
    """
    return identifier(style.naming.system("order"), number)


def step_key(number: str, position: tuple[int, int], style: FhirStyle) -> Json:
    """The identifier by which a step's Task is found again, by the positions of procedure and step (from 1): neither
    is ever taken out of an order."""
    return identifier(style.naming.system("step"), "/".join([number, *map(str, position)]))


def order_identifiers(payload: Payload, style: FhirStyle, number: str) -> list[Json]:
    """The key, then placer, filler and accession number; order numbers without an issuer are the sender's."""
    order = payload["order"]
    found = [order_key(number, style)]
    for kind, code in (("placer", "PLAC"), ("filler", "FILL")):
        given = order[kind]
        if given:
            system = style.naming.system(kind, given["issuer"] or order["sender"])
            found.append(identifier(system, given["value"], code))
    return [*found, *accession_identifiers(payload, style)]


def accession_identifiers(payload: Payload, style: FhirStyle) -> list[Json]:
    """The accession number, if there is one."""
    number = payload["order"]["accession"]
    if not number:
        return []
    return [identifier(style.naming.system("accession", number["issuer"]), number["value"], "ACSN")]


def service_request(payload: Payload, style: FhirStyle, links: Links) -> Json:
    """The order as it stands."""
    order, steps = payload["order"], _steps(payload)
    named = style.patient is not PatientMode.REFERENCE
    starts = sorted(filter(None, (_start(step, style) for _, step in steps if step["status"] != StepStatus.CANCELED)))
    visit = payload["visit"]["admission"] if payload["visit"] and named else None
    return filled({
        "resourceType": "ServiceRequest", "contained": contained(payload, style),
        "identifier": order_identifiers(payload, style, links.number),
        "status": _request_status(steps), "intent": _INTENT,
        "category": [{"coding": [_IMAGING]}], "priority": PRIORITY.get(order["priority"]),
        "code": _requested(payload["procedures"], style), "subject": subject(payload, style, links),
        "encounter": _encounter(visit, style) if visit else None, "occurrenceDateTime": starts[0] if starts else None,
        "requester": {"display": display(order["requesting_physician"])} if named and order["requesting_physician"]
        else None,
    })  # fmt: skip


def tasks(payload: Payload, style: FhirStyle, links: Links) -> list[Json]:
    """One for each scheduled step, in the order's sequence."""
    counting = [step for _, step in _steps(payload) if step["status"] != StepStatus.CANCELED]
    # the payload tells one exam and not to which of several steps it belongs
    performed = payload["performed"] if len(counting) == 1 else None
    return [
        _task(payload, (p, s), style, links, performed if step in counting else None)
        for p, procedure in enumerate(payload["procedures"])
        for s, step in enumerate(procedure["steps"])
    ]


def _task(
    payload: Payload, position: tuple[int, int], style: FhirStyle, links: Links, performed: Payload | None
) -> Json:
    procedure = payload["procedures"][position[0]]
    step = procedure["steps"][position[1]]
    start, code = _start(step, style), performed["discontinuation_code"] if performed else ""
    failed = step["status"] == StepStatus.DISCONTINUED
    stations = [identifier(style.naming.system("station"), title) for title in step["stations"]]
    return filled({
        "resourceType": "Task", "contained": contained(payload, style),
        "identifier": [
            step_key(links.number, (position[0] + 1, position[1] + 1), style),
            identifier(style.naming.system("scheduled-procedure-step"), step["scheduled_procedure_step_id"]),
        ],
        "basedOn": [{"reference": links.order}], "focus": {"reference": links.order},
        "status": _task_status(step, start), "statusReason": _reason(code, style) if failed and code else None,
        "businessStatus": {"text": step["status"]}, "intent": _INTENT,
        "priority": PRIORITY.get(payload["order"]["priority"]),
        "code": concept(_codings(step["codes"] or procedure["codes"], style),
                        step["description"] or procedure["description"]),
        "for": subject(payload, style, links), "executionPeriod": _period(performed, style) if performed else None,
        "lastModified": datetime.fromisoformat(payload["occurred_at"]).isoformat(),
        "owner": {"type": "Device", "identifier": stations[0]} if len(stations) == 1 else None,
        "restriction": {"period": {"start": start}} if start else None,
        "input": _inputs(procedure, step, stations), "output": _outputs(performed) if performed else None,
    })  # fmt: skip


def _task_status(step: Payload, start: str) -> str:
    status = StepStatus(step["status"])
    return UNSCHEDULED_TASK if status is StepStatus.SCHEDULED and not start else TASK_STATUS[status]


def _request_status(steps: list[tuple[Payload, Payload]]) -> str:
    states = [StepStatus(step["status"]) for _, step in steps]
    counting = {state for state in states if state is not StepStatus.CANCELED}
    if counting == {StepStatus.HELD}:
        return "on-hold"
    return REQUEST_STATUS[order_status(states)] if states else REQUEST_STATUS[OrderStatus.SCHEDULED]


def _steps(payload: Payload) -> list[tuple[Payload, Payload]]:
    return [(procedure, step) for procedure in payload["procedures"] for step in procedure["steps"]]


def _start(step: Payload, style: FhirStyle) -> str:
    return fhir_times.local(step["start_date"], step["start_time"], style.zone)


def _requested(procedures: list[Payload], style: FhirStyle) -> Json | None:
    """A ServiceRequest has one code: of several procedures only the words are told, the codes stand in the Tasks."""
    texts = [p["description"] or next((c["meaning"] for c in p["codes"]), "") for p in procedures]
    coding = _codings(procedures[0]["codes"], style) if len(procedures) == 1 else []
    return concept(coding, "; ".join(filter(None, texts)))


def _codings(codes: list[Payload], style: FhirStyle) -> list[Json]:
    return [
        filled({"system": style.naming.code_system(c["scheme"]), "code": c["value"], "display": c["meaning"]})
        for c in codes
        if c["value"]
    ]


def _inputs(procedure: Payload, step: Payload, stations: list[Json]) -> list[Json]:
    """Concept names of PS3.16: 121139 Modality, 110180 Study Instance UID; a station has none as a resource."""
    found: list[Json] = []
    if step["modality"]:
        value = {"coding": [dicom_code(step["modality"])]}
        found.append({"type": {"coding": [dicom_code("121139", "Modality")]}, "valueCodeableConcept": value})
    study = uid_identifier(procedure["study_instance_uid"])
    found.append({"type": {"coding": [dicom_code("110180", "Study Instance UID")]}, "valueIdentifier": study})
    station = {"text": "Scheduled Station AE Title"}
    return [*found, *({"type": station, "valueIdentifier": title} for title in stations)]


def _outputs(performed: Payload) -> list[Json]:
    uid = uid_identifier(performed["sop_instance_uid"])
    return [{"type": {"text": "Modality Performed Procedure Step"}, "valueIdentifier": uid}]


def _period(performed: Payload, style: FhirStyle) -> Json:
    ends = {"start": performed["started_at"], "end": performed["ended_at"]}
    return filled({name: fhir_times.stamp(value, style.zone) for name, value in ends.items()})


def _reason(key: str, style: FhirStyle) -> Json:
    """Why an exam was discontinued: a code of DCM, or ``code^scheme``."""
    code, _, scheme = key.partition("^")
    return {"coding": [{"system": style.naming.code_system(scheme or "DCM"), "code": code}]}


def _encounter(admission: Payload, style: FhirStyle) -> Json:
    number = identifier(style.naming.system("visit", admission["issuer"]), admission["value"], "VN")
    return {"type": "Encounter", "identifier": number}
