"""What DICOMweb answers say when something is refused or let pass: HTTP statuses, words, warnings.

Statuses as PS3.18 Tables 14.4.3-1, 15.4.3-1, 15.5.3-1 and 15.6.3-1 have them.  Keywords, tags and rules, no values.
"""

from collections.abc import Iterable, Mapping

from starlette.datastructures import MutableHeaders

from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Toleration
from broker.services.dicomweb import DocumentRefused, ParameterRefused
from broker.web.errors import RequestRefused

#: HTTP status, what, remedy
_FAULTS: Mapping[PerformedFault, tuple[int, str, str]] = {
    PerformedFault.MISSING: (400, "Required attributes are missing", "Add the attributes named below."),
    PerformedFault.EMPTY: (400, "Required attributes have no value", "Give the attributes named below a value."),
    PerformedFault.INVALID: (400, "Values are not allowed", "Correct the attributes named below."),
    PerformedFault.NOT_SETTABLE: (
        409, "Attributes cannot be changed after creation", "Leave the attributes named below out of updates.",
    ),
    PerformedFault.DUPLICATE: (
        409, "This performed procedure step exists already", "Update it with ?update, or create another UID.",
    ),
    PerformedFault.UNKNOWN: (
        404, "There is no such performed procedure step", "Create it first, by POST without ?update.",
    ),
    PerformedFault.INVALID_UID: (
        400, "The address holds no valid UID", "Digits and dots, at most 64, no leading zeros (PS3.5 section 9.1).",
    ),
    PerformedFault.FINAL: (
        409, "This performed procedure step is final", "Completed and discontinued steps stay as they are.",
    ),
}  # fmt: skip
_NAMED_AT_MOST = 50
_TOLD_AT_MOST = 10


def of_performed(refusal: PerformedRefusal) -> RequestRefused:
    """The answer to a refused exam: the rule, and every attribute that breaks it."""
    status, what, remedy = _FAULTS[refusal.fault]
    named = [
        {"path": path, "tag": f"{tag:08X}"}
        for path, tag in zip(refusal.paths[:_NAMED_AT_MOST], refusal.tags, strict=False)
    ]  # fmt: skip
    details = {"fault": refusal.fault.name.lower(), "attributes": named}
    return RequestRefused(status, what, refusal.text, remedy, details)


def of_document(refusal: DocumentRefused) -> RequestRefused:
    """The answer to a body that is no data set."""
    remedy = "Send one data set in the DICOM JSON Model (PS3.18 Annex F) or the Native DICOM Model (PS3.19 A.1)."
    return RequestRefused(
        400, "The body cannot be read as a data set", refusal.text, remedy, {"place": refusal.where}
    )  # fmt: skip


def of_parameter(refusal: ParameterRefused) -> RequestRefused:
    """The answer to a parameter that cannot be understood."""
    why = f"{refusal.where}: {refusal.text}"
    return RequestRefused(
        400, "A parameter is not understood", why, "Correct or leave out the parameter; see docs/dicomweb.md.",
        {"parameter": refusal.where},
    )  # fmt: skip


def not_acceptable(why: str, remedy: str) -> RequestRefused:
    """406: nothing we can answer is accepted."""
    return RequestRefused(406, "The answer cannot be given in an accepted form", why, remedy)


def unsupported_media(why: str) -> RequestRefused:
    """415: the body is in a form that is not read."""
    remedy = (
        "Send Content-Type application/dicom+json or application/dicom+xml, or multipart/related with one such part, "
        "in UTF-8."
    )
    return RequestRefused(415, "The body is in a form that is not read", why, remedy)


def forbidden(why: str, remedy: str) -> RequestRefused:
    """403: not with this token."""
    return RequestRefused(403, "This is not allowed", why, remedy)


def busy() -> RequestRefused:
    """503: another request about the same exam was quicker, again and again."""
    return RequestRefused(
        503, "The broker is busy with this exam", "Other requests change it at the same moment; nothing was stored.",
        "Repeat the request later.",
    )  # fmt: skip


def let_pass(tolerated: Iterable[Toleration]) -> list[str]:
    """What was wrong with a request and let pass nevertheless, one warning for each kind."""
    found: dict[str, list[str]] = {}
    for one in tolerated:
        found.setdefault(one.quirk.value, []).append(one.path)
    return [
        f"Let pass: {quirk}" + (f" at {', '.join(filter(None, paths[:_TOLD_AT_MOST]))}" if any(paths) else "")
        for quirk, paths in found.items()
    ]


def warn(headers: MutableHeaders, service: str, warnings: Iterable[str]) -> None:
    """Add a header ``Warning: 299`` for each (RFC 7234 section 5.5)."""
    for text in warnings:
        plain = text.encode("ascii", "replace").decode("ascii").replace("\\", "/").replace('"', "'")
        headers.append("Warning", f'299 {service} "{plain}"')
