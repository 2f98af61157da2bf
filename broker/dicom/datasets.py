"""Whole data sets: encoded bytes to the DICOM JSON Model and back, in each transfer syntax of the broker.

Unlike pydicom's reader it refuses data that is cut short, never logs, and never puts a value into an error.  Unknown
and private elements are kept.  Text becomes Unicode on the way in and is UTF-8 on the way out.
Sources: PS3.5 sections 6.2, 7.1, 7.5, PS3.18 Annex F.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from broker.dicom.element_values import TooManyValuesError, ValueLengthError, decode_value, encode_value
from broker.dicom.texts import TextDecoder
from broker.domain.dicom_json import Dataset, Element, items, key_of

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
TRANSFER_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG)

_CHARACTER_SET = 0x00080005
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG_FORM = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT_FORM = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI",
     "UL", "US"}
)  # fmt: skip
#: groups of commands, of files and of delimiters
_FOREIGN = frozenset({0x0000, 0x0002, 0xFFFE})
#: every value representation (PS3.5 section 6.2)
VALUE_REPRESENTATIONS = _LONG_FORM | _SHORT_FORM
#: levels of sequences within sequences that are read
DEEPEST = 32
#: elements and items of one data set that are read: an exam of 50,000 images has half as many
MOST_PARTS = 300_000
_INFLATED_LIMIT = 64 * 1024 * 1024


class DatasetError(ValueError):
    """Bytes that are no data set.  The text names the place by tag, never a value."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A data set, and whether some text had to be repaired because its character set does not explain it."""

    dataset: Dataset
    faulty_text: bool = False


def decode(data: bytes, transfer_syntax_uid: str, most_bytes: int = _INFLATED_LIMIT) -> Decoded:
    """Read a whole data set of at most ``most_bytes``, inflated.  Raises DatasetError."""
    if transfer_syntax_uid == DEFLATED_LITTLE:
        data = _inflate(data, most_bytes)
    if len(data) > most_bytes:
        raise DatasetError(f"the data set is longer than {most_bytes} bytes")
    reader = _Reader(data, little=transfer_syntax_uid != EXPLICIT_BIG)
    dataset, _ = reader.dataset(0, len(data), TextDecoder(), explicit=_is_explicit(transfer_syntax_uid), depth=0)
    return Decoded(dataset, reader.faulty_text)


