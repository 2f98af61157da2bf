"""Documents in the Native DICOM Model (PS3.19 section A.1) as data sets.

Reads with Python's expat as the document streams by: no entities, no external parts, bounded depth.  Private elements
may have full tags beside their creators, or tags within a block and the creator as an attribute (both are in use).
"""

import xml.parsers.expat  # document type declarations are refused, and with them every entity
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from pydicom.datadict import keyword_for_tag

from broker.dicom import documents
from broker.dicom.datasets import DEEPEST
from broker.dicom.documents import Budget, within
from broker.dicom.xml_writer import COMPONENTS, GROUPS, NAMESPACE
from broker.domain.dicom_json import Element
from broker.services.dicomweb import DocumentRefused

#: values that may be left out between two, so that a few numbers cannot fill the memory
_WIDEST_GAP = 64
#: which element may stand in which
_INSIDE: Mapping[str, frozenset[str]] = {
    "": frozenset({"NativeDicomModel"}),
    "NativeDicomModel": frozenset({"DicomAttribute"}),
    "Item": frozenset({"DicomAttribute"}),
    "DicomAttribute": frozenset({"Value", "PersonName", "Item", "InlineBinary", "BulkData"}),
    "PersonName": frozenset(GROUPS),
    **dict.fromkeys(GROUPS, frozenset(COMPONENTS)),
}
_TEXTUAL = frozenset({"Value", "InlineBinary", *COMPONENTS})


@dataclass(slots=True)
class _Level:
    """A data set in the making."""

    path: str
    #: of the item, counted from 1; 0 for the whole data set
    number: int = 0
    elements: dict[str, Element] = field(default_factory=dict)
    #: elements with a creator and a tag within its block: (creator, group, number in the block, element)
    private: list[tuple[str, str, str, Element]] = field(default_factory=list)


@dataclass(slots=True)
class _Attribute:
    """An element in the making."""

    tag: str
    vr: str
    creator: str
    path: str
    values: dict[int, object] = field(default_factory=dict)
    binary: str | None = None
    #: the kinds of children seen
    kinds: set[str] = field(default_factory=set)


def read(document: bytes) -> dict[str, Element]:
    """The data set of a document.  Raises DocumentRefused."""
    return _Reader().read(document)


class _Reader:
    def __init__(self) -> None:
        self._budget = Budget()
        self._open: list[str] = []
        self._levels: list[_Level] = [_Level("")]
        self._attributes: list[_Attribute] = []
        self._number = 0
        self._text: list[str] = []
        self._name: dict[str, dict[str, str]] = {}

    def read(self, document: bytes) -> dict[str, Element]:
        parser = xml.parsers.expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.XmlDeclHandler = _declared
        parser.StartDoctypeDeclHandler = _doctype
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(document, True)
        except xml.parsers.expat.ExpatError as error:
            text = f"the document is no XML in UTF-8: line {error.lineno}, column {error.offset + 1}"
            raise DocumentRefused(text) from None
        return _finished(self._levels[0])

    @property
    def _path(self) -> str:
        return self._attributes[-1].path if len(self._attributes) == len(self._levels) else self._levels[-1].path

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = _local(name, self._path)
        if kind not in _INSIDE.get(self._open[-1] if self._open else "", ()):
            raise DocumentRefused("an element stands where the Native DICOM Model has none such", self._path)
        self._budget.spend()
        self._open.append(kind)
        self._text = []
        if kind == "DicomAttribute":
            self._attributes.append(_attribute(attributes, self._levels[-1].path))
        elif kind in ("Value", "PersonName", "Item"):
            self._numbered(kind, attributes)
        elif kind == "InlineBinary":
            self._child(kind)
        elif kind == "BulkData":
            raise DocumentRefused("bulk data is not fetched; send the value as InlineBinary", self._path)
        elif kind in GROUPS:
            if kind in self._name:
                raise DocumentRefused("a group of the name stands there twice", self._path)
            self._name[kind] = {}

    def _numbered(self, kind: str, attributes: dict[str, str]) -> None:
        attribute = self._child(kind)
        text = attributes.get("number", str(len(attribute.values) + 1))
        self._number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        if not 0 < self._number <= len(attribute.values) + _WIDEST_GAP:
            raise DocumentRefused("numbers of values count from 1, without wide gaps", attribute.path)
        if self._number in attribute.values:
            raise DocumentRefused("two values have one number", attribute.path)
        attribute.values[self._number] = None
        self._name = {}
        if kind == "Item":
            if len(self._levels) > DEEPEST:
                raise DocumentRefused("sequences are nested too deeply")
            self._levels.append(_Level(f"{attribute.path}[{self._number}]", self._number))

    def _child(self, kind: str) -> _Attribute:
        """The element that a child belongs to; its children are all of one kind, which its VR allows."""
        attribute = self._attributes[-1]
        attribute.kinds.add(kind)
        wanted = {"SQ": "Item", "PN": "PersonName"}.get(attribute.vr)
        binary = attribute.vr in documents.BINARY
        if kind != (wanted or ("InlineBinary" if binary else "Value")) or len(attribute.kinds) > 1:
            raise DocumentRefused(f"{attribute.vr} is not written with {kind}", attribute.path)
        if kind == "InlineBinary" and attribute.binary is not None:
            raise DocumentRefused("InlineBinary stands there twice", attribute.path)
        return attribute

    def _characters(self, text: str) -> None:
        if self._open and self._open[-1] in _TEXTUAL:
            self._text.append(text)
        elif text.strip():
            raise DocumentRefused("text stands where the Native DICOM Model has none", self._path)

    def _end(self, _name: str) -> None:
        kind = self._open.pop()
        if kind == "DicomAttribute":
            self._close_attribute()
        elif kind == "Item":
            level = self._levels.pop()
            self._attributes[-1].values[level.number] = _finished(level)
        elif kind == "Value":
            self._attributes[-1].values[self._number] = "".join(self._text)
        elif kind == "InlineBinary":
            self._attributes[-1].binary = "".join("".join(self._text).split())
        elif kind == "PersonName":
            self._attributes[-1].values[self._number] = {g: _joined(c) for g, c in self._name.items()}
        elif kind in COMPONENTS:
            self._component(kind)

    def _component(self, kind: str) -> None:
        components = self._name[self._open[-1]]
        text = "".join(self._text)
        if kind in components or "=" in text or ("^" in text and kind != COMPONENTS[-1]):
            raise DocumentRefused("a component of the name stands there twice, or holds ^ or =", self._path)
        components[kind] = text

    def _close_attribute(self) -> None:
        attribute, level = self._attributes.pop(), self._levels[-1]
        element = _element(attribute)
        block = int(attribute.tag[4:], 16)
        if attribute.creator and block < 0x0100:
            level.private.append((attribute.creator, attribute.tag[:4], attribute.tag[6:], element))
        elif attribute.tag in level.elements:
            raise DocumentRefused("the element stands there twice", attribute.path)
        else:
            level.elements[attribute.tag] = element


