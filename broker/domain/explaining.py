"""Why an item is not on a list, in plain words, with the remedy.

Owns the words; which rule or key it was is told by ``matching`` and ``treatment``.  No patient data: keywords only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.domain.attributes import Attributes
from broker.domain.matching import Obstacle, Verdict
from broker.domain.states import FINAL, StepStatus
from broker.domain.worklist_item import missing_of


@dataclass(frozen=True, slots=True)
class Reason:
    """``what`` keeps the item from the list; ``remedy`` brings it there."""

    what: str
    remedy: str


def reason(verdict: Verdict, document: Attributes, status: StepStatus) -> Reason:
    """The words for one verdict about one item."""
    if verdict.obstacle is Obstacle.STATUS:
        return _status(status)
    if verdict.obstacle is Obstacle.INCOMPLETE:
        return _incomplete(document)
    if verdict.obstacle is Obstacle.KEY:
        return _key(verdict.keyword)
    what, remedy = _WORDS[verdict.obstacle]
    setting = _SETTINGS.get(verdict.keyword, "settings")
    return Reason(what.format(keyword=verdict.keyword), remedy.format(setting=setting))


def _status(status: StepStatus) -> Reason:
    if status in FINAL:
        return Reason(
            f"The step is {status.value.lower()}: no device is shown such steps.",
            "Order it anew if it must be done (again).",
        )
    if status is StepStatus.HELD:
        return Reason("The order is on hold.", "Release the order in the system that placed it.")
    return Reason(
        f"The step is {status.value.lower()}, and this device is not shown such steps.",
        f"Add {status.value} to the device's `shown`, or give it a time of `grace`.",
    )


def _incomplete(document: Attributes) -> Reason:
    missing = ", ".join(missing_of(document)) or "a value"
    return Reason(
        f"Required and without a value: {missing}. Such an item is sent to no device.",
        "Send the order again with the value, or add it in the mapping or the procedure catalogue.",
    )


def _key(keyword: str) -> Reason:
    return Reason(
        f"The device asks for another {keyword}.", _KEYS.get(keyword, f"Ask without {keyword}, or correct the order.")
    )


_WORDS: Mapping[Obstacle, tuple[str, str]] = {
    Obstacle.WINDOW: (
        "It starts outside the window of hours that this device sees when it asks for no day.",
        "Let the device ask for the day or the patient, or change its `window`.",
    ),
    Obstacle.DEVICE: (
        "{keyword} is none of those this device is registered for.",
        "Schedule the step for this device, or change its `{setting}`.",
    ),
    Obstacle.WITHHELD: (
        "{keyword} is longer than DICOM allows, or has characters it must not have.",
        "Correct the value in the order, or set `too_long` of the device to whole.",
    ),
    Obstacle.LIMIT: (
        "It matches, but the list is cut before it: it holds the earliest steps up to the limit.",
        "Raise the device's `limit`, or let the device ask for less: a day, its station.",
    ),
}
_SETTINGS: Mapping[str, str] = {
    "ScheduledStationAETitle": "stations", "Modality": "modalities", "ScheduledProcedureStepLocation": "locations",
}  # fmt: skip
_KEYS: Mapping[str, str] = {
    "ScheduledStationAETitle": (
        "Schedule the step for the station the device asks for (mapping or catalogue), or list its real station under "
        "`stations` of the device; upper and lower case count."
    ),
    "Modality": "Correct the modality in the procedure catalogue or the mapping, or the query at the device.",
    "ScheduledProcedureStepStartDate": "Ask for the day the step is scheduled for, or move the step.",
    "ScheduledProcedureStepStartTime": "Ask for the whole day, or move the step.",
    "ScheduledProcedureStepStatus": "Ask without a status.",
    "PatientName": "Check the spelling; end the name with * when only its beginning is typed.",
    "PatientID": "Check the number; upper and lower case count unless `ignore_case` is set for the device.",
    "AccessionNumber": "Check the number; upper and lower case count unless `ignore_case` is set for the device.",
}
