"""An emulated modality: verifies, asks for its worklist, starts, completes and discontinues exams over DICOM.

Works with any worklist and MPPS provider.  Well-behaved unless one of the ``MISBEHAVIOURS`` is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from broker.dicom import scu
from broker.emulators import mpps

Attributes = mpps.Attributes

#: return keys of our queries; matching keys are filled in
_KEYS: Mapping[str, object] = {
    "AccessionNumber": "", "PatientName": "", "PatientID": "", "PatientBirthDate": "", "PatientSex": "",
    "StudyInstanceUID": "", "RequestedProcedureID": "", "RequestedProcedureDescription": "",
    "RequestedProcedureCodeSequence": [],
}  # fmt: skip
_STEP_KEYS: Mapping[str, object] = {
    "ScheduledStationAETitle": "", "ScheduledProcedureStepStartDate": "", "ScheduledProcedureStepStartTime": "",
    "Modality": "", "ScheduledProcedureStepID": "", "ScheduledProcedureStepDescription": "",
    "ScheduledProtocolCodeSequence": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModalityConfig:
    """Which device we play, and the provider's address.  ``clock`` answers local time; ``dice`` makes UIDs."""

    ae_title: str
    host: str
    port: int
    called_ae_title: str = "BROKER"
    clock: Callable[[], datetime] = datetime.now
    dice: Random = field(default_factory=Random)


@dataclass(frozen=True, slots=True)
class Exam:
    """A performed procedure step we have begun."""

    sop_instance_uid: str
    item: Attributes


class Modality:
    """One device.  Each request has an association of its own, as with many devices; ``scu.ScuError`` when it fails."""

    def __init__(self, config: ModalityConfig) -> None:
        self._config = config
        self._peer = scu.Peer(config.host, config.port, config.called_ae_title, config.ae_title)
        self._performed = 0

    @property
    def ae_title(self) -> str:
        """Our AE title."""
        return self._config.ae_title

    def echo(self) -> int:
        """C-ECHO; answers the status."""
        return scu.echo(self._peer).status

    def worklist(self, date: str = "", *, station: str | None = None) -> tuple[Attributes, ...]:
        """The items of ``station`` (None: ours, empty: any) on ``date`` (YYYYMMDD, a range, or empty for any)."""
        wanted = self._config.ae_title if station is None else station
        step = {**_STEP_KEYS, "ScheduledStationAETitle": wanted, "ScheduledProcedureStepStartDate": date}
        return scu.find(self._peer, {**_KEYS, "ScheduledProcedureStepSequence": [step]}).items

    def start(self, item: Attributes, at: datetime | None = None) -> tuple[Exam, scu.Answer]:
        """N-CREATE for an item of the worklist."""
        self._performed += 1
        exam = Exam(self._uid(), item)
        attributes = mpps.begin(item, self.ae_title, at or self._config.clock(), f"PPS{self._performed}")
        return exam, scu.create(self._peer, attributes, exam.sop_instance_uid)

    def complete(self, exam: Exam, at: datetime | None = None) -> scu.Answer:
        """Final N-SET: COMPLETED with a series of images."""
        return self._end(exam, at, None)

    def discontinue(self, exam: Exam, reason: str = "110513", at: datetime | None = None) -> scu.Answer:
        """Final N-SET: DISCONTINUED with a reason of PS3.16 CID 9300."""
        return self._end(exam, at, reason)

    def misbehave(self, kind: str, item: Attributes) -> list[scu.Answer]:
        """Do one of ``MISBEHAVIOURS`` with an item; answers what the provider said to each request."""
        return MISBEHAVIOURS[kind].act(self, item)

    def create_raw(self, attributes: Attributes, sop_instance_uid: str | None) -> scu.Answer:
        """N-CREATE of anything."""
        return scu.create(self._peer, attributes, sop_instance_uid)

    def set_raw(self, attributes: Attributes, sop_instance_uid: str) -> scu.Answer:
        """N-SET of anything."""
        return scu.set_(self._peer, attributes, sop_instance_uid)

    def _end(self, exam: Exam, at: datetime | None, reason: str | None) -> scu.Answer:
        attributes = mpps.end(exam.item, at or self._config.clock(), self._uid(), reason)
        return scu.set_(self._peer, attributes, exam.sop_instance_uid)

    def _uid(self) -> str:
        return f"2.25.{self._config.dice.getrandbits(120)}"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What is wrong, and how it is done."""

    text: str
    act: Callable[[Modality, Attributes], list[scu.Answer]]


def _twice(device: Modality, item: Attributes) -> list[scu.Answer]:
    exam, first = device.start(item)
    again = mpps.begin(item, device.ae_title, datetime.now(), "PPS0")
    return [first, device.create_raw(again, exam.sop_instance_uid)]


def _after_the_end(device: Modality, item: Attributes) -> list[scu.Answer]:
    exam, first = device.start(item)
    return [first, device.complete(exam), device.discontinue(exam)]


def _unknown(device: Modality, item: Attributes) -> list[scu.Answer]:
    return [device.complete(Exam("2.25.404", item))]


def _without_status(device: Modality, item: Attributes) -> list[scu.Answer]:
    attributes = mpps.begin(item, device.ae_title, datetime.now(), "PPS0")
    del attributes["PerformedProcedureStepStatus"]
    return [device.create_raw(attributes, None)]


def _completed_at_once(device: Modality, item: Attributes) -> list[scu.Answer]:
    attributes = mpps.begin(item, device.ae_title, datetime.now(), "PPS0")
    return [device.create_raw({**attributes, "PerformedProcedureStepStatus": "COMPLETED"}, None)]


def _without_series(device: Modality, item: Attributes) -> list[scu.Answer]:
    exam, first = device.start(item)
    return [first, device.set_raw({"PerformedProcedureStepStatus": "COMPLETED"}, exam.sop_instance_uid)]


MISBEHAVIOURS: Mapping[str, Misbehaviour] = {
    "create-twice": Misbehaviour("the same performed step created twice", _twice),
    "set-after-end": Misbehaviour("an update after the final state", _after_the_end),
    "unknown-uid": Misbehaviour("an update of a performed step never created", _unknown),
    "no-status": Misbehaviour("a performed step without status", _without_status),
    "completed-at-once": Misbehaviour("a performed step created as completed", _completed_at_once),
    "no-series": Misbehaviour("completed without end time and series", _without_series),
}
