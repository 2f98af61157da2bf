"""pydicom data sets and plain Python: keyword to value, sequences as lists of mappings.

Used by the service user and its callers, who need not know pydicom.  Must not judge values: what does not fit its VR
is passed on as it is, so that a peer's refusals can be tried out.
"""

from collections.abc import Mapping, Sequence

from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

Plain = Mapping[str, object]

_UNICODE = "ISO_IR 192"


def to_dataset(attributes: Plain) -> Dataset:
    """A data set from keywords; says UTF-8 when text needs it and no character set is named.

    A key may also be eight hexadecimal digits, a private or unknown tag whose value is then text (LO).

    :raises ValueError: a key is neither a DICOM keyword nor a tag.
    """
    dataset = _dataset(attributes)
    if "SpecificCharacterSet" not in attributes and not _is_ascii(attributes):
        dataset.SpecificCharacterSet = _UNICODE
    return dataset


def from_dataset(dataset: Dataset) -> dict[str, object]:
    """The attributes by keyword (unknown ones by eight hexadecimal digits), numbers as such, other values as text."""
    return {element.keyword or f"{element.tag:08X}": _plain(element) for element in dataset}


def _dataset(attributes: Plain) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        tag, vr = _tag_and_vr(keyword)
        dataset.add(DataElement(tag, vr, _element_value(vr, value), validation_mode=IGNORE))
    return dataset


def _tag_and_vr(keyword: str) -> tuple[int, str]:
    tag = tag_for_keyword(keyword)
    if tag is not None:
        return tag, dictionary_VR(tag).partition(" ")[0]
    try:
        number = int(keyword, 16) if len(keyword) == 8 else -1
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"{keyword} is no DICOM keyword")
    return BaseTag(number), "LO"


def _element_value(vr: str, value: object) -> object:
    if vr == "SQ":
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else []
        return [_dataset(item) for item in items if isinstance(item, Mapping)]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(value)
    return value


def _plain(element: DataElement) -> object:
    if element.VR == "SQ":
        return [from_dataset(item) for item in element.value]
    if isinstance(element.value, MultiValue):
        return [_single(v) for v in element.value]
    return _single(element.value)


def _single(value: object) -> object:
    if value is None:
        return ""
    # decimal and integer strings are numbers of a kind in pydicom; as text they stay what was sent
    return value if type(value) in (int, float, bytes) else str(value)


def _is_ascii(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, Mapping):
        return all(_is_ascii(v) for v in value.values())
    return all(_is_ascii(v) for v in value) if isinstance(value, Sequence) and not isinstance(value, bytes) else True
