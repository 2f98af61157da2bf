"""What devices do against the standard, in words for people: one line for every quirk."""

from collections.abc import Mapping

from broker.domain.performed_faults import Quirk

QUIRKS: Mapping[str, str] = {
    Quirk.MISSING_TYPE_2: "Leaves out an attribute that may be empty but must be sent",
    Quirk.CODE_WITHOUT_MEANING: "Sends a code without its meaning",
    Quirk.OVERSIZE: "Sends a value longer than its kind allows",
    Quirk.NOT_SETTABLE: "Changes later what may be said only at the beginning; the first value was kept",
    Quirk.NOT_CREATED: "Brings an attribute later that it did not announce at the beginning",
    Quirk.LOWER_CASE_STATUS: "Writes the status in lower case",
    Quirk.FINAL_AT_CREATE: "Reports an exam only when it has ended",
    Quirk.NO_SCHEDULED_STEP: "Reports an exam without naming any scheduled step",
    Quirk.DISCONTINUED_WITHOUT_SERIES: "Discontinues an exam without any series",
    Quirk.REPEATED_CREATE: "Repeats the beginning of an exam",
    Quirk.REPEATED_FINAL: "Repeats the end of an exam",
    Quirk.LATE_SET: "Reports on an exam after its end",
    Quirk.SERIES_IN_PARTS: "Names only the new series and images each time, not all of them",
    Quirk.UNDECODABLE_TEXT: "Sends text that does not fit its character set",
    Quirk.END_BEFORE_START: "Reports an end before the start: check its clock",
}
