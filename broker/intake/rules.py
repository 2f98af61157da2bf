"""One rule of a mapping: how one DICOM attribute gets its value, and what comes out of a set of rules.

Owns: the shapes of rules and results.  Must not: evaluate (``mapping``) or read files (``mapping_file``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from broker.domain.attributes import Level, Value
from broker.domain.model import Identifier
from broker.intake.conversions import Convert
from broker.intake.lengths import LongPolicy
from broker.intake.memory import Memory
from broker.intake.pieces import Source
from hl7.errors import Location

#: targets that identify: they become fields of the entities, with their issuers, not contents
IDENTITY = {
    "PatientID", "AdmissionID", "AccessionNumber", "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest", "RequestedProcedureID", "StudyInstanceUID", "ScheduledProcedureStepID",
}  # fmt: skip
#: contents by which a message that has no numbers names procedures and steps
NAMING = {"RequestedProcedureCodeSequence", "ScheduledProtocolCodeSequence"}

#: shapes of messages whose relevant rules are remembered
_MOST_PLANS = 4096


def actions_of(effect: str) -> list[str]:
    """The actions of an entry of the order control table, in order: ``place + hold``."""
    return [action.strip() for action in effect.split("+") if action.strip()]


class Missing(StrEnum):
    """What happens when no source yields a value."""

    #: leave the stored value alone
    OMIT = "omit"
    #: refuse the message (101)
    REQUIRE = "require"
    #: the broker derives or generates it, once (identifiers only)
    GENERATE = "generate"
    #: the moment of receipt, where nothing is stored (dates and times only)
    NOW = "now"
    #: a fixed value, where nothing is stored
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one attribute is filled.  ``limit`` 0 means the length is the conversion's business."""

    keyword: str
    level: Level
    sources: tuple[Source, ...]
    convert: Convert
    conversion: str
    missing: Missing = Missing.OMIT
    default: str = ""
    long: LongPolicy = LongPolicy.CUT
    limit: int = 0
    multiple: bool = False
    is_sequence: bool = False
    #: collect the values of all sources instead of taking the first
    gather: bool = False
    #: take the value from the very source that this other attribute was taken from
    follows: str = ""
    #: an unusable value refuses the message instead of leaving the attribute out with a warning
    strict: bool = False
    #: the conversion looks at more of a repetition than the named component and what follows it
    reads_whole: bool = True
    #: further fields of the segment that the conversion looks at
    beside: tuple[int, ...] = ()
    #: true for what becomes an ``Identifier``
    is_identity: bool = field(init=False)
    #: every (segment, field) that is looked into; None when that cannot be known (constants, followers)
    asks: frozenset[tuple[str, int]] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what the other fields imply, once for all messages."""
        paths = [source.path for source in self.sources if source.path is not None]
        unknown = len(paths) < len(self.sources) or self.follows
        asks = None if unknown else frozenset((path.segment, path.field) for path in paths)
        object.__setattr__(self, "is_identity", self.keyword in IDENTITY)
        object.__setattr__(self, "asks", asks)


    def may_say(self, said: frozenset[tuple[str, int]]) -> bool:
        """False when nothing comes of the rule with these fields: it looks into none, and may be missing."""
        return self.missing is not Missing.OMIT or self.asks is None or not self.asks.isdisjoint(said)


class Origin(StrEnum):
    """What kind of source a value came from."""

    MESSAGE = "message"
    DELETED = "deleted by the message"
    RULE = "rule"
    CATALOGUE = "catalogue"
    DEFAULT = "default"
    GENERATED = "generated"


@dataclass(frozen=True, slots=True)
class Traced:
    """Where a value came from: the kind of source, and the place in the message or the name of the rule."""

    origin: Origin
    place: str = ""

    def __str__(self) -> str:
        if self.origin is Origin.MESSAGE:
            return self.place
        return f"{self.origin.value}: {self.place}" if self.place else self.origin.value


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong or tolerated about one attribute; ``fatal`` ones refuse the message.  Holds no content."""

    keyword: str
    text: str
    location: Location | None = None
    code: str = "102"
    fatal: bool = False

    def __str__(self) -> str:
        place = f"{self.location}: " if self.location else ""
        return f"{place}{self.text} ({self.keyword})"


@dataclass(slots=True)
class Mapped:
    """What the rules of one level say of one entity."""

    #: what the message states; None deletes
    values: dict[str, Value | None] = field(default_factory=dict)
    #: what the message suggests, believed less than the catalogue
    weak: dict[str, Value] = field(default_factory=dict)
    #: what fills gaps
    defaults: dict[str, Value] = field(default_factory=dict)
    identifiers: dict[str, tuple[Identifier, ...]] = field(default_factory=dict)
    trace: dict[str, Traced] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    #: the source each value was taken from, for rules that follow
    chosen: dict[str, Source] = field(default_factory=dict)

    def identifier(self, keyword: str) -> Identifier | None:
        """The first identifier of a target, or None."""
        found = self.identifiers.get(keyword, ())
        return found[0] if found else None

    def text(self, keyword: str) -> str | None:
        """The value of an identity target that has no issuer, or None."""
        found = self.identifier(keyword)
        return found.value if found else None


@dataclass(frozen=True, slots=True)
class SenderMapping:
    """Everything a mapping file says."""

    name: str
    rules: Mapping[Level, tuple[Rule, ...]]
    #: (ORC-1, ORC-5) to an effect; an ORC-5 of "*" stands for any that has no entry of its own
    order_control: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    local_scheme: str = "99LOCAL"
    primary_authorities: tuple[str, ...] = ()
    default_issuer: str = ""
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)
    _plans: dict[object, tuple[Rule, ...]] = field(default_factory=dict, repr=False, compare=False)

    def relevant(self, level: Level, said: frozenset[tuple[str, int]], *, contents: bool) -> tuple[Rule, ...]:
        """The rules of a level that a message with these fields can concern; without ``contents`` only what names."""
        plan = self._plans.get((level, said, contents))
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = tuple(
                r for r in self.rules[level]
                if (contents or r.is_identity or r.keyword in NAMING) and r.may_say(said)
            )  # fmt: skip
            self._plans[level, said, contents] = plan
        return plan

    def effect(self, control: str, status: str) -> str | None:
        """What an order control code with an order status asks for; None when the table does not know it."""
        code = control.upper()
        return self.order_control.get((code, status.upper())) or self.order_control.get((code, "*"))
