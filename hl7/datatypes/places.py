"""PL, XAD and XTN: where people are, live and are called (HL7 2.5.1 sections 2.A.53, 2.A.83, 2.A.89).

Owns: their components. Must not: format them for DICOM.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hl7.datatypes.identifiers import UNNAMED, HierarchicDesignator, read_hd
from hl7.elements import Component, Element, Field, Repetition


@dataclass(frozen=True, slots=True)
class PersonLocation:
    """PL: a place in the hospital."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: HierarchicDesignator = UNNAMED
    status: str = ""
    location_type: str = ""
    building: str = ""
    floor: str = ""
    description: str = ""

    def __bool__(self) -> bool:
        texts = (self.point_of_care, self.room, self.bed, self.building, self.floor, self.description)
        return bool(self.facility) or any(texts)


@dataclass(frozen=True, slots=True)
class Address:
    """XAD."""

    street: str = field(default="", repr=False)
    other: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    state: str = field(default="", repr=False)
    postcode: str = field(default="", repr=False)
    country: str = field(default="", repr=False)
    type_code: str = ""
    """table 0190: H home, B business, C current"""

    def __bool__(self) -> bool:
        return any((self.street, self.other, self.city, self.state, self.postcode, self.country))


@dataclass(frozen=True, slots=True)
class Telephone:
    """XTN: a telephone number, an address for electronic mail, or both."""

    number: str = field(default="", repr=False)
    """as written unformatted or in the old first component, else put together from country, area, local, extension"""
    email: str = field(default="", repr=False)
    use_code: str = ""
    """table 0201: PRN primary residence, WPN work, NET network address ..."""
    equipment_type: str = ""
    """table 0202: PH telephone, CP mobile, FX fax, Internet ..."""

    def __bool__(self) -> bool:
        return bool(self.number or self.email)


def read_pl(element: Field | Repetition | Component) -> PersonLocation | None:
    """Read a PL."""
    if isinstance(element, Component):
        facility = HierarchicDesignator(element.part(4))
    else:
        facility = read_hd(element.component(4))
    location = PersonLocation(
        element.part(1),
        element.part(2),
        element.part(3),
        facility,
        element.part(5),
        element.part(6),
        element.part(7),
        element.part(8),
        element.part(9),
    )
    return location or None


def read_xad(element: Element) -> Address | None:
    """Read an XAD; of the street (SAD) its first line."""
    return Address(*(element.part(number) for number in range(1, 8))) or None


def read_xtn(element: Element) -> Telephone | None:
    """Read an XTN."""
    number = element.part(12) or element.part(1) or _put_together(element)
    return Telephone(number, element.part(4), element.part(2), element.part(3)) or None


def _put_together(element: Element) -> str:
    country, area, local, extension = (element.part(number) for number in (5, 6, 7, 8))
    if not (area or local):
        return ""
    country = f"+{country.lstrip('+')}" if country else ""
    extension = f"x{extension}" if extension else ""
    return " ".join(part for part in (country, area, local, extension) if part)
