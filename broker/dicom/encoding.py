"""Answers of the worklist as bytes: a document by keyword, the shape asked for, a transfer syntax, a character set.

Written for speed and for exactly this use: headers are made once per shape, values are plain Python.  Byte for byte
what pydicom writes.  Sources: PS3.5 sections 6.2 and 7, PS3.4 K.2.2.1.3 (return key types).
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from broker.dicom.charset import Charset
from broker.dicom.datasets import DEFLATED_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE
from broker.dicom.identifiers import ROOT_BY_TAG, SPECIFIC_CHARACTER_SET, SPS, TIMEZONE_OFFSET, Shape
from broker.domain.attributes import Attribute, Attributes, Level, Value, items_of, texts
from broker.domain.fitting import ItemUnfitError, fitting
from broker.domain.treatment import PLAIN, Treatment
from broker.domain.zones import TIMEZONE

_LONG_FORM = frozenset({"SQ", "UC", "UR", "UT"})
_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_ITEM = 0xFFFEE000

#: sent when times are in the device's zone; never a key
_ZONE = Attribute(TIMEZONE, TIMEZONE_OFFSET, "SH", Level.REQUEST, "3", required_key=False, multiple=False, items={})
_KNOWN: Mapping[int, Attribute] = {**ROOT_BY_TAG, _ZONE.tag: _ZONE}


class Syntax:
    """How elements are written in one transfer syntax.  :raises KeyError: it is not supported."""

    def __init__(self, uid: str) -> None:
        self.explicit = uid != IMPLICIT_LITTLE
        self.deflated = uid == DEFLATED_LITTLE
        order = ">" if uid == EXPLICIT_BIG else "<"
        self._tag = struct.Struct(f"{order}HH")
        self.pack_long = struct.Struct(f"{order}I").pack
        self.pack_short = struct.Struct(f"{order}H").pack
        self.item = self._tag.pack(_ITEM >> 16, _ITEM & 0xFFFF)

    def header(self, tag: int, vr: str) -> tuple[bytes, Callable[[int], bytes]]:
        """What comes before the length, and how the length is written."""
        start = self._tag.pack(tag >> 16, tag & 0xFFFF)
        if not self.explicit:
            return start, self.pack_long
        if vr in _LONG_FORM:
            return start + vr.encode("ascii") + b"\0\0", self.pack_long
        return start + vr.encode("ascii"), self.pack_short


@dataclass(slots=True)
class _Element:
    """One attribute to be returned."""

    attribute: Attribute
    header: bytes
    pack_length: Callable[[int], bytes]
    #: what its items hold; None when it is no sequence
    inner: "list[_Element] | None"
    #: sent with zero length when there is no value
    when_empty: bool


class Encoder:
    """Writes items in one shape and transfer syntax, in the first of ``choices`` that can say all of an item.

    Safe for many threads.
    """

    def __init__(
        self, shape: Shape, transfer_syntax_uid: str, choices: tuple[Charset, ...], treatment: Treatment = PLAIN
    ) -> None:
        self._choices = choices
        self._treatment = treatment
        self._syntax = Syntax(transfer_syntax_uid)
        if treatment.zone is not None:
            shape = tuple(sorted((*shape, (_ZONE.tag, ()))))
        self._elements = self._plan(shape, _KNOWN, nested=False)
        self._charset_header, self._charset_length = self._syntax.header(SPECIFIC_CHARACTER_SET, "CS")

    def encode(self, document: Attributes) -> bytes:
        """The item as bytes, changed as the device's treatment says.

        :raises ItemUnfitError: a value does not fit its VR, or none of the sets can say it.
        """
        document = self._treatment.apply(document)
        for charset in self._choices:
            try:
                body = self._item(self._elements, document, charset)
            except UnicodeEncodeError:
                continue
            except struct.error as error:  # more than 65,535 bytes in an element of a short VR
                raise ItemUnfitError("an element") from error
            if charset.term:
                term = _padded(charset.term.encode("ascii"), b" ")
                body = self._charset_header + self._charset_length(len(term)) + term + body
            return _deflated(body) if self._syntax.deflated else body
        raise ItemUnfitError("SpecificCharacterSet")

    def _plan(self, shape: Shape, known: Mapping[int, Attribute], *, nested: bool) -> list[_Element]:
        plan = []
        for tag, inner_shape in shape:
            attribute = known[tag]
            if attribute.keyword in self._treatment.strip:
                continue
            inner = None
            if attribute.is_sequence:
                by_tag = {a.tag: a for a in attribute.items.values()}
                inner = self._plan(inner_shape, by_tag, nested=attribute is not SPS)
            header, pack_length = self._syntax.header(tag, attribute.vr)
            plan.append(_Element(attribute, header, pack_length, inner, _sent_empty(attribute, nested=nested)))
        return plan

    def _item(self, plan: list[_Element], attributes: Attributes, charset: Charset) -> bytes:
        parts: list[bytes] = []
        for element in plan:
            value = attributes.get(element.attribute.keyword)
            if element.inner is not None:
                encoded = self._sequence(element.inner, value, charset)
            else:
                encoded = self._value(element.attribute, value, charset)
            if encoded or element.when_empty:
                parts += (element.header, element.pack_length(len(encoded)), encoded)
        return b"".join(parts)

    def _sequence(self, plan: list[_Element], value: Value | None, charset: Charset) -> bytes:
        """Items without content are left out (an empty reference says nothing)."""
        parts: list[bytes] = []
        for item in items_of(value):
            content = self._item(plan, item, charset)
            if content:
                parts += (self._syntax.item, self._syntax.pack_long(len(content)), content)
        return b"".join(parts)

    def _value(self, attribute: Attribute, value: Value | None, charset: Charset) -> bytes:
        if value is None or value == "":
            return b""
        vr = attribute.vr
        if vr == "US":
            return b"".join(self._number(attribute, text) for text in texts(value))
        single = (fitting(attribute, text, self._treatment.too_long) for text in texts(value))
        text = "\\".join(single)
        if vr == "PN":
            return _padded(charset.encode(text, name=True), b" ")
        if vr in _TEXT:
            return _padded(charset.encode(text), b" ")
        if not text.isascii():
            raise ItemUnfitError(attribute.keyword)
        return _padded(text.encode("ascii"), b"\0" if vr == "UI" else b" ")

    def _number(self, attribute: Attribute, text: str) -> bytes:
        try:
            return self._syntax.pack_short(int(text))
        except (ValueError, struct.error) as error:
            raise ItemUnfitError(attribute.keyword) from error


@lru_cache(maxsize=512)
def encoder(
    shape: Shape, transfer_syntax_uid: str, choices: tuple[Charset, ...], treatment: Treatment = PLAIN
) -> Encoder:
    """The encoder of these; the same object for the same arguments as long as it is in use."""
    return Encoder(shape, transfer_syntax_uid, choices, treatment)


def _sent_empty(attribute: Attribute, *, nested: bool) -> bool:
    """Asked for and without a value: of an item's own attributes all but the either-or pairs (1C) come back empty;
    inside other sequences only those of type 2."""
    if nested:
        return attribute.return_type.startswith("2")
    return attribute.return_type != "1C"


def _padded(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


def _deflated(body: bytes) -> bytes:
    """Raw deflate, padded to even length (PS3.5 section A.5)."""
    deflater = zlib.compressobj(wbits=-15)
    return _padded(deflater.compress(body) + deflater.flush(), b"\0")
