"""Refusals: a rule says no, and says why.

A refusal is a normal answer to a peer, not a fault.  Edges translate it: HL7 to AE/AR with ERR, DIMSE to a failure
status, HTTP to 4xx.  Its text names the field, the rule and the remedy, and never holds patient data.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused; each edge maps these to its own codes (HL7 table 0357, DIMSE statuses)."""

    REQUIRED_MISSING = "required value missing"
    INVALID_VALUE = "invalid value"
    UNKNOWN_VALUE = "value not in its table"
    UNKNOWN_KEY = "unknown key"
    DUPLICATE_KEY = "duplicate key"
    WRONG_STATE = "not allowed in the present state"
    FINAL = "may no longer be updated"
    UNSUPPORTED = "not supported"


class Refusal(Exception):
    """A request that the rules do not allow.

    ``where`` names the offending value in the words of whoever asked: an HL7 path (``PID-3.1``) or a DICOM keyword.
    """

    def __init__(self, reason: Reason, text: str, *, where: str = "") -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.where = where


class Conflict(Exception):
    """Another writer changed the same record first; the use case is run again on fresh data."""


class Unavailable(Exception):
    """The database cannot be reached or refuses work now: nothing was changed, the peer should repeat."""
