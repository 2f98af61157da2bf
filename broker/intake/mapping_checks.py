"""What a mapping file may put into an item by itself: constants, defaults and the values of its tables.

Owns: the checks of such values against the attribute they go to (PS3.5 section 6.2).  Must not: read files.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from broker.domain.attributes import VR_LIMITS, Attribute

_CODE_STRING = re.compile(r"[A-Z0-9 _]{0,16}")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_CONTROL_KEY = re.compile(r"[A-Z0-9]{1,3}(?: (?:[A-Z0-9]{1,3}|\*))?")


def _is_date(text: str) -> bool:
    try:
        return len(text) == 8 and bool(datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def _short(text: str) -> bool:
    return len(text) <= 16


#: what may be written in each table; the names are those of the conversions that use them
_TABLES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "sex": (lambda v: v in ("M", "F", "O", ""), "M, F, O, or nothing for unknown"),
    "modality": (lambda v: bool(_CODE_STRING.fullmatch(v)), "a modality of at most 16 capitals and digits"),
    "pregnancy": (lambda v: v in ("1", "2", "3", "4"), "1 not pregnant, 2 possibly, 3 definitely, 4 unknown"),
    "pregnancy_result": (lambda v: v in ("1", "2", "3", "4"), "1 not pregnant, 2 possibly, 3 definitely, 4 unknown"),
    "priority": (_short, "at most 16 characters"),
    "scheme": (_short, "a coding scheme designator of at most 16 characters"),
    "transport": (lambda _: True, ""),
    "needs": (lambda _: True, ""),
}


def table_fault(table: str, entries: Mapping[str, str]) -> str:
    """What is wrong with a table of values, with the remedy; "" when nothing is."""
    known = _TABLES.get(table)
    if known is None:
        return f"no conversion uses this table; known are {', '.join(sorted(_TABLES))}"
    fits, expected = known
    wrong = [key for key, value in entries.items() if not fits(value)]
    return f"{wrong[0]} = {entries[wrong[0]]!r} is not possible; write {expected}" if wrong else ""


def value_fault(attribute: Attribute, text: str) -> str:
    """What keeps ``text`` from being a value of the attribute, with the remedy; "" when nothing does."""
    vr, limit = attribute.vr, VR_LIMITS.get(attribute.vr, 0)
    if vr == "CS" and not _CODE_STRING.fullmatch(text):
        return f"{text!r} is no code: write at most 16 capital letters, digits, blanks and underscores"
    if vr == "DA" and not _is_date(text):
        return f"{text!r} is no date: write YYYYMMDD"
    if vr == "TM" and not _TIME.fullmatch(text):
        return f"{text!r} is no time: write HHMMSS"
    if vr in ("AE", "LO", "SH", "PN") and "\\" in text:
        return "a backslash separates values: leave it out"
    if limit and len(text) > limit:
        return f"{text!r} is longer than the {limit} characters of {vr}: write a shorter one"
    return ""


def is_control_key(key: str) -> bool:
    """Whether a key of [order_control] is ORC-1, alone or with an ORC-5 or ``*`` after one blank."""
    return _CONTROL_KEY.fullmatch(key) is not None
