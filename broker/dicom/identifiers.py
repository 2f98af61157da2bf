"""C-FIND request identifiers: bytes to keys by keyword, and what is to come back.

Owns the sorting of a request's elements into supported, unsupported and ignored.  Which items match is not its matter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from broker.dicom import datasets
from broker.dicom.statuses import FindStatus
from broker.domain.attributes import (
    ROOT_LEVEL,
    SPS_SEQUENCE,
    SPS_SEQUENCE_TAG,
    STEP_LEVEL,
    Attribute,
    Attributes,
    Level,
    Value,
)
from broker.domain.dicom_json import Dataset, Element, items, key_of, texts, texts_of

#: what to return: tags in ascending order, each with what to return of the items of a sequence (empty: it is none)
Shape = tuple[tuple[int, "Shape"], ...]

SPECIFIC_CHARACTER_SET = 0x00080005
TIMEZONE_OFFSET = 0x00080201
#: never keys of the worklist, and no reason to warn: character set, zone of the times, the level of Query/Retrieve
_IGNORED = frozenset({SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, 0x00080052})
#: bytes of an identifier that is read; real ones have hundreds, and it is decoded while other devices wait
MOST_BYTES = 64 * 1024
_PARAGRAPHS = frozenset({"LT", "ST", "UT", "UR"})
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_CACHED_SIZE = 4096


class IdentifierError(Exception):
    """An identifier that cannot be answered.  ``tag`` is the offending element, if one is; no values in the text."""

    def __init__(self, status: FindStatus, text: str, tag: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.tag = tag


@dataclass(frozen=True, slots=True)
class Identifier:
    """A request identifier, understood."""

    #: supported attributes that were sent, sequences as lists of at most one item
    keys: Attributes
    shape: Shape
    #: keys that are not supported where they stand
    unsupported: tuple[int, ...] = ()
    #: Specific Character Set of the request, values separated by backslash; empty when it has none
    charset: str = ""
    #: Timezone Offset From UTC of the request; empty when it has none
    timezone: str = ""


def read(data: bytes, transfer_syntax_uid: str) -> Identifier:
    """Understand an identifier.  The same bytes are understood once: devices ask the same question all day.

    :raises IdentifierError: it cannot be read, or is not one of the Modality Worklist.
    """
    if len(data) > _CACHED_SIZE:
        return _read(data, transfer_syntax_uid)
    return _read_cached(data, transfer_syntax_uid)


@lru_cache(maxsize=512)
def _read_cached(data: bytes, transfer_syntax_uid: str) -> Identifier:
    return _read(data, transfer_syntax_uid)


def _read(data: bytes, transfer_syntax_uid: str) -> Identifier:
    try:
        decoded = datasets.decode(data, transfer_syntax_uid, MOST_BYTES)
    except datasets.DatasetError as error:
        raise IdentifierError(FindStatus.IDENTIFIER_UNREADABLE, str(error)) from error
    return of_dataset(decoded.dataset, faulty_text=decoded.faulty_text)


def of_dataset(dataset: Dataset, *, faulty_text: bool = False) -> Identifier:
    """Understand an identifier that is decoded already.  Raises IdentifierError when it is not one of the worklist."""
    sorter = _Sorter(faulty_text=faulty_text)
    keys, shape = sorter.level(dataset, ROOT_BY_TAG)
    if not shape:
        raise IdentifierError(FindStatus.IDENTIFIER_DOES_NOT_MATCH, "no key of the Modality Worklist in the identifier")
    charset = "\\".join(_charset_values(dataset))
    timezone = next(iter(texts(dataset, TIMEZONE_OFFSET)), "")
    return Identifier(keys, shape, tuple(sorter.unsupported), charset, timezone)


def _charset_values(dataset: Dataset) -> list[str]:
    values = dataset.get(key_of(SPECIFIC_CHARACTER_SET), {}).get("Value")
    return [str(value or "") for value in values] if isinstance(values, list) else []


#: the sequence that wraps the step, as the table would have it
SPS = Attribute(
    SPS_SEQUENCE, SPS_SEQUENCE_TAG, "SQ", Level.STEP, "1", required_key=True, multiple=False, items=STEP_LEVEL
)
ROOT_BY_TAG: Mapping[int, Attribute] = {a.tag: a for a in (*ROOT_LEVEL.values(), SPS)}


@dataclass(slots=True)
class _Sorter:
    """Sorts the elements of one identifier, level by level."""

    #: some text is not in the declared character set: only its ASCII part is used
    faulty_text: bool
    unsupported: list[int] = field(default_factory=list)

    def level(self, dataset: Dataset, known: Mapping[int, Attribute]) -> tuple[dict[str, Value], Shape]:
        """The keys and the shape of one level."""
        keys: dict[str, Value] = {}
        shape: list[tuple[int, Shape]] = []
        for key in sorted(dataset):
            tag = int(key, 16)
            attribute = known.get(tag)
            if attribute is None:
                self._unknown(tag)
                continue
            _check_kind(dataset[key], attribute)
            if attribute.is_sequence:
                keys[attribute.keyword], inner = self._sequence(dataset, attribute)
                shape.append((tag, inner))
            else:
                keys[attribute.keyword] = [self._text(text) for text in _values(dataset[key], attribute.vr)]
                shape.append((tag, ()))
        return keys, tuple(shape)

    def _unknown(self, tag: int) -> None:
        """Private elements are no keys of the standard; of those that are, the device is told."""
        private = (tag >> 16) % 2 == 1
        if tag not in _IGNORED and not private:
            self.unsupported.append(tag)

    def _sequence(self, dataset: Dataset, attribute: Attribute) -> tuple[list[Attributes], Shape]:
        """An empty sequence, an empty item and an item without a supported key ask for everything."""
        found = items(dataset, attribute.tag)
        if len(found) > 1:
            text = "a sequence key has at most one item"
            raise IdentifierError(FindStatus.IDENTIFIER_DOES_NOT_MATCH, text, attribute.tag)
        known = {a.tag: a for a in attribute.items.values()}
        keys, shape = self.level(found[0], known) if found else ({}, ())
        return ([keys] if keys else []), shape or whole(attribute.items)

    def _text(self, text: str) -> str:
        if not self.faulty_text or text.isascii():
            return text
        # nobody knows how many characters these bytes are
        return _BEYOND_ASCII.sub("*", text.replace("\N{REPLACEMENT CHARACTER}", "*"))


def _check_kind(element: Element, attribute: Attribute) -> None:
    """Items where values are expected, or the other way round (explicit VR says which it is), are no key."""
    if not element.get("Value") or element["vr"] == "UN":
        return
    if (element["vr"] == "SQ") is not attribute.is_sequence:
        text = "a sequence is expected" if attribute.is_sequence else "a value is expected, no sequence"
        raise IdentifierError(FindStatus.IDENTIFIER_DOES_NOT_MATCH, text, attribute.tag)


def _values(element: Element, vr: str) -> tuple[str, ...]:
    """The values of a key; blanks that begin a paragraph are part of it (PS3.5 section 6.2)."""
    if vr not in _PARAGRAPHS:
        return texts_of(element)
    found = element.get("Value")
    return tuple(text for v in found if (text := str(v or "").rstrip(" \0"))) if isinstance(found, list) else ()


def whole(attributes: Mapping[str, Attribute]) -> Shape:
    """Everything a level can hold."""
    ordered = sorted(attributes.values(), key=lambda a: a.tag)
    return tuple((a.tag, whole(a.items) if a.is_sequence else ()) for a in ordered)


def tag_of(keyword: str) -> int | None:
    """The tag of a key by its keyword, wherever it stands."""
    if keyword == SPS_SEQUENCE:
        return SPS_SEQUENCE_TAG
    found = ROOT_LEVEL.get(keyword) or STEP_LEVEL.get(keyword)
    return found.tag if found else None
