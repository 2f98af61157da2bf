"""The conditions of a worklist query as SQL terms over the read model's columns.

A term is exact (``exact``) or lets too much through; conditions that are not exact are left to the evaluator of
``domain.matching``.  Terms are split into shape and parameters, so that statements are built and compiled once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.domain.names import fold
from broker.domain.query import Condition, Equal, Groups, Like, Match, Sounds, StartAt, StartTime, Test
from broker.store.name_index import SHORTEST

#: one alternative: an operator and the number of parameters it takes
Alternative = tuple[str, tuple[str, ...]]

STATION = "station"
#: conditions with more alternatives than this are left to the evaluator
_MOST_ALTERNATIVES = 40
#: and conditions with longer values: SQLite refuses patterns of more than 50,000 bytes
_LONGEST = 10_000

ROOT_COLUMNS: Mapping[str, str] = {
    "AccessionNumber": "accession_number", "PatientID": "patient_id_value", "AdmissionID": "admission_id",
    "RequestedProcedureID": "requested_procedure_id", "StudyInstanceUID": "study_instance_uid",
    "PatientName": "patient_name_folded",
}  # fmt: skip
STEP_COLUMNS: Mapping[str, str] = {
    "Modality": "modality", "ScheduledProcedureStepID": "scheduled_procedure_step_id",
    "ScheduledProcedureStepStatus": "status", "ScheduledStationAETitle": STATION,
    "ScheduledPerformingPhysicianName": "physician_name_folded",
}  # fmt: skip
_NAMES = frozenset({"patient_name_folded", "physician_name_folded"})
#: a value of these is found by an index, and few items have it
_FINDING = frozenset({"AccessionNumber", "PatientID", "StudyInstanceUID", "ScheduledProcedureStepID"})


@dataclass(frozen=True, slots=True)
class Term:
    """One of ``alternatives`` must hold for ``column``."""

    column: str
    alternatives: tuple[Alternative, ...]
    exact: bool

    @property
    def shape(self) -> tuple[str, ...]:
        """What the SQL text depends on: the column and the operators."""
        return (self.column, *(operator for operator, _ in self.alternatives))

    @property
    def values(self) -> tuple[str, ...]:
        """The parameters, in order."""
        return tuple(value for _, values in self.alternatives for value in values)


def terms(conditions: Iterable[Condition], columns: Mapping[str, str], *, sqlite: bool) -> list[tuple[Condition, Term]]:
    """The conditions that have a term, each with it."""
    found = []
    for condition in conditions:
        term = _term(condition, columns, sqlite=sqlite)
        if term is not None and len(term.alternatives) <= _MOST_ALTERNATIVES and _is_short(term):
            found.append((condition, term))
    return found


def _is_short(term: Term) -> bool:
    return all(len(value) <= _LONGEST for value in term.values)


def _term(condition: Condition, columns: Mapping[str, str], *, sqlite: bool) -> Term | None:
    if isinstance(condition, StartAt):
        return Term("start_at", tuple(("between", (s.first, s.last)) for s in condition.spans), exact=True)
    if isinstance(condition, StartTime):
        return Term("start_at", tuple(("time", (s.first, s.last)) for s in condition.spans), exact=True)
    column = columns.get(condition.keyword)
    if column is None or not isinstance(condition, Match):
        return None
    if column in _NAMES:
        return _name_term(column, _loosened(condition) if condition.literal else condition, sqlite=sqlite)
    if condition.caseless:
        return _caseless_term(column, condition)
    alternatives: list[Alternative] = []
    for test in condition.tests:
        if isinstance(test, Equal):
            alternatives.append(("equal", (test.value,)))
        elif isinstance(test, Like):
            alternatives.append(_like(test.pattern, sqlite=sqlite))
    # LIKE of SQLite takes upper and lower case ASCII letters for the same
    exact = not sqlite or all(operator != "like" for operator, _ in alternatives)
    return Term(column, tuple(alternatives), exact)


def _caseless_term(column: str, condition: Match) -> Term | None:
    """Left to the evaluator: stations, which stand in a table of their own."""
    if column == STATION:
        return None
    alternatives: list[Alternative] = []
    for test in condition.tests:
        if isinstance(test, Equal):
            alternatives.append(("equal_caseless", (test.value,)))
        elif isinstance(test, Like):
            alternatives.append(("like_caseless", (_percent(test.pattern),)))
    return Term(column, tuple(alternatives), exact=True)


def name_pieces(root: Iterable[Condition], step: Iterable[Condition]) -> str | None:
    """For the index of name pieces (``name_index``): what an item's patient name must hold, as an FTS5 query.

    None when no key gives a piece that is long enough, or when another key finds the items sooner.
    """
    root = tuple(root)
    if any(isinstance(condition, StartAt) for condition in step):
        return None
    if any(isinstance(c, Match) and c.keyword in _FINDING and _only_equal(c.tests) for c in (*root, *step)):
        return None
    names = (c for c in root if isinstance(c, Match) and c.keyword == "PatientName")
    for condition in names:
        tests = (_loosened(condition) if condition.literal else condition).tests
        pieces = [_longest_piece(test) for test in tests]
        if pieces and all(len(piece) >= SHORTEST for piece in pieces):
            return " OR ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)
    return None


def _only_equal(tests: Iterable[Test]) -> bool:
    return all(isinstance(test, Equal) for test in tests)


def _longest_piece(test: Test) -> str:
    """The longest run of characters that every name has which passes the test."""
    if isinstance(test, Equal):
        return test.value
    if isinstance(test, Like):
        return max(test.pattern.replace("?", "*").split("*"), key=len)
    if isinstance(test, Groups):
        single = [_longest_piece(group[0]) for group in test.groups if len(group) == 1]
        return max(single, key=len, default="")
    return ""


def _loosened(condition: Match) -> Match:
    """For names that are compared as written: what the folded column lets through without losing any.  One written
    character may be several folded ones, so ``?`` becomes ``*``; all else is left to the evaluator."""

    def loose(test: Equal | Like) -> Like:
        text = test.value if isinstance(test, Equal) else test.pattern
        return Like("*".join(fold(part) for part in text.replace("?", "*").split("*")) if text else "*")

    tests = tuple(
        Groups(tuple(tuple(loose(t) for t in group) for group in test.groups)) if isinstance(test, Groups)
        else loose(test) if isinstance(test, Equal | Like) else test
        for test in condition.tests
    )  # fmt: skip
    return Match(condition.keyword, tests)


def _name_term(column: str, condition: Match, *, sqlite: bool) -> Term | None:
    """A name column holds the component groups joined by ``=``; a key without ``=`` may be any of them.  How a name
    sounds is left to the evaluator."""
    if any(isinstance(test, Sounds) for test in condition.tests):
        return None
    alternatives: list[Alternative] = []
    exact = True
    for test in condition.tests:
        if isinstance(test, Equal):
            alternatives += [("equal", (test.value,)), *_other_groups(escaped(test.value))]
        elif isinstance(test, Like):
            alternatives += [_like(test.pattern, sqlite=sqlite), *_other_groups(_percent(test.pattern))]
            exact = False
        elif isinstance(test, Groups):
            alternatives.append(("like", (_groups(test),)))
            exact = False
    return Term(column, tuple(alternatives), exact)


def _groups(test: Groups) -> str:
    """A stored name has no delimiters behind its last group, so universal groups at the end ask for none."""
    patterns = [_loose(tests) for tests in test.groups]
    while not test.groups[len(patterns) - 1]:
        patterns.pop()
    return "=".join(patterns) + "%"


def _other_groups(pattern: str) -> list[Alternative]:
    return [("like", (f"{pattern}=%",)), ("like", (f"%={pattern}",)), ("like", (f"%={pattern}=%",))]


def _loose(tests: tuple[Equal | Like, ...]) -> str:
    """A pattern that lets through what the tests of a group allow, and perhaps more."""
    if len(tests) != 1:
        return "%"
    return escaped(tests[0].value) if isinstance(tests[0], Equal) else _percent(tests[0].pattern)


def _like(pattern: str, *, sqlite: bool) -> Alternative:
    """SQLite finds a prefix by index only as a range; PostgreSQL knows what LIKE 'x%' means."""
    prefix = pattern.rstrip("*")
    if sqlite and prefix and prefix != pattern and "*" not in prefix and "?" not in prefix:
        following = successor(prefix)
        if following:
            return ("range", (prefix, following))
    return ("like", (_percent(pattern),))


def successor(prefix: str) -> str:
    """The smallest text that is greater than every text with ``prefix``; empty when there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code <= 0x10FFFF:
            # the surrogates are no characters
            return prefix[:at] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return ""


def escaped(text: str) -> str:
    """Text for LIKE with ``ESCAPE '\\'`` that means itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _percent(pattern: str) -> str:
    return escaped(pattern).replace("*", "%").replace("?", "_")
