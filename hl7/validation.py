"""The home of hl7apy's dictionaries: structures, names and data types per version, and a conformance check on demand.

Owns: what the standard says of a message. Must not: decide about acceptance: correct messages of real senders fail
strict checks, so findings are shown to people and never make a refusal. Costs milliseconds: keep it off the hot path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from hl7apy import SUPPORTED_LIBRARIES, load_library

from hl7.datatypes.times import parse_dtm
from hl7.elements import Field, Presence
from hl7.errors import ContentError, Location
from hl7.grammar import Misplaced, Slot, walk
from hl7.message import Message, Segment
from hl7.paths import Path
from hl7.segment_names import SEGMENT_NAMES

VERSIONS: tuple[str, ...] = tuple(sorted(SUPPORTED_LIBRARIES))
"""The versions there are dictionaries for, oldest first."""
DEFAULT_VERSION = "2.5.1"
_SMALL_WORDS = frozenset({"OF", "AND", "OR", "TO", "FOR", "THE", "FROM", "IN", "BY"})
_ACRONYMS = frozenset({"AE", "ID", "DNA", "DOB", "HL7", "ICD", "SSN", "UID", "URL", "VIP", "CPT", "DEA", "UPIN", "US"})
_SHARED_STRUCTURES = {
    **dict.fromkeys(("ADT_A04", "ADT_A08", "ADT_A13"), "ADT_A01"),
    **dict.fromkeys(("ADT_A14", "ADT_A28", "ADT_A31"), "ADT_A05"),
    "ADT_A05": "ADT_A01",
    "ADT_A07": "ADT_A06",
    **dict.fromkeys(("ADT_A10", "ADT_A11", "ADT_A12"), "ADT_A09"),
    **dict.fromkeys((f"ADT_A{n}" for n in (22, 23, 25, 26, 27, 29, 32, 33)), "ADT_A21"),
    **dict.fromkeys((f"ADT_A{n}" for n in (34, 35, 36, 46, 47, 48, 49)), "ADT_A30"),
    **dict.fromkeys(("ADT_A40", "ADT_A41", "ADT_A42"), "ADT_A39"),
    "ADT_A44": "ADT_A43",
    "ADT_A51": "ADT_A50",
    "ADT_A53": "ADT_A52",
    "ADT_A55": "ADT_A54",
    "ADT_A62": "ADT_A61",
    **dict.fromkeys((f"SIU_S{n}" for n in (*range(13, 25), 26)), "SIU_S12"),
}
"""Events that share a structure (HL7 2.5.1 table 0354); a structure a version lacks is looked up once more."""


class Severity(StrEnum):
    """How far a finding is from the standard's text."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a message departs from its version of the standard. `text` holds no content of the message."""

    severity: Severity
    location: Location
    text: str


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """What the standard says of one field. `datatype` is such as CE; `varies` for OBX-5."""

    name: str
    datatype: str
    required: bool
    repeats: bool
    table: str = ""


def nearest_version(version: str) -> str:
    """The version whose dictionary serves: itself, else the highest known below it, else the oldest; 2.5.1 for none."""
    if version in VERSIONS:
        return version
    lower = [known for known in VERSIONS if known < version]
    if not version[:1].isdigit():
        return DEFAULT_VERSION
    return lower[-1] if lower else VERSIONS[0]


@lru_cache(maxsize=len(VERSIONS))
def _library(version: str) -> Any:
    return load_library(nearest_version(version))


def structure_name(message_type: str, trigger: str, version: str = DEFAULT_VERSION) -> str:
    """The structure a message of that type and event has, such as ADT_A01 for ADT^A08; "" when it is not known."""
    known = _library(version).MESSAGES
    if message_type == "ACK":
        return "ACK"
    name = f"{message_type}_{trigger}"
    for _ in range(3):
        if name in known:
            return name
        name = _SHARED_STRUCTURES.get(name, "")
    return ""


def is_known_segment(name: str, version: str = DEFAULT_VERSION) -> bool:
    """True when that version defines the segment."""
    return name in _library(version).SEGMENTS


def field_definitions(segment: str, version: str = DEFAULT_VERSION) -> Mapping[int, FieldDefinition]:
    """The fields of a segment by number (withdrawn ones are left out); none when the version does not know it."""
    return _field_definitions(segment, nearest_version(version))


@lru_cache(maxsize=1024)
def _field_definitions(segment: str, version: str) -> Mapping[int, FieldDefinition]:
    entry = _library(version).SEGMENTS.get(segment)
    rows = entry[1] if entry else ()
    return MappingProxyType({int(row[0].rpartition("_")[2]): _field_definition(row[1], row[2]) for row in rows})


def _field_definition(reference: Any, occurrences: tuple[int, int]) -> FieldDefinition:
    _kind, _parts, datatype, name, table, _length = reference
    return FieldDefinition(_readable(name), datatype, occurrences[0] > 0, occurrences[1] != 1, table or "")


def field_definition(segment: str, number: int, version: str = DEFAULT_VERSION) -> FieldDefinition | None:
    """One field, None when the version does not define it."""
    return field_definitions(segment, version).get(number)


def field_name(segment: str, number: int, version: str = DEFAULT_VERSION) -> str:
    """The long name, such as "Universal Service Identifier" for OBR-4; "" when not defined."""
    found = field_definition(segment, number, version)
    return found.name if found else ""


def part_name(datatype: str, number: int, version: str = DEFAULT_VERSION) -> str:
    """The long name of a part of a composite data type, such as "ID Number" for CX.1; "" when not defined."""
    part = _part(datatype, number, version)
    return _readable(part[3]) if part else ""


def part_datatype(datatype: str, number: int, version: str = DEFAULT_VERSION) -> str:
    """The data type of a part of a composite data type, such as HD for CX.4; "" when not defined."""
    part = _part(datatype, number, version)
    return str(part[2]) if part else ""