def _local(name: str, path: str) -> str:
    """The name without the namespace of the model, which some writers leave out."""
    space, _, local = name.rpartition(" ")
    if space not in ("", NAMESPACE):
        raise DocumentRefused("an element is not of the Native DICOM Model", path)
    return local


def _attribute(attributes: dict[str, str], path: str) -> _Attribute:
    tag = documents.checked_tag(attributes.get("tag"), path)
    place = within(path, tag)
    keyword, known = attributes.get("keyword", ""), _keyword(tag)
    if keyword and known and keyword != known:
        raise DocumentRefused(f"the tag is that of {known}, the keyword says otherwise", place)
    creator = attributes.get("privateCreator", "").strip()
    if creator and int(tag[:4], 16) % 2 == 0:
        raise DocumentRefused("only elements of odd groups are private", place)
    return _Attribute(tag, documents.checked_vr(attributes.get("vr"), place), creator, place)


def _element(attribute: _Attribute) -> Element:
    if attribute.binary is not None:
        return documents.binary(attribute.vr, attribute.binary, attribute.path)
    count = max(attribute.values, default=0)
    values = [attribute.values.get(number) for number in range(1, count + 1)]
    if attribute.vr == "SQ":
        if count != len(attribute.values):
            raise DocumentRefused("an item is missing between two", attribute.path)
        return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}
    if attribute.vr not in documents.TEXTS:
        values = [value.strip() if isinstance(value, str) else value for value in values]
    return documents.element(attribute.vr, values, attribute.path)


def _joined(components: Mapping[str, str]) -> str:
    return "^".join(components.get(name, "") for name in COMPONENTS).rstrip("^")


def _finished(level: _Level) -> dict[str, Element]:
    """The data set with its private elements in the blocks of their creators (PS3.5 section 7.8.1)."""
    for creator, group, number, element in level.private:
        block = _block(level.elements, creator, group, level.path)
        tag = f"{group}{block:02X}{number}"
        if tag in level.elements:
            raise DocumentRefused("the element stands there twice", within(level.path, tag))
        level.elements[tag] = element
    return level.elements


def _block(elements: dict[str, Element], creator: str, group: str, path: str) -> int:
    """The block that the creator has reserved, or the first free one, reserved now."""
    reserved = {block: elements.get(f"{group}00{block:02X}") for block in range(0x10, 0x100)}
    for block, element in reserved.items():
        values = element.get("Value") if element else None
        if isinstance(values, list) and values and str(values[0]).strip() == creator:
            return block
    free = next((block for block, element in reserved.items() if element is None), None)
    if free is None:
        raise DocumentRefused("no block is free for a private creator", path)
    elements[f"{group}00{free:02X}"] = {"vr": "LO", "Value": [creator]}
    return free


@lru_cache(4096)
def _keyword(tag: str) -> str:
    return keyword_for_tag(int(tag, 16))


def _declared(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
        raise DocumentRefused("the document is not in UTF-8")


def _doctype(*_declaration: object) -> NoReturn:
    raise DocumentRefused("the document has a document type declaration, which is not read (entities)")
