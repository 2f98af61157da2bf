"""Elements of data sets written down as text: what JSON and XML documents have in common.

Refuses what the bytes of a device could not say, so that a data set means the same whatever way it came.  Errors name
places by tag, never values.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

from broker.dicom.datasets import VALUE_REPRESENTATIONS
from broker.domain.dicom_json import Element
from broker.services.dicomweb import DocumentRefused

_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
#: what the value representation is written with in text, by kind
TEXTS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
WHOLE_NUMBERS = frozenset({"SL", "SS", "SV", "UL", "US", "UV"})
REAL_NUMBERS = frozenset({"FD", "FL"})
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
#: one value each, in which a backslash is a character and lines may end
_PARAGRAPHS = frozenset({"LT", "ST", "UT", "UR"})
_WHOLE = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_REAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\Z", re.ASCII)
#: no number, but allowed as text (PS3.18 F.2.2)
_UNREAL = frozenset({"nan", "inf", "-inf", "infinity", "-infinity"})
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_CONTROLS_OF_PARAGRAPHS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_FORBIDDEN_GROUPS = frozenset({0x0000, 0x0002, 0xFFFE})


class Budget:
    """How many elements, items and values one document may still have: few bytes can make many of them."""

    MOST = 200_000

    def __init__(self) -> None:
        self._left = self.MOST

    def spend(self, number: int = 1) -> None:
        """Count some.  Raises DocumentRefused when there are too many."""
        self._left -= number
        if self._left < 0:
            raise DocumentRefused(f"there are more than {self.MOST} elements, items and values")


def checked_tag(text: object, path: str) -> str:
    """A tag as eight upper-case hexadecimal digits.  Raises DocumentRefused."""
    if not isinstance(text, str) or not _TAG.match(text):
        raise DocumentRefused("a tag has eight hexadecimal digits", path)
    if int(text[:4], 16) in _FORBIDDEN_GROUPS or text.upper().endswith("0000"):
        raise DocumentRefused("this group or element does not belong into a data set", within(path, text.upper()))
    return text.upper()


def checked_vr(vr: object, path: str) -> str:
    """A value representation.  Raises DocumentRefused."""
    if not isinstance(vr, str) or vr not in VALUE_REPRESENTATIONS:
        raise DocumentRefused("vr is missing, or none of PS3.5 section 6.2", path)
    return vr


def within(path: str, part: str) -> str:
    """The place ``part`` inside ``path``."""
    return f"{path}>{part}" if path else part


def element(vr: str, values: Sequence[object], path: str) -> Element:
    """An element with these values (None: an empty one), each of the right kind.  Raises DocumentRefused."""
    if vr in _PARAGRAPHS and len(values) > 1:
        raise DocumentRefused(f"{vr} has one value", path)
    found = [None if value is None else _checked(vr, value, path) for value in values]
    return {"vr": vr, "Value": found} if any(value not in (None, "", {}) for value in found) else {"vr": vr}


def binary(vr: str, text: object, path: str) -> Element:
    """An element with bytes, given as base64.  Raises DocumentRefused."""
    if vr not in BINARY:
        raise DocumentRefused(f"{vr} has no binary value", path)
    try:
        plain = base64.b64decode(text if isinstance(text, str) else "-", validate=True)
    except (binascii.Error, ValueError):
        raise DocumentRefused("the binary value is no base64", path) from None
    return {"vr": vr, "InlineBinary": base64.b64encode(plain).decode("ascii")} if plain else {"vr": vr}


def _checked(vr: str, value: object, path: str) -> object:
    if vr in TEXTS:
        return _name(value, path) if isinstance(value, Mapping) else _text(vr, value, path)
    if vr in WHOLE_NUMBERS or vr in REAL_NUMBERS:
        return _number(vr, value, path)
    if vr != "AT":
        raise DocumentRefused(f"{vr} cannot be given as a list of values", path)
    if not isinstance(value, str) or not _TAG.match(value):
        raise DocumentRefused("AT values have eight hexadecimal digits", path)
    return value.upper()


def _name(groups: Mapping[str, object], path: str) -> Mapping[str, str]:
    """A name by its component groups."""
    found = {group: _text("PN", text, path) for group, text in groups.items()}
    if any("=" in text for text in found.values()):
        raise DocumentRefused("a group of a name holds no =", path)
    return found


def _text(vr: str, value: object, path: str) -> str:
    if not isinstance(value, str):
        raise DocumentRefused(f"{vr} values are texts", path)
    if vr in _PARAGRAPHS:
        if _CONTROLS_OF_PARAGRAPHS.search(value):
            raise DocumentRefused("a control character is in the text", path)
    elif _CONTROLS.search(value) or "\\" in value:
        raise DocumentRefused("a backslash or control character is in the value; several values are a list", path)
    return value


def _number(vr: str, value: object, path: str) -> int | float:
    text = str(value)
    if vr in WHOLE_NUMBERS:
        if isinstance(value, bool) or not _WHOLE.match(text) or len(text) > 21:
            raise DocumentRefused(f"{vr} values are whole numbers", path)
        return int(text)
    if isinstance(value, bool) or not (_REAL.match(text) or text.lower() in _UNREAL):
        raise DocumentRefused(f"{vr} values are numbers", path)
    return float(text)
