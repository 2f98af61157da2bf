"""What the machine-readable description (OpenAPI) says about DICOMweb: parameters, bodies, answers."""

from typing import Any

from fastapi import Response

_DATA_SET = {"type": "object", "description": "A data set in the DICOM JSON Model (PS3.18 Annex F)."}
_NATIVE = {"type": "string", "description": "A data set in the Native DICOM Model (PS3.19 section A.1)."}
_MULTIPART = {"type": "string", "description": "Parts of the type that the parameter type of the media type names."}


def _forms(json: dict[str, Any]) -> dict[str, Any]:
    return {
        "application/dicom+json": {"schema": json}, "application/dicom+xml": {"schema": _NATIVE},
        "multipart/related": {"schema": _MULTIPART},
    }  # fmt: skip


def _parameter(name: str, words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": words, "schema": schema}


_TEXT = {"type": "string"}
_COMMON = [
    _parameter("accept", "Media type of the answer, in place of the header Accept.", _TEXT),
    _parameter("charset", "Only utf-8.", _TEXT),
]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or one that does not open the door; the reason is in the body."},
    406: {"description": "None of the accepted media types can be given."},
    503: {"description": "The database cannot be reached, or the exam is busy; repeat later."},
}
_REFUSED = "The body says what is wrong, where, and what helps; `attributes` lists the offending attributes."

SEARCH: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {
            "description": "The steps that match. Headers `Warning: 299` tell what was ignored or cut.",
            "content": _forms({"type": "array", "items": _DATA_SET}),
        },
        204: {"description": "No step matches."},
        400: {"description": "A parameter is not understood; `parameter` names it."},
        **_PROBLEMS,
    },
    "openapi_extra": {
        "parameters": [
            _parameter(
                "{attributeID}",
                "A key by tag (`00100020`), keyword (`PatientID`) or path "
                "(`ScheduledProcedureStepSequence.Modality`); any number of different ones, all must match.",
                _TEXT,
            ),
            _parameter("includefield", "More attributes to return, with commas between; or `all`.", _TEXT),
            _parameter("fuzzymatching", "Also match names that sound alike.", {"type": "boolean"}),
            _parameter("limit", "The most results wanted.", {"type": "integer", "minimum": 0}),
            _parameter("offset", "Results left out at the beginning.", {"type": "integer", "minimum": 0}),
            *_COMMON,
        ]
    },
}
REPORT: dict[str, Any] = {
    "response_class": Response,
    "status_code": 201,
    "responses": {
        200: {"description": "Updated. Headers `Warning: 299` tell what was let pass."},
        201: {"description": "Created; `Location` is its address. Headers `Warning: 299` tell what was let pass."},
        400: {"description": f"The body or its attributes are wrong. {_REFUSED}"},
        403: {"description": "The token may not report exams, or acts as no device."},
        404: {"description": "Update: there is no such step."},
        409: {"description": "Create: the UID exists. Update: the step is final, or an attribute cannot be changed."},
        413: {"description": "The body is larger than `dicomweb.max_document_kib`."},
        415: {"description": "The body is neither JSON nor XML of DICOM in UTF-8."},
        **{status: words for status, words in _PROBLEMS.items() if status != 406},
    },
    "openapi_extra": {
        "parameters": [_parameter("update", "Present: update an existing step (N-SET); else create one.", _TEXT)],
        "requestBody": {"required": True, "content": _forms(_DATA_SET)},
    },
}
RETRIEVE: dict[str, Any] = {
    "response_class": Response,
    "responses": {
        200: {"description": "The data set.", "content": _forms(_DATA_SET)},
        400: {"description": "The address holds no valid UID."},
        404: {"description": "There is no such step."},
        **_PROBLEMS,
    },
    "openapi_extra": {"parameters": _COMMON},
}
