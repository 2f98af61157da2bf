"""The one table of words, shapes and colours for statuses and marks; pages, commands and statistics read it.

Status is never colour alone: each row has a word and a shape of its own (templates/_icons.html draws the shapes,
static/style.css has the colour per ``css`` name, tested for 4.5:1 in both modes).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.domain.notifications import NotificationState, Standing
from broker.domain.states import StepStatus
from broker.services.board import Mark


@dataclass(frozen=True, slots=True)
class Look:
    """How a status or mark is shown."""

    word: str
    #: name of the drawn shape
    shape: str
    #: suffix of the style class that carries the colour
    css: str
    #: one sentence for the tooltip and the help page
    hint: str


STATUS: Mapping[StepStatus, Look] = {
    StepStatus.SCHEDULED: Look("Scheduled", "ring", "scheduled", "Ordered and planned; the patient is not here yet."),
    StepStatus.ARRIVED: Look("Arrived", "half", "arrived", "The patient is in the department."),
    StepStatus.READY: Look("Ready", "target", "ready", "The patient is prepared; the exam can begin."),
    StepStatus.STARTED: Look("In progress", "play", "started", "A device reported the beginning of the exam."),
    StepStatus.HELD: Look("Held", "pause", "held", "The sender put the order on hold; no device is given it."),
    StepStatus.COMPLETED: Look("Completed", "check", "completed", "The exam was reported as completed."),
    StepStatus.DISCONTINUED: Look("Discontinued", "stop", "discontinued", "The exam was begun or due and given up."),
    StepStatus.CANCELED: Look("Cancelled", "cross", "canceled", "The order was withdrawn before the exam."),
}

MARK: Mapping[Mark, Look] = {
    Mark.URGENT: Look("Urgent", "bolt", "urgent", "The requester asks for priority."),
    Mark.LATE: Look("Late", "clock", "late", "The planned time has passed and the exam has not begun."),
    Mark.STUCK: Look("Stuck", "hourglass", "stuck", "In progress, and nothing was heard of it for very long."),
    Mark.MISMATCH: Look(
        "Mismatch", "unequal", "mismatch", "The device named another patient than the order; check who was examined."
    ),
    Mark.CANCELED_DURING_EXAM: Look(
        "Cancelled during exam", "unequal", "mismatch", "The order was cancelled after the exam had begun."
    ),
    Mark.INCOMPLETE: Look(
        "Not on any list",
        "gap",
        "incomplete",
        "A value that DICOM requires is missing, so no device is given this step.",
    ),
}

IMAGES = Look("Images without order", "question", "unmatched", "An archive has images of a study that no order names.")
INFERRED = Look("Inferred", "", "inferred", "No device reported it: a person, a message or a rule said so.")
NEVER_ENDED = Look(
    "Never ended", "hourglass", "stuck", "In progress for very long, on any day: close it, or say that it still runs."
)
UNMATCHED = Look("Unmatched exam", "question", "unmatched", "A device reported an exam that belongs to no known order.")
PARKED = Look(
    "Parked notification", "envelope", "parked", "A destination refused a notification; a person must decide."
)
SILENT = Look(
    "Destination silent", "plug", "silent", "A destination does not take notifications; they wait and are retried."
)
STANDING: Mapping[Standing, Look] = {
    Standing.SENDING: Look("Sending", "check", "completed", "It takes what is sent."),
    Standing.NOT_ANSWERING: Look("Not answering", "plug", "alarm", "It is left alone for a while and tried again."),
    Standing.PAUSED: Look("Paused", "pause", "held", "A person holds it; what happens meanwhile waits."),
    Standing.DRAINING: Look("Draining", "hourglass", "held", "What waited is still sent, later ones wait."),
    Standing.DRAINED: Look("Drained", "pause", "held", "What waited was sent, later ones wait."),
    Standing.DISABLED: Look("Disabled", "refused", "alarm", "The receiver wants no more; a person may resume it."),
    Standing.GONE: Look("Not in the settings", "question", "alarm", "Nobody sends what waits for it."),
}
TOLD: Mapping[NotificationState, Look] = {
    NotificationState.PENDING: Look("Waiting", "clock", "arrived", "It is sent by itself when its turn comes."),
    NotificationState.PARKED: Look("Parked", "envelope", "alarm", "It was refused or held; a person must decide."),
    NotificationState.DELIVERED: Look("Delivered", "check", "completed", "The receiver confirmed it."),
    NotificationState.SKIPPED: Look("Skipped", "cross", "canceled", "It is not sent."),
}
LATE_DESTINATION = Look(
    "late", "hourglass", "silent", "The oldest notification for a destination waits longer than the site wants."
)
REFUSED = Look(
    "Refused message", "refused", "refused", "A message was refused in the last 24 hours; the sender was told why."
)
