"""What a worklist item may hold: DICOM PS3.4 Table K.6-1 as data, and how to look things up in it.

The rows are in ``attribute_table``.  Mapping, storage, matching, encoding and documentation all read this one table.
Values are held as plain Python: ``str`` (PN with groups joined by ``=``), ``int`` for US, ``list`` of those where the
value multiplicity allows several, and ``list`` of ``dict`` (keyword to value) for sequences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broker.domain.attribute_table import ROWS, Row

#: one attribute's value; sequences are lists of items, an item maps keywords to values
Value = str | int | Sequence["str | int | Mapping[str, Value]"]
Attributes = Mapping[str, "Value"]


class Level(StrEnum):
    """Whose property an attribute is (the entities of the Modality Worklist information model, PS3.4 K.6.1.1)."""

    PATIENT = "patient"
    VISIT = "visit"
    REQUEST = "request"
    PROCEDURE = "procedure"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of the table; ``items`` are the attributes inside a sequence, by keyword."""

    keyword: str
    tag: int
    vr: str
    level: Level
    #: return key type: 1, 1C, 2, 2C or 3
    return_type: str
    #: the standard requires that this key can be matched
    required_key: bool
    #: several values are allowed
    multiple: bool
    items: Mapping[str, "Attribute"]

    @property
    def is_sequence(self) -> bool:
        """True for SQ."""
        return self.vr == "SQ"


SPS_SEQUENCE = "ScheduledProcedureStepSequence"
SPS_SEQUENCE_TAG = 0x00400100

#: longest value per VR in characters (bytes for AE, CS, DS, IS, UI; PN per component group), PS3.5 Table 6.2-1
VR_LIMITS: Mapping[str, int] = {
    "AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "IS": 12, "LO": 64, "LT": 10240, "PN": 64, "SH": 16,
    "ST": 1024, "TM": 14, "UI": 64,
}  # fmt: skip


def _attribute(row: Row, level: Level) -> Attribute:
    keyword, tag, vr, return_type, flags, inner = row
    items = {r[0]: _attribute(r, level) for r in inner}
    return Attribute(keyword, tag, vr, level, return_type, "R" in flags, "n" in flags, items)


#: every supported attribute by keyword, except the Scheduled Procedure Step Sequence that wraps the STEP level
TABLE: Mapping[str, Attribute] = {row[0]: _attribute(row, Level(level)) for level, rows in ROWS.items() for row in rows}
BY_TAG: Mapping[int, Attribute] = {a.tag: a for a in TABLE.values()}
STEP_LEVEL: Mapping[str, Attribute] = {k: a for k, a in TABLE.items() if a.level is Level.STEP}
ROOT_LEVEL: Mapping[str, Attribute] = {k: a for k, a in TABLE.items() if a.level is not Level.STEP}


def of_level(level: Level) -> Iterator[Attribute]:
    """The attributes of one entity, in the order of the standard's table."""
    return (a for a in TABLE.values() if a.level is level)


def texts(value: "Value | None") -> tuple[str, ...]:
    """The single values of a non-sequence attribute as text; empty when there is none."""
    if value is None or value == "":
        return ()
    if isinstance(value, str | int):
        return (str(value),)
    return tuple(str(v) for v in value if isinstance(v, str | int) and v != "")


def items_of(value: "Value | None") -> tuple[Attributes, ...]:
    """The items of a sequence value; empty when there is none."""
    if value is None or isinstance(value, str | int):
        return ()
    return tuple(v for v in value if isinstance(v, Mapping))


def text(attributes: Attributes, keyword: str) -> str:
    """The first value of ``keyword`` as text, or the empty string."""
    value = attributes.get(keyword)
    if isinstance(value, str):
        return value
    found = texts(value)
    return found[0] if found else ""
