"""Parameters of a search become a C-FIND identifier: attributes by tag, keyword or path (PS3.18 8.3.4.1 and 8.3.4.3).

Owns that translation and what is returned unless more is asked for.  What the keys mean is the worklist's matter.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from broker.dicom import identifiers
from broker.dicom.identifiers import ROOT_BY_TAG, Identifier, IdentifierError
from broker.domain.attributes import SPS_SEQUENCE_TAG, Attribute
from broker.domain.dicom_json import key_of
from broker.services.dicomweb import ParameterRefused, Search

_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
_SHOWABLE = re.compile(r"[A-Za-z0-9_.]{1,200}\Z")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_ALL = "all"
_LONGEST_PATH = 8
#: one value each: a backslash is a character
_PARAGRAPHS = frozenset({"LT", "ST", "UT", "UR"})

#: a data set in the making: elements by tag, items as data sets of their own
_Level = dict[str, dict[str, Any]]


def identifier_of(search: Search) -> Identifier:
    """The identifier that a device would send for this search.  Raises ParameterRefused.

    Whatever is asked, the attributes of return types 1 and 2 come back; ``unsupported`` also names private elements.
    """
    root: _Level = {}
    _want_usual(root)
    for name in _included(search.include):
        if name == _ALL:
            _want(root, ROOT_BY_TAG.values())
        else:
            _include(root, _path("includefield", name))
    matched: set[tuple[int, ...]] = set()
    for name, value in search.match:
        path = _path(name, name)
        if path in matched:
            raise ParameterRefused(shown(name), "it is given twice; a list of values is separated by backslashes")
        matched.add(path)
        _match(root, name, path, value)
    try:
        found = identifiers.of_dataset(root)
    except IdentifierError as error:  # a sequence key with several items cannot be made here
        raise ParameterRefused("", error.text) from error
    private = tuple(path[-1] for path in matched if (path[-1] >> 16) % 2)
    return Identifier(found.keys, found.shape, (*found.unsupported, *private), found.charset, found.timezone)


def shown(name: str) -> str:
    """The name of a parameter as far as it may be repeated in an answer or a log."""
    return name if _SHOWABLE.match(name) else "a parameter"


def named(tag: int) -> str:
    """An attribute for people: its keyword, else its tag."""
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _included(include: Sequence[str]) -> Iterator[str]:
    for names in include:
        yield from filter(None, (name.strip() for name in names.split(",")))


def _path(parameter: str, name: str) -> tuple[int, ...]:
    """The tags of a dotted path, sequences before what is in them."""
    parts = name.split(".")
    tags = [_tag(part) for part in parts[:_LONGEST_PATH]]
    if None in tags or len(parts) > _LONGEST_PATH:
        raise ParameterRefused(shown(parameter), "neither a tag of eight hexadecimal digits nor a keyword of DICOM")
    path = tuple(tag for tag in tags if tag is not None)
    if any(_vr(tag) != "SQ" for tag in path[:-1]):
        raise ParameterRefused(shown(parameter), "only sequences have attributes inside")
    return path


@lru_cache(4096)
def _tag(part: str) -> int | None:
    if _TAG.match(part):
        return int(part, 16)
    return tag_for_keyword(part) if part else None  # retired elements without a keyword are known by the empty one


@lru_cache(4096)
def _vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _match(root: _Level, name: str, path: tuple[int, ...], value: str) -> None:
    level, vr = _inside(root, path), _vr(path[-1])
    if not value.strip():
        _include(root, path)
    elif vr == "SQ":
        raise ParameterRefused(shown(name), f"it is a sequence: match on what is in it, {shown(name)}.Keyword=value")
    elif _CONTROLS.search(value):
        raise ParameterRefused(shown(name), "a control character is in the value")
    else:
        level[key_of(path[-1])] = {"vr": vr, "Value": _values(vr, value)}


def _values(vr: str, value: str) -> list[str]:
    """The alternatives of a key: lists of UIDs may have commas (PS3.18 8.3.4.1), other lists have backslashes."""
    if vr in _PARAGRAPHS:
        return [value]
    return [part.strip() for part in (re.split(r"[\\,]", value) if vr == "UI" else value.split("\\"))]


def _include(root: _Level, path: tuple[int, ...]) -> None:
    known = _attribute(path)
    if known is not None:
        _want(_inside(root, path), [known])
    else:
        _inside(root, path).setdefault(key_of(path[-1]), {"vr": _vr(path[-1])})


def _attribute(path: tuple[int, ...]) -> Attribute | None:
    """The attribute of the worklist at the end of a path; None when it has none there."""
    level: Mapping[int, Attribute] = ROOT_BY_TAG
    found = None
    for tag in path:
        found = level.get(tag)
        if found is None:
            return None
        level = {a.tag: a for a in found.items.values()}
    return found


def _inside(root: _Level, path: tuple[int, ...]) -> _Level:
    """The level in which the last attribute of a path stands."""
    level, known = root, ROOT_BY_TAG
    for tag in path[:-1]:
        attribute = known.get(tag)
        known = {a.tag: a for a in attribute.items.values()} if attribute else {}
        level = _item(level, tag, known)
    return level


def _item(level: _Level, tag: int, known: Mapping[int, Attribute]) -> _Level:
    """The item of a sequence key.  One that was asked for as a whole names everything in it from now on."""
    whole = key_of(tag) in level and "Value" not in level[key_of(tag)]
    item: _Level = level.setdefault(key_of(tag), {"vr": "SQ"}).setdefault("Value", [{}])[0]
    if whole:
        _want(item, known.values())
    return item


def _want(level: _Level, attributes: Iterable[Attribute]) -> None:
    """Ask for attributes; of a sequence for everything in it, beside what it must match."""
    for attribute in attributes:
        element = level.setdefault(key_of(attribute.tag), {"vr": attribute.vr})
        if attribute.is_sequence and "Value" in element:
            _want(element["Value"][0], attribute.items.values())


def _want_usual(root: _Level) -> None:
    """Ask for what a worklist needs: return types 1, 1C, 2 and 2C of Table K.6-1, of the request and of its step."""
    step = ROOT_BY_TAG[SPS_SEQUENCE_TAG]
    _want(root, [a for a in ROOT_BY_TAG.values() if a is not step and a.return_type[0] in "12"])
    _want(_item(root, step.tag, {}), [a for a in step.items.values() if a.return_type[0] in "12"])
