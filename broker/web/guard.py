"""The outermost layer of the web part: who may talk to us, what every answer carries, what is logged.

Owns host and origin checks, security headers, the access log and the last catch of faults.  Nothing it logs holds an
address's variable parts, a query string, a body or an exception's text: those may name patients.
"""

import logging
import secrets
import time
import traceback
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.web.config import WebConfig

_access = logging.getLogger("broker.web.access")
_log = logging.getLogger("broker.web")

#: forms and searches are small; more is refused unread.  Documents of DICOMweb have a limit of their own
BODY_LIMIT = 64 * 1024
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not no-referrer: browsers would then send "Origin: null" with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: makes the answer to a fault: (scope, HTTP status, what, why, what next, identifier for the log)
Failure = Callable[[Scope, int, str, str, str, str], Response]


def new_incident() -> str:
    """A short identifier that joins an error page and its log line."""
    return secrets.token_hex(4)


def where(error: BaseException) -> str:
    """The kind of a fault and the places it came through, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"


class Guard:
    """ASGI layer around the whole application."""

    def __init__(self, app: ASGIApp, config: WebConfig, failure: Failure) -> None:
        self._app = app
        self._tls = config.tls
        self._document_limit = config.document_limit
        self._hosts = config.allowed_hosts or (LOOPBACK_NAMES if config.host in _LOOPBACK else ())
        self._failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, add headers, log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            refused = self._refusal(scope)
            await (refused or self._app)(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - the last catch: every fault becomes a page and a log line
            incident = new_incident()
            _log.error("fault %s: %s", incident, where(error))
            if status:  # half an answer has left: the connection must break, so that nobody takes it for whole
                raise ConnectionAbortedError(f"fault {incident}") from None
            await self._fault(scope, incident)(scope, receive, answer)
        finally:
            _access.info(
                "%s %s %d %.1f ms", scope["method"], route(scope), status, 1000 * (time.perf_counter() - began)
            )

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._tls:
            headers["Strict-Transport-Security"] = "max-age=31536000"

    def _fault(self, scope: Scope, incident: str) -> Response:
        return self._failure(
            scope, 500, "Something went wrong on our side", "The program met a case it does not handle.",
            "Try again; if it stays, tell the administrator the number below.", incident,
        )  # fmt: skip

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._hosts and _name(headers.get("host", "")) not in self._hosts:
            return self._refuse(
                scope, 421, "This address does not belong to the broker",
                "The browser asked for a host name that is not in the settings.",
                "Use the address of the sign-in link, or add the name to web.allowed_hosts.",
            )  # fmt: skip
        if scope["method"] in _SAFE:
            return None
        if not _same_origin(headers):
            return self._refuse(
                scope, 403, "The request came from another site",
                "Changes are accepted only from the broker's own pages.",
                "Open the broker's page and repeat the step there.",
            )  # fmt: skip
        if "transfer-encoding" in headers:
            return self._refuse(
                scope, 411, "The request does not say how long it is",
                "Bodies are read with a stated length only.",
                "Send the header Content-Length instead of chunks.",
            )  # fmt: skip
        length = headers.get("content-length", "0")  # neither header: no body (RFC 9112 section 6.3)
        limit = self._document_limit if str(scope["path"]).startswith("/dicomweb/") else BODY_LIMIT
        if not length.isdigit() or int(length) > limit:
            return self._refuse(
                scope, 413, "The request is too large",
                f"At most {limit // 1024} KiB are read here.",
                "Send less.",
            )  # fmt: skip
        return None

    def _refuse(self, scope: Scope, status: int, what: str, why: str, remedy: str) -> Response:
        incident = new_incident()
        _log.warning("refused %s: %s", incident, what)
        return self._failure(scope, status, what, why, remedy, incident)


def route(scope: Scope) -> str:
    """The template of the route that answered, such as ``/orders/{request_key}``; never the address itself."""
    return str(getattr(scope.get("route"), "path", "(none)"))


def _name(host: str) -> str:
    """The name in a Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def _same_origin(headers: Headers) -> bool:
    """True unless a browser says that another site sent this.  Programs send neither header and carry a token."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")
