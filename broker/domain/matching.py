"""What a query means for one item: the plain evaluator of the matching rules.

The database answers queries faster; it must agree with this, and the explainer tells with it why an item is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL, Attribute, Attributes, items_of, texts
from broker.domain.comparing import stored
from broker.domain.names import component_groups, lower
from broker.domain.phonetic import sounds_like
from broker.domain.query import (
    Between,
    Condition,
    Equal,
    Groups,
    Holds,
    Like,
    Match,
    Sounds,
    StartAt,
    Test,
    WorklistQuery,
)
from broker.domain.states import OPEN, StepStatus
from broker.domain.worklist_item import start_at


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that might be on the list."""

    document: Attributes
    status: StepStatus
    #: every type 1 attribute has a value
    complete: bool
    #: since when it has this status; None when that is not known
    status_at: datetime | None = None


class Obstacle(StrEnum):
    """Why an item is not on a list, the kind of reason."""

    INCOMPLETE = "a required attribute has no value"
    STATUS = "steps in this status are not shown"
    WINDOW = "it starts outside the device's default window"
    DEVICE = "the device is registered for others"
    LIMIT = "the list is cut before it"
    WITHHELD = "a value cannot be sent"
    KEY = "a key of the query does not match"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first thing that keeps an item from a list; ``keyword`` names the key when it is one."""

    obstacle: Obstacle
    keyword: str = ""


def matches(query: WorklistQuery, candidate: Candidate) -> bool:
    """True when the item belongs on the list."""
    return why_not(query, candidate) is None


def why_not(query: WorklistQuery, candidate: Candidate) -> Verdict | None:
    """The first rule or key that removes the item, or None when nothing does; rules before keys."""
    if candidate.status not in OPEN or not (candidate.status in query.statuses or _lingers(query, candidate)):
        return Verdict(Obstacle.STATUS)
    if not candidate.complete:
        return Verdict(Obstacle.INCOMPLETE)
    keyword = first_unmet(query.step, query.root, candidate.document)
    if keyword is None:
        return None
    if not keyword:
        return Verdict(Obstacle.WINDOW)
    return Verdict(Obstacle.DEVICE if keyword in query.added else Obstacle.KEY, keyword)


def _lingers(query: WorklistQuery, candidate: Candidate) -> bool:
    at = candidate.status_at
    return at is not None and any(s is candidate.status and at >= since for s, since in query.lingering)


def first_unmet(step: Iterable[Condition], root: Iterable[Condition], document: Attributes) -> str | None:
    """The keyword of the first condition that does not hold, step conditions first; None when all hold."""
    inner = items_of(document.get(SPS_SEQUENCE))
    for condition in step:
        if not any(_holds(condition, item, STEP_LEVEL) for item in inner):
            return condition.keyword
    for condition in root:
        if not _holds(condition, document, ROOT_LEVEL):
            return condition.keyword
    return None


def _holds(condition: Condition, attributes: Attributes, table: Mapping[str, Attribute]) -> bool:
    if isinstance(condition, Match):
        attribute = table[condition.keyword]
        values = [_forms(condition, attribute.vr, value) for value in texts(attributes.get(condition.keyword))]
        return any(_passes(test, forms) for test in condition.tests for forms in values)
    if isinstance(condition, Holds):
        inner = table[condition.keyword].items
        items = items_of(attributes.get(condition.keyword))
        return any(all(_holds(c, item, inner) for c in condition.conditions) for item in items)
    start = start_at(attributes)
    value = start if isinstance(condition, StartAt) else start[8:]
    return bool(start) and any(span.first <= value <= span.last for span in condition.spans)


def _forms(condition: Match, vr: str, value: str) -> tuple[str, ...]:
    if condition.literal:
        return component_groups(value)
    forms = stored(vr, value)
    return tuple(lower(form) for form in forms) if condition.caseless else forms


def _passes(test: Test, forms: tuple[str, ...]) -> bool:
    """A test against one value in its comparable forms (the component groups of a name, or a single form)."""
    if isinstance(test, Groups):
        padded = [*forms, *[""] * len(test.groups)]
        pairs = zip(test.groups, padded, strict=False)
        return all(not tests or any(_passes_one(t, form) for t in tests) for tests, form in pairs)
    if isinstance(test, Sounds):
        return any(sounds_like(form, test) for form in forms if form)
    return any(_passes_one(test, form) for form in forms)


def _passes_one(test: Equal | Like | Between, form: str) -> bool:
    if not form:
        return False
    if isinstance(test, Equal):
        return form == test.value
    if isinstance(test, Like):
        return is_like(form, test.pattern)
    return test.first <= form <= test.last


def is_like(text: str, pattern: str) -> bool:
    """Wildcard comparison in time proportional to the product of the lengths, whatever the pattern."""
    at = mark = 0
    star = -1
    place = 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, mark = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:
            mark += 1
            at, place = mark, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
