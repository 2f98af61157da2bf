"""Our own message control ids (MSH-10): unique over processes and restarts, at most 20 characters.

Owns: making them. Must not: remember them.
"""

from __future__ import annotations

import itertools
import os
import secrets

_PREFIX = ""
_COUNTER = itertools.count(1)


def _begin() -> None:
    """Begin anew; a forked process must, or it and its parent would count alike."""
    global _PREFIX, _COUNTER
    _PREFIX, _COUNTER = secrets.token_hex(5).upper(), itertools.count(1)


_begin()
os.register_at_fork(after_in_child=_begin)


def new_control_id() -> str:
    """A control id never given before: random per process, then counted. Safe to call from any thread."""
    return f"{_PREFIX}{next(_COUNTER)}"
