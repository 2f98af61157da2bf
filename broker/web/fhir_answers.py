"""What FHIR R4 answers look like: media type, OperationOutcome, and the CapabilityStatement of what is served here."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse

from broker.domain.fhir_codes import Json

MEDIA_TYPE = "application/fhir+json"
#: addresses that answer so
PREFIX = "/fhir/"
_HEADERS = {"Cache-Control": "no-store"}
#: HTTP status -> issue type (R4 value set issue-type)
_ISSUES = {
    401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported", 421: "security",
    422: "invalid", 503: "transient",
}  # fmt: skip
#: when what the statement says was last changed
_CHANGED = "2026-11-26"
#: resource -> search parameters, by type and with what they do
SEARCHES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ServiceRequest": {"identifier": ("token", "placer, filler or accession number, or the broker's own number")},
    "Task": {
        "identifier": ("token", "scheduled procedure step ID, or the broker's own number of the step"),
        "based-on": ("reference", "the ServiceRequest"),
        "focus": ("reference", "the ServiceRequest"),
    },
}


def answer(resource: Json, status: int = 200) -> JSONResponse:
    """One resource."""
    return JSONResponse(resource, status, headers=_HEADERS, media_type=f"{MEDIA_TYPE}; charset=utf-8")


def outcome(status: int, text: str, code: str = "") -> JSONResponse:
    """An OperationOutcome with one error."""
    fatal = "fatal" if status >= 500 else "error"
    issue = {"severity": fatal, "code": code or _ISSUES.get(status, "exception"), "diagnostics": text}
    return answer({"resourceType": "OperationOutcome", "issue": [issue]}, status)


def unacceptable(accept: str, wanted_format: str) -> bool:
    """True when the client takes no JSON; ``_format`` counts before the header (R4 section 3.1.0.1.11)."""
    if wanted_format:
        return "json" not in wanted_format
    return bool(accept) and "json" not in accept and "*/*" not in accept and "application/*" not in accept


def capability(version: str, site: str, base: str) -> Json:
    """The CapabilityStatement of this server (R4, kind ``instance``)."""
    resources: list[Json] = [
        {
            "type": name, "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": [
                {"name": parameter, "type": kind, "documentation": words}
                for parameter, (kind, words) in parameters.items()
            ],
        }
        for name, parameters in SEARCHES.items()
    ]  # fmt: skip
    security = {"description": "Authorization: Bearer with a token (`broker users token`), or a session of the board."}
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": _CHANGED, "kind": "instance",
        "software": {"name": "worklist-broker", "version": version or "0"},
        "implementation": {"description": f"Imaging orders and steps of {site}", "url": base},
        "fhirVersion": "4.0.1", "format": [MEDIA_TYPE, "json"],
        "rest": [{"mode": "server", "security": security, "resource": resources}],
    }  # fmt: skip
