"""Keys become conditions: what the values of a C-FIND identifier ask of an item, by VR and matching kind.

Sources: PS3.4 C.2.2.2 and the remarks of Table K.6-1.  Where devices stretch the standard (several values where one is
expected, ``*`` in any key), the answer is the one that keeps their lists alive.
"""

import re
from collections.abc import Iterable, Mapping

from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL, Attribute, Attributes, Value, items_of, texts
from broker.domain.comparing import comparable, fold_key
from broker.domain.dicom_times import Span, date_span, time_span
from broker.domain.errors import Reason, Refusal
from broker.domain.names import lower, trim_components
from broker.domain.phonetic import sounds_of_key
from broker.domain.query import (
    TELLABLE,
    Between,
    Condition,
    Equal,
    Groups,
    Holds,
    Like,
    Manner,
    Match,
    StartAt,
    StartTime,
    Test,
    WorklistQuery,
)
from broker.domain.states import SHOWN_BY_DEFAULT, StepStatus

START_DATE = "ScheduledProcedureStepStartDate"
START_TIME = "ScheduledProcedureStepStartTime"
STATUS = "ScheduledProcedureStepStatus"

#: VRs in which ``*`` and ``?`` are wildcards (PS3.4 C.2.2.2.4)
_WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_CASELESS_VRS = frozenset({"AE", "CS", "LO", "SH", "UC"})
#: required keys for which the table allows single values only: a wildcard character is an ordinary one
_LITERAL = frozenset({"ScheduledStationAETitle", "Modality"})
_BEGINNING, _END = "0" * 14, "9" * 14
_DAY_BEGINS, _DAY_ENDS = "000000", "235959"


_USUAL = Manner()


def query_of(
    keys: Attributes, shown: frozenset[StepStatus] = SHOWN_BY_DEFAULT, limit: int = 0, manner: Manner = _USUAL
) -> WorklistQuery:
    """The query that ``keys`` (an identifier by keyword, unsupported keys left out) ask.

    ``shown`` are the statuses for a query without status key (also when that key is there but empty).

    :raises Refusal: a date or time key that cannot be read (``where`` names it), or two items in a sequence.
    """
    step_items = _one_item(keys, SPS_SEQUENCE)
    step_keys = step_items[0] if step_items else {}
    root = [c for keyword in keys if keyword in ROOT_LEVEL for c in _conditions(keys, ROOT_LEVEL[keyword], manner)]
    step = [*_start(step_keys)]
    for keyword, attribute in STEP_LEVEL.items():
        if keyword in step_keys and keyword not in (START_DATE, START_TIME):
            step += _conditions(step_keys, attribute, manner)
    statuses = TELLABLE if _names_status(step) else shown
    return WorklistQuery(tuple(root), tuple(step), statuses=statuses, limit=limit)


def asks_for_status(query: WorklistQuery) -> bool:
    """True when the device itself says which statuses it wants."""
    return _names_status(query.step)


def _names_status(step: Iterable[Condition]) -> bool:
    return any(isinstance(c, Match) and c.keyword == STATUS for c in step)


def _conditions(keys: Attributes, attribute: Attribute, manner: Manner) -> list[Condition]:
    if attribute.is_sequence:
        return _sequence(keys, attribute, manner)
    tests = _tests(attribute, keys.get(attribute.keyword), manner)
    if not tests:
        return []
    caseless = manner.ignore_case and attribute.vr in _CASELESS_VRS
    literal = manner.exact_names and attribute.vr == "PN"
    return [Match(attribute.keyword, tests, caseless=caseless, literal=literal)]


def _sequence(keys: Attributes, attribute: Attribute, manner: Manner) -> list[Condition]:
    items = _one_item(keys, attribute.keyword)
    if not items:
        return []
    inner = [c for keyword in items[0] if keyword in attribute.items
             for c in _conditions(items[0], attribute.items[keyword], manner)]  # fmt: skip
    return [Holds(attribute.keyword, tuple(inner))] if inner else []


def _one_item(keys: Attributes, keyword: str) -> tuple[Attributes, ...]:
    items = items_of(keys.get(keyword))
    if len(items) > 1:
        raise Refusal(Reason.INVALID_VALUE, "a sequence key has at most one item", where=keyword)
    return items


