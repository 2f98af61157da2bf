"""FHIR R4 for reading: orders as ServiceRequest and their steps as Task, by id, by identifier or by the order.

Owns the addresses below /fhir/r4, parameters and Bundles; what stands in a resource is the domain's.  Numbers of orders
may stand in addresses, as FHIR has it, or be posted (_search); patients are not searched.
"""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from broker.domain.fhir_codes import Json
from broker.domain.fhir_resources import service_request, tasks
from broker.domain.fhir_search import Token, read_tokens
from broker.domain.fhir_style import Links
from broker.services import order_resources
from broker.services.context import Context
from broker.services.order_resources import OrderNow
from broker.web.auth import Visitor
from broker.web.fhir_answers import PREFIX, SEARCHES, answer, capability, outcome, unacceptable
from broker.web.parts import Parts, Shared

router = APIRouter(prefix=f"{PREFIX}r4", tags=["FHIR R4"])
#: parameters that say how to answer, not what is searched
_HOW = frozenset({"_format", "_pretty"})
_BY_ORDER = frozenset({"based-on", "focus"})


class _WrongSearch(Exception):
    """A search that cannot be done; the text says why."""


@router.get("/metadata", summary="CapabilityStatement: what is served")
def metadata(request: Request, parts: Shared) -> JSONResponse:
    """Without sign-in, as FHIR wants it; it tells of the software and the site only."""
    if _unacceptable(request):
        return _not_json()
    return answer(capability(parts.config.version, parts.config.site_name, _base(request)))


@router.get("/{kind}/{identity}", summary="One ServiceRequest or Task")
def read(request: Request, _who: Visitor, parts: Shared, kind: str, identity: str) -> JSONResponse:
    """By the id that a search gave."""
    if _unacceptable(request):
        return _not_json()
    if kind not in SEARCHES:
        return _unknown(kind)
    number = identity if kind == "ServiceRequest" else "-".join(identity.split("-")[:2])
    order = order_resources.by_number(parts.context, number)
    found = [r for r in _made(kind, order, parts) if r["id"] == identity] if order else []
    return answer(found[0]) if found else outcome(404, f"there is no {kind} with this id")


@router.get("/{kind}", summary="Search ServiceRequest or Task")
def search(request: Request, _who: Visitor, parts: Shared, kind: str) -> JSONResponse:
    """``identifier``; for Task also ``based-on`` and ``focus``.  A parameter given twice must be met twice."""
    return _search(request, parts, kind, request.query_params.multi_items())


@router.post("/{kind}/_search", summary="Search ServiceRequest or Task, with the parameters in the body")
async def post_search(request: Request, _who: Visitor, parts: Shared, kind: str) -> JSONResponse:
    """As above, so that numbers do not stand in the address."""
    body = (await request.body()).decode("utf-8", "replace")
    parameters = [*request.query_params.multi_items(), *parse_qsl(body)]
    return await run_in_threadpool(_search, request, parts, kind, parameters)


def _search(request: Request, parts: Parts, kind: str, parameters: list[tuple[str, str]]) -> JSONResponse:
    if _unacceptable(request, parameters):
        return _not_json()
    if kind not in SEARCHES:
        return _unknown(kind)
    asked = [(name, value) for name, value in parameters if name not in _HOW]
    try:
        found = _find(kind, asked, parts)
    except _WrongSearch as wrong:
        return outcome(400, str(wrong), "invalid")
    base = _base(request)
    entries = [
        {"fullUrl": f"{base}/{kind}/{r['id']}", "resource": r, "search": {"mode": "match"}} for r in found.values()
    ]
    bundle: Json = {
        "resourceType": "Bundle", "type": "searchset", "total": len(entries),
        "link": [{"relation": "self", "url": f"{base}/{kind}?{urlencode(asked)}"}],
    }  # fmt: skip
    return answer({**bundle, **({"entry": entries} if entries else {})})


def _find(kind: str, asked: list[tuple[str, str]], parts: Parts) -> dict[str, Json]:
    """Resources by id that meet every parameter.  Raises _WrongSearch."""
    if not asked:
        raise _WrongSearch(f"search by {' or '.join(SEARCHES[kind])}; all of a kind are not listed")
    found: dict[str, Json] | None = None
    for name, value in asked:
        if name not in SEARCHES[kind]:
            raise _WrongSearch(f"{kind} is not searched by {name[:40]!r}; known are {', '.join(SEARCHES[kind])}")
        meeting = {str(r["id"]): r for r in _meeting(kind, name, value, parts)}
        found = meeting if found is None else {key: r for key, r in found.items() if key in meeting}
    return found or {}


def _meeting(kind: str, name: str, value: str, parts: Parts) -> Iterator[Json]:
    if name in _BY_ORDER:
        order = order_resources.by_number(parts.context, value.rpartition("/")[2])
        yield from _made(kind, order, parts) if order else ()
        return
    tokens = read_tokens(value)
    if not tokens:
        raise _WrongSearch("identifier has no value; write system|value, or the value alone")
    for token in tokens:
        for order in _candidates(kind, token, parts.context):
            yield from (r for r in _made(kind, order, parts) if token.found_in(r))


def _candidates(kind: str, token: Token, context: Context) -> list[OrderNow]:
    """Orders that may have the identifier: found by its value, then compared whole."""
    if kind == "ServiceRequest":
        found = order_resources.with_number(context, token.value)
    else:
        own = order_resources.by_number(context, token.value.partition("/")[0])
        found = [*([own] if own else []), *order_resources.with_step_id(context, token.value)]
    if len(found) >= order_resources.MOST:
        raise _WrongSearch(f"{order_resources.MOST} or more orders have this number; search by another")
    return found


def _made(kind: str, order: OrderNow, parts: Parts) -> list[Json]:
    style, links = parts.config.fhir, Links(order.number, f"ServiceRequest/{order.number}")
    makers: Mapping[str, Callable[[], list[Json]]] = {
        "ServiceRequest": lambda: [service_request(order.payload, style, links)],
        "Task": lambda: tasks(order.payload, style, links),
    }
    places = (
        f"-{p}-{s}"
        for p, procedure in enumerate(order.payload["procedures"], 1)
        for s, _ in enumerate(procedure["steps"], 1)
    )
    ends = [""] if kind == "ServiceRequest" else list(places)
    return [{**made, "id": f"{order.number}{end}"} for made, end in zip(makers[kind](), ends, strict=True)]


def _unacceptable(request: Request, parameters: list[tuple[str, str]] | None = None) -> bool:
    given = dict(parameters if parameters is not None else request.query_params.multi_items())
    return unacceptable(request.headers.get("accept", ""), given.get("_format", ""))


def _not_json() -> JSONResponse:
    return outcome(406, "only JSON is served: ask for application/fhir+json")


def _unknown(kind: str) -> JSONResponse:
    return outcome(404, f"{kind[:40]!r} is not served here; known are {', '.join(SEARCHES)}", "not-supported")


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{PREFIX}r4"
