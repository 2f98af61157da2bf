"""What can be wrong with an MPPS request, what is let pass, and by which name a site allows it.

A fault refuses the request; a toleration is a breach that the policy lets pass and that is recorded for the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from broker.domain.errors import Reason, Refusal


class PerformedFault(StrEnum):
    """Why an MPPS request is refused; the DIMSE edge gives each its status (PS3.7 Annex C)."""

    MISSING = "missing"
    EMPTY = "no value"
    INVALID = "invalid value"
    NOT_SETTABLE = "not allowed in N-SET"
    DUPLICATE = "instance exists already"
    UNKNOWN = "no such instance"
    INVALID_UID = "invalid instance UID"
    FINAL = "Performed Procedure Step Object may no longer be updated"


_REASONS: Mapping[PerformedFault, Reason] = {
    PerformedFault.MISSING: Reason.REQUIRED_MISSING,
    PerformedFault.EMPTY: Reason.REQUIRED_MISSING,
    PerformedFault.INVALID: Reason.INVALID_VALUE,
    PerformedFault.NOT_SETTABLE: Reason.WRONG_STATE,
    PerformedFault.DUPLICATE: Reason.DUPLICATE_KEY,
    PerformedFault.UNKNOWN: Reason.UNKNOWN_KEY,
    PerformedFault.INVALID_UID: Reason.INVALID_VALUE,
    PerformedFault.FINAL: Reason.FINAL,
}


class PerformedRefusal(Refusal):
    """An MPPS request that the rules do not allow.  ``paths`` name the offending attributes by keyword, ``A>B`` inside
    a sequence; ``tags`` are their tags."""

    def __init__(self, fault: PerformedFault, paths: tuple[str, ...] = (), tags: tuple[int, ...] = ()) -> None:
        text = f"{fault.value}: {', '.join(paths)}" if paths else fault.value
        super().__init__(_REASONS[fault], text, where=paths[0] if paths else "")
        self.fault = fault
        self.paths = paths
        self.tags = tags


class Quirk(StrEnum):
    """A breach of the standard that a site may let pass, by the name used in settings and warnings."""

    #: a type 2 attribute is absent: taken as empty
    MISSING_TYPE_2 = "missing_type_2"
    #: a code item lacks its meaning
    CODE_WITHOUT_MEANING = "code_without_meaning"
    #: a value is longer than its VR allows: kept as sent
    OVERSIZE = "oversize"
    #: N-SET repeats, with another value, an attribute that only N-CREATE may give: the stored value stays
    NOT_SETTABLE = "not_settable"
    #: N-SET brings an attribute that N-CREATE did not create: stored
    NOT_CREATED = "not_created"
    #: the status is written in lower case
    LOWER_CASE_STATUS = "lower_case_status"
    #: N-CREATE arrives with a final status: the step begins and ends at once
    FINAL_AT_CREATE = "final_at_create"
    #: N-CREATE has no Scheduled Step Attributes item: taken as unscheduled
    NO_SCHEDULED_STEP = "no_scheduled_step"
    #: DISCONTINUED without any series
    DISCONTINUED_WITHOUT_SERIES = "discontinued_without_series"
    #: the same N-CREATE again, from the same device, while in progress: success, no effect
    REPEATED_CREATE = "repeated_create"
    #: the same final N-SET again, from the same device: success, no effect
    REPEATED_FINAL = "repeated_final"
    #: N-SET after the end that names no other state: its attributes are stored, the state stays
    LATE_SET = "late_set"
    #: N-SET brings only the series and images that are new: they are added to those stored
    SERIES_IN_PARTS = "series_in_parts"
    #: text that its declared character set cannot explain: undecodable characters were replaced
    UNDECODABLE_TEXT = "undecodable_text"
    #: the end is before the start
    END_BEFORE_START = "end_before_start"


#: let pass unless a site says otherwise (MPPS reference, sections 3.5 and 11)
DEFAULT_TOLERATED = frozenset(
    {
        Quirk.MISSING_TYPE_2,
        Quirk.CODE_WITHOUT_MEANING,
        Quirk.NOT_SETTABLE,
        Quirk.NOT_CREATED,
        Quirk.UNDECODABLE_TEXT,
        Quirk.END_BEFORE_START,
    }
)


@dataclass(frozen=True, slots=True)
class Toleration:
    """A breach that was let pass: which, and at which attribute (never its value)."""

    quirk: Quirk
    path: str = ""
