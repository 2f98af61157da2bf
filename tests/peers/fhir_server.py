"""Owns: a small FHIR R4 server that takes transactions by the book and refuses what is not valid, on plain http.server.
Must not: use our own FHIR code, so that it is a judge of it.

Validity is judged by fhir.resources (its R4B models: the resources we send are the same in 4.0.1 and 4.3.0), and by the
codes of the required bindings, which those models do not enforce.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from tests.peers.http_receiver import HttpReceiver, Say

Resource = dict[str, Any]
#: value sets of R4 with a required binding (4.0.1: request-status, request-intent, request-priority, task-status,
#: task-intent, imagingstudy-status, administrative-gender)
_REQUEST_STATUS = {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
_REQUEST_INTENT = {
    "proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order", "instance-order",
    "option",
}  # fmt: skip
_PRIORITY = {"routine", "urgent", "asap", "stat"}
_TASK_STATUS = {
    "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed",
    "completed", "entered-in-error",
}  # fmt: skip
REQUIRED: Mapping[str, Mapping[str, set[str]]] = {
    "ServiceRequest": {"status": _REQUEST_STATUS, "intent": _REQUEST_INTENT, "priority": _PRIORITY},
    "Task": {"status": _TASK_STATUS, "intent": _REQUEST_INTENT - {"directive"} | {"unknown"}, "priority": _PRIORITY},
    "ImagingStudy": {"status": {"registered", "available", "cancelled", "entered-in-error", "unknown"}},
    "Patient": {"gender": {"male", "female", "other", "unknown"}},
}


class Refused(Exception):
    """An HTTP status and the code and words of an OperationOutcome."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.say = Say(status, body=outcome(code, words))


def outcome(code: str, words: str) -> bytes:
    issue = {"severity": "error", "code": code, "diagnostics": words}
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def validate(bundle: Resource) -> None:
    """Raises Refused."""
    _no_nothing(bundle, "Bundle")
    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        raise Refused(422, "structure", str(error)) from None
    for resource in (entry["resource"] for entry in bundle["entry"]):
        for element, allowed in REQUIRED[resource["resourceType"]].items():
            if resource.get(element, min(allowed)) not in allowed:
                raise Refused(422, "code-invalid", f"{resource['resourceType']}.{element}: {resource[element]}")


def _no_nothing(value: object, where: str) -> None:
    """Elements without a value are left out (R4 section 2.6.2, JSON representation)."""
    if value is None or value in ("", [], {}):
        raise Refused(400, "structure", f"{where} is empty")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        _no_nothing(one, f"{where}.{key}")


class FhirServer(HttpReceiver):
    """Its resources are in `stored`, by `Type/id`; `script` answers the first requests instead, unread."""

    def __init__(self, script: Iterable[Say] = ()) -> None:
        self.stored: dict[str, Resource] = {}
        super().__init__(script, decide=self._transact)

    def of_type(self, name: str) -> list[Resource]:
        return [resource for resource in self.stored.values() if resource["resourceType"] == name]

    def one(self, name: str) -> Resource:
        (found,) = self.of_type(name)
        return found

    def _transact(self) -> Say:
        try:
            bundle = json.loads(self.received[-1].body)
            validate(bundle)
            statuses = self._apply(bundle["entry"])
        except Refused as refused:
            return refused.say
        entries = [{"response": {"status": status}} for status in statuses]
        answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        return Say(200, {"Content-Type": "application/fhir+json"}, json.dumps(answer).encode())

    def _apply(self, entries: list[Resource]) -> list[str]:
        """All or nothing: places are found first, then references, then everything is stored."""
        places = {entry["fullUrl"]: self._place(entry) for entry in entries}
        if len(places) != len(entries):
            raise Refused(400, "invalid", "two entries with the same fullUrl")
        text = json.dumps([entry["resource"] for entry in entries])
        for url, (place, _) in places.items():
            text = text.replace(f'"reference": "{url}"', f'"reference": "{place}"')
        if '"reference": "urn:uuid:' in text:
            raise Refused(400, "not-found", "a reference to no entry")
        statuses = []
        for resource, (place, known) in zip(json.loads(text), places.values(), strict=True):
            statuses.append("200 OK" if known else "201 Created")
            if not (known and resource["resourceType"] == "Patient"):
                self.stored[place] = resource
        return statuses

    def _place(self, entry: Resource) -> tuple[str, bool]:
        request, name = entry["request"], entry["resource"]["resourceType"]
        url = urlsplit(request["url"])
        if url.path != name:
            raise Refused(400, "invalid", f"{request['url']} does not take a {name}")
        query = {"PUT": url.query, "POST": request.get("ifNoneExist", "")}[request["method"]]
        found = self._search(name, parse_qs(query, strict_parsing=True)["identifier"][0])
        if len(found) > 1:
            raise Refused(412, "multiple-matches", f"{len(found)} {name} have this identifier")
        return (found[0], True) if found else (f"{name}/{len(self.stored) + 1}-{entry['fullUrl'][-6:]}", False)

    def _search(self, name: str, token: str) -> list[str]:
        system, _, value = token.partition("|")
        wanted = (system, value.replace("\\|", "|").replace("\\,", ",").replace("\\$", "$").replace("\\\\", "\\"))
        return [
            place
            for place, resource in self.stored.items()
            if resource["resourceType"] == name
            and wanted in {(i["system"], i["value"]) for i in resource.get("identifier", ())}
        ]
