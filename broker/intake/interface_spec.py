"""The generated parts of the HL7 interface specification, from the tables the code itself reads.

Owns: those parts and putting them into the document between their marks.  Must not: hold prose; that is in the file.

A part stands between ``<!-- NAME: generated -->`` and ``<!-- NAME: end -->``.
"""

import re
from collections.abc import Iterable, Mapping

from broker.domain.attributes import TABLE, VR_LIMITS
from broker.intake.answers import reason_codes
from broker.intake.catalogue import COLUMNS
from broker.intake.conversions import CONVERSIONS
from broker.intake.lengths import LongPolicy
from broker.intake.pieces import Source
from broker.intake.rules import Missing, Rule, SenderMapping
from broker.intake.translate import ORDERS, SUPPORTED
from hl7 import charset, validation
from hl7.errors import ERROR_NAMES
from hl7.segment_names import SEGMENT_NAMES

_VERSION = "2.5.1"
_PART = re.compile(r"(<!-- (?P<name>[a-z-]+): generated -->\n).*?(\n<!-- (?P=name): end -->)", re.DOTALL)


def sections(mapping: SenderMapping) -> dict[str, str]:
    """Every part that code and mapping determine, by name."""
    rules = [rule for found in mapping.rules.values() for rule in found]
    return {
        "messages": _messages(),
        "order-control": _order_control(mapping),
        "segments": _segments(rules),
        "fields": _fields(rules),
        "mapping": _mapping(rules),
        "tables": _tables(mapping),
        "conversions": _conversions(),
        "errors": _errors(),
        "charsets": _charsets(),
        "identifiers": _identifiers(rules),
        "catalogue-columns": ", ".join(f"`{column}`" for column in COLUMNS),
    }


def filled(document: str, parts: Mapping[str, str]) -> str:
    """``document`` with each part it has a place for.  Raises KeyError for a place nobody fills but ``corpus``."""

    def put(match: re.Match[str]) -> str:
        name = match["name"]
        if name == "corpus" and name not in parts:
            return match[0]
        return f"{match[1]}{parts[name]}{match[3]}"

    return _PART.sub(put, document)


def places(document: str) -> set[str]:
    """The names of the parts a document has places for."""
    return {match["name"] for match in _PART.finditer(document)}


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(headings)
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _messages() -> str:
    about = {**dict.fromkeys(ORDERS, "order"), "ORU": "report status", "SIU": "appointment", "ADT": "patient and visit"}
    rows = [(f"{kind}^{event}", about[kind]) for kind, events in SUPPORTED.items() for event in events]
    return table(("Message", "About"), rows)


def _order_control(mapping: SenderMapping) -> str:
    rows = [(c, status or "any other", effect) for (c, status), effect in sorted(mapping.order_control.items())]
    return table(("ORC-1", "ORC-5", "Effect"), rows)


def _segments(rules: Iterable[Rule]) -> str:
    names = {source.path.segment for rule in rules for source in rule.sources if source.path is not None}
    return table(("Segment", "Name"), [(n, SEGMENT_NAMES.get(n, "site-defined")) for n in sorted(names | {"MSH"})])


def _fields(rules: Iterable[Rule]) -> str:
    uses: dict[tuple[str, int], list[str]] = {}
    for rule in rules:
        for source in rule.sources:
            if source.path is not None:
                uses.setdefault((source.path.segment, source.path.field), []).append(rule.keyword)
    rows = []
    for (segment, number), keywords in sorted(uses.items()):
        known = validation.field_definition(segment, number, _VERSION)
        name, datatype = (known.name, known.datatype) if known else ("", "")
        rows.append((f"{segment}-{number}", name, datatype, ", ".join(dict.fromkeys(keywords))))
    return table(("Field", f"Name (HL7 {_VERSION})", "Type", "Worklist attributes"), rows)


def _mapping(rules: Iterable[Rule]) -> str:
    rows = []
    for rule in rules:
        attribute = TABLE[rule.keyword]
        sources = ", ".join(_source(source) for source in rule.sources)
        if rule.follows:
            sources = f"with {rule.follows}"
        missing = f'default "{rule.default}"' if rule.missing is Missing.DEFAULT else rule.missing.value
        tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
        long = rule.long.value if rule.limit or rule.is_identity else ""
        rows.append((tag, rule.keyword, attribute.vr, attribute.return_type, sources, rule.conversion, missing, long))
    return table(("Tag", "Attribute", "VR", "Type", "From, first that has a value", "As", "Missing", "Too long"), rows)


def _source(source: Source) -> str:
    text = f'"{source.value}"' if source.path is None else str(source.path)
    if source.where is not None:
        values = f" [{', '.join(sorted(source.where.values))}]" if source.where.values else ""
        text += f" where {source.where.path} {source.where.test}{values}"
    if source.after:
        text += f" after {source.after}"
    return text + (" (weak)" if source.weak else "")


def _tables(mapping: SenderMapping) -> str:
    rows = []
    for name, entries in sorted(mapping.tables.items()):
        changed = [f"{k.upper()} → {v or '(empty)'}" for k, v in entries.items() if k.upper() != v]
        same = [v for k, v in entries.items() if k.upper() == v]
        rows.append((name, "; ".join((*changed, *([f"unchanged: {', '.join(same)}"] if same else [])))))
    return table(("Table", "HL7 value → DICOM value"), rows)


def _conversions() -> str:
    rows = []
    for name, conversion in CONVERSIONS.items():
        words = " ".join((conversion.convert.__doc__ or "").partition("\n\n")[0].split())
        rows.append((f"`{name}`", ", ".join(sorted(conversion.representations)), words))
    return table(("As", "Makes", "How"), rows)


def _errors() -> str:
    reasons: dict[str, list[str]] = {}
    for reason, (ack, code) in reason_codes().items():
        reasons.setdefault(code, []).append(f"{reason.value} ({ack.value})")
    return table(
        ("ERR-3", "Name (table 0357)", "From the rules for orders"),
        [(code, name, ", ".join(reasons.get(code, []))) for code, name in ERROR_NAMES.items()],
    )


def _charsets() -> str:
    return table(("MSH-18", "Python codec"), [(row.hl7_name, row.codec) for row in charset.CHARACTER_SETS])


def _identifiers(rules: Iterable[Rule]) -> str:
    made = {
        "AccessionNumber": "the filler order number when it fits SH; else `site.accession_prefix` and 8 digits",
        "RequestedProcedureID": "the accession number, further procedures with `-2`, `-3` ...; else `RP` and 8 digits",
        "StudyInstanceUID": "derived under root 2.25 from issuer or sender, order number and procedure ID",
        "ScheduledProcedureStepID": "the requested procedure ID with `-1`, `-2` ...; else `S` and 8 digits",
    }
    rows = []
    for rule in rules:
        if rule.is_identity:
            vr = TABLE[rule.keyword].vr
            given = ", ".join(_source(source) for source in rule.sources)
            too_long = "refused (AE 102)" if rule.long is not LongPolicy.KEEP else "kept whole, with a warning"
            when = made.get(rule.keyword, "required (AE 101)" if rule.missing is Missing.REQUIRE else "absent")
            rows.append((rule.keyword, f"{vr}, {VR_LIMITS[vr]}", given, when, too_long))
    return table(("Identifier", "VR, length", "Given", "When it is not given", "Too long"), rows)
