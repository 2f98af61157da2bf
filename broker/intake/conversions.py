"""The names that mappings may write after ``as``, and which value representations each can fill.

Owns: the registry.  Must not: convert; the functions live with their subjects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.domain.attributes import Value
from broker.intake import codes, identities, measures, person_names, texts, times
from broker.intake.environment import Environment
from broker.intake.pieces import Piece

Convert = Callable[[Sequence[Piece], Environment], Value | None]

_TEXT = frozenset({"LO", "SH", "ST", "LT", "UT", "UC"})


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion: what does it, and the value representations (PS3.5 section 6.2) it makes."""

    convert: Convert
    representations: frozenset[str]
    #: it looks at more of a repetition than the component it is given and what follows that
    whole: bool = False
    #: further fields of the segment that it looks at
    beside: tuple[int, ...] = ()


def _for(convert: Convert, *representations: str) -> Conversion:
    return Conversion(convert, frozenset(representations))


def _whole(convert: Convert, *representations: str) -> Conversion:
    return Conversion(convert, frozenset(representations), whole=True)


CONVERSIONS: dict[str, Conversion] = {
    "text": Conversion(texts.text, _TEXT | {"CS", "DS", "IS"}),
    "lines": _for(texts.block, "ST", "LT", "UT"),
    "observations": Conversion(texts.observations, frozenset({"ST", "LT", "UT"}), beside=(3,)),
    "identifier": _for(texts.identifier, "LO", "SH", "UI", "AE"),
    "coded_text": Conversion(texts.coded_text, _TEXT),
    "coded_texts": Conversion(texts.coded_texts, _TEXT),
    "location": _whole(texts.joined, *_TEXT),
    "address": _whole(texts.address, *_TEXT),
    "phone": Conversion(texts.phone, _TEXT),
    "email": _whole(texts.email, *_TEXT),
    "patient_name": _whole(person_names.patient_name, "PN"),
    "other_names": _whole(person_names.other_names, "PN"),
    "birth_name": _whole(person_names.birth_name, "PN"),
    "name": _whole(person_names.name, "PN"),
    "staff_name": _whole(person_names.staff_name, "PN"),
    "performer_name": _whole(person_names.performer_name, "PN"),
    "code": _for(codes.code, "SQ"),
    "schemed_code": _for(codes.schemed_code, "SQ"),
    "person_identification": _whole(codes.person_identification, "SQ"),
    "designator": _for(identities.designator, "SQ"),
    "designator_parts": _for(identities.designator_parts, "SQ"),
    "patient_id_qualifiers": _whole(identities.qualifiers, "SQ"),
    "date": _for(times.date, "DA"),
    "time": _for(times.time, "TM"),
    "birth_date": _for(times.birth_date, "DA"),
    "birth_time": _for(times.birth_time, "TM"),
    "kilograms": _for(measures.kilograms, "DS"),
    "metres": _for(measures.metres, "DS"),
    "sex": _for(measures.sex, "CS"),
    "modality": _for(measures.modality, "CS"),
    "priority": _for(measures.priority, "SH"),
    "transport": Conversion(measures.transport, _TEXT),
    "pregnancy": _for(measures.pregnancy, "US"),
    "needs": Conversion(measures.needs, _TEXT),
}
