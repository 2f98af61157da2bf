"""Protocol data units as bytes (PS3.8 section 9.3): cutting a byte stream into PDUs, and writing those we send.

Owns PDU framing with its length limits, the fixed PDUs and P-DATA-TF.  What is inside A-ASSOCIATE is decoded by
pynetdicom (:mod:`.negotiation`); what a PDU means in which state is :mod:`.association`'s business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from struct import Struct

_HEADER = Struct(">BxI")
_PDV_HEADER = Struct(">IBB")
_DATA_HEADER = Struct(">BxIIBB")
_FIXED = Struct(">BxIBBBB")

HEADER_LENGTH = 6
#: PS3.8 Table 9-11: fixed part of A-ASSOCIATE-RQ and -AC after the PDU header
ASSOCIATE_FIXED_LENGTH = 68
#: 128 presentation contexts with a dozen transfer syntaxes each need about 64 kB
MAX_ASSOCIATE_LENGTH = 256 * 1024
#: Some peers count the maximum length without the item length, context ID and control header of the PDV.
PDV_HEADER_LENGTH = 6
#: Where the peer sets no limit (maximum length 0) our fragments stop here.
UNLIMITED_PDU_LENGTH = 128 * 1024


class PduType(IntEnum):
    """PDU types, PS3.8 Tables 9-11 to 9-26."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """A-ABORT source, PS3.8 Table 9-26."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """A-ABORT reason of the service provider, PS3.8 Table 9-26."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER_VALUE = 6


class PduError(ValueError):
    """The peer broke a rule of PS3.8 or PS3.7; the association must be aborted with ``reason``."""

    def __init__(self, reason: AbortReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Pdu:
    """One received PDU without its header."""

    kind: PduType
    body: bytes


@dataclass(frozen=True, slots=True)
class Pdv:
    """One presentation data value (PS3.8 section 9.3.5.1 and Annex E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: bytes


_KINDS = {int(kind): kind for kind in PduType}


@lru_cache(64)
def _lengths(max_pdu: int) -> Mapping[int, range]:
    """The lengths that each type may have, where P-DATA-TF may have ``max_pdu``."""
    fixed = range(4, 5)
    associate = range(ASSOCIATE_FIXED_LENGTH, MAX_ASSOCIATE_LENGTH + 1)
    return {
        PduType.ASSOCIATE_RQ: associate,
        PduType.ASSOCIATE_AC: associate,
        PduType.ASSOCIATE_RJ: fixed,
        PduType.P_DATA_TF: range(PDV_HEADER_LENGTH, max_pdu + PDV_HEADER_LENGTH + 1),
        PduType.RELEASE_RQ: fixed,
        PduType.RELEASE_RP: fixed,
        PduType.ABORT: fixed,
    }


class PduReader:
    """Cuts bytes into PDUs; refuses unknown types at the first byte and wrong lengths at the sixth."""

    def __init__(self, max_pdu: int) -> None:
        self._buffer = bytearray()
        self._lengths = _lengths(max_pdu)

    @property
    def partial(self) -> bool:
        """True while some bytes of an unfinished PDU have arrived."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Yields each PDU that ``data`` completes.

        :raises PduError: unknown PDU type, or a length outside the limits of its type.
        """
        self._buffer += data
        while self._buffer:
            kind = self._buffer[0]
            if kind not in self._lengths:
                raise PduError(AbortReason.UNRECOGNIZED_PDU, f"unknown PDU type 0x{kind:02X}")
            if len(self._buffer) < HEADER_LENGTH:
                return
            length: int = _HEADER.unpack_from(self._buffer)[1]
            if length not in self._lengths[kind]:
                name = PduType(kind).name
                raise PduError(AbortReason.INVALID_PARAMETER_VALUE, f"{name} of {length} bytes is outside the limits")
            end = HEADER_LENGTH + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER_LENGTH:end])
            del self._buffer[:end]
            yield Pdu(_KINDS[kind], body)


def read_pdvs(body: bytes) -> list[Pdv]:
    """The presentation data values of a P-DATA-TF body.

    :raises PduError: lengths that do not add up.
    """
    pdvs: list[Pdv] = []
    position, end = 0, len(body)
    while position < end:
        if end - position < PDV_HEADER_LENGTH:
            raise PduError(AbortReason.INVALID_PARAMETER_VALUE, "P-DATA-TF ends inside a PDV header")
        length, context_id, control = _PDV_HEADER.unpack_from(body, position)
        stop = position + 4 + length
        if length < 2 or stop > end:
            raise PduError(AbortReason.INVALID_PARAMETER_VALUE, f"PDV length {length} does not fit its PDU")
        # PS3.8 Annex E.2: only the two lowest bits of the message control header count
        pdvs.append(Pdv(context_id, bool(control & 1), bool(control & 2), body[position + 6 : stop]))
        position = stop
    return pdvs


def _data_pdu(context_id: int, control: int, fragment: bytes) -> bytes:
    length = len(fragment)
    return _DATA_HEADER.pack(PduType.P_DATA_TF, length + 6, length + 2, context_id, control) + fragment


def data_pdus(context_id: int, is_command: bool, payload: bytes, max_pdu: int) -> bytes:
    """P-DATA-TF PDUs that carry one command set or one data set, each with a single PDV of an even length.

    :param max_pdu: the peer's maximum length received (PS3.8 Annex D.1), 0 for no limit, else at least 8.
    """
    room = ((max_pdu or UNLIMITED_PDU_LENGTH) - PDV_HEADER_LENGTH) & ~1
    control, last = int(is_command), int(is_command) | 2
    if len(payload) <= room:
        return _data_pdu(context_id, last, payload)
    final = (len(payload) - 1) // room * room
    return b"".join(
        _data_pdu(context_id, control if start < final else last, payload[start : start + room])
        for start in range(0, final + 1, room)
    )


def _fixed(kind: PduType, *values: int) -> bytes:
    return _FIXED.pack(kind, 4, *values)


RELEASE_RQ = _fixed(PduType.RELEASE_RQ, 0, 0, 0, 0)
RELEASE_RP = _fixed(PduType.RELEASE_RP, 0, 0, 0, 0)


def reject(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    return _fixed(PduType.ASSOCIATE_RJ, 0, result, source, reason)


def abort(source: AbortSource, reason: AbortReason) -> bytes:
    """A-ABORT (PS3.8 Table 9-26); the reason means something only when the provider is the source."""
    return _fixed(PduType.ABORT, 0, 0, source, reason)


def accept(request_body: bytes, variable: bytes) -> bytes:
    """A-ASSOCIATE-AC: the fixed part repeats that of the request (PS3.8 Table 9-17), ``variable`` is ours."""
    # protocol version 1; bytes 11 to 74 "shall be sent with a value identical to the value received"
    fixed = b"\x00\x01\x00\x00" + request_body[4:ASSOCIATE_FIXED_LENGTH]
    return _HEADER.pack(PduType.ASSOCIATE_AC, len(fixed) + len(variable)) + fixed + variable
