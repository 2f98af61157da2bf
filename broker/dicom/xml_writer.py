"""Data sets as documents in the Native DICOM Model (PS3.19 section A.1).

Private elements are written with their full tags and their creators as ordinary elements.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from xml.sax.saxutils import escape

from pydicom.datadict import keyword_for_tag

from broker.domain.dicom_json import Dataset, Element

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
#: what no XML 1.0 document can hold (section 2.2)
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(dataset: Dataset) -> bytes:
    """The document of a data set, UTF-8.  Characters that XML cannot hold become U+FFFD."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n', f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">']
    parts += _dataset(dataset)
    parts.append("</NativeDicomModel>\n")
    return "".join(parts).encode("utf-8")


def _dataset(dataset: Dataset) -> Iterator[str]:
    for key in sorted(dataset):
        element = dataset[key]
        values = element.get("Value")
        listed = values if isinstance(values, list | tuple) else ()
        vr = "SQ" if any(isinstance(v, Mapping) for v in listed) and element["vr"] == "UN" else str(element["vr"])
        keyword = _keyword(key)
        named = f' keyword="{keyword}"' if keyword else ""
        yield f'<DicomAttribute tag="{key}" vr="{vr}"{named}>'
        yield from _content(vr, element, listed)
        yield "</DicomAttribute>"


def _content(vr: str, element: Element, values: "list[object] | tuple[object, ...]") -> Iterator[str]:
    if "InlineBinary" in element:
        yield f"<InlineBinary>{_text(element['InlineBinary'])}</InlineBinary>"
    for number, value in enumerate(values, start=1):
        if vr == "SQ" and isinstance(value, Mapping):
            yield f'<Item number="{number}">'
            yield from _dataset(value)
            yield "</Item>"
        elif vr == "PN":
            yield f'<PersonName number="{number}">'
            yield from _name(value if isinstance(value, Mapping) else {})
            yield "</PersonName>"
        else:  # an empty value keeps its place
            yield f'<Value number="{number}">{"" if value is None else _text(value)}</Value>'


def _name(groups: Mapping[str, object]) -> Iterator[str]:
    for group in GROUPS:
        if groups.get(group):
            components = str(groups[group]).split("^", len(COMPONENTS) - 1)
            written = (f"<{n}>{_text(c)}</{n}>" for n, c in zip(COMPONENTS, components, strict=False) if c)
            yield f"<{group}>{''.join(written)}</{group}>"


def _text(value: object) -> str:
    # a parser would take a carriage return for a line end (XML 1.0 section 2.11)
    return escape(_IMPOSSIBLE.sub("\N{REPLACEMENT CHARACTER}", str(value)), {"\r": "&#13;"})


@lru_cache(4096)
def _keyword(key: str) -> str:
    return keyword_for_tag(int(key, 16))
