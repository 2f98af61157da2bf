"""Signing in by a one-time link, signing out, and the two questions routes ask: who is this, and was this meant?

Pages are for people with a session.  The programming interfaces also let programs in that send a token
(``Authorization: Bearer``); a browser never sends one by itself, so nothing else has to prove that a change was meant.
"""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Header, HTTPException, Request, Response, Security
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import APIKeyCookie, HTTPBearer

from broker.services import api_tokens, people
from broker.services.api_tokens import TokenRefused
from broker.services.people import LinkState, Role, SignedIn
from broker.web.errors import SignInNeeded, is_for_programs
from broker.web.parts import Parts, Shared, parts_of
from broker.web.rendering import page

COOKIE = "broker_session"
router = APIRouter(include_in_schema=False)
#: what the machine-readable description says about getting in
_TOKEN = HTTPBearer(auto_error=False, description="A token made with `broker users token NAME --role ROLE`.")
_SESSION = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A person's session; changes also need the session's token in the header X-CSRF-Token.",
)


def identify(request: Request) -> SignedIn:
    """Who asks: on the programming interfaces the token that was sent decides, without one the session.

    Raises SignInNeeded when neither opens the door.
    """
    context = parts_of(request).context
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_for_programs(request.scope):
        try:
            return api_tokens.signed_in(context, token.strip())
        except TokenRefused as refused:
            raise SignInNeeded(refused.why) from None
    found = people.signed_in(context, request.cookies.get(COOKIE, ""))
    if found is None:
        raise SignInNeeded
    return found


def visitor(
    request: Request,
    _bearer: Annotated[object, Security(_TOKEN)] = None,
    _cookie: Annotated[object, Security(_SESSION)] = None,
) -> SignedIn:
    """Who asks, as ``identify`` says."""
    return identify(request)


Visitor = Annotated[SignedIn, Depends(visitor)]


def check_meant(who: SignedIn, csrf_token: str) -> None:
    """403 for a change in a session that does not carry the session's token."""
    if not who.by_token and not hmac.compare_digest(csrf_token.encode(), who.csrf_token.encode()):
        raise HTTPException(403)


def author(
    who: Visitor, csrf_token: Annotated[str, Form()] = "", x_csrf_token: Annotated[str, Header()] = ""
) -> SignedIn:
    """Who asks for a change, proved by the session's token in the form or in the header.  403 without it."""
    check_meant(who, csrf_token or x_csrf_token)
    return who


Author = Annotated[SignedIn, Depends(author)]
_OPERATES = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})


def may_operate(who: SignedIn) -> bool:
    """True for the roles that may change what happened to exams and orders."""
    return who.role in _OPERATES


def operator(request: Request, who: Visitor, csrf_token: Annotated[str, Form()] = "") -> SignedIn:
    """An operator or administrator, whose changes carry the session's token.  403 for anybody else."""
    if request.method not in {"GET", "HEAD"}:
        author(who, csrf_token, request.headers.get("x-csrf-token", ""))
    if not may_operate(who):
        raise HTTPException(403)
    return who


Operator = Annotated[SignedIn, Depends(operator)]


def may_administer(who: SignedIn) -> bool:
    """True for those who may say who is told."""
    return who.role is Role.ADMINISTRATOR


def administrator(who: Operator) -> SignedIn:
    """An administrator.  403 for anybody else."""
    if not may_administer(who):
        raise HTTPException(403)
    return who


Administrator = Annotated[SignedIn, Depends(administrator)]


def operating_author(_operator: Operator, who: Author) -> SignedIn:
    """An operator who asks for a change."""
    return who


OperatingAuthor = Annotated[SignedIn, Depends(operating_author)]


@router.get("/sign-in")
def how_to_sign_in(request: Request) -> HTMLResponse:
    """How to get a link."""
    return page(request, "sign_in_how.html", state=None)


@router.get("/sign-in/{token}")
def confirm(request: Request, token: str, parts: Shared) -> HTMLResponse:
    """A page with one button.  Opening it uses nothing up: mail scanners and link previews open links too."""
    state = people.link_state(parts.context, token)
    if state is not LinkState.GOOD:
        return page(request, "sign_in_how.html", status=410, state=state.value)
    return page(request, "sign_in.html")


@router.post("/sign-in/{token}")
def sign_in(request: Request, token: str, parts: Shared) -> Response:
    """Use the link up and begin a session."""
    session = people.redeem_link(parts.context, token, lifetime=parts.config.session_lifetime)
    if session is None:
        state = people.link_state(parts.context, token)
        return page(request, "sign_in_how.html", status=410, state=state.value)
    answer = RedirectResponse("/", 303)
    _set_cookie(answer, session.token, parts)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, _who: Author, parts: Shared) -> RedirectResponse:
    """End the session."""
    people.sign_out(parts.context, request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, secure=parts.config.tls, httponly=True, samesite="lax")
    return answer


def _set_cookie(answer: RedirectResponse, token: str, parts: Parts) -> None:
    answer.set_cookie(
        COOKIE, token, max_age=int(parts.config.session_lifetime.total_seconds()), httponly=True, samesite="lax",
        secure=parts.config.tls, path="/",
    )  # fmt: skip
