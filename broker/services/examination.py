"""A message looked at: its parts, the rules that read it, the items it makes, and what it would change.

Owns: the shapes, plain data that pages and commands show, and the promise of who makes them.  Must not: read HL7
(``broker.intake.desk`` does).  A ``key`` joins a value to its source: what has the same key belongs together.
"""

from dataclasses import dataclass
from typing import Protocol

from broker.services.rehearsal import Rehearsal
from broker.services.replay import ReplayRun
from broker.services.unmapped import UnmappedCode


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field: ``text`` as it stands in the message, ``place`` such as ``OBR[2]-4``."""

    number: int
    name: str
    datatype: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One segment with its long name and its fields that are not empty; ``raw`` is the whole of it."""

    name: str
    title: str
    occurrence: int
    raw: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class FindingView:
    """Where a message departs from its version of the standard: for people, never a reason to refuse."""

    severity: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Description:
    """A message taken apart.  ``problem`` says why it could not be."""

    segments: tuple[SegmentView, ...] = ()
    findings: tuple[FindingView, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MappingLine:
    """One rule that fired: its text and where it stands, the value it made and where it took that from."""

    key: str
    entity: str
    keyword: str
    rule: str
    file: str
    line: int
    value: object
    source: str
    #: the field the value came from, such as ``OBR[2]-4``; empty for what does not come from the message
    place: str
    fills: bool


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One attribute of an item as a device gets it; ``length`` of its longest value, ``limit`` 0 for no limit."""

    keyword: str
    tag: str
    vr: str
    return_type: str
    value: object
    length: int
    limit: int
    depth: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class ItemView:
    """One worklist item; ``missing`` names type 1 attributes without which it is not sent."""

    title: str
    status: str
    missing: tuple[str, ...]
    rows: tuple[ItemRow, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What to look at: a message, and the mapping to read it with (empty: the sender's), maybe an edited text of it."""

    raw: bytes
    mapping: str = ""
    mapping_text: str | None = None
    #: the text was pasted: its bytes are UTF-8 whatever MSH-18 says
    pasted: bool = False
    #: the sender's name, when it is known from the journal
    sender: str = ""
    #: whether the message is also wanted taken apart with the standard's names
    described: bool = True


@dataclass(frozen=True, slots=True)
class Examination:
    """The answer.  ``errors`` would refuse the message, ``held`` would keep it until the order control table is mended;
    ``mapping_problems`` say why the mapping cannot be used.
    """

    mapping: str
    message_type: str = ""
    sender: str = ""
    description: Description = Description()
    lines: tuple[MappingLine, ...] = ()
    items: tuple[ItemView, ...] = ()
    would: Rehearsal | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    mapping_problems: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


class MessageDesk(Protocol):
    """Who looks at messages without storing them, and reads them again on demand; intake has one."""

    def describe(self, raw: bytes) -> Description:
        """The parts of a message with the standard's names."""

    def examine(self, question: Question) -> Examination:
        """Everything a message would become; nothing is stored."""

    def mappings(self) -> list[str]:
        """The names of all mappings."""

    def mapping_text(self, name: str) -> str:
        """The text of a mapping.  Raises Refusal when there is none."""

    def can_save(self) -> str:
        """Empty when mappings can be saved, else the remedy."""

    def save_mapping(self, name: str, text: str) -> None:
        """Keep an edited mapping and read new messages with it from now on.  Raises Refusal."""

    def replay(self, journal_key: int, by: str, *, dry_run: bool) -> tuple[ReplayRun, Examination | None]:
        """Read a message of the journal again, for show or for good.  Raises Refusal when there is no such message."""

    def unmapped_codes(self) -> list[UnmappedCode]:
        """The procedure codes of live messages that the catalogue does not have."""

    def text_of(self, raw: bytes) -> str:
        """A message as people read and edit it: one segment a line."""
