"""The DICOM JSON Model (PS3.18 Annex F): documents to data sets and back.

Stricter than pydicom's reader: what is read must say what it means (no missing VR, no key twice, no unknown key), and
decimal strings keep their spelling.
"""

import json
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from broker.dicom import documents
from broker.dicom.datasets import DEEPEST
from broker.dicom.documents import Budget, within
from broker.domain.dicom_json import Dataset, Element
from broker.services.dicomweb import DocumentRefused

_GROUPS = frozenset({"Alphabetic", "Ideographic", "Phonetic"})
_HOLDERS = ("Value", "InlineBinary", "BulkDataURI")


class _Literal(str):
    """A JSON number, spelled as it was."""

    __slots__ = ()


def read(document: bytes) -> Dataset:
    """The data set of a document: one object, or an array with one.  Raises DocumentRefused."""
    return _Reader().read(document)


def write(dataset: Dataset) -> bytes:
    """The document of a data set: one object.  DS and IS are texts, as the device spelled them."""
    return msgspec.json.encode({key: dataset[key] for key in sorted(dataset)})


class _Reader:
    """Reads one document."""

    def __init__(self) -> None:
        self._budget = Budget()

    def read(self, document: bytes) -> Dataset:
        try:
            found = json.loads(
                document.decode("utf-8"), object_pairs_hook=self._object, parse_float=_Literal, parse_int=_Literal,
                parse_constant=_constant,
            )  # fmt: skip
        except UnicodeDecodeError:
            raise DocumentRefused("the document is not UTF-8") from None
        except json.JSONDecodeError as error:
            raise DocumentRefused(f"the document is no JSON: line {error.lineno}, column {error.colno}") from None
        except RecursionError:
            raise DocumentRefused("the document is nested too deeply") from None
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if not isinstance(found, dict):
            raise DocumentRefused("one JSON object is expected: the data set, its tags as keys")
        return self._dataset(found, "", 0)

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        self._budget.spend()
        found = dict(pairs)
        if len(found) != len(pairs):
            raise DocumentRefused("a key stands twice in one object")
        return found

    def _dataset(self, found: Mapping[str, object], path: str, depth: int) -> dict[str, Element]:
        if depth > DEEPEST:
            raise DocumentRefused("sequences are nested too deeply")
        read_so_far: dict[str, Element] = {}
        for name, content in found.items():
            tag = documents.checked_tag(name, path)
            place = within(path, tag)
            if tag in read_so_far:
                raise DocumentRefused("the element stands there twice", place)
            if not isinstance(content, dict):
                raise DocumentRefused("an object with vr and Value is expected", place)
            read_so_far[tag] = self._element(content, place, depth)
        return read_so_far

    def _element(self, content: dict[str, object], path: str, depth: int) -> Element:
        vr = documents.checked_vr(content.get("vr"), path)
        held = [name for name in _HOLDERS if name in content]
        if len(content) != len(held) + 1 or len(held) > 1:
            raise DocumentRefused("besides vr there is one of Value and InlineBinary, and nothing else", path)
        if not held:
            return {"vr": vr}
        if held[0] == "BulkDataURI":
            raise DocumentRefused("bulk data is not fetched; send the value as InlineBinary", path)
        if held[0] == "InlineBinary":
            return documents.binary(vr, content["InlineBinary"], path)
        values = content["Value"]
        if not isinstance(values, list):
            raise DocumentRefused("Value is a list", path)
        if vr == "SQ":
            return self._sequence(values, path, depth)
        self._budget.spend(len(values))
        return documents.element(vr, [_value(vr, value, path) for value in values], path)

    def _sequence(self, values: list[object], path: str, depth: int) -> Element:
        items = []
        for number, item in enumerate(values, start=1):
            if not isinstance(item, dict):
                raise DocumentRefused("the items of a sequence are objects", path)
            items.append(self._dataset(item, f"{path}[{number}]", depth + 1))
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _constant(_text: str) -> NoReturn:
    raise DocumentRefused("NaN and Infinity are no JSON; as values of FL and FD they are texts")


def _value(vr: str, value: object, path: str) -> object:
    """One value as ``documents`` wants it: numbers only where the VR is of numbers, DS and IS in their spelling."""
    if value is None:
        return None
    if vr == "PN":
        if not isinstance(value, dict) or not _GROUPS.issuperset(value):
            raise DocumentRefused("a name is an object with Alphabetic, Ideographic and Phonetic", path)
        if any(isinstance(text, _Literal) for text in value.values()):
            raise DocumentRefused("PN values are texts", path)
        return value
    if isinstance(value, _Literal):
        if vr in documents.TEXTS and vr not in ("DS", "IS"):
            raise DocumentRefused(f"{vr} values are texts", path)
        return str(value)
    if not isinstance(value, str):
        raise DocumentRefused(f"{vr} values are {'texts' if vr in documents.TEXTS else 'numbers'}", path)
    return value
