"""Invented orders and the HL7 messages a RIS sends about them: ORM^O01 2.3.1 with ZDS, OMI^O23 2.5.1 with IPC, ADT^A08.

Layout after IHE Radiology TF-2 (RAD-2, RAD-4, RAD-13).  Must not send anything.
"""

from dataclasses import dataclass
from datetime import datetime

from broker.emulators.people import InventedPatient
from hl7.build import FieldValue, MessageBuilder, Repeated, RepetitionValue


@dataclass(frozen=True, slots=True)
class Exam:
    """What can be ordered: code and text, its protocol, the modality and how many minutes it takes."""

    code: str
    text: str
    protocol: str
    protocol_text: str
    modality: str
    minutes: int


EXAMS = (
    Exam("CTHEAD", "CT head", "CTHEAD-N", "CT head native", "CT", 15),
    Exam("CTABDC", "CT abdomen with contrast", "CTABD-PV", "CT abdomen portal venous", "CT", 25),
    Exam("MRBRAIN", "MR brain", "MRBRAIN-S", "MR brain standard", "MR", 35),
    Exam("XRCHEST", "X-ray chest 2 views", "CHEST-2", "Chest PA and lateral", "DX", 10),
    Exam("USABD", "Ultrasound abdomen", "USABD-C", "Abdomen complete", "US", 20),
    Exam("MGSCREEN", "Mammography screening", "MG-4", "Screening 4 views", "MG", 15),
)


@dataclass(frozen=True, slots=True)
class InventedOrder:
    """One order with one procedure of one step; ``start`` is aware, in the site's zone."""

    patient: InventedPatient
    exam: Exam
    station: str
    start: datetime
    number: str
    study_instance_uid: str
    #: HL7 priority: R routine, S stat
    priority: str = "R"
    physician: tuple[str, str] = ("Hartmann", "Clara")

    @property
    def accession_number(self) -> str:
        """The accession number."""
        return f"A{self.number}"

    @property
    def step_id(self) -> str:
        """The Scheduled Procedure Step ID."""
        return f"S{self.number}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the header says: who sends, to whom, when."""

    control_id: str
    sent_at: datetime
    sending_application: str = "RIS"
    sending_facility: str = "DEMO"
    receiving_application: str = "BROKER"
    receiving_facility: str = "RAD"


def orm(order: InventedOrder, control: str, envelope: Envelope) -> bytes:
    """ORM^O01: ``control`` is ORC-1 (NW new, XO changed, CA cancelled, DC discontinued)."""
    builder = _begin("ORM", "O01", "2.3.1", order.patient.charset, envelope)
    builder.segment("PID", _pid(order.patient)).segment("PV1", _pv1(order))
    timing = (None, None, None, _minute(order.start), None, order.priority)
    builder.segment("ORC", {**_orc(order, control, envelope), 7: timing, 18: (order.station,)})
    builder.segment("OBR", {**_obr(order), 27: timing})
    return builder.segment("ZDS", {1: (order.study_instance_uid, "RIS", "Application", "DICOM")}).to_bytes()


def omi(order: InventedOrder, control: str, envelope: Envelope) -> bytes:
    """OMI^O23: the same order with TQ1 and IPC."""
    builder = _begin("OMI", "O23", "2.5.1", order.patient.charset, envelope)
    builder.segment("PID", _pid(order.patient)).segment("PV1", _pv1(order))
    builder.segment("ORC", _orc(order, control, envelope))
    builder.segment("TQ1", {1: 1, 7: _minute(order.start), 9: order.priority})
    builder.segment("OBR", _obr(order))
    exam = order.exam
    return builder.segment(
        "IPC",
        {
            1: (order.accession_number, "RIS"), 2: f"R{order.number}", 3: order.study_instance_uid, 4: order.step_id,
            5: exam.modality, 6: (exam.protocol, exam.protocol_text, "L"), 9: order.station,
        },
    ).to_bytes()  # fmt: skip


def adt(patient: InventedPatient, envelope: Envelope) -> bytes:
    """ADT^A08: the patient's data are now these."""
    builder = _begin("ADT", "A08", "2.3.1", patient.charset, envelope)
    builder.segment("EVN", {1: "A08", 2: _minute(envelope.sent_at)})
    return builder.segment("PID", _pid(patient)).segment("PV1", {2: "O"}).to_bytes()


def _begin(message_type: str, trigger: str, version: str, charset: str, envelope: Envelope) -> MessageBuilder:
    return MessageBuilder(
        message_type, trigger, version=version, charset=charset, control_id=envelope.control_id
    ).header(
        sending_application=envelope.sending_application, sending_facility=envelope.sending_facility,
        receiving_application=envelope.receiving_application, receiving_facility=envelope.receiving_facility,
        timestamp=envelope.sent_at,
    )  # fmt: skip


def _pid(patient: InventedPatient) -> dict[int, FieldValue]:
    first: RepetitionValue = (patient.family, patient.given)
    name: FieldValue = first
    if patient.representations:
        coded = [("A", patient.family, patient.given), *patient.representations]
        name = Repeated([(family, given, None, None, None, None, None, code) for code, family, given in coded])
    return {3: (patient.patient_id, None, None, "DEMO"), 5: name, 7: patient.birth_date, 8: patient.sex}


def _pv1(order: InventedOrder) -> dict[int, FieldValue]:
    return {2: "E" if order.priority == "S" else "O", 19: (f"V{order.number}", None, None, "DEMO")}


def _orc(order: InventedOrder, control: str, envelope: Envelope) -> dict[int, FieldValue]:
    return {
        1: control, 2: (f"P{order.number}", "HIS"), 3: (f"F{order.number}", "RIS"),
        5: "CA" if control == "CA" else None, 9: envelope.sent_at.strftime("%Y%m%d%H%M%S%z"),
        12: ("17", *order.physician),
    }  # fmt: skip


def _obr(order: InventedOrder) -> dict[int, FieldValue]:
    exam = order.exam
    return {
        1: 1, 2: (f"P{order.number}", "HIS"), 3: (f"F{order.number}", "RIS"),
        4: (exam.code, exam.text, "L", exam.protocol, exam.protocol_text, "L"), 16: ("17", *order.physician),
        18: order.accession_number, 19: f"R{order.number}", 20: order.step_id, 24: exam.modality,
    }  # fmt: skip


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S")
