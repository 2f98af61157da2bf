"""What rules made of the same texts before: most fields of a message say one of few things (codes, rooms, doctors, the
patient's name again), and reading a field takes ten times as long as looking up what it meant last time.

Owns: which texts the result of a rule follows from, and keeping results in memory.  Must not: evaluate.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker.domain.attributes import Value
from broker.intake.environment import Environment
from broker.intake.pieces import Scope, Source
from hl7.elements import NULL
from hl7.message import Message
from hl7.paths import Path

if TYPE_CHECKING:
    from broker.intake.rules import Mapped, Problem, Rule, Traced

#: results kept per surroundings, and surroundings kept per mapping: beyond that all is forgotten, and learnt again
_MOST_RESULTS, _MOST_SURROUNDINGS = 16_384, 32


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule said; its values are shared by all messages that say the same and are never changed in place."""

    found: bool
    values: Mapping[str, Value | None]
    weak: Mapping[str, Value]
    trace: "Mapping[str, Traced]"
    problems: "tuple[Problem, ...]"
    chosen: Source | None

    @classmethod
    def of(cls, rule: "Rule", mapped: "Mapped", *, found: bool) -> "Result":
        """What ``rule`` alone said, in ``mapped``."""
        chosen = mapped.chosen.get(rule.keyword)
        return cls(found, mapped.values, mapped.weak, mapped.trace, tuple(mapped.problems), chosen)

    def into(self, rule: "Rule", out: "Mapped") -> bool:
        """Say it again; answers whether the message says something."""
        if self.values:
            out.values.update(self.values)
        if self.weak:
            out.weak.update(self.weak)
        if self.trace:
            out.trace.update(self.trace)
        if self.problems:
            out.problems += self.problems
        if self.chosen is not None:
            out.chosen[rule.keyword] = self.chosen
        return self.found


Results = dict[Hashable, Result]


@dataclass(frozen=True, slots=True)
class Memory:
    """The results of one mapping.  Thread-safe: at worst two threads find out the same."""

    surroundings: dict[Hashable, Results] = field(default_factory=dict)

    def of(self, message: Message, env: Environment) -> Results:
        """The results for messages that are read in the same surroundings: everything that a conversion may ask."""
        today = env.received_at.astimezone(env.site_zone).date()
        key = (message.delimiters, message.charset, env.source_zone, env.site_zone, env.facility, today)
        known = self.surroundings.get(key)
        if known is None:
            if len(self.surroundings) >= _MOST_SURROUNDINGS:
                self.surroundings.clear()
            known = self.surroundings.setdefault(key, {})
        return known


def keep(results: Results, key: Hashable, result: Result) -> None:
    """Remember a result."""
    if len(results) >= _MOST_RESULTS:
        results.clear()
    results[key] = result


def key_of(rule: "Rule", sources: tuple[Source, ...], scope: Scope) -> Hashable:
    """The texts that ``rule`` reads, and those that its conditions compare, with the places they stand in."""
    found: list[Hashable] = [rule.keyword]
    for source in sources:
        path, where = source.path, source.where
        if where is not None:
            number = where.path.field
            compared = scope.rows.get(where.path.segment, ())
            found += [fields[number] if number < len(fields) else "" for fields, _, _ in compared]
            found.append(None)  # where the next source's begin
        if path is None:
            continue
        number, rows = path.field, scope.rows.get(path.segment, [])
        if path.occurrence is not None and where is None and not source.after:
            rows = rows[path.occurrence - 1 : path.occurrence]
        for fields, occurrence, parent in rows:
            if number < len(fields) and (raw := fields[number]):
                if path.component is not None and not rule.reads_whole:
                    raw = _from_component(raw, path, scope)
                # the path by identity: the mapping keeps it, and hashing its fields would take longer than reading
                found += (id(path), occurrence, raw)
                if rule.beside:
                    found += (fields[n] if n < len(fields) else "" for n in rule.beside)
                if source.after or source.unit:
                    found += (parent, fields[source.unit] if 0 < source.unit < len(fields) else "")
    return tuple(found)


def _from_component(raw: str, path: Path, scope: Scope) -> str:
    """What a rule reads that looks at the component it names and those after it."""
    delimiters = scope.index.message.delimiters
    if path.component in (None, 1) or not delimiters.component or raw.strip(" ") == NULL:
        return raw
    if delimiters.repetition and delimiters.repetition in raw:
        return raw
    pieces = raw.split(delimiters.component, path.component - 1)
    return pieces[-1] if len(pieces) == path.component else ""
