"""Owns: an operator, an account and a user of NATS's decentralised authentication, invented for one test server.
Must not: use our own code.

A token is a JWT signed with the Ed25519 key of whoever issues it (NATS documentation, JWTs; version 2 of the claims).
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import nkeys
from nacl.signing import SigningKey

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


def _pair(prefix: int) -> nkeys.KeyPair:
    return nkeys.from_seed(nkeys.encode_seed(bytes(SigningKey.generate()), prefix))


def _token(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, kind: str, **claims: Any) -> str:
    body: dict[str, Any] = {
        "iat": 1783150920, "iss": issuer.public_key.decode(), "name": kind, "sub": subject.public_key.decode(),
        "nats": {"type": kind, "version": 2, **claims},
    }  # fmt: skip
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    signed = ".".join(map(_part, (_HEADER, body)))
    return f"{signed}.{_text(issuer.sign(signed.encode()))}"


def _part(value: object) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def make_accounts(folder: Path) -> tuple[Path, list[str]]:
    """A credentials file, and lines of a server's configuration that let it in (with JetStream for its account)."""
    operator, user = _pair(nkeys.PREFIX_BYTE_OPERATOR), _pair(nkeys.PREFIX_BYTE_USER)
    account, system = _pair(nkeys.PREFIX_BYTE_ACCOUNT), _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    unlimited = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    limits = {**unlimited, "wildcards": True, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    accounts = {
        owner.public_key.decode(): _token(operator, owner, "account", limits=allowed)
        for owner, allowed in ((account, limits), (system, {**unlimited, "wildcards": True}))
    }
    user_token = _token(account, user, "user", subs=-1, data=-1, payload=-1)
    file = folder / "user.creds"
    parts = {"NATS USER JWT": user_token, "USER NKEY SEED": user.seed.decode()}
    blocks = (f"-----BEGIN {name}-----\n{text}\n------END {name}------\n" for name, text in parts.items())
    file.write_text("\n".join(blocks), encoding="ascii")
    return file, [
        f"operator: {_token(operator, operator, 'operator')}",
        f"system_account: {system.public_key.decode()}",
        "resolver: MEMORY",
        f"resolver_preload: {json.dumps(accounts)}",
    ]