def _part(datatype: str, number: int, version: str) -> Any:
    return _library(version).DATATYPES.get(f"{datatype}_{number}")


def path_name(path: Path, version: str = DEFAULT_VERSION) -> str:
    """The names along a path, such as "Patient Name / Family Name / Surname"; as far as they are defined."""
    found = field_definition(path.segment, path.field, version)
    if found is None:
        return ""
    names, datatype = [found.name], found.datatype
    for number in (path.component, path.subcomponent):
        if number is None or not (name := part_name(datatype, number, version)):
            break
        names.append(name)
        datatype = part_datatype(datatype, number, version)
    return " / ".join(names)


def _readable(name: str) -> str:
    return " ".join(_word(word) for word in name.replace("_", " ").split())


def _word(word: str) -> str:
    if word in _ACRONYMS or word in SEGMENT_NAMES:
        return word
    return word.lower() if word in _SMALL_WORDS else word.capitalize()


def check(message: Message) -> list[Finding]:
    """Compare a message with its version's dictionary: order of segments, required fields, repetitions, dates."""
    findings: list[Finding] = []
    if message.version not in VERSIONS:
        text = f"no dictionary for this version: compared with {nearest_version(message.version)}"
        findings.append(Finding(Severity.WARNING, Location("MSH", 1, 12), text))
    findings += _check_structure(message)
    counts: dict[str, int] = {}
    for segment in message:
        counts[segment.name] = counts.get(segment.name, 0) + 1
        findings += _check_segment(segment, counts[segment.name], message.version)
    return findings


@lru_cache(maxsize=256)
def _structure(name: str, version: str) -> Slot:
    return _slot(name, _library(version).MESSAGES[name], (1, 1))


def _slot(name: str, reference: Any, occurrences: tuple[int, int]) -> Slot:
    least, most = occurrences
    kind, children = reference[0], reference[1]
    parts = tuple(
        _slot(child[0], child[1], child[2]) if child[3] == "GRP" else Slot(child[0], child[2][0], _most(child[2][1]))
        for child in children
    )
    return Slot(name, least, _most(most), parts, kind == "choice")


def _most(number: int) -> int | None:
    return None if number < 0 else number


def _check_structure(message: Message) -> list[Finding]:
    version = nearest_version(message.version)
    name = message.structure
    if name not in _library(version).MESSAGES:
        name = structure_name(message.message_type, message.trigger, version)
    if not name:
        text = f"version {version} defines no structure for this message type and event"
        return [Finding(Severity.WARNING, Location("MSH", 1, 9), text)]
    structure = _structure(name, version)
    allowed = structure.names()
    findings = [
        Finding(Severity.WARNING, _place(message, segment), f"{name} has no segment {segment.name}")
        for segment in message
        if segment.name not in allowed and not segment.name.startswith("Z")
    ]
    fitting = [segment for segment in message if segment.name in allowed]
    for problem in walk(structure, [segment.name for segment in fitting]):
        if isinstance(problem, Misplaced):
            segment = fitting[problem.position]
            text = f"the segment does not belong here in {name}; the order after it was not looked at"
            findings.append(Finding(Severity.ERROR, _place(message, segment), text))
        else:
            at_end = problem.position == len(fitting)
            at = _place(message, fitting[-1] if at_end else fitting[problem.position])
            text = f"{name} requires {problem.name} {'after' if at_end else 'before'} this segment"
            findings.append(Finding(Severity.ERROR, at, text))
    return findings


def _place(message: Message, segment: Segment) -> Location:
    return Location(segment.name, message.of(segment.name).index(segment) + 1)


def _check_segment(segment: Segment, occurrence: int, version: str) -> list[Finding]:
    definitions = field_definitions(segment.name, version)
    findings: list[Finding] = []
    for number, definition in definitions.items():
        found = segment.field(number)
        for severity, text in _check_field(found, definition, version):
            findings.append(Finding(severity, Location(segment.name, occurrence, number), text))
    last = max(definitions, default=len(segment.fields))
    for number in range(last + 1, len(segment.fields)):
        if segment.field(number).presence is not Presence.ABSENT:
            text = f"version {nearest_version(version)} ends the segment at field {last}"
            findings.append(Finding(Severity.WARNING, Location(segment.name, occurrence, number), text))
    return findings


def _check_field(found: Field, definition: FieldDefinition, version: str) -> list[tuple[Severity, str]]:
    if found.presence is Presence.ABSENT:
        missing = (Severity.ERROR, f"required field missing: {definition.name}")
        return [missing] if definition.required else []
    problems: list[tuple[Severity, str]] = []
    repetitions = found.repetitions
    if len(repetitions) > 1 and not definition.repeats:
        problems.append((Severity.WARNING, f"{definition.name} may not repeat: the first repetition counts"))
    if definition.datatype in ("TS", "DTM", "DT"):
        problems += [_bad_date(definition) for repetition in repetitions if not _is_date(repetition.part(1))]
    if definition.datatype in ("NM", "SI"):
        problems += [_bad_number(definition) for repetition in repetitions if not _is_number(repetition.part(1))]
    return problems


def _bad_date(definition: FieldDefinition) -> tuple[Severity, str]:
    return Severity.ERROR, f"{definition.name} is no date and time: write YYYYMMDD[HHMM[SS]]"


def _bad_number(definition: FieldDefinition) -> tuple[Severity, str]:
    return Severity.ERROR, f"{definition.name} is no number"


def _is_date(text: str) -> bool:
    try:
        parse_dtm(text or "2000")
    except ContentError:
        return False
    return True


def _is_number(text: str) -> bool:
    return not text or text.lstrip("+-").replace(".", "", 1).isdecimal()
