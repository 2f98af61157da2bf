"""Identifiers: which are valid, and how missing ones are made (mapping reference, section 9).

An identifier is never cut and never changed: it is taken, derived, generated, or refused.
"""

import re
import uuid

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+\Z")
_GENERATABLE = re.compile(r"[A-Z0-9](?:[A-Z0-9._/-]*[A-Z0-9])?\Z")

#: characters of wildcard matching, value and component delimiters, and controls: unusable inside an identifier
FORBIDDEN = frozenset('*?\\"') | {chr(c) for c in range(32)}

_UID_NAMESPACE = uuid.UUID("6e1f6f0a-52c2-5f0e-9a53-0d2cfd1a1c0b")


def valid_uid(uid: str) -> bool:
    """PS3.5 section 9.1: digits and dots, no leading zeros in components, at most 64 characters."""
    return len(uid) <= 64 and _UID.match(uid) is not None


def usable(identifier: str, limit: int) -> bool:
    """True when ``identifier`` is not empty, has at most ``limit`` characters and none that queries or VRs forbid."""
    return 0 < len(identifier) <= limit and not FORBIDDEN & set(identifier)


def derived_uid(*key: str) -> str:
    """A UID under the 2.25 root (PS3.5 annex B.2) that is always the same for the same key."""
    return f"2.25.{uuid.uuid5(_UID_NAMESPACE, chr(31).join(key)).int}"


def random_uid() -> str:
    """A fresh UID under the 2.25 root (PS3.5 annex B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def accession_from_filler(filler_order_number: str) -> str | None:
    """The filler order number when it can serve as an accession number (SH 16, safe characters), else None."""
    if len(filler_order_number) <= 16 and _GENERATABLE.match(filler_order_number.upper()):
        return filler_order_number
    return None


def numbered(stem: str, number: int, limit: int = 16) -> str | None:
    """``stem-number`` when it fits ``limit`` characters, else None."""
    candidate = f"{stem}-{number}"
    return candidate if usable(candidate, limit) else None
