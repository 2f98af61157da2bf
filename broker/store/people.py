"""People who use the pages: users, one-time sign-in links, sessions.

Owns the statements.  Must not: see a secret; callers hand over SHA-256 digests of links and session cookies.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from broker.store.people_tables import app_user, sign_in_link, web_session


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as stored; ``role`` is the text of ``services.people.Role``."""

    key: int
    name: str
    role: str
    active: bool


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A sign-in link as stored: when it ends and when it was used."""

    user: UserRow
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A running session with its user."""

    user: UserRow
    csrf_token: str
    expires_at: datetime


_USER = (app_user.c.id, app_user.c.name, app_user.c.role, app_user.c.active)


def put_user(connection: Connection, name: str, role: str, at: datetime) -> UserRow:
    """The user of that name with ``role``; added (active) when there is none."""
    known = connection.execute(select(*_USER).where(app_user.c.name == name)).first()
    if known is None:
        values = {"name": name, "role": role, "active": True, "created_at": at}
        key = connection.execute(insert(app_user).returning(app_user.c.id), values).scalar_one()
        return UserRow(int(key), name, role, True)
    if known.role != role:
        connection.execute(update(app_user).where(app_user.c.id == known.id).values(role=role))
    return UserRow(known.id, name, role, known.active)


def users(connection: Connection) -> list[UserRow]:
    """Every user, by name."""
    rows = connection.execute(select(*_USER).order_by(app_user.c.name))
    return [UserRow(r.id, r.name, r.role, r.active) for r in rows]


def set_active(connection: Connection, name: str, *, active: bool) -> bool:
    """Let a user in or keep the user out; sessions end at once.  False when there is no such user."""
    found = connection.execute(update(app_user).where(app_user.c.name == name).values(active=active))
    if not active:
        of_user = select(app_user.c.id).where(app_user.c.name == name)
        connection.execute(delete(web_session).where(web_session.c.user_id.in_(of_user)))
        connection.execute(delete(sign_in_link).where(sign_in_link.c.user_id.in_(of_user)))
    return found.rowcount == 1


def add_link(connection: Connection, digest: str, user_key: int, expires_at: datetime) -> None:
    """Keep a new link."""
    connection.execute(insert(sign_in_link), {"token_digest": digest, "user_id": user_key, "expires_at": expires_at})


def link(connection: Connection, digest: str) -> LinkRow | None:
    """The link with this digest, or None."""
    query = select(*_USER, sign_in_link.c.expires_at, sign_in_link.c.used_at).join(
        app_user, app_user.c.id == sign_in_link.c.user_id
    )
    row = connection.execute(query.where(sign_in_link.c.token_digest == digest)).first()
    return (
        None if row is None else LinkRow(UserRow(row.id, row.name, row.role, row.active), row.expires_at, row.used_at)
    )


def use_link(connection: Connection, digest: str, at: datetime) -> bool:
    """Mark the link as used; False when it was used or has ended, also when two try at once."""
    guarded = update(sign_in_link).where(
        sign_in_link.c.token_digest == digest, sign_in_link.c.used_at.is_(None), sign_in_link.c.expires_at > at
    )
    return connection.execute(guarded.values(used_at=at)).rowcount == 1


def add_session(
    connection: Connection, digest: str, user_key: int, csrf_token: str, at: datetime, expires_at: datetime
) -> None:
    """Keep a new session."""
    values = {
        "token_digest": digest, "user_id": user_key, "csrf_token": csrf_token,
        "created_at": at, "expires_at": expires_at,
    }  # fmt: skip
    connection.execute(insert(web_session), values)


def session(connection: Connection, digest: str, at: datetime) -> SessionRow | None:
    """The session with this digest if it runs at ``at`` and its user is active."""
    query = select(*_USER, web_session.c.csrf_token, web_session.c.expires_at).join(
        app_user, app_user.c.id == web_session.c.user_id
    )
    running = query.where(
        web_session.c.token_digest == digest, web_session.c.expires_at > at, app_user.c.active.is_(True)
    )
    row = connection.execute(running).first()
    return (
        None if row is None else SessionRow(UserRow(row.id, row.name, row.role, True), row.csrf_token, row.expires_at)
    )


def end_session(connection: Connection, digest: str) -> None:
    """Forget the session."""
    connection.execute(delete(web_session).where(web_session.c.token_digest == digest))


def forget_ended(connection: Connection, at: datetime) -> None:
    """Remove sessions and links that ended before ``at``."""
    connection.execute(delete(web_session).where(web_session.c.expires_at <= at))
    connection.execute(delete(sign_in_link).where(sign_in_link.c.expires_at <= at))
