"""Owns: a CT as a client of a broker: asks for its worklist, performs what it finds, by pynetdicom. Must not: judge."""

from broker.dicom import scu
from broker.dicom.scu import Answer, Peer
from tests.support import exams

AE_TITLE = "CT1"


class Modality:
    """The CT, on a broker on the loopback."""

    def __init__(self, port: int) -> None:
        self.peer = Peer("127.0.0.1", port, calling_ae_title=AE_TITLE)

    def worklist(self, accession_number: str = "") -> list[dict[str, str]]:
        """What it is told to do: per step the values a performed step refers to."""
        step = {"Modality": "", "ScheduledProcedureStepID": "", "ScheduledStationAETitle": ""}
        keys = {
            "AccessionNumber": accession_number, "PatientName": "", "PatientID": "", "StudyInstanceUID": "",
            "RequestedProcedureID": "", "ScheduledProcedureStepSequence": [step],
        }  # fmt: skip
        found = scu.find(self.peer, keys)
        assert found.final.status == 0, f"{found.final.status:04X} {found.final.error_comment}"
        return [_flat(item) for item in found.items]

    def start(self, item: dict[str, str], uid: str) -> Answer:
        """N-CREATE IN PROGRESS for a worklist item."""
        names = ("AccessionNumber", "StudyInstanceUID", "RequestedProcedureID", "ScheduledProcedureStepID")
        patient = {name: item[name] for name in ("PatientName", "PatientID")}
        reference = exams.reference(**{name: item[name] for name in names})
        return scu.create(self.peer, exams.create([reference], **patient), uid)

    def finish(self, uid: str, status: str = "COMPLETED") -> Answer:
        """The final N-SET."""
        return scu.set_(self.peer, exams.final(status), uid)


def _flat(item: object) -> dict[str, str]:
    assert isinstance(item, dict)
    (step,) = item["ScheduledProcedureStepSequence"]
    return {name: str(value) for name, value in {**item, **step}.items() if not isinstance(value, list)}
