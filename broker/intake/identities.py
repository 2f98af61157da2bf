"""Conversions to identifiers with their issuers: CX, EI and HD (mapping reference, sections 7.3 and 7.4).

Owns: which of a patient's identifiers is the primary one, and designator items (PS3.3 Table 10-17).
Must not: generate or shorten identifiers.
"""

from collections.abc import Mapping, Sequence

from broker.domain.attributes import Value
from broker.domain.model import Identifier
from broker.intake.codes import code_item
from broker.intake.environment import Environment, Unusable
from broker.intake.pieces import Piece
from broker.intake.texts import clean_line
from hl7.datatypes import ExtendedIdentifier, HierarchicDesignator, read_cx, read_hd

_ID_TYPES = {
    "ISO": "ISO", "DNS": "DNS", "UUID": "UUID", "GUID": "UUID", "URI": "URI", "X400": "X400", "X500": "X500",
    "EUI-64": "EUI64", "EUI64": "EUI64",
}  # fmt: skip


def designator_item(authority: HierarchicDesignator) -> Mapping[str, Value] | None:
    """An item of the Hierarchic Designator Macro; universal id and type only together and only of DICOM's types."""
    item: dict[str, Value] = {}
    if authority.namespace:
        item["LocalNamespaceEntityID"] = clean_line(authority.namespace)
    kind = _ID_TYPES.get(authority.universal_id_type.upper())
    if authority.universal_id and kind:
        item["UniversalEntityID"], item["UniversalEntityIDType"] = clean_line(authority.universal_id), kind
    return item or None


def designator(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """An HD in the subcomponents of the named component (``PV1-19.4``)."""
    items = (designator_item(read_hd(piece.element)) for piece in pieces)
    return [item for item in items if item is not None]


def designator_parts(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """An HD in the named component and the two after it (``ORC-2.2``, an EI without its number)."""
    found = (HierarchicDesignator(piece.part(1), piece.part(2), piece.part(3)) for piece in pieces)
    return [item for item in map(designator_item, found) if item is not None]


def issuer(authority: HierarchicDesignator) -> str:
    """Who assigned a number, in one text: the namespace, else the universal id."""
    return clean_line(authority.namespace or authority.universal_id)


def number(piece: Piece) -> Identifier | None:
    """An EI or CX: the number and its issuer.  Raises Unusable for characters no identifier may hold."""
    is_cx = piece.path.segment in ("PV1", "PID")
    whole = piece.path.component in (None, 1)
    value = piece.part(1)
    if not value:
        return None
    _require_writable(value)
    if not whole:
        return Identifier(value)
    authority = read_hd(piece.repetition.component(4)) if is_cx else read_hd(piece.repetition, 2)
    return Identifier(value, issuer(authority))


def patient_identifiers(pieces: Sequence[Piece], env: Environment) -> tuple[Identifier, ...]:
    """Every identifier, the primary first.  Raises Unusable for characters no identifier may hold."""
    found = _ordered(pieces, env)
    identifiers: list[Identifier] = []
    for each in found:
        _require_writable(each.identifier)
        one = Identifier(each.identifier, issuer(each.authority) or env.default_issuer)
        if one not in identifiers:
            identifiers.append(one)
    return tuple(identifiers)


def qualifiers(pieces: Sequence[Piece], env: Environment) -> Value | None:
    """Issuer of Patient ID Qualifiers of the primary identifier (PS3.3 Table 10-18)."""
    found = _ordered(pieces, env)
    if not found:
        return None
    primary = found[0]
    item: dict[str, Value] = {
        k: v for k, v in (designator_item(primary.authority) or {}).items() if k != "LocalNamespaceEntityID"
    }
    if primary.type_code:
        item["IdentifierTypeCode"] = clean_line(primary.type_code).upper()[:16]
    facility = designator_item(primary.facility)
    if facility is not None:
        item["AssigningFacilitySequence"] = [facility]
    for keyword, coded in (
        ("AssigningJurisdictionCodeSequence", primary.jurisdiction),
        ("AssigningAgencyOrDepartmentCodeSequence", primary.agency),
    ):
        assigned = code_item(coded.code, coded.text, coded.scheme, coded.version, env) if coded else None
        if assigned is not None:
            item[keyword] = [assigned]
    return [item] if item else None


def _require_writable(value: str) -> None:
    if value.isalnum():
        return
    if "\\" in value or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in value):
        raise Unusable("an identifier must not hold a backslash or control characters")


def _ordered(pieces: Sequence[Piece], env: Environment) -> list[ExtendedIdentifier]:
    """By preferred authority; an expired identifier never comes first (CX.8)."""
    found = [cx for cx in (read_cx(piece.repetition) for piece in pieces) if cx is not None]
    if len(found) < 2:
        return found
    today = env.received_at.astimezone(env.site_zone).strftime("%Y%m%d")
    preferred = [authority.casefold() for authority in env.primary_authorities]

    def rank(cx: ExtendedIdentifier) -> tuple[bool, int]:
        names = {cx.authority.namespace.casefold(), cx.authority.universal_id.casefold()}
        place = next((i for i, authority in enumerate(preferred) if authority in names), len(preferred))
        return bool(cx.expiration_date) and cx.expiration_date[:8] < today, place

    return sorted(found, key=rank)
