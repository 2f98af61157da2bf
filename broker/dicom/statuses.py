"""DIMSE status codes as the handlers use them, by service (PS3.7 Annex C, PS3.4 F.7.2 and K.4.1.1.4)."""

from enum import IntEnum


class Status(IntEnum):
    """Statuses of the N services."""

    SUCCESS = 0x0000
    #: N-GET: requested optional attributes are not supported (PS3.4 F.8.2.1)
    OPTIONAL_NOT_SUPPORTED = 0x0001
    NO_SUCH_ATTRIBUTE = 0x0105
    INVALID_ATTRIBUTE_VALUE = 0x0106
    #: counted as a warning by peers: never used to refuse
    ATTRIBUTE_LIST_ERROR = 0x0107
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_OBJECT_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    UNRECOGNISED_OPERATION = 0x0211


#: Error ID with PROCESSING_FAILURE: the performed step is final (PS3.4 F.7.2.2.2)
MAY_NO_LONGER_BE_UPDATED = 0xA710


class FindStatus(IntEnum):
    """Statuses of C-FIND on the worklist; those of the Cxxx family are listed in the conformance statement."""

    SUCCESS = 0x0000
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    IDENTIFIER_DOES_NOT_MATCH = 0xA900
    #: the identifier is no data set, or is cut short
    IDENTIFIER_UNREADABLE = 0xC000
    #: a date or time key that is neither a value nor a range
    KEY_UNREADABLE = 0xC002
    CANCEL = 0xFE00
    PENDING = 0xFF00
    #: pending, and at least one key of the request is not supported
    PENDING_KEY_NOT_SUPPORTED = 0xFF01
