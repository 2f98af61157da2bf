"""Calls of code that is not ours to trust: handlers, policy, observer.

Owns the one place where any exception is caught.  An exception's text may hold patient data, so logs get its type and
place only.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


def attempt(what: str, call: Callable[[], T], instead: Callable[[], T]) -> T:
    """The result of ``call``; when it raises: one line in the log and the result of ``instead``."""
    try:
        return call()
    except Exception as problem:  # noqa: BLE001 - whatever it raised must cost neither the association nor the acceptor
        LOGGER.error("%s failed: %s", what, place_of(problem))
        return instead()


def place_of(problem: BaseException) -> str:
    """Type and place of an exception, without its text."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown place"
    return f"{type(problem).__name__} at {where}"
