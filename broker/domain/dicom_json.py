"""Reading a data set in the DICOM JSON Model (PS3.18 Annex F) as plain Python: what rules about data sets work on.

Keys are tags of eight upper-case hexadecimal digits; nothing here knows bytes, character sets or attribute names.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

#: one element: {"vr": ..., "Value": [...]} or {"vr": ..., "InlineBinary": ...}; neither when it has no value
Element = Mapping[str, object]
Dataset = Mapping[str, Element]

_PERSON_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


@lru_cache(4096)  # a request asks for the same few hundred tags again and again
def key_of(tag: int) -> str:
    """The key of a tag given as ``group << 16 | element``."""
    return f"{tag:08X}"


def values(dataset: Dataset, tag: int) -> Sequence[object]:
    """The values of an element as they stand; empty when it is absent or empty."""
    element = dataset.get(key_of(tag))
    found = element.get("Value") if element else None
    return found if isinstance(found, (list, tuple)) else ()


def texts(dataset: Dataset, tag: int) -> tuple[str, ...]:
    """The values of an element as text without padding, empty ones left out; groups of person names joined by ``=``."""
    return texts_of(dataset.get(key_of(tag)))


def texts_of(element: Element | None) -> tuple[str, ...]:
    """As ``texts``, of an element in hand."""
    found = element.get("Value") if element else None
    if not isinstance(found, (list, tuple)):
        return ()
    return tuple([t for v in found if (t := v.strip(" \0") if isinstance(v, str) else _text(v))])


def text(dataset: Dataset, tag: int) -> str:
    """The first value of an element as text, or the empty string."""
    found = texts(dataset, tag)
    return found[0] if found else ""


def items(dataset: Dataset, tag: int) -> tuple[Dataset, ...]:
    """The items of a sequence; empty when there is none."""
    return items_of(dataset.get(key_of(tag)))


def items_of(element: Element | None) -> tuple[Dataset, ...]:
    """As ``items``, of an element in hand."""
    found = element.get("Value") if element else None
    if not isinstance(found, (list, tuple)):
        return ()
    # dict first: asking an abstract class takes several times as long
    return tuple([v for v in found if isinstance(v, (dict, Mapping))])


def is_present(dataset: Dataset, tag: int) -> bool:
    """True when the element is there, with or without a value."""
    return key_of(tag) in dataset


def has_value(dataset: Dataset, tag: int) -> bool:
    """True when the element has a value: an item, some bytes, or text that is not only padding."""
    return is_filled(dataset.get(key_of(tag)))


def is_filled(element: Element | None) -> bool:
    """As ``has_value``, of an element in hand."""
    if not element:
        return False
    if "Value" not in element:
        return bool(element.get("InlineBinary") or element.get("BulkDataURI"))
    if element.get("vr") == "SQ":
        return bool(items_of(element))
    return bool(texts_of(element) or element.get("InlineBinary") or element.get("BulkDataURI"))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip(" \0")
    if isinstance(value, (dict, Mapping)):
        groups = [str(value.get(group) or "").strip() for group in _PERSON_GROUPS]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value).strip(" \0")
