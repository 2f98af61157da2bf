"""HL7 data types as small frozen dataclasses, and the readers that make them from message parts.

Owns: what the components of a data type are. Must not: know where a value goes or which table it belongs to.
Every reader takes a Field (then its first repetition counts), a Repetition or a Component (then its subcomponents are
the parts) and gives None where nothing is said. Source: HL7 2.5.1 chapter 2A.
"""

from hl7.datatypes.coded import Coded, read_coded
from hl7.datatypes.identifiers import (
    EntityIdentifier,
    ExtendedIdentifier,
    HierarchicDesignator,
    read_cx,
    read_ei,
    read_hd,
)
from hl7.datatypes.names import (
    IdentifiedName,
    PersonName,
    read_cnn,
    read_ndl_name,
    read_xcn,
    read_xpn,
)
from hl7.datatypes.places import Address, PersonLocation, Telephone, read_pl, read_xad, read_xtn
from hl7.datatypes.times import DateTime, Precision, parse_dtm, read_ts
from hl7.datatypes.timing import TimingQuantity, read_tq

__all__ = [
    "Address",
    "Coded",
    "DateTime",
    "EntityIdentifier",
    "ExtendedIdentifier",
    "HierarchicDesignator",
    "IdentifiedName",
    "PersonLocation",
    "PersonName",
    "Precision",
    "Telephone",
    "TimingQuantity",
    "parse_dtm",
    "read_cnn",
    "read_coded",
    "read_cx",
    "read_ei",
    "read_hd",
    "read_ndl_name",
    "read_pl",
    "read_tq",
    "read_ts",
    "read_xad",
    "read_xcn",
    "read_xpn",
    "read_xtn",
]
