"""A worklist query as data: what an item must fulfil, whose list it is, how much of it.

Owns the value types that the SQL and the evaluator both read.  How they are made from keys is in ``query_keys``; what
they mean for an item in ``matching``.
"""

from dataclasses import dataclass
from datetime import datetime

from broker.domain.states import SHOWN_BY_DEFAULT, StepStatus


@dataclass(frozen=True, slots=True)
class Equal:
    """Single value matching (PS3.4 C.2.2.2.1), of values in comparable form."""

    value: str


@dataclass(frozen=True, slots=True)
class Like:
    """Wildcard matching (C.2.2.2.4): ``*`` any run of characters, ``?`` exactly one."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """Range matching (C.2.2.2.5) of dates or times in comparable form, both ends included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Groups:
    """A person name given by component groups: each group by one of its tests, a group without any is universal."""

    groups: tuple[tuple[Equal | Like, ...], ...]


@dataclass(frozen=True, slots=True)
class Sounds:
    """A person name by how it sounds (negotiated, PS3.4 K.5): the sound of each component, empty for any; the second
    of a pair says that the key only gives its beginning."""

    components: tuple[tuple[str, bool], ...]


Test = Equal | Like | Between | Groups | Sounds


@dataclass(frozen=True, slots=True)
class Manner:
    """How the keys of one device are compared."""

    ignore_case: bool = False
    exact_names: bool = False
    fuzzy_names: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One of the attribute's values passes one of the tests.

    ``caseless``: the tests are in lower case, and the value's A to Z count as such.  ``literal``: names are compared as
    they are written instead of folded.
    """

    keyword: str
    tests: tuple[Test, ...]
    caseless: bool = False
    literal: bool = False


@dataclass(frozen=True, slots=True)
class StartAt:
    """The start of the step, as 14 digits of local wall time, lies in one of the spans.

    ``keyword`` names the key it comes from; empty for the default window of a device.
    """

    keyword: str
    spans: tuple[Between, ...]


@dataclass(frozen=True, slots=True)
class StartTime:
    """The time of day of the start, as six digits, lies in one of the spans, whatever the day."""

    keyword: str
    spans: tuple[Between, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """Sequence matching (C.2.2.2.6): one item fulfils all conditions."""

    keyword: str
    conditions: tuple["Condition", ...]


Condition = Match | StartAt | StartTime | Holds

#: the statuses that have a DICOM term: a device that asks for statuses can be told of these and no others
TELLABLE = frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY, StepStatus.STARTED})


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """Everything that decides which items are answered.  ``root`` and ``step`` are conditions on the item and on its
    Scheduled Procedure Step; all must hold."""

    root: tuple[Condition, ...] = ()
    step: tuple[Condition, ...] = ()
    #: an item in another status is not shown, whatever the keys say
    statuses: frozenset[StepStatus] = SHOWN_BY_DEFAULT
    #: statuses that are shown besides to items that came into them at that instant or later
    lingering: tuple[tuple[StepStatus, datetime], ...] = ()
    #: keywords of conditions that a rule about the device has put there, not its keys
    added: frozenset[str] = frozenset()
    #: at most so many items; 0 for all
    limit: int = 0
