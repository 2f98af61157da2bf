"""Worklist items and the rules behind their values, as rows for people: tags, types, lengths, sources.

Owns: joining a value to the rule that made it.  Must not: change anything.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from broker.domain.attributes import (
    ROOT_LEVEL,
    SPS_SEQUENCE,
    STEP_LEVEL,
    VR_LIMITS,
    Attribute,
    Value,
    items_of,
    texts,
)
from broker.domain.worklist_item import WorklistItem
from broker.intake.dry_run import MappedValue
from broker.intake.mapping_lines import RuleLine
from broker.services.examination import ItemRow, ItemView, MappingLine

_FIELD = re.compile(r"(?:.*: )?(?P<place>[A-Z][A-Z0-9]{2}(?:\[\d+\])?-\d+)")
_GROUPS = "="


def mapping_lines(values: Sequence[MappedValue], rules: Mapping[str, RuleLine]) -> tuple[MappingLine, ...]:
    """One line for each value a message made, with the rule that made it."""
    lines = []
    for number, value in enumerate(values, 1):
        rule = rules.get(value.keyword)
        field = _FIELD.match(value.source)
        lines.append(
            MappingLine(
                f"v{number}", value.entity, value.keyword, rule.text if rule else "", rule.mapping if rule else "",
                rule.number if rule else 0, value.value, value.source, field["place"] if field else "", value.fills,
            )
        )  # fmt: skip
    return tuple(lines)


def item_view(item: WorklistItem, lines: Sequence[MappingLine]) -> ItemView:
    """An item with its attributes in the order of their tags, as a device gets them."""
    by_keyword: dict[str, list[MappingLine]] = {}
    for line in lines:
        by_keyword.setdefault(line.keyword, []).append(line)
    inner = items_of(item.document.get(SPS_SEQUENCE))
    step = inner[0] if inner else {}
    title = " ".join(
        part
        for part in (texts(step.get("ScheduledProcedureStepID")) or ("",)) + (item.modality, *item.stations)
        if part
    )
    rows = [*_rows(step, STEP_LEVEL, by_keyword), *_rows(item.document, ROOT_LEVEL, by_keyword)]
    return ItemView(title, item.status.value, item.missing, tuple(rows))


def _rows(
    attributes: Mapping[str, Value], table: Mapping[str, Attribute], lines: Mapping[str, Sequence[MappingLine]]
) -> Iterator[ItemRow]:
    known = [table[keyword] for keyword in attributes if keyword in table]
    for attribute in sorted(known, key=lambda a: a.tag):
        value = attributes[attribute.keyword]
        yield from _row(attribute, value, 0, _key(attribute.keyword, value, lines))


def _row(attribute: Attribute, value: Value, depth: int, key: str) -> Iterator[ItemRow]:
    tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
    limit = VR_LIMITS.get(attribute.vr, 0)
    if not attribute.is_sequence:
        longest = max((_length(attribute.vr, text) for text in texts(value)), default=0)
        yield ItemRow(attribute.keyword, tag, attribute.vr, attribute.return_type, value, longest, limit, depth, key)
        return
    items = items_of(value)
    yield ItemRow(attribute.keyword, tag, "SQ", attribute.return_type, f"{len(items)} item(s)", 0, 0, depth, key)
    for item in items:
        for keyword, inner in item.items():
            known = attribute.items.get(keyword)
            if known is not None:
                yield from _row(known, inner, depth + 1, key)


def _length(vr: str, text: str) -> int:
    """Characters; of PN those of its longest component group (PS3.5 Table 6.2-1)."""
    return max(len(group) for group in text.split(_GROUPS)) if vr == "PN" else len(text)


def _key(keyword: str, value: Value, lines: Mapping[str, Sequence[MappingLine]]) -> str:
    """The rule that made this value; none when it was stored before and stays."""
    for line in lines.get(keyword, ()):
        if line.value == value or line.value in ("", None) or str(line.value).startswith(f"{value} ("):
            return line.key
    return ""
