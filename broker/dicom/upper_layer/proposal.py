"""What a requestor proposes: the variable part of A-ASSOCIATE-RQ, read with pynetdicom's PDU classes.

Owns the decoding and its tolerance: items of unknown types are ignored (PS3.8 section 9.3.1), anything else that
cannot be read is an error.  Decides nothing about the proposal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct, error

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import UserInformationItem
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationVersionNameNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from broker.dicom.upper_layer.pdus import ASSOCIATE_FIXED_LENGTH, AbortReason, PduError
from broker.dicom.upper_layer.policy import UserIdentity

_ITEM = Struct(">BxH")
_IDENTITY = Struct(">BBH")
_APPLICATION_CONTEXT = 0x10
_PRESENTATION_CONTEXT = 0x20
_USER_INFORMATION = 0x50
_USER_IDENTITY = 0x58
_VERSION_NAME = 0x55
_KNOWN_USER_INFORMATION = frozenset(range(0x51, 0x58))
#: PS3.8 Annex D.1: any smaller maximum length leaves no room for a fragment of two bytes
_SMALLEST_MAXIMUM_LENGTH = 8
_LONGEST_VERSION_NAME = 16

#: header and fixed part of a request with harmless AE titles: pynetdicom refuses whole requests over a title's bytes
_FIXED_PART = b"\x01\x00\x00\x00\x00\x00" + b"\x00\x01\x00\x00" + b"ACCEPTOR".ljust(16) + b"REQUESTOR".ljust(16)
_PREFIX = _FIXED_PART + bytes(6 + ASSOCIATE_FIXED_LENGTH - len(_FIXED_PART))


@dataclass(frozen=True, slots=True)
class Proposal:
    """One decoded proposal."""

    application_context: str
    contexts: tuple[PresentationContext, ...]
    #: the peer's maximum length received; 0: no limit
    max_pdu: int
    implementation_class_uid: str
    implementation_version: str
    #: SOP Class UID -> (requestor as SCU, requestor as SCP), PS3.7 Annex D.3.3.4
    roles: dict[str, tuple[bool, bool]]
    #: SOP Class UID -> service class application information, PS3.7 Annex D.3.3.5
    extended: dict[str, bytes]
    offers_asynchronous_operations: bool
    user_identity: UserIdentity | None
    #: the abstract syntaxes asked for, in the order of their contexts
    abstract_syntaxes: tuple[str, ...] = ()


@lru_cache(1024)
def read_ae_title(field: bytes) -> str:
    """An AE title of 16 bytes without its insignificant spaces; bytes outside the default repertoire become ``?``."""
    return printable(field.decode("ascii", "replace").strip(" \0"))


def printable(text: str) -> str:
    """Text of a peer for people, logs and the database: what is no printable character of ASCII becomes ``?``."""
    return "".join(character if character.isprintable() and character.isascii() else "?" for character in text)


def read_proposal(variable: bytes) -> Proposal:
    """Decodes the variable part of an A-ASSOCIATE-RQ.

    :raises PduError: anything that cannot be read, or a proposal without a presentation context.
    """
    try:
        known, identity = _sift(variable)
        primitive = _decode(known)
        _check_contexts(primitive)
        return _collect(primitive, identity)
    except PduError:
        raise
    except Exception as problem:
        # pynetdicom's decoders raise what they happen to meet: AssertionError, KeyError, struct.error, ValueError ...
        raise PduError(
            AbortReason.INVALID_PARAMETER_VALUE, f"A-ASSOCIATE-RQ cannot be read ({type(problem).__name__})"
        ) from problem


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(encoded):
        kind, length = _ITEM.unpack_from(encoded, position)
        value = encoded[position + 4 : position + 4 + length]
        if len(value) != length:
            raise PduError(AbortReason.INVALID_PARAMETER_VALUE, f"item 0x{kind:02X} is longer than its PDU")
        yield kind, value
        position += 4 + length


def _sift(variable: bytes) -> tuple[bytes, UserIdentity | None]:
    """Leaves out items of unknown types and takes out the user identity, whose bytes no library need see."""
    kept: list[bytes] = []
    identity: UserIdentity | None = None
    for kind, value in _items(variable):
        if kind in (_APPLICATION_CONTEXT, _PRESENTATION_CONTEXT):
            kept.append(_item(kind, value))
        elif kind == _USER_INFORMATION:
            sub_items = list(_items(value))
            readable = [(sub, _version_name(data) if sub == _VERSION_NAME else data) for sub, data in sub_items]
            known = [_item(sub, data) for sub, data in readable if sub in _KNOWN_USER_INFORMATION]
            kept.append(_item(kind, b"".join(known)))
            identity = next((_read_identity(data) for sub, data in sub_items if sub == _USER_IDENTITY), identity)
    return b"".join(kept), identity


def _version_name(data: bytes) -> bytes:
    """As pynetdicom takes it: devices pad it with NUL, or use more than the 16 characters of PS3.7 Annex D.3.3.2.3.

    Nothing depends on this name, so no association fails over it.
    """
    return read_ae_title(data).replace("\\", "?")[:_LONGEST_VERSION_NAME].encode("ascii")


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _read_identity(data: bytes) -> UserIdentity:
    try:
        kind, response_requested, length = _IDENTITY.unpack_from(data)
    except error:
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "user identity is too short") from None
    start = _IDENTITY.size
    if len(data) < start + length + 2:
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "user identity is shorter than its fields")
    return UserIdentity(kind, data[start : start + length], data[start + length + 2 :], bool(response_requested))


def _decode(known: bytes) -> A_ASSOCIATE:
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(_PREFIX + known)
    if not any(isinstance(item, UserInformationItem) for item in pdu.variable_items):
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "A-ASSOCIATE-RQ without user information")
    return pdu.to_primitive()


def _check_contexts(primitive: A_ASSOCIATE) -> None:
    contexts = primitive.presentation_context_definition_list
    if not contexts:
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "A-ASSOCIATE-RQ without presentation contexts")
    if len({context.context_id for context in contexts}) != len(contexts):
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "presentation context IDs are not unique")
    if not all(context.abstract_syntax and context.transfer_syntax for context in contexts):
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "presentation context without its syntaxes")


def _collect(primitive: A_ASSOCIATE, identity: UserIdentity | None) -> Proposal:
    # a peer without a maximum length sub-item sets no limit; pynetdicom then answers None
    max_pdu = primitive.maximum_length_received or 0
    if 0 < max_pdu < _SMALLEST_MAXIMUM_LENGTH:
        raise PduError(AbortReason.INVALID_PARAMETER_VALUE, f"maximum length {max_pdu} is too small")
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    version = ""
    asynchronous = False
    for item in primitive.user_information:
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation):
            roles[str(item.sop_class_uid)] = (bool(item.scu_role), bool(item.scp_role))
        elif isinstance(item, SOPClassExtendedNegotiation):
            extended[str(item.sop_class_uid)] = item.service_class_application_information or b""
        elif isinstance(item, ImplementationVersionNameNotification):
            version = item.implementation_version_name or ""
        elif isinstance(item, AsynchronousOperationsWindowNegotiation):
            asynchronous = True
    contexts = tuple(primitive.presentation_context_definition_list)
    return Proposal(
        application_context=str(primitive.application_context_name or ""),
        contexts=contexts,
        abstract_syntaxes=tuple(str(context.abstract_syntax) for context in contexts),
        max_pdu=max_pdu,
        implementation_class_uid=str(primitive.implementation_class_uid or ""),
        implementation_version=version,
        roles=roles,
        extended=extended,
        offers_asynchronous_operations=asynchronous,
        user_identity=identity,
    )
