"""Conversions to text: cleaning, joining, splitting, value tables.

Owns: what DICOM text may hold (PS3.5 section 6.2) and the simple conversions.  Must not: apply length limits.
"""

import re
from collections.abc import Sequence

from broker.domain.attributes import Value
from broker.intake.environment import Environment, Unusable
from broker.intake.pieces import Piece
from hl7.datatypes import read_pl, read_xad, read_xtn

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_PAGE_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def clean_line(text: str) -> str:
    """One line without control characters or backslash, which separates values in LO, SH and PN."""
    if text.isalnum():
        return text
    return " ".join(_CONTROL.sub(" ", text.replace("\\", "/")).split())


def clean_block(text: str) -> str:
    """Text of several lines, joined by CR LF as ST, LT and UT want it."""
    lines = (_PAGE_CONTROL.sub("", line).rstrip() for line in _LINE_END.split(text))
    return "\r\n".join(lines).strip()


def text(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each piece as one line."""
    return [line for line in (clean_line(piece.phrase()) for piece in pieces) if line]


def block(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """All pieces as lines of one text."""
    return clean_block("\n".join(piece.text for piece in pieces))


def observations(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each result (OBX) as a line: what was observed, the value and its unit, as in ``Creatinine 88 umol/L``."""
    lines = []
    for piece in pieces:
        observed = piece.segment.field(3)
        name = observed.part(2) or observed.part(1)
        lines.append(" ".join(part for part in map(clean_line, (name, piece.phrase(), piece.unit)) if part))
    return clean_block("\n".join(dict.fromkeys(lines)))


def identifier(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The text as it is; what cannot be written in an identifier is refused, never changed."""
    values = [piece.text for piece in pieces]
    if any("\\" in value or _CONTROL.search(value) for value in values):
        raise Unusable("an identifier must not hold a backslash or control characters")
    if any(set(value) & set("*?") for value in values):
        env.warn("the identifier holds * or ?, which queries take for wildcards")
    return values


def coded_text(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The best text of each coded entry: its text, else the original text, else the code."""
    return [line for line in (clean_line(p.phrase(2) or _original(p) or p.phrase()) for p in pieces) if line]


def _original(piece: Piece) -> str:
    return piece.phrase(9) if piece.path.component is None else ""


def coded_texts(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The texts of all entries as one line."""
    found = coded_text(pieces, env)
    return ", ".join(str(value) for value in found) if isinstance(found, list) else found


def joined(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Components 1 to 3 of a location with ``^`` between, as in ``W1^101^2``."""
    for piece in pieces:
        location = read_pl(piece.repetition)
        if location is not None:
            parts = (location.point_of_care, location.room, location.bed)
            value = "^".join(clean_line(part) for part in parts).strip("^")
            return value or clean_line(location.description) or clean_line(location.building)
    return None


def address(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The home address (XAD.7 H, else the first) in one readable line."""
    found = [a for a in (read_xad(piece.repetition) for piece in pieces) if a is not None]
    if not found:
        return None
    chosen = next((a for a in found if a.type_code.upper() == "H"), found[0])
    town = f"{chosen.postcode} {chosen.city}".strip() if not chosen.state else chosen.city
    state = f"{chosen.state} {chosen.postcode}".strip() if chosen.state else ""
    parts = (chosen.street, chosen.other, town, state, chosen.country)
    return ", ".join(line for line in map(clean_line, parts) if line)


def phone(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Telephone numbers; one longer than SH allows loses its punctuation, or is left out."""
    numbers: list[str] = []
    for piece in pieces:
        number = read_xtn(piece.element)
        if number is None or not number.number:
            continue
        value = clean_line(number.number)
        if len(value) > 16:
            value = re.sub(r"[^0-9+*#x]", "", value)
        if 0 < len(value) <= 16 and value not in numbers:
            numbers.append(value)
        elif value not in numbers:
            env.warn("a telephone number longer than 16 characters was left out")
    return numbers


def email(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Addresses for electronic mail, one a line."""
    found = (read_xtn(piece.repetition) for piece in pieces)
    return "\r\n".join(clean_line(number.email) for number in found if number is not None and number.email)
