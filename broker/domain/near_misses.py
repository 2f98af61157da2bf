"""AE titles that are nearly the same: what somebody at a console mistyped.

Owns the comparison and its words; decides nothing about who may associate.
"""

import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[ _.-]+")


def near_misses(ae_title: str, others: Iterable[str]) -> list[tuple[str, str]]:
    """The other titles that this one may be meant for, each with the difference in words; the nearest first."""
    found = []
    for other in others:
        difference = _difference(ae_title, other)
        if difference is not None:
            found.append((difference[0], other, difference[1]))
    return [(other, words) for _, other, words in sorted(found)]


def _difference(one: str, other: str) -> tuple[int, str] | None:
    if one == other:
        return None
    if one.lower() == other.lower():
        return 0, "differs in upper and lower case"
    if one.replace(" ", "") == other.replace(" ", ""):
        return 1, "differs in spaces"
    bare, other_bare = (_SEPARATORS.sub("", title).lower() for title in (one, other))
    if bare == other_bare and bare:
        return 2, "differs in spaces, underscores or dashes"
    if min(len(bare), len(other_bare)) >= 4 and _one_edit(bare, other_bare):
        return 3, "differs in one character"
    return None


def _one_edit(one: str, other: str) -> bool:
    """One character changed, added or left out."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    return one[at + (len(one) >= len(other)) :] == other[at + (len(other) >= len(one)) :]
