"""HD, EI and CX: identifiers and who assigned them (HL7 2.5.1 sections 2.A.33, 2.A.28, 2.A.14).

Owns: their components. Must not: decide which of a patient's identifiers is the one that counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hl7.datatypes.coded import Coded, read_coded
from hl7.elements import Component, Element, Field, Repetition


@dataclass(frozen=True, slots=True)
class HierarchicDesignator:
    """HD: an assigning authority or facility by local name, by universal id, or both."""

    namespace: str = ""
    universal_id: str = ""
    universal_id_type: str = ""

    def __bool__(self) -> bool:
        return bool(self.namespace or self.universal_id)


UNNAMED = HierarchicDesignator()
"""What is said of an authority when nothing is said."""


@dataclass(frozen=True, slots=True)
class EntityIdentifier:
    """EI: an order number, for example, and who gave it."""

    identifier: str
    authority: HierarchicDesignator = UNNAMED


@dataclass(frozen=True, slots=True)
class ExtendedIdentifier:
    """CX: a patient or account identifier. Check digits are kept apart and are no part of `identifier`."""

    identifier: str = field(repr=False)
    check_digit: str = field(default="", repr=False)
    check_digit_scheme: str = ""
    authority: HierarchicDesignator = UNNAMED
    type_code: str = ""
    facility: HierarchicDesignator = UNNAMED
    effective_date: str = ""
    expiration_date: str = ""
    jurisdiction: Coded | None = None
    agency: Coded | None = None


def read_hd(element: Element, first: int = 1) -> HierarchicDesignator:
    """Read an HD whose three parts begin at part `first`; an empty (false) one when nothing is said."""
    if not element.raw:
        return UNNAMED
    return HierarchicDesignator(element.part(first), element.part(first + 1), element.part(first + 2))


def read_ei(element: Element) -> EntityIdentifier | None:
    """Read an EI. Without an identifier there is none, whoever would have assigned it."""
    identifier = element.part(1)
    return EntityIdentifier(identifier, read_hd(element, 2)) if identifier else None


def read_cx(element: Field | Repetition | Component) -> ExtendedIdentifier | None:
    """Read a CX; from a Component (a CX inside another type) its subcomponents, authorities then by namespace only."""
    identifier = element.part(1)
    if not identifier:
        return None
    if isinstance(element, Component):
        return ExtendedIdentifier(
            identifier,
            element.part(2),
            element.part(3),
            HierarchicDesignator(element.part(4)),
            element.part(5),
            HierarchicDesignator(element.part(6)),
            element.part(7),
            element.part(8),
        )
    return ExtendedIdentifier(
        identifier,
        element.part(2),
        element.part(3),
        read_hd(element.component(4)),
        element.part(5),
        read_hd(element.component(6)),
        element.part(7),
        element.part(8),
        read_coded(element.component(9)),
        read_coded(element.component(10)),
    )
