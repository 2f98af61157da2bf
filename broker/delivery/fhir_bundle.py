"""The FHIR R4 transaction that brings a receiver's resources to where an order stands (R4 section 3.1.0.11).

Each resource is put by its identifier (conditional update), so that the same transaction twice changes nothing.  A
Patient is only made where the receiver has none with the number (conditional create): its own record is never changed.
"""

import uuid
from urllib.parse import quote

from broker.delivery.base import CannotRender
from broker.domain.fhir_codes import Json, identifier
from broker.domain.fhir_patient import patient, patient_identifiers
from broker.domain.fhir_resources import order_key, service_request, tasks
from broker.domain.fhir_study import OrderExams, imaging_studies
from broker.domain.fhir_style import FhirStyle, Links, PatientMode
from broker.domain.notifications import Notification

_ESCAPED = str.maketrans({"\\": "\\\\", "|": "\\|", ",": "\\,", "$": "\\$"})


def transaction(notification: Notification, known: OrderExams, style: FhirStyle) -> Json:
    """The Bundle.  Raises CannotRender for a fact without an order, or an order without a patient's number."""
    payload = notification.payload
    if not payload["order"] or not payload["procedures"]:
        raise CannotRender(f"{notification.kind.value} is about no order")
    if not patient_identifiers(payload, style):
        raise CannotRender("the order has no patient with a number: a ServiceRequest must say whom it is about")
    entries = []
    if style.patient is PatientMode.CREATE:
        entries.append(_create(patient(payload, style)))
    reference = _urn(order_key(known.number, style))
    links = Links(known.number, reference, str(entries[0]["fullUrl"]) if entries else "")
    entries.append(_put(service_request(payload, style, links)))
    entries += [_put(task) for task in tasks(payload, style, links)]
    entries += [_put(study) for study in imaging_studies(payload, known, style, links)]
    own = identifier(style.naming.system("notification"), notification.message_id)
    return {"resourceType": "Bundle", "identifier": own, "type": "transaction", "entry": entries}


def _put(resource: Json) -> Json:
    key = _key(resource)
    url = f"{resource['resourceType']}?{_search(key)}"
    return {"fullUrl": _urn(key), "resource": resource, "request": {"method": "PUT", "url": url}}


def _create(resource: Json) -> Json:
    key = _key(resource)
    request = {"method": "POST", "url": str(resource["resourceType"]), "ifNoneExist": _search(key)}
    return {"fullUrl": _urn(key), "resource": resource, "request": request}


def _key(resource: Json) -> Json:
    """The first identifier is the one a resource is found by."""
    found = resource["identifier"]
    if not isinstance(found, list):
        raise TypeError("a resource without identifiers")
    key: Json = found[0]
    return key


def _search(key: Json) -> str:
    """A token search (R4 section 3.1.1.4.10), escaped as 3.1.1.4.1 says, then as a part of an address."""
    token = "|".join(str(key[part]).translate(_ESCAPED) for part in ("system", "value"))
    return f"identifier={quote(token, safe='')}"


def _urn(key: Json) -> str:
    """How entries refer to each other within the Bundle: the same for the same identifier."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, '|'.join((str(key['system']), str(key['value']))))}"