def encode(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """Write a whole data set; Specific Character Set says UTF-8 when any text needs it.  Raises DatasetError."""
    explicit, little = _is_explicit(transfer_syntax_uid), transfer_syntax_uid != EXPLICIT_BIG
    plain = {key: element for key, element in dataset.items() if key != key_of(_CHARACTER_SET)}
    body = _write(plain, explicit=explicit, little=little)
    if not body.isascii() and _needs_unicode(plain):
        declared = {key_of(_CHARACTER_SET): {"vr": "CS", "Value": ["ISO_IR 192"]}}
        body = _write({**plain, **declared}, explicit=explicit, little=little)
    if transfer_syntax_uid != DEFLATED_LITTLE:
        return body
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


def _is_explicit(transfer_syntax_uid: str) -> bool:
    if transfer_syntax_uid not in TRANSFER_SYNTAXES:
        raise DatasetError("the transfer syntax is not supported")
    return transfer_syntax_uid != IMPLICIT_LITTLE


def _inflate(data: bytes, most_bytes: int) -> bytes:
    """Raw deflate (PS3.5 section A.5), bounded so that a few bytes cannot fill the memory."""
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(data, most_bytes)
    except zlib.error as error:
        raise DatasetError("the deflated data set cannot be inflated") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise DatasetError("the deflated data set is cut short or too large")
    return plain


@lru_cache(4096)
def _dictionary_vr(tag: int) -> str:
    """The VR of the dictionary; UN for private and unknown tags; one choice where it allows several."""
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return {"US or SS": "US", "OB or OW": "OW", "US or OW": "US", "US or SS or OW": "US"}.get(vr, vr)


class _Header(NamedTuple):
    tag: int
    vr: str
    length: int
    #: where the value begins
    at: int


class _Reader:
    """Reads one buffer.  Every read is bounded by the end of what encloses it."""

    def __init__(self, data: bytes, *, little: bool) -> None:
        self._data = data
        self._little = little
        order = "<" if little else ">"
        self._implicit = struct.Struct(f"{order}HHI")
        self._long = struct.Struct(f"{order}I")
        self._short = struct.Struct(f"{order}H")
        self._parts = 0
        self.faulty_text = False

    def dataset(
        self, at: int, end: int, decoder: TextDecoder, *, explicit: bool, depth: int, closed: bool = True
    ) -> tuple[dict[str, Element], int]:
        """The elements from ``at`` to ``end``, or to an item delimiter when not ``closed``; and where they end."""
        if depth > DEEPEST:
            raise DatasetError("sequences are nested too deeply")
        found: dict[str, Element] = {}
        while at < end:
            self._count()
            header = self._header(at, end, explicit=explicit)
            if header.tag == _ITEM_END and not closed:
                return found, header.at
            element, at = self._element(header, end, decoder, explicit=explicit, depth=depth)
            if header.tag == _CHARACTER_SET:
                declared = element.get("Value", [])
                decoder = TextDecoder([str(t or "") for t in declared] if isinstance(declared, list) else [])
            if header.tag & 0xFFFF:  # group lengths (gggg,0000) are retired and say nothing
                found[key_of(header.tag)] = element
            self.faulty_text |= decoder.faulty
        if not closed:
            raise DatasetError("an item has no end")
        return found, at

    def _count(self) -> None:
        """Each part costs memory many times its eight bytes."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise DatasetError(f"more than {MOST_PARTS} elements and items")

    def _header(self, at: int, end: int, *, explicit: bool) -> _Header:
        if at + 8 > end:
            raise DatasetError("the data set ends within an element")
        group, number, length = self._implicit.unpack_from(self._data, at)
        tag = group << 16 | number
        if not explicit or group == 0xFFFE:
            return _Header(tag, "" if group == 0xFFFE else _dictionary_vr(tag), length, at + 8)
        vr = self._data[at + 4 : at + 6].decode("latin-1")
        if vr in _SHORT_FORM:
            (length,) = self._short.unpack_from(self._data, at + 6)
            return _Header(tag, vr, length, at + 8)
        if vr not in _LONG_FORM or at + 12 > end:
            raise DatasetError(f"the element {_name(tag)} has no valid value representation")
        (length,) = self._long.unpack_from(self._data, at + 8)
        return _Header(tag, vr, length, at + 12)

    def _element(
        self, header: _Header, end: int, decoder: TextDecoder, *, explicit: bool, depth: int
    ) -> tuple[Element, int]:
        if header.tag >> 16 in _FOREIGN:
            raise DatasetError(f"the element {_name(header.tag)} does not belong into a data set")
        if header.vr == "SQ" or (header.vr == "UN" and header.length == _UNDEFINED):
            # UN of undefined length holds a sequence in implicit VR (PS3.5 section 6.2.2, note)
            return self._sequence(header, end, decoder, explicit=explicit and header.vr == "SQ", depth=depth)
        stop = header.at + header.length
        if stop > end:
            raise DatasetError(f"the element {_name(header.tag)} is longer than what holds it")
        try:
            value = decode_value(header.vr, self._data[header.at : stop], decoder, little=self._little)
        except ValueLengthError as error:
            raise DatasetError(f"the element {_name(header.tag)} has a length that its numbers do not fill") from error
        except TooManyValuesError as error:
            raise DatasetError(f"the element {_name(header.tag)} has too many values") from error
        return value, stop

    def _sequence(
        self, header: _Header, end: int, decoder: TextDecoder, *, explicit: bool, depth: int
    ) -> tuple[Element, int]:
        open_end = header.length == _UNDEFINED
        stop = end if open_end else header.at + header.length
        if stop > end:
            raise DatasetError(f"the sequence {_name(header.tag)} is longer than what holds it")
        at = header.at
        found: list[dict[str, Element]] = []
        while at < stop:
            self._count()
            item = self._header(at, stop, explicit=explicit)
            if item.tag == _SEQUENCE_END and open_end:
                return _sequence(found), item.at
            if item.tag != _ITEM:
                raise DatasetError(f"the sequence {_name(header.tag)} holds something that is no item")
            content, at = self._item(item, stop, decoder, explicit=explicit, depth=depth)
            found.append(content)
        if open_end:
            raise DatasetError(f"the sequence {_name(header.tag)} has no end")
        return _sequence(found), at

    def _item(
        self, item: _Header, end: int, decoder: TextDecoder, *, explicit: bool, depth: int
    ) -> tuple[dict[str, Element], int]:
        if item.length == _UNDEFINED:
            return self.dataset(item.at, end, decoder, explicit=explicit, depth=depth + 1, closed=False)
        stop = item.at + item.length
        if stop > end:
            raise DatasetError("an item is longer than its sequence")
        return self.dataset(item.at, stop, decoder, explicit=explicit, depth=depth + 1)


def _sequence(found: list[dict[str, Element]]) -> Element:
    return {"vr": "SQ", "Value": found} if found else {"vr": "SQ"}


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _write(dataset: Dataset, *, explicit: bool, little: bool) -> bytes:
    parts = []
    for key in sorted(dataset):
        tag, element = int(key, 16), dataset[key]
        vr = str(element["vr"])
        try:
            value = _write_value(dataset, tag, vr, explicit=explicit, little=little)
        except ValueError as error:
            raise DatasetError(f"the element {_name(tag)} cannot be encoded") from error
        parts += [_write_header(tag, vr, len(value), explicit=explicit, little=little), value]
    return b"".join(parts)


def _write_value(dataset: Dataset, tag: int, vr: str, *, explicit: bool, little: bool) -> bytes:
    if vr != "SQ" and not _holds_items(dataset[key_of(tag)]):
        return encode_value(dataset[key_of(tag)], little=little)
    parts = []
    for item in items(dataset, tag):
        # what arrived as a sequence of unknown VR stays implicit inside (PS3.5 section 6.2.2)
        content = _write(item, explicit=explicit and vr == "SQ", little=little)
        parts += [_write_header(_ITEM, "", len(content), explicit=False, little=little), content]
    return b"".join(parts)


def _holds_items(element: Element) -> bool:
    values = element.get("Value")
    return element["vr"] == "UN" and isinstance(values, list) and all(isinstance(v, Mapping) for v in values)


def _write_header(tag: int, vr: str, length: int, *, explicit: bool, little: bool) -> bytes:
    order = "<" if little else ">"
    start = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return start + struct.pack(f"{order}I", length)
    if vr in _LONG_FORM:
        return start + vr.encode("ascii") + b"\0\0" + struct.pack(f"{order}I", length)
    if length > 0xFFFF:
        raise DatasetError(f"the element {_name(tag)} is too long for {vr}")
    return start + vr.encode("ascii") + struct.pack(f"{order}H", length)


def _needs_unicode(dataset: Dataset) -> bool:
    """True when some text, at any depth, is beyond ASCII."""
    return any(_beyond_ascii(element.get("Value")) for element in dataset.values())


def _beyond_ascii(value: object) -> bool:
    if isinstance(value, str):
        return not value.isascii()
    if isinstance(value, Mapping):
        return any(_beyond_ascii(v) for v in value.values())
    return isinstance(value, list | tuple) and any(_beyond_ascii(v) for v in value)
