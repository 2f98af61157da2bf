"""Owns: the matching rules of PS3.4 C.2.2.2 and Table K.6-1, read from their text and written down once more, plainly,
for documents by keyword.  Must not: import the broker's rules; it is what they are held against.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

DATE, TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
#: VRs that are not compared as plain text with wildcards; ``literal`` for keys without wildcards (Table K.6-1)
KINDS = {
    "PatientName": "PN", "ScheduledPerformingPhysicianName": "PN", "PatientBirthDate": "DA", DATE: "DA", TIME: "TM",
    "ScheduledProcedureStepEndDate": "DA", "ScheduledProcedureStepEndTime": "TM", "StudyInstanceUID": "literal",
    "ReferencedSOPClassUID": "literal", "ReferencedSOPInstanceUID": "literal", "ScheduledStationAETitle": "literal",
    "Modality": "literal", "PregnancyStatus": "US", "PatientWeight": "DS", "PatientComments": "paragraph",
}  # fmt: skip


def fulfils(keys: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """True when one level of an item fulfils one level of an identifier."""
    plain = {k: v for k, v in keys.items() if k not in (DATE, TIME)}
    return all(_fulfils_one(k, key, stored.get(k)) for k, key in plain.items()) and _starts(keys, stored)


def _fulfils_one(keyword: str, key: Any, stored: Any) -> bool:
    if isinstance(key, list) and all(isinstance(item, Mapping) for item in key):
        asked = key[0] if key else {}
        return _is_universal(asked) or any(fulfils(asked, item) for item in stored or [])
    alternatives = [key] if KINDS.get(keyword) == "paragraph" else str(key).split("\\")
    if any(_says_nothing(keyword, one) for one in alternatives):
        return True
    return any(_matches(KINDS.get(keyword, "text"), one, value) for one in alternatives for value in _values(stored))


def _is_universal(item: Mapping[str, Any]) -> bool:
    return all(
        all(_is_universal(i) for i in v) if isinstance(v, list) else _says_nothing(k, str(v)) for k, v in item.items()
    )


def _says_nothing(keyword: str, key: object) -> bool:
    """Zero length, ``*`` alone, delimiters of names alone; 0 where toolkits cannot send a number without value."""
    text = str(key).strip(" *")
    return not (text.strip("^= *") if KINDS.get(keyword) == "PN" else text) or (
        KINDS.get(keyword) == "US" and text == "0"
    )


def _values(stored: Any) -> list[str]:
    found = stored if isinstance(stored, list) else [stored]
    return [str(v) for v in found if v not in (None, "")]


def _matches(kind: str, key: object, value: str) -> bool:
    return _RULES[kind](str(key), value)


def _like(key: str, value: str) -> bool:
    pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in key)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _same_name(key: str, name: str) -> bool:
    """Case and accents do not count, nor do delimiters at the end; without ``=`` any group may match."""
    asked, groups = ([_folded(group) for group in text.split("=")] for text in (key, name))
    if len(asked) == 1:
        return any(_same_group(asked[0], group) for group in groups if group)
    padded = [*groups, *[""] * len(asked)]
    return all(_same_group(a, g) for a, g in zip(asked, padded, strict=False))


def _same_group(asked: str, group: str) -> bool:
    if not asked.strip("*"):
        return True
    # the delimiters that ``DOE^*`` asks for may have been left out
    shorter = re.sub(r"\^+\*+$", "", asked) or asked
    return bool(group) and (_like(asked, group) or _like(shorter, group))


def _folded(group: str) -> str:
    decomposed = unicodedata.normalize("NFKD", group).casefold()
    return re.sub(r"\^+$", "", "".join(c for c in decomposed if not unicodedata.combining(c)).strip())


def _day(text: str, *, last: bool) -> str:
    return text


def _second(text: str, *, last: bool) -> str:
    digits = text.partition(".")[0].replace(":", "")
    return digits + ("595959" if last else "000000")[len(digits) :]


def _within(key: str, value: str, precise: Any) -> bool:
    first, dash, last = key.partition("-")
    if not dash:
        return bool(precise(key, last=False) <= value <= precise(key, last=True))
    return (not first or precise(first, last=False) <= value) and (not last or value <= precise(last, last=True))


def _starts(keys: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Two ranges are one interval; anything else is independent (remark of Table K.6-1)."""
    date, time = (str(keys.get(k, "")).strip("*") for k in (DATE, TIME))
    if not date and not time:
        return True
    day, second = str(stored[DATE]), _second(str(stored[TIME]), last=False)
    if not ("-" in date and "-" in time):
        return (not date or _within(date, day, _day)) and (not time or _within(time, second, _second))
    (first, _, last), (begin, _, end) = date.partition("-"), time.partition("-")
    after = not first or first + _second(begin, last=False) <= day + second
    return after and (not last or day + second <= last + (_second(end, last=True) if end else "235959"))


_RULES: dict[str, Callable[[str, str], bool]] = {
    "PN": _same_name,
    "DA": lambda key, value: _within(key, value, _day),
    "TM": lambda key, value: _within(key, _second(value, last=False), _second),
    "DS": lambda key, value: float(key) == float(value),
    "US": lambda key, value: key.strip() == value.strip(),
    "literal": lambda key, value: key.strip() == value.strip(),
    "paragraph": lambda key, value: _like(key.rstrip(), value.rstrip()),
    "text": lambda key, value: _like(key.strip(), value.strip()),
}
