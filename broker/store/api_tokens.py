"""Tokens of programs.  Owns the statements.  Must not: see a token; callers hand over its SHA-256 digest."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, or_, select, update

from broker.store.people_tables import api_token


@dataclass(frozen=True, slots=True)
class ApiTokenRow:
    """A token as stored; ``role`` is the text of ``services.people.Role``, ``ae_title`` empty when it has no device."""

    key: int
    name: str
    role: str
    ae_title: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def in_force(self, at: datetime) -> bool:
        """True when the token opens the door at ``at``."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


@dataclass(frozen=True, slots=True)
class NewToken:
    """What is kept of a token when it is made."""

    name: str
    digest: str
    role: str
    ae_title: str
    expires_at: datetime | None


_COLUMNS = (
    api_token.c.id, api_token.c.name, api_token.c.role, api_token.c.ae_title, api_token.c.created_at,
    api_token.c.expires_at, api_token.c.revoked_at, api_token.c.last_used_at,
)  # fmt: skip


def add(connection: Connection, new: NewToken, at: datetime) -> None:
    """Keep a new token."""
    values = {
        "name": new.name, "token_digest": new.digest, "role": new.role, "ae_title": new.ae_title, "created_at": at,
        "expires_at": new.expires_at,
    }  # fmt: skip
    connection.execute(insert(api_token), values)


def by_digest(connection: Connection, digest: str) -> ApiTokenRow | None:
    """The token with this digest, whatever its state."""
    row = connection.execute(select(*_COLUMNS).where(api_token.c.token_digest == digest)).first()
    return None if row is None else ApiTokenRow(*row)


def by_name(connection: Connection, name: str) -> ApiTokenRow | None:
    """The token of that name that was not revoked; there is at most one."""
    named = select(*_COLUMNS).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
    row = connection.execute(named).first()
    return None if row is None else ApiTokenRow(*row)


def listed(connection: Connection) -> list[ApiTokenRow]:
    """Every token, by name, of one name the newest first."""
    ordered = select(*_COLUMNS).order_by(api_token.c.name, api_token.c.id.desc())
    return [ApiTokenRow(*row) for row in connection.execute(ordered)]


def revoke(connection: Connection, name: str, at: datetime) -> bool:
    """End the token of that name; False when there is none."""
    living = update(api_token).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
    return connection.execute(living.values(revoked_at=at)).rowcount == 1


def used(connection: Connection, key: int, at: datetime, before: datetime) -> None:
    """Note that the token was used at ``at``, unless a use since ``before`` is noted already."""
    last = api_token.c.last_used_at
    stale = update(api_token).where(api_token.c.id == key, or_(last.is_(None), last <= before))
    connection.execute(stale.values(last_used_at=at))
