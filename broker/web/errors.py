"""Error answers: pages for people, JSON for programs.  Each says what, why, what next, and a number for the log."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from broker.domain.errors import Refusal, Unavailable
from broker.web import fhir_answers
from broker.web.guard import Failure, new_incident, where

_log = logging.getLogger("broker.web")

_WORDS = {
    401: ("Please sign in", "Orders and patients are shown to signed-in staff only.", "Use your sign-in link."),
    403: ("This is not allowed", "The page was too old, or your role does not permit it.",
          "Reload the page and try again."),
    404: ("There is no such page", "The address names nothing that exists (any more).", "Go back to the board."),
    405: ("This cannot be done here", "The address does not accept this kind of request.", "Go back to the board."),
    422: ("The request is not understood", "A value in the address or form is not of the expected kind.",
          "Go back to the board and start again."),
    503: ("The database cannot be reached", "The broker runs, but its database does not answer.",
          "This page works again as soon as the database does; nothing acknowledged is lost."),
}  # fmt: skip
_OTHER = ("The request failed", "The broker could not do what was asked.", "Go back to the board.")
#: the same for programs, which have no board to go back to
_WORDS_FOR_PROGRAMS = {
    401: ("Please sign in", "Orders and patients are shown to signed-in staff, and to programs with a token.",
          'Send "Authorization: Bearer TOKEN"; `broker users token NAME --role ROLE` makes one.'),
    403: ("This is not allowed", "The role does not permit it, or a session did not send its X-CSRF-Token.",
          "Use a token or an account with another role; see the description of this address in /api/docs."),
    404: ("There is no such thing", "The address names nothing that exists (any more).", "See /api/docs."),
    405: ("This cannot be done here", "The address does not accept this method.", "See /api/docs."),
    422: ("The request is not understood", "A value in the address or body is not of the expected kind.",
          "See the description of this address in /api/docs."),
    503: ("The database cannot be reached", "The broker runs, but its database does not answer; nothing was changed.",
          "Repeat the request later."),
}  # fmt: skip
_FOR_PROGRAMS = ("/api/", "/dicomweb/", fhir_answers.PREFIX)


class SignInNeeded(Exception):
    """The request carries no running session and no token that opens the door; ``why`` says what is wrong with one."""

    def __init__(self, why: str = "") -> None:
        super().__init__(why)
        self.why = why


class RequestRefused(Exception):
    """A program's request that is refused in words of its own; ``details`` stand beside them, without patient data."""

    def __init__(
        self, status: int, what: str, why: str, remedy: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.what, self.why, self.remedy = status, what, why, remedy
        self.details = dict(details or {})


def is_for_programs(scope: Scope) -> bool:
    """True below the programming interfaces, where answers are JSON and tokens are taken."""
    return str(scope.get("path", "")).startswith(_FOR_PROGRAMS)


def failure(templates: Environment) -> Failure:
    """The maker of error answers: on the programming interfaces JSON or an OperationOutcome, a page elsewhere."""

    def make(scope: Scope, status: int, what: str, why: str, remedy: str, incident: str) -> Response:
        values = {"what": what, "why": why, "remedy": remedy, "incident": incident}
        no_store = {"Cache-Control": "no-store"}
        if str(scope.get("path", "")).startswith(fhir_answers.PREFIX):
            return fhir_answers.outcome(status, f"{what}. {why} {remedy} ({incident})")
        if is_for_programs(scope):
            return JSONResponse({"error": values}, status, headers=no_store)
        return HTMLResponse(
            templates.get_template("error.html").render(values, status=status), status, headers=no_store
        )

    return make


def _challenged(why: str, answer: Callable[[tuple[str, str, str] | None], Response]) -> Response:
    """The answer 401 with what is wrong with the token, if one was sent (RFC 6750 section 3)."""
    challenge = 'Bearer realm="broker"'
    words = None
    if why:
        challenge += f', error="invalid_token", error_description="{why}"'
        remedy = "Make a new one: `broker users token NAME --role ROLE`; `broker users tokens` lists all."
        words = ("The token is not valid", f"{why[0].upper()}{why[1:]}.", remedy)
    found = answer(words)
    found.headers["WWW-Authenticate"] = challenge
    return found


def install(app: FastAPI, make: Failure) -> None:
    """Answer every known kind of failure with ``make``."""

    def answer(request: Request, status: int, error: Exception, words: tuple[str, str, str] | None = None) -> Response:
        incident = new_incident()
        _log.warning("refused %s: status %d, %s", incident, status, where(error))
        usual = _WORDS_FOR_PROGRAMS if is_for_programs(request.scope) else _WORDS
        return make(request.scope, status, *(words or usual.get(status, _OTHER)), incident)

    def http(request: Request, error: Any) -> Response:
        return answer(request, error.status_code, error)

    def sign_in(request: Request, error: Any) -> Response:
        if is_for_programs(request.scope):
            return _challenged(error.why, lambda words: answer(request, 401, error, words))
        headers = {"Cache-Control": "no-store"}
        template = request.app.state.parts.templates.get_template("sign_in_how.html")
        return HTMLResponse(template.render(state=None), 401, headers=headers)

    def refused(request: Request, error: Any) -> Response:
        incident = new_incident()
        _log.warning("refused %s: status %d, %s", incident, error.status, error.what)
        words = {"what": error.what, "why": error.why, "remedy": error.remedy, "incident": incident}
        headers = {"Cache-Control": "no-store"}
        return JSONResponse({"error": {**words, **error.details}}, error.status, headers=headers)

    def refusal(request: Request, error: Any) -> Response:
        words = ("This was refused", error.text, "Correct it and try again.")
        return answer(request, 422, error, words)

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(SignInNeeded, sign_in)
    app.add_exception_handler(RequestValidationError, lambda request, error: answer(request, 422, error))
    app.add_exception_handler(Unavailable, lambda request, error: answer(request, 503, error))
    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(RequestRefused, refused)
