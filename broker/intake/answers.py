"""Refusals in HL7's words: acknowledgement code, error code of table 0357, location.

Owns: the table from reasons to codes.  Must not: decide what is refused.
"""

import re
from collections.abc import Mapping

from broker.domain.errors import Reason, Refusal
from hl7.errors import AckCode, Hl7Error, Location

#: reason -> (acknowledgement code, error code); 207 is the table's catch-all, so the text says what is meant
_CODES = {
    Reason.REQUIRED_MISSING: (AckCode.AE, "101"),
    Reason.INVALID_VALUE: (AckCode.AE, "102"),
    Reason.UNKNOWN_VALUE: (AckCode.AE, "103"),
    Reason.UNKNOWN_KEY: (AckCode.AE, "204"),
    Reason.DUPLICATE_KEY: (AckCode.AE, "205"),
    Reason.WRONG_STATE: (AckCode.AE, "207"),
    Reason.FINAL: (AckCode.AE, "207"),
    Reason.UNSUPPORTED: (AckCode.AR, "200"),
}
_WHERE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\.(\d+))?)?")


def reason_codes() -> Mapping[Reason, tuple[AckCode, str]]:
    """Which acknowledgement and error code each refusal gets, for the interface specification."""
    return _CODES


def error_of(refusal: Refusal) -> Hl7Error:
    """The HL7 error that says what ``refusal`` says."""
    ack_code, error_code = _CODES[refusal.reason]
    return Hl7Error(refusal.text, error_code=error_code, ack_code=ack_code, location=location_of(refusal.where))


def location_of(where: str) -> Location | None:
    """``PID-3.1``, ``ORC[2]`` or ``ORC[2]-1`` as a location; None for anything else."""
    match = _WHERE.fullmatch(where)
    if match is None:
        return None
    occurrence, field, component = (int(part) if part else None for part in match.groups()[1:])
    return Location(match[1], occurrence or 1, field, None, component)


def internal_error() -> Hl7Error:
    """A fault of ours: nothing was changed, the message is kept, the sender may repeat it."""
    text = "internal error; nothing was changed. The message is in the journal, the cause in the log"
    return Hl7Error(text, error_code="207", ack_code=AckCode.AR)
