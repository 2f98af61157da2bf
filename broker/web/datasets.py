"""A dataset in the DICOM JSON model (PS3.18 annex F) as indented lines for people.

Must not: know more of DICOM than the names of the worklist's attributes; unknown tags are shown by number.
"""

from collections.abc import Iterator, Mapping

from broker.domain.attributes import BY_TAG
from broker.web.words import spell

_NAMES = {
    0x00400241: "Performed station AE title", 0x00400244: "Start date", 0x00400245: "Start time",
    0x00400250: "End date", 0x00400251: "End time", 0x00400252: "Performed status", 0x00400253: "Performed step ID",
    0x00400254: "Performed description", 0x00400255: "Performed type", 0x00400260: "Performed protocol codes",
    0x00400270: "Scheduled step attributes", 0x00400281: "Discontinuation reason", 0x00400340: "Performed series",
    0x00080060: "Modality", 0x0020000E: "Series instance UID", 0x0008103E: "Series description",
    0x00181030: "Protocol name", 0x00081140: "Referenced images", 0x00081150: "SOP class UID",
    0x00081155: "SOP instance UID", 0x00081070: "Operators", 0x00081050: "Performing physician",
    0x00200010: "Study ID", 0x00080054: "Retrieve AE title",
}  # fmt: skip
_LIMIT = 200


def lines(dataset: object) -> list[str]:
    """One line per attribute; at most 200, and then a line that says how many were left out."""
    found = list(_lines(dataset, 0)) if isinstance(dataset, Mapping) else []
    if len(found) > _LIMIT:
        return [*found[:_LIMIT], f"... and {len(found) - _LIMIT} more"]
    return found


def _lines(item: Mapping[str, object], depth: int) -> Iterator[str]:
    for tag in sorted(item):
        element = item[tag]
        if not isinstance(element, Mapping):
            continue
        values = element.get("Value")
        value_list = values if isinstance(values, list) else []
        indent = "  " * depth
        if element.get("vr") == "SQ":
            yield f"{indent}{_name(tag)} ({len(value_list)})"
            for inner in value_list:
                if isinstance(inner, Mapping):
                    yield from _lines(inner, depth + 1)
        else:
            yield f"{indent}{_name(tag)}: {', '.join(_value(v) for v in value_list)}"


def _name(tag: str) -> str:
    try:
        number = int(tag, 16)
    except ValueError:
        return tag
    known = _NAMES.get(number)
    if known is None and number in BY_TAG:
        known = spell(BY_TAG[number].keyword)
    return known or f"({tag[:4]},{tag[4:]})"


def _value(value: object) -> str:
    if isinstance(value, Mapping):  # a person name: groups by kind
        return " = ".join(str(group) for group in value.values())
    return str(value)
