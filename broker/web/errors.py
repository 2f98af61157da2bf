"""Error answers: pages for people, JSON for programs.  Each says what, why, what next, and a number for the log."""

import logging
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


class SignInNeeded(Exception):
    """The request carries no running session."""


def failure(templates: Environment) -> Failure:
    """The maker of error answers: JSON below /api, an OperationOutcome below /fhir, a page elsewhere."""

    def make(scope: Scope, status: int, what: str, why: str, remedy: str, incident: str) -> Response:
        values = {"what": what, "why": why, "remedy": remedy, "incident": incident}
        no_store = {"Cache-Control": "no-store"}
        path = str(scope.get("path", ""))
        if path.startswith(fhir_answers.PREFIX):
            return fhir_answers.outcome(status, f"{what}. {why} ({incident})")
        if path.startswith("/api/"):
            return JSONResponse({"error": values}, status, headers=no_store)
        return HTMLResponse(
            templates.get_template("error.html").render(values, status=status), status, headers=no_store
        )

    return make


def install(app: FastAPI, make: Failure) -> None:
    """Answer every known kind of failure with ``make``."""

    def answer(request: Request, status: int, error: Exception, words: tuple[str, str, str] | None = None) -> Response:
        incident = new_incident()
        _log.warning("refused %s: status %d, %s", incident, status, where(error))
        return make(request.scope, status, *(words or _WORDS.get(status, _OTHER)), incident)

    def http(request: Request, error: Any) -> Response:
        return answer(request, error.status_code, error)

    def sign_in(request: Request, error: Any) -> Response:
        if request.url.path.startswith(("/api/", fhir_answers.PREFIX)):
            return answer(request, 401, error)
        headers = {"Cache-Control": "no-store"}
        template = request.app.state.parts.templates.get_template("sign_in_how.html")
        return HTMLResponse(template.render(state=None), 401, headers=headers)

    def refusal(request: Request, error: Any) -> Response:
        words = ("This was refused", error.text, "Correct it and try again.")
        return answer(request, 422, error, words)

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(SignInNeeded, sign_in)
    app.add_exception_handler(RequestValidationError, lambda request, error: answer(request, 422, error))
    app.add_exception_handler(Unavailable, lambda request, error: answer(request, 503, error))
    app.add_exception_handler(Refusal, refusal)
