"""The value of one element: bytes to the DICOM JSON Model (PS3.18 Annex F) and back, by value representation.

Decimal and integer strings stay text, so that what a device sent is not reformatted.
"""

import base64
import math
import re
import struct

from broker.dicom.texts import TextDecoder
from broker.domain.dicom_json import Element

_PERSON_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
#: struct letter of one number
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
#: size of the words whose bytes change order between transfer syntaxes
_WORDS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
_STRINGS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
#: a backslash is a character of the text, and leading blanks count
_SINGLE = frozenset({"ST", "LT", "UT", "UR"})
#: what makes more of a text than its characters: several values, escapes, padding by NUL
_SPECIAL = re.compile(rb"[\\\x1b\0]")


#: what an element of a short VR can hold at most (PS3.5 section 7.1.2: 65,534 bytes); implicit VR knows no such limit
MOST_VALUES = 65_535


class ValueLengthError(ValueError):
    """The bytes of a value do not make whole numbers."""


class TooManyValuesError(ValueError):
    """More values than ``MOST_VALUES``."""


def decode_value(vr: str, value: bytes, decoder: TextDecoder, *, little: bool) -> Element:
    """The element with these bytes as its value.  Raises ValueLengthError and TooManyValuesError."""
    if not value:
        return {"vr": vr}
    if vr in _STRINGS:
        if vr != "PN" and value.isascii() and not _SPECIAL.search(value):
            text = value.decode("ascii").rstrip(" ") if vr in _SINGLE else value.decode("ascii").strip(" ")
            return {"vr": vr, "Value": [text]} if text else {"vr": vr}
        return _with_values(vr, _decode_strings(vr, value, decoder))
    if vr in _NUMBERS or vr == "AT":
        return _with_values(vr, _decode_numbers(vr, value, little=little))
    plain = value if little else _swapped(value, _WORDS.get(vr, 1))
    return {"vr": vr, "InlineBinary": base64.b64encode(plain).decode("ascii")}


def encode_value(element: Element, *, little: bool) -> bytes:
    """The bytes of an element that is no sequence, padded to even length; text as UTF-8.

    Raises ValueError when a value does not fit its value representation.
    """
    vr = str(element["vr"])
    if "InlineBinary" in element:
        raw = base64.b64decode(str(element["InlineBinary"]), validate=True)
        return _even(raw if little else _swapped(raw, _WORDS.get(vr, 1)), b"\0")
    values = element.get("Value")
    if not isinstance(values, list | tuple):
        return b""
    if vr in _STRINGS:
        joined = "\\".join(_string(v) for v in values)
        return _even(joined.encode("utf-8"), b"\0" if vr == "UI" else b" ")
    if vr == "AT":
        order = "<" if little else ">"
        return b"".join(struct.pack(f"{order}HH", int(str(v)[:4], 16), int(str(v)[4:], 16)) for v in values)
    try:
        return struct.pack(f"{'<' if little else '>'}{len(values)}{_NUMBERS[vr]}", *(_number(vr, v) for v in values))
    except (KeyError, struct.error) as error:
        raise ValueError(f"a value does not fit {vr}") from error


def _with_values(vr: str, values: list[object]) -> Element:
    return {"vr": vr, "Value": values} if any(v is not None for v in values) else {"vr": vr}


def _decode_strings(vr: str, value: bytes, decoder: TextDecoder) -> list[object]:
    text = decoder.decode(value, name=vr == "PN")
    if vr in _SINGLE:
        return [text.rstrip(" \0") or None]
    if text.count("\\") >= MOST_VALUES:
        raise TooManyValuesError
    parts = [part.strip(" \0") for part in text.split("\\")]
    if vr == "PN":
        return [_person(part) for part in parts]
    return [part or None for part in parts]


def _person(text: str) -> object:
    groups = [group.strip() for group in text.split("=")[:3]]
    return {name: group for name, group in zip(_PERSON_GROUPS, groups, strict=False) if group} or None


def _decode_numbers(vr: str, value: bytes, *, little: bool) -> list[object]:
    order = "<" if little else ">"
    letter = "HH" if vr == "AT" else _NUMBERS[vr]
    size = struct.calcsize(f"{order}{letter}")
    if len(value) % size:
        raise ValueLengthError
    if len(value) // size > MOST_VALUES:
        raise TooManyValuesError
    found = struct.iter_unpack(f"{order}{letter}", value)
    if vr == "AT":
        return [f"{group:04X}{element:04X}" for group, element in found]
    return [_finite(number) for (number,) in found]


def _finite(number: float) -> object:
    """JSON has no words for what is not a number; PS3.18 F.2.2 gives none either, so the value stays readable text."""
    return number if isinstance(number, int) or math.isfinite(number) else str(number)


def _number(vr: str, value: object) -> float:
    if isinstance(value, int | float):
        return value
    return float(str(value)) if vr in {"FL", "FD"} else int(str(value))


def _string(value: object) -> str:
    if isinstance(value, dict):
        return "=".join(str(value.get(group) or "") for group in _PERSON_GROUPS).rstrip("=")
    return "" if value is None else str(value)


def _swapped(value: bytes, size: int) -> bytes:
    if size == 1 or len(value) % size:
        return value
    return b"".join(value[at : at + size][::-1] for at in range(0, len(value), size))


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value
