"""From payload values to HL7 fields: identifiers, names, codes and times by HL7 data type.

Owns the conversions that templates name with ``as``.  Must not know which field a value stands in, nor send anything.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from broker.domain.identifiers import valid_uid
from hl7.build import FieldValue, Repeated, RepetitionValue

_SEX = {"M": "M", "F": "F", "O": "O", "": "U"}
#: DICOM component groups of a name and their HL7 representation codes (table 4000)
_GROUPS = ("A", "I", "P")


@dataclass(frozen=True, slots=True)
class Style:
    """How values are written: names without accents and in their alphabetic group only, times in a zone."""

    plain: bool = False
    zone: tzinfo = UTC


Conversion = Callable[[Any, Style], FieldValue]


def _text(value: Any, style: Style) -> FieldValue:
    """ST, ID, IS, NM, SI: as it is."""
    return value if isinstance(value, int) else str(value)


def _composite(value: Any, style: Style) -> FieldValue:
    """Components that are composed already."""
    return tuple(value)


def _timestamp(value: Any, style: Style) -> FieldValue:
    """TS, DTM: an instant (ISO 8601), at the site, with its offset."""
    return datetime.fromisoformat(str(value)).astimezone(style.zone).strftime("%Y%m%d%H%M%S%z")


def _ei(value: Any, style: Style) -> FieldValue:
    """EI: a number with its authority, ``value^namespace^universal ID^type``."""
    return (value["value"], *_authority(value["issuer"]))


def _cx(value: Any, style: Style) -> FieldValue:
    """CX: the authority is the fourth component; a list gives repetitions."""
    if isinstance(value, list):
        return Repeated([_one_cx(identifier) for identifier in value if identifier])
    return _one_cx(value)


def _one_cx(identifier: Any) -> RepetitionValue:
    return (identifier["value"], None, None, _authority(identifier["issuer"]))


def _authority(issuer: str) -> tuple[str | None, ...]:
    """An HD: an issuer that is a UID is a universal ID, any other a namespace (HL7 2.3.1 section 2.8.20)."""
    return (None, issuer, "ISO") if "." in issuer and valid_uid(issuer) else (issuer,)


def _ce(value: Any, style: Style) -> FieldValue:
    """CE, CWE: ``code^text^scheme``; the first of a list."""
    first = value[0] if isinstance(value, list) else value
    return (first["value"], first["meaning"], first["scheme"])


def _sex(value: Any, style: Style) -> FieldValue:
    """IS of table 0001; unknown is U."""
    return _SEX.get(str(value), "U")


def _xpn(value: Any, style: Style) -> FieldValue:
    """PN to XPN: one repetition per component group, prefix and suffix exchanged."""
    groups = str(value).split("=")
    if style.plain or len(groups) == 1:
        return _group(groups[0], "", style.plain)
    codes = dict(zip(_GROUPS, groups, strict=False))
    return Repeated([_group(group, code, style.plain) for code, group in codes.items() if group])


def _group(group: str, code: str, plain: bool) -> RepetitionValue:
    family, given, middle, prefix, suffix = _parts(group, plain)
    return (family, given, middle, suffix, prefix, None, None, code or None)


def _xcn(value: Any, style: Style) -> FieldValue:
    """PN to XCN without an ID: the alphabetic group only."""
    family, given, middle, prefix, suffix = _parts(str(value).split("=", maxsplit=1)[0], style.plain)
    return (None, family, given, middle, suffix, prefix)


def _parts(group: str, plain: bool) -> list[str]:
    text = _without_accents(group) if plain else group
    return (text.split("^") + [""] * 5)[:5]


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).replace("ß", "ss")


#: the words of ``as``
CONVERSIONS: Mapping[str, Conversion] = {
    "text": _text, "composite": _composite, "ts": _timestamp, "ei": _ei, "cx": _cx, "ce": _ce, "sex": _sex,
    "xpn": _xpn, "xcn": _xcn,
}  # fmt: skip
#: those that give one value without components and can therefore stand inside a field
LEAVES = frozenset({"text", "ts", "sex"})
#: those that also say something about an empty value
OF_NOTHING = frozenset({"sex"})
