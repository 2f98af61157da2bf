"""DICOMweb over HTTP: scheduled procedure steps to search, performed procedure steps to report (PS3.18 14 and 15).

Owns addresses, parameters, headers and who may; what a document says and what becomes of it is the desk's matter.
"""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from broker.domain.dicom_json import Dataset
from broker.domain.errors import Conflict
from broker.domain.performed_faults import PerformedRefusal, Toleration
from broker.services.dicomweb import Caller, DicomWebDesk, DocumentRefused, Form, Found, ParameterRefused, Search
from broker.services.people import Role, SignedIn
from broker.web import dicomweb_description as description
from broker.web import dicomweb_words as words
from broker.web import media_types, multipart
from broker.web.auth import Visitor, check_meant
from broker.web.media_types import Representation
from broker.web.parts import Parts, Shared

router = APIRouter(prefix="/dicomweb", tags=["DICOMweb"])
PERFORMED = "/modality-performed-procedure-steps/{uid}"
SCHEDULED = "/modality-scheduled-procedure-steps"
_NO_STORE = {"Cache-Control": "no-store"}
#: who may report exams
_REPORTS = frozenset({Role.INTEGRATION, Role.OPERATOR, Role.ADMINISTRATOR})
#: parameters that every service knows (PS3.18 8.3.3)
_COMMON = frozenset({"accept", "charset"})
_SEARCH = frozenset({"fuzzymatching", "emptyvaluematching", "multiplevaluematching", "limit", "offset"})
_GREATEST = 2**31 - 1
_Change = Callable[[Caller, str, Form, bytes], Sequence[Toleration]]


@router.get(SCHEDULED, summary="Search scheduled procedure steps", **description.SEARCH)
def search(request: Request, who: Visitor, parts: Shared) -> Response:
    """The worklist as a device would get it by C-FIND, as the device the token acts as; one data set for each step."""
    desk, accepted = _desk(parts), _accepted(request)
    try:
        wanted, warnings = _search_of(request)
        found = desk.search(_caller(request, who), wanted)
    except ParameterRefused as refusal:
        raise words.of_parameter(refusal) from None
    answer = _results(desk, found, accepted)
    words.warn(answer.headers, _service(request), (*warnings, *found.warnings))
    return answer


@router.post(PERFORMED, summary="Create or update a performed procedure step", **description.REPORT)
async def report(request: Request, uid: str, who: Visitor, parts: Shared) -> Response:
    """Without ``update`` as N-CREATE, with it as N-SET, under the rules and tolerations of the device."""
    check_meant(who, request.headers.get("x-csrf-token", ""))
    desk, caller = _desk(parts), _reporter(request, who)
    _only(request, _COMMON | {"update"})
    update = "update" in request.query_params
    form, document = _document(request.headers.get("content-type", ""), await request.body())
    change = desk.update if update else desk.create
    tolerated = await run_in_threadpool(_attempt, change, caller, uid, form, document)
    headers = _NO_STORE if update else {**_NO_STORE, "Location": request.url.path}
    answer = Response(status_code=200 if update else 201, headers=headers)
    words.warn(answer.headers, _service(request), words.let_pass(tolerated))
    return answer


@router.get(PERFORMED, summary="Retrieve a performed procedure step", **description.RETRIEVE)
def retrieve(request: Request, uid: str, _who: Visitor, parts: Shared) -> Response:
    """The whole data set as it stands, as N-GET gives it."""
    desk, accepted = _desk(parts), _accepted(request)
    _only(request, _COMMON)
    try:
        found = desk.retrieve(uid)
    except PerformedRefusal as refusal:
        raise words.of_performed(refusal) from None
    return _written(desk, [found], accepted[0], single=True)


def _attempt(change: _Change, caller: Caller, uid: str, form: Form, document: bytes) -> Sequence[Toleration]:
    try:
        return change(caller, uid, form, document)
    except PerformedRefusal as refusal:
        raise words.of_performed(refusal) from None
    except DocumentRefused as refusal:
        raise words.of_document(refusal) from None
    except Conflict:
        raise words.busy() from None


def _desk(parts: Parts) -> DicomWebDesk:
    if parts.dicomweb is None:
        raise HTTPException(404)
    return parts.dicomweb


def _caller(request: Request, who: SignedIn) -> Caller | None:
    """The device that asks; None for people, and for programs that act as none."""
    address = request.client.host if request.client else ""
    return Caller(who.ae_title, address, who.user_name) if who.ae_title else None


