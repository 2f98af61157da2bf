"""Conversions to person names: HL7's XPN, XCN and CNN to DICOM's PN (PS3.5 section 6.2.1.1).

Owns: the exchange of suffix and prefix, component groups, and shortening to 64 characters a group.
Must not: change case or split names at commas.
"""

from collections.abc import Iterable, Sequence

from broker.domain.attributes import Value
from broker.intake.environment import Environment
from broker.intake.pieces import Piece
from broker.intake.texts import clean_line
from hl7.datatypes import IdentifiedName, PersonName, read_ndl_name, read_xcn, read_xpn

_LIMIT = 64
_GROUPS = {"": 0, "A": 0, "I": 1, "P": 2}
_STRUCTURE = str.maketrans({"^": " ", "=": " "})


def component_group(name: PersonName, env: Environment) -> str:
    """``family^given^middle^prefix^suffix``, a degree joins the suffix; 64 characters at most (reference 10)."""
    suffix = f"{name.suffix} {name.degree}"
    parts = [_clean(part) for part in (name.family, name.given, name.middle, name.prefix, suffix)]
    if len(_join(parts)) <= _LIMIT:
        return _join(parts)
    env.warn("a name was shortened to 64 characters")
    for dropped in (4, 3, 2):
        parts[dropped] = ""
        if len(_join(parts)) <= _LIMIT:
            return _join(parts)
    parts[1] = parts[1][: max(0, _LIMIT - len(parts[0]) - 1)]
    return _join(parts)[:_LIMIT].rstrip("^ ")


def _clean(part: str) -> str:
    return " ".join(clean_line(part).translate(_STRUCTURE).split())


def _join(parts: Sequence[str]) -> str:
    return "^".join(parts).rstrip("^ ")


def _person(names: Iterable[PersonName], env: Environment) -> str:
    """One PN from the representations of one name: alphabetic, ideographic, phonetic."""
    groups = ["", "", ""]
    for name in names:
        place = _group(name)
        groups[place] = groups[place] or component_group(name, env)
    return "=".join(groups).rstrip("=")


def _names(pieces: Sequence[Piece]) -> list[PersonName]:
    return [name for name in (read_xpn(piece.repetition) for piece in pieces) if name is not None]


def _chosen(names: Sequence[PersonName]) -> list[PersonName]:
    """The repetitions that make up the patient's name: type L, else those of the first one's type.

    Further representations often come without a type, and the alphabetic one without saying that it is.
    """
    kinds = [name.type_code.upper() for name in names]
    kind = "L" if "L" in kinds else kinds[0] if kinds else ""
    chosen = [name for name, its in zip(names, kinds, strict=True) if its == kind]
    further = [name for name in names if name.representation.upper() in ("I", "P") and not name.type_code]
    represented = [name for name in chosen if name.representation]
    plain = [] if any(_group(name) == 0 for name in represented) else [n for n in chosen if not n.representation][:1]
    return [*plain, *represented, *(name for name in further if name not in represented)]


def _group(name: PersonName) -> int:
    return _GROUPS.get(name.representation.upper(), 0)


def patient_name(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The legal name among the repetitions of PID-5, all its representations in one PN."""
    return _person(_chosen(_names(pieces)), env)


def other_names(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Every repetition that is not the patient's name proper (with PID-9, all of them)."""
    names = _names(pieces)
    taken = _chosen(names) if pieces and pieces[0].path.field == 5 else []
    return [text for name in names if name not in taken and (text := component_group(name, env))]


def birth_name(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The repetition of type B or M (table 0200)."""
    return _person([n for n in _names(pieces) if n.type_code.upper() in ("B", "M")][:1], env)


def name(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each XPN as a PN."""
    return [text for found in _names(pieces) if (text := component_group(found, env))]


def staff_name(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each XCN as a PN; its number goes to the identification sequence."""
    return _staff([read_xcn(piece.repetition) for piece in pieces], env)


def performer_name(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each NDL (OBR-32 to 35), or XCN of an appointment (AIP-3), as a PN."""
    return _staff(
        [read_ndl_name(p.repetition) if p.path.segment == "OBR" else read_xcn(p.repetition) for p in pieces], env
    )


def _staff(found: Sequence[IdentifiedName | None], env: Environment) -> Value:
    return [text for person in found if person is not None and (text := component_group(person.name, env))]
