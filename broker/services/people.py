"""Signing in to the pages: one-time links, sessions, roles.

Owns who may see the pages and for how long.  Secrets leave this module once, to the caller who asked for them; only
their SHA-256 digests are stored, so that a copy of the database lets nobody in.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from broker.domain.errors import Reason, Refusal
from broker.services.context import Context
from broker.store import api_tokens
from broker.store import people as store
from broker.store.database import Connection

LINK_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(hours=12)
_NAME_LIMIT = 64
_TOKEN_BYTES = 32


class Role(StrEnum):
    """What a person or machine may do (security reference, section 2, row API)."""

    VIEWER = "viewer"
    SCHEDULER = "scheduler"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    INTEGRATION = "integration"


class LinkState(StrEnum):
    """Whether a sign-in link still opens the door, and if not, why."""

    GOOD = "good"
    USED = "used"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is looking: a person with a session, or a program with a token.

    Every change asked for in a session must carry ``csrf_token``, which is empty for a program.
    """

    user_name: str
    role: Role
    csrf_token: str
    #: None when it has no end
    expires_at: datetime | None
    by_token: bool = False
    #: the device that a program acts as; empty: none
    ae_title: str = ""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just begun; ``token`` is the cookie's value and is not kept anywhere else."""

    token: str
    user_name: str
    expires_at: datetime


def create_link(
    context: Context, user_name: str, role: Role | str = Role.VIEWER, *, lifetime: timedelta = LINK_LIFETIME
) -> str:
    """A token that signs ``user_name`` in once, within ``lifetime``; the user is added when unknown.

    Raises Refusal for an empty or too long name, the name of a token, an unknown role, or a user who was locked out.
    """
    name = user_name.strip()
    if not name or len(name) > _NAME_LIMIT:
        raise Refusal(Reason.INVALID_VALUE, f"a user name has 1 to {_NAME_LIMIT} characters", where="user name")
    if role not in list(Role):
        raise Refusal(Reason.UNKNOWN_VALUE, f"the role is none of {', '.join(Role)}", where="role")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    now = context.clock()

    def work(connection: Connection) -> None:
        token_of_name = api_tokens.by_name(connection, name)
        if token_of_name is not None and token_of_name.in_force(now):
            raise Refusal(Reason.DUPLICATE_KEY, "a token has this name; choose another", where="user name")
        user = store.put_user(connection, name, Role(role).value, now)
        if not user.active:
            raise Refusal(Reason.WRONG_STATE, "this user is locked; unlock the user first", where="user name")
        store.forget_ended(connection, now - timedelta(days=1))
        store.add_link(connection, _digest(token), user.key, now + lifetime)

    context.database.write(work)
    return token


def link_state(context: Context, token: str) -> LinkState:
    """Whether the link would sign somebody in now; looking does not use it up (mail scanners open links)."""
    now = context.clock()
    found = context.database.read(lambda c: store.link(c, _digest(token)))
    if found is None or not found.user.active:
        return LinkState.UNKNOWN
    if found.used_at is not None:
        return LinkState.USED
    return LinkState.GOOD if found.expires_at > now else LinkState.ENDED


def redeem_link(context: Context, token: str, *, lifetime: timedelta = SESSION_LIFETIME) -> NewSession | None:
    """Use the link up and begin a session of ``lifetime``; None when the link no longer holds."""
    cookie, csrf_token = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    now = context.clock()

    def work(connection: Connection) -> NewSession | None:
        found = store.link(connection, _digest(token))
        if found is None or not found.user.active or not store.use_link(connection, _digest(token), now):
            return None
        store.add_session(connection, _digest(cookie), found.user.key, csrf_token, now, now + lifetime)
        return NewSession(cookie, found.user.name, now + lifetime)

    return context.database.write(work)


def signed_in(context: Context, cookie: str) -> SignedIn | None:
    """Who holds this session cookie, or None when the session ended."""
    if not cookie:
        return None
    now = context.clock()
    found = context.database.read(lambda c: store.session(c, _digest(cookie), now))
    return (
        None if found is None else SignedIn(found.user.name, Role(found.user.role), found.csrf_token, found.expires_at)
    )


def sign_out(context: Context, cookie: str) -> None:
    """End the session; nothing happens when it has ended already."""
    context.database.write(lambda c: store.end_session(c, _digest(cookie)))


def list_users(context: Context) -> list[store.UserRow]:
    """Every user with role and whether the user may sign in."""
    return context.database.read(store.users)


def lock(context: Context, user_name: str, *, locked: bool = True) -> bool:
    """Keep a user out (sessions and links end at once) or let the user in again; False when unknown."""
    return context.database.write(lambda c: store.set_active(c, user_name, active=not locked))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