def _reporter(request: Request, who: SignedIn) -> Caller:
    """The device that reports.  403 when there is none, or its token may not."""
    if who.role not in _REPORTS:
        why = f"The role {who.role} may look at exams, not report them."
        raise words.forbidden(why, f"Use a token with one of the roles {', '.join(sorted(_REPORTS))}.")
    caller = _caller(request, who)
    if caller is None:
        remedy = "Make a token that acts as a device: broker users token NAME --role integration --ae-title CT1."
        raise words.forbidden("Exams are reported by devices; this is nobody's.", remedy)
    return caller


def _search_of(request: Request) -> tuple[Search, list[str]]:
    """What is searched for, and warnings about parameters that are known but do nothing here."""
    match: list[tuple[str, str]] = []
    include: list[str] = []
    control: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name == "includefield":
            include.append(value)
        elif name not in _SEARCH | _COMMON:
            match.append((name, value))
        elif name in control:
            raise ParameterRefused(name, "it is given twice")
        else:
            control[name] = value
    flags = {name: _flag(name, control) for name in ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")}
    ignored = [
        f"The {name} parameter is not supported and was ignored."
        for name in ("emptyvaluematching", "multiplevaluematching") if flags[name]
    ]  # fmt: skip
    limit = _number("limit", control) if "limit" in control else None
    return Search(match, include, flags["fuzzymatching"], _number("offset", control), limit), ignored


def _flag(name: str, control: dict[str, str]) -> bool:
    value = control.get(name, "false").lower()
    if value not in ("true", "false"):
        raise ParameterRefused(name, "true or false is expected")
    return value == "true"


def _number(name: str, control: dict[str, str]) -> int:
    value = control.get(name, "0")
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= _GREATEST):
        raise ParameterRefused(name, "a whole number from 0 is expected")
    return int(value)


def _only(request: Request, known: frozenset[str]) -> None:
    """400 for a parameter that this address does not know: a misspelt ``update`` must not create anything."""
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        shown = unknown if unknown.isascii() and unknown.isalnum() and len(unknown) <= 64 else "a parameter"
        raise words.of_parameter(ParameterRefused(shown, f"known here: {', '.join(sorted(known))}"))


def _accepted(request: Request) -> list[Representation]:
    """The forms of an answer that are accepted, the best first; the parameters stand for headers (PS3.18 8.3.3)."""
    charset = request.query_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "*"):
        raise words.not_acceptable("Answers are in UTF-8.", "Leave charset out.")
    found = media_types.acceptable(request.query_params.get("accept", "") or request.headers.get("accept", ""))
    if not found:
        offers = "application/dicom+json, application/dicom+xml, multipart/related of one of these"
        raise words.not_acceptable("None of the accepted media types is given here.", f"Accept {offers}, or */*.")
    return found


def _results(desk: DicomWebDesk, found: Found, accepted: Sequence[Representation]) -> Response:
    """204 when nothing was found.  A single XML document holds a single data set: for several it is not acceptable."""
    if not found.items:
        return Response(status_code=204, headers=_NO_STORE)
    fits = [one for one in accepted if one.multipart or one.form is Form.JSON or len(found.items) == 1]
    if not fits:
        why = f"There are {len(found.items)} results; an XML document holds one."
        remedy = 'Accept multipart/related; type="application/dicom+xml", or ask for one result with limit=1.'
        raise words.not_acceptable(why, remedy)
    return _written(desk, found.items, fits[0], single=False)


def _written(desk: DicomWebDesk, datasets: Sequence[Dataset], chosen: Representation, *, single: bool) -> Response:
    """The data sets as chosen: JSON of results is one array, XML one document each (PS3.18 F.2.1)."""
    documents = [desk.write(one, chosen.form) for one in datasets]
    if chosen.form is Form.JSON and not single:
        documents = [b"[" + b",".join(documents) + b"]"]
    if chosen.multipart:
        content_type, body = multipart.joined(chosen.media_type, documents)
    else:
        content_type, body = chosen.media_type, documents[0]
    return Response(body, headers={**_NO_STORE, "Content-Type": content_type})


def _document(content_type: str, body: bytes) -> tuple[Form, bytes]:
    """The form and the content of the one document in a request."""
    found = media_types.media_type(content_type)
    if media_types.is_multipart(found):
        try:
            inner, body = multipart.single_part(body, found.parameters.get("boundary", ""))
        except multipart.MultipartError as error:
            raise words.of_document(DocumentRefused(str(error))) from None
        found = media_types.media_type(inner or found.parameters.get("type", ""))
    form = media_types.form_of(found.name)
    if form is None:
        raise words.unsupported_media(f"The media type is {found.name or 'not named'}.".replace('"', "")[:200])
    if found.parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise words.unsupported_media("The character set is not UTF-8.")
    return form, body


def _service(request: Request) -> str:
    """The base of the service, which warnings name."""
    return f"{request.base_url}dicomweb"
