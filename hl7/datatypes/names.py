"""XPN, XCN and CNN: names of people (HL7 2.5.1 sections 2.A.88, 2.A.86, 2.A.7; FN 2.A.30; NDL 2.A.47).

Owns: their components. Must not: make DICOM person names of them (suffix and prefix change places there).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hl7.datatypes.identifiers import UNNAMED, HierarchicDesignator, read_hd
from hl7.elements import Component, Element, Field, Repetition

_DATE = re.compile(r"\d{4,}(\.\d+)?([+-]\d{4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PersonName:
    """XPN. `family` is the surname with its own prefix ("van Beek")."""

    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    middle: str = field(default="", repr=False)
    suffix: str = field(default="", repr=False)
    prefix: str = field(default="", repr=False)
    degree: str = field(default="", repr=False)
    type_code: str = ""
    """table 0200: L legal, M maiden, B birth, A alias, D display, N nickname, S pseudonym"""
    representation: str = ""
    """table 0465: A alphabetic, I ideographic, P phonetic"""

    def __bool__(self) -> bool:
        return bool(self.family or self.given or self.middle)


NAMELESS = PersonName()


@dataclass(frozen=True, slots=True)
class IdentifiedName:
    """XCN or CNN: a member of staff by number, by name, or both."""

    identifier: str = ""
    name: PersonName = NAMELESS
    authority: HierarchicDesignator = UNNAMED
    identifier_type: str = ""
    facility: HierarchicDesignator = UNNAMED

    def __bool__(self) -> bool:
        return bool(self.identifier or self.name)


def _family(component: Component) -> str:
    """FN: the surname; where a sender fills only its pieces, own prefix and own surname."""
    surname = component.subcomponent(1)
    return surname or f"{component.subcomponent(2)} {component.subcomponent(3)}".strip()


def read_xpn(element: Field | Repetition | Component) -> PersonName | None:
    """Read an XPN (or a PN of older versions, which is its beginning)."""
    is_composite = not isinstance(element, Component)
    family = _family(element.component(1)) if isinstance(element, Field | Repetition) else element.part(1)
    type_code, representation = (element.part(7), element.part(8)) if is_composite else ("", "")
    given, middle, suffix, prefix, degree = (element.part(number) for number in range(2, 7))
    return PersonName(family, given, middle, suffix, prefix, degree, type_code, representation) or None


def read_xcn(element: Field | Repetition | Component) -> IdentifiedName | None:
    """Read an XCN; from a Component, whose parts are flat, the CNN it then is."""
    if isinstance(element, Component):
        return read_cnn(element)
    given, middle, suffix, prefix, degree = (element.part(number) for number in range(3, 8))
    family = _family(element.component(2))
    name = PersonName(family, given, middle, suffix, prefix, degree, element.part(10), element.part(15))
    authority, facility = read_hd(element.component(9)), read_hd(element.component(14))
    return IdentifiedName(element.part(1), name, authority, element.part(13), facility) or None


def read_cnn(element: Element) -> IdentifiedName | None:
    """Read a CNN: number and name with the authority in parts 9 to 11."""
    name = PersonName(*(element.part(number) for number in (2, 3, 4, 5, 6, 7)))
    return IdentifiedName(element.part(1), name, read_hd(element, 9)) or None


def read_ndl_name(element: Field | Repetition) -> IdentifiedName | None:
    """Read the name of an NDL (OBR-32 to 35): a CNN in the subcomponents of its first component.

    Many senders write an XCN instead; it is told by a second component that is no date (NDL.2 is one).
    """
    first, second = element.component(1), element.part(2)
    if not first.part(2) and second and not _DATE.fullmatch(second):
        return read_xcn(element)
    return read_cnn(first)
