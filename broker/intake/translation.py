"""What a message asks for: changes, where their values came from, and what is wrong with it.

Owns: the result that every kind of message is translated into.  Must not: read messages, beyond when they happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain.attributes import Value
from broker.domain.model import Identifier, PatientChange, VisitChange
from broker.intake.environment import Environment
from broker.intake.rules import Mapped, Problem, Traced
from broker.services.journal import Change
from broker.services.unmapped import CodeSeen
from hl7.datatypes import parse_dtm
from hl7.errors import ContentError, Hl7Error, Location
from hl7.message import Message


@dataclass(frozen=True, slots=True)
class ChangeTrace:
    """Where the values of one change came from, by entity: ``patient``, ``procedure 1``, ``procedure 1 step 2`` ..."""

    where: str
    asked: str
    entities: Mapping[str, Mapping[str, Traced]]

    def as_data(self) -> dict[str, object]:
        """Plain data for the journal: keywords and places, no values."""
        entities = {name: {k: str(t) for k, t in traces.items()} for name, traces in self.entities.items()}
        return {"where": self.where, "asked": self.asked, "trace": entities}


@dataclass(slots=True)
class Translation:
    """What a message asks for; usable only when ``errors`` is empty."""

    changes: list[Change] = field(default_factory=list)
    traces: list[ChangeTrace] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    #: what asks nothing of a worklist
    ignored: list[str] = field(default_factory=list)
    #: procedure codes the catalogue does not have
    unmapped: list[CodeSeen] = field(default_factory=list)
    #: what the order control table does not know: the message is held until the table says what it means
    held: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Hl7Error]:
        """Why the message must be refused, each with its place; empty when it need not be."""
        return _errors(p for p in self.problems if p.fatal)

    @property
    def held_errors(self) -> list[Hl7Error]:
        """Why the message cannot be applied yet; empty when it can."""
        return _errors(self.held)

    @property
    def warnings(self) -> list[str]:
        """What was tolerated, each once."""
        return list(dict.fromkeys(str(problem) for problem in self.problems if not problem.fatal))

    def refuse(self, keyword: str, place: Location, code: str, text: str) -> None:
        """Note why the message must be refused."""
        self.problems.append(Problem(keyword, text, place, code, fatal=True))


def _errors(problems: Iterable[Problem]) -> list[Hl7Error]:
    found = dict.fromkeys((p.text, p.location, p.code, p.keyword) for p in problems)
    return [
        ContentError(f"{text} ({keyword})", error_code=code, location=place) for text, place, code, keyword in found
    ]


def patient_change(mapped: Mapped) -> PatientChange:
    """What a message says of the patient."""
    return PatientChange(mapped.identifiers.get("PatientID", ()), mapped.values, "PID-3", _filling(mapped))


def visit_change(mapped: Mapped) -> VisitChange:
    """What a message says of the visit."""
    return VisitChange(mapped.identifier("AdmissionID") or Identifier(""), mapped.values, _filling(mapped))


def _filling(mapped: Mapped) -> dict[str, Value]:
    """What is taken only where nothing is stored: of weak sources, else by default."""
    return {**mapped.defaults, **mapped.weak}


def occurred_at(message: Message, env: Environment, *stated: str) -> datetime | None:
    """When the sender says it happened: the first usable of ``stated``, else MSH-7."""
    for text in (*stated, message.timestamp):
        try:
            if text:
                return parse_dtm(text).at(env.source_zone)
        except ContentError:
            continue
    return None