def _tests(attribute: Attribute, value: Value | None, manner: Manner) -> tuple[Test, ...]:
    """The alternatives of a key; empty for universal matching."""
    if attribute.vr == "US":
        # no attribute of the table has a meaning for 0, and some toolkits cannot send a number without value
        return tuple(Equal(v) for v in texts(value) if v != "0")
    tests: list[Test] = []
    for text in texts(value):
        key = comparable(attribute.vr, text)
        if not key.strip("*"):
            return ()
        made = _test(attribute, key, manner)
        if not made:
            return ()
        tests += made
    return tuple(tests)


def _test(attribute: Attribute, key: str, manner: Manner) -> tuple[Test, ...]:
    if attribute.vr in ("DA", "TM"):
        span = _span(attribute.keyword, attribute.vr, key)
        return (Between(span.first or _BEGINNING, span.last or _END),)
    if attribute.vr == "PN":
        return _name(key, manner)
    if manner.ignore_case and attribute.vr in _CASELESS_VRS:
        key = lower(key)
    if attribute.vr in _WILDCARD_VRS and attribute.keyword not in _LITERAL and _has_wildcard(key):
        return (Like(key),)
    return (Equal(key),)


def _name(key: str, manner: Manner) -> tuple[Test, ...]:
    form = trim_components if manner.exact_names else fold_key
    groups = [form(group) for group in key.split("=")[:3]]
    if len(groups) == 1:
        tests: tuple[Test, ...] = _name_group(groups[0])
    else:
        grouped = tuple(_name_group(group) for group in groups)
        tests = (Groups(grouped),) if any(grouped) else ()
    sounds = sounds_of_key(groups[0]) if manner.fuzzy_names and tests else None
    return tests if sounds is None else (*tests, sounds)


def _name_group(key: str) -> tuple[Equal | Like, ...]:
    """A key ``DOE^*`` also means the name ``DOE``: trailing delimiters are not significant in names."""
    if not key.strip("*"):
        return ()
    if not _has_wildcard(key):
        return (Equal(key),)
    shorter = re.sub(r"\^+\*+$", "", key)
    if shorter == key:
        return (Like(key),)
    inner = _name_group(shorter)
    return (Like(key), *inner) if inner else ()


def _start(keys: Attributes) -> list[Condition]:
    """Start date and time: two ranges are one interval (remark in Table K.6-1), anything else is independent."""
    dates = _spans(keys, START_DATE, "DA")
    times = _spans(keys, START_TIME, "TM")
    if len(dates) == len(times) == 1 and dates[0].is_range and times[0].is_range:
        return [StartAt(START_DATE, (_interval(dates[0], times[0]),))]
    found: list[Condition] = []
    if dates:
        found.append(StartAt(START_DATE, tuple(_interval(d, Span("", "")) for d in dates)))
    if times:
        spans = tuple(Between(t.first or _DAY_BEGINS, t.last or _DAY_ENDS) for t in times)
        found.append(StartTime(START_TIME, spans))
    return found


def _interval(dates: Span, times: Span) -> Between:
    return Between(
        dates.first + (times.first or _DAY_BEGINS) if dates.first else _BEGINNING,
        dates.last + (times.last or _DAY_ENDS) if dates.last else _END,
    )


def _spans(keys: Attributes, keyword: str, vr: str) -> list[Span]:
    values = [text.strip() for text in texts(keys.get(keyword))]
    if not all(value.strip("*") for value in values):
        return []
    return [_span(keyword, vr, value) for value in values]


def _span(keyword: str, vr: str, key: str) -> Span:
    found = date_span(key) if vr == "DA" else time_span(key)
    if found is None:
        raise Refusal(Reason.INVALID_VALUE, f"the key is no {'date' if vr == 'DA' else 'time'} or range", where=keyword)
    return found


def _has_wildcard(key: str) -> bool:
    return "*" in key or "?" in key


#: keys that name one patient, order or step: they are answered whatever the day and the room
_NAMING: Mapping[str, frozenset[str]] = {
    "root": frozenset({"AccessionNumber", "PatientID", "RequestedProcedureID", "StudyInstanceUID", "AdmissionID"}),
    "step": frozenset({"ScheduledProcedureStepID"}),
}


def names_something(query: WorklistQuery) -> bool:
    """True when a key identifies a patient, an order, a procedure or a step."""
    named = [c.keyword in _NAMING["root"] for c in query.root] + [c.keyword in _NAMING["step"] for c in query.step]
    return any(named)
