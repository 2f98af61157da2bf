"""Owns: waiting for a condition with a deadline, so that no test sleeps and hopes. Must not: know what it waits for."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Condition = Callable[[], T]


def until(condition: Condition[T], timeout: float = 30.0, message: str = "", interval: float = 0.01) -> T:
    """The first true value of `condition`, asked every `interval` seconds; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(_failure(timeout, message, value))
        time.sleep(interval)
    return value


async def until_async(condition: Condition[T], timeout: float = 30.0, message: str = "", interval: float = 0.01) -> T:
    """As `until`, leaving the event loop free to run between the questions."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(_failure(timeout, message, value))
        await asyncio.sleep(interval)
    return value


def _failure(timeout: float, message: str, value: object) -> str:
    return f"not within {timeout:g} s: {message or 'the condition'} (last value: {value!r})"
