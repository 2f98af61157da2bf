"""Tokens of programs: made once, shown once, asked for with every request (``Authorization: Bearer``, RFC 6750).

Owns which token opens the door, as whom, and why not.  A token leaves this module once, to whoever made it; only its
SHA-256 digest is stored, which suffices because a token has 256 random bits.
"""

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from broker.domain.errors import Reason, Refusal
from broker.services.context import Context
from broker.services.people import Role, SignedIn
from broker.store import api_tokens as store
from broker.store import people
from broker.store.api_tokens import ApiTokenRow
from broker.store.database import Connection

__all__ = ["ApiTokenRow", "TokenRefused", "issue", "listed", "revoke", "signed_in"]

#: begins every token, so that scanners for secrets and people recognise one
PREFIX = "wlb_"
_BYTES = 32
#: how exactly it is known when a token was last used; a write for each request would cost more than it tells
_USE_NOTED_EVERY = timedelta(minutes=1)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


class TokenRefused(Exception):
    """The token does not open the door; ``why`` is meant for whoever sent it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def issue(
    context: Context, name: str, role: Role | str, *, ae_title: str = "", lifetime: timedelta | None = None
) -> str:
    """A new token that lets a program in as ``name`` with ``role``, for ``lifetime`` or until it is revoked.

    ``ae_title`` is the device that the program acts as when it uses DICOMweb.  Raises Refusal for a wrong name, role,
    AE title or lifetime, and for a name that another token in force or a person has: the history names both alike.
    """
    _check(name, role, ae_title, lifetime)
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    now = context.clock()
    new = store.NewToken(name, _digest(token), Role(role).value, ae_title, now + lifetime if lifetime else None)

    def work(connection: Connection) -> None:
        if any(user.name == name for user in people.users(connection)):
            raise _refused(Reason.DUPLICATE_KEY, "a person has this name; choose another", "name")
        present = store.by_name(connection, name)
        if present is not None and present.in_force(now):
            raise _refused(Reason.DUPLICATE_KEY, "a token has this name; revoke it first or choose another", "name")
        store.revoke(connection, name, now)
        store.add(connection, new, now)

    context.database.write(work)
    return token


def listed(context: Context) -> list[ApiTokenRow]:
    """Every token ever made, by name; none can be read back."""
    return context.database.read(store.listed)


def revoke(context: Context, name: str) -> bool:
    """End a token at once; False when no token in force has this name."""
    return context.database.write(lambda c: store.revoke(c, name, context.clock()))


def signed_in(context: Context, token: str) -> SignedIn:
    """Who sends this token.  Raises TokenRefused, or Unavailable when the database cannot be asked.

    The time of its last use is kept to the minute.
    """
    now = context.clock()
    found = context.database.read(lambda c: store.by_digest(c, _digest(token)))
    if found is None:
        raise TokenRefused("this token is not known")
    if found.revoked_at is not None:
        raise TokenRefused(f"this token was revoked on {_day(context, found.revoked_at)}")
    if not found.in_force(now):
        raise TokenRefused(f"this token ended on {_day(context, found.expires_at or now)}")
    if found.last_used_at is None or found.last_used_at <= now - _USE_NOTED_EVERY:
        context.database.write(lambda c: store.used(c, found.key, now, now - _USE_NOTED_EVERY))
    return SignedIn(found.name, Role(found.role), "", found.expires_at, by_token=True, ae_title=found.ae_title)


def _check(name: str, role: Role | str, ae_title: str, lifetime: timedelta | None) -> None:
    if not _NAME.match(name):
        text = "a token's name has 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit"
        raise _refused(Reason.INVALID_VALUE, text, "name")
    if role not in list(Role):
        raise _refused(Reason.UNKNOWN_VALUE, f"the role is none of {', '.join(Role)}", "role")
    if ae_title and not _is_ae_title(ae_title):
        text = "an AE title has 1 to 16 ASCII characters, no backslash, no blanks around it"
        raise _refused(Reason.INVALID_VALUE, text, "AE title")
    if lifetime is not None and lifetime <= timedelta():
        raise _refused(Reason.INVALID_VALUE, "a token lasts for at least a day; leave the days out for no end", "days")


def _is_ae_title(text: str) -> bool:
    return len(text) <= 16 and text.isascii() and text.isprintable() and "\\" not in text and text == text.strip()


def _refused(reason: Reason, text: str, where: str) -> Refusal:
    return Refusal(reason, text, where=where)


def _day(context: Context, at: datetime) -> str:
    return f"{at.astimezone(context.site.zone):%Y-%m-%d %H:%M}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
