"""Conversions to code sequences: CE, CWE and XCN numbers to items of the Code Sequence Macro (PS3.3 section 8.8).

Owns: coding scheme designators and where long code values go.  Must not: look codes up in the catalogue.
"""

from collections.abc import Mapping, Sequence

from broker.domain.attributes import Value
from broker.intake.environment import Environment
from broker.intake.pieces import Piece
from broker.intake.texts import clean_line
from hl7.datatypes import read_xcn

_SHORT = 16
_MEANING = 64


def designator(scheme: str, env: Environment) -> str | None:
    """DICOM's designator for an HL7 coding scheme (mapping reference 7.5); None when it exceeds 16 characters."""
    known = env.look_up("scheme", scheme)
    if known is not None:
        return known
    if not scheme or scheme.upper() == "L":
        return env.local_scheme
    private = scheme if scheme.upper().startswith("99") else f"99{scheme}"
    private = clean_line(private)
    return private if len(private) <= _SHORT else None


def code_item(code: str, meaning: str, scheme: str, version: str, env: Environment) -> Mapping[str, Value] | None:
    """One item, or None when there is no code or its scheme cannot be named."""
    if not code:
        return None
    named = designator(scheme, env)
    if named is None:
        env.warn("the code was left out: its scheme exceeds 16 characters; name a designator in [tables.scheme]")
        return None
    item: dict[str, Value] = {"CodeMeaning": clean_line(meaning or code)[:_MEANING].rstrip()}
    if code.lower().startswith(("urn:", "http:", "https:")):
        item["URNCodeValue"] = code
        return item
    item["CodeValue" if len(code) <= _SHORT else "LongCodeValue"] = clean_line(code)
    item["CodingSchemeDesignator"] = named
    if version:
        item["CodingSchemeVersion"] = clean_line(version)[:_SHORT]
    return item


def code(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Each coded entry: code, text and scheme from where the path starts (``OBR-4.4`` reads 4, 5 and 6)."""
    items = []
    for piece in pieces:
        first = piece.path.component in (None, 1)
        version = piece.part(7) if first else ""
        meaning = piece.phrase(2) or (piece.phrase(9) if first else "")
        item = code_item(piece.part(1), meaning, piece.part(3), version, env)
        if item is not None and item not in items:
            items.append(item)
    return items


def schemed_code(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """As ``code``, only entries that name their scheme: others are free text."""
    return code([piece for piece in pieces if piece.part(3)], env)


def person_identification(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """The number of a member of staff (PS3.3 Table 10-1); the institution is who gave the number."""
    items: list[Mapping[str, Value]] = []
    for piece in pieces:
        person = read_xcn(piece.repetition)
        if person is None or not person.identifier:
            continue
        authority = person.authority.namespace or person.authority.universal_id
        meaning = " ".join(part for part in (person.name.given, person.name.family) if part)
        number = code_item(person.identifier, meaning, authority if len(authority) <= _SHORT - 2 else "", "", env)
        institution = clean_line(authority or env.facility)[:_MEANING]
        if number is not None and institution:
            items.append({"PersonIdentificationCodeSequence": [number], "InstitutionName": institution})
    return items
