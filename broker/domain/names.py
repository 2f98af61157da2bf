"""Person names and other text as they are compared: folded, trimmed, split into component groups.

Folding happens when a value is written and when it is asked for, in this one place, so that SQL compares equals.
"""

import unicodedata

#: letters that Unicode does not decompose, spelled as registration desks type them without their accent
_SPECIAL = str.maketrans({"ß": "ss", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(text: str) -> str:
    """Case and accents removed, compatibility forms unified, runs of blanks to one: the form names are searched by."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_SPECIAL)
    return " ".join(unicodedata.normalize("NFKC", plain).split())


def trim_components(group: str) -> str:
    """One component group without trailing delimiters and blanks around components (PS3.5 section 6.2, PN)."""
    return "^".join(part.strip() for part in group.split("^")).rstrip("^ ")


def component_groups(name: str) -> tuple[str, ...]:
    """The alphabetic, ideographic and phonetic groups that are present, in this order, trimmed; at most three."""
    groups = [trim_components(g) for g in name.split("=")[:3]]
    while groups and not groups[-1]:
        groups.pop()
    return tuple(groups)


def fold_name(name: str) -> str:
    """A person name as it is searched: every group folded, joined by ``=``; empty for an unknown name."""
    return "=".join(fold(g) for g in component_groups(name))


def display(name: str) -> str:
    """A person name for people: ``FAMILY, Given Middle``, of the first group that has a value."""
    for group in component_groups(name):
        parts = group.split("^")
        if any(parts):
            family, given = parts[0], " ".join(p for p in parts[1:3] if p)
            return f"{family}, {given}" if family and given else family or given
    return ""


def lower(text: str) -> str:
    """A to Z in lower case, everything else as it is: what databases can do alike."""
    return text.translate(_LOWER)
