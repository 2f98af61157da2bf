"""Owns: an invented day in an invented department, put into a database through the broker's own use cases.
Must not: know how pages look.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from broker.domain.dicom_json import Dataset
from broker.domain.model import (
    Actor,
    Identifier,
    OrderChange,
    OrderControl,
    PatientChange,
    ProcedureChange,
    Source,
    StepChange,
    VisitChange,
)
from broker.domain.notifications import Attempt, DestinationRule
from broker.domain.site import Site
from broker.services import orders, performed
from broker.services.context import Context
from broker.services.performed import PerformedMessage
from broker.store import journal, outbox, timeline
from broker.store.database import Connection, Database
from broker.store.tables import device_query, step_query
from tests.support import exams

ZONE = ZoneInfo("Europe/Zurich")
#: 10:42:31 in Zurich
NOW = datetime(2026, 7, 9, 8, 42, 31, tzinfo=UTC)
RIS = Actor(Source.SENDER, "RIS")


@dataclass
class Clock:
    """A clock that tests set."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def site(*destinations: str) -> Site:
    """A site in Zurich that tells ``destinations``."""
    return Site(zone=ZONE, destinations=tuple(DestinationRule(name) for name in destinations))


@dataclass(frozen=True)
class Booking:
    """One invented order with one step."""

    number: int
    start: str
    patient: str
    birth: str
    sex: str
    modality: str
    station: str
    words: str
    place: str = ""
    priority: str = "ROUTINE"
    more: tuple[tuple[str, str], ...] = ()


DAY = (
    Booking(1, "0730", "KELLER^Anna Maria", "19580314", "F", "CT", "CT1", "CT thorax with contrast", "Room 2.104"),
    Booking(2, "0800", "BRUNNER^Jonas", "19871102", "M", "CT", "CT1", "CT head plain", "Room 2.104"),
    Booking(3, "0830", "SØRENSEN^Åse", "19440621", "F", "CT", "CT2", "CT abdomen and pelvis", "Room 2.106"),
    Booking(4, "0900", "MÜLLER^Eva", "19700131", "F", "CT", "CT1", "CT angiography of the neck", "Room 2.104"),
    Booking(5, "1015", "ROSSI^Giulia", "19920818", "F", "CT", "CT2", "CT sinuses", "Room 2.106"),
    Booking(6, "1030", "WEBER^Hans Peter", "19510405", "M", "CT", "CT1", "CT pulmonary arteries", "Room 2.104", "STAT"),
    Booking(7, "1100", "NGUYEN^Thi Lan", "20010930", "F", "CT", "CT1", "CT appendix low dose", "Room 2.104"),
    Booking(8, "1130", "PEREIRA^João", "19630712", "M", "CT", "CT2", "CT colonography", "Room 2.106"),
    Booking(9, "0745", "山田^太郎=やまだ^たろう", "19791224", "M", "MR", "MR1", "MR knee left", "Room 1.020"),
    Booking(10, "0845", "ИВАНОВ^Пётр", "19660519", "M", "MR", "MR1", "MR lumbar spine", "Room 1.020"),
    Booking(11, "1000", "GARCÍA LÓPEZ^María", "19850227", "F", "MR", "MR1", "MR brain with contrast", "Room 1.020"),
    Booking(12, "1115", "O'BRIEN^Sean", "19730808", "M", "MR", "MR1", "MR shoulder right", "Room 1.020"),
    Booking(13, "0815", "HUBER^Lina", "20250402", "F", "US", "US3", "Ultrasound abdomen, child", "Ward C"),
    Booking(14, "0930", "KOWALSKI^Zofia", "19901111", "F", "US", "US3", "Ultrasound thyroid", "Room 0.311"),
    Booking(15, "1050", "MEIER^Ruth", "19390101", "F", "US", "US3", "Ultrasound leg veins", "Room 0.311"),
    Booking(16, "0920", "SCHMID^Paul", "20140616", "M", "DX", "DX1", "Wrist right, two views", "Room 0.102"),
    Booking(17, "1010", "BAUMANN^Karl", "19480922", "M", "DX", "DX1", "Chest, two views", "Room 0.102"),
    Booking(18, "1040", "FISCHER^Noah", "20260620", "M", "DX", "DX1", "Chest, one view", "Neonatology"),
)  # fmt: skip


def change(booking: Booking, control: OrderControl = OrderControl.PLACE, day: str = "20260709") -> OrderChange:
    """The order message of a booking."""
    number = booking.number
    step = {
        "Modality": booking.modality, "ScheduledStationAETitle": [booking.station],
        "ScheduledProcedureStepStartDate": day, "ScheduledProcedureStepStartTime": booking.start,
        "ScheduledProcedureStepDescription": booking.words, "ScheduledProcedureStepLocation": booking.place,
    }  # fmt: skip
    procedure = {"RequestedProcedureDescription": booking.words, "RequestedProcedurePriority": booking.priority}
    person = {
        "PatientName": booking.patient, "PatientBirthDate": booking.birth, "PatientSex": booking.sex,
        **dict(booking.more),
    }  # fmt: skip
    return OrderChange(
        control=control, placer=Identifier(f"P2026-{number:04}", "HIS"), filler=Identifier(f"F{number:06}", "RIS"),
        accession=Identifier(f"A26{number:05}"),
        patient=PatientChange((Identifier(f"40{number:05}", "HOSP"),), person, "PID-3"),
        visit=VisitChange(Identifier(f"V{number:05}", "HOSP"), {"CurrentPatientLocation": "Outpatients"}),
        attributes={"ReferringPhysicianName": "BERGER^Sophie^^Dr."},
        procedures=(
            ProcedureChange(f"RP{number}", f"1.2.826.77.{number}", procedure, (StepChange(f"SPS{number}", step),)),
        ),
        where="ORC[1]",
    )  # fmt: skip


def message(booking: Booking, control: str = "NW") -> bytes:
    """A message as it may have brought the booking; UTF-8."""
    return "\r".join((
        f"MSH|^~\\&|RIS|HOSP|BROKER|RAD|202607090700||OMI^O23|M{booking.number}{control}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|||40{booking.number:05}^^^HOSP||{booking.patient.partition('=')[0]}||{booking.birth}|{booking.sex}",
        f"ORC|{control}|P2026-{booking.number:04}^HIS|F{booking.number:06}^RIS",
        f"OBR|1|P2026-{booking.number:04}^HIS|F{booking.number:06}^RIS|X{booking.number}^{booking.words}^L",
        f"IPC|A26{booking.number:05}|RP{booking.number}|1.2.826.77.{booking.number}|SPS{booking.number}|{booking.modality}",
        "",
    )).encode()  # fmt: skip


class Department:
    """The department's day as it is told to one database; ``clock`` says when."""

    def __init__(self, database: Database, *destinations: str) -> None:
        self.clock = Clock()
        self.context = Context(database, site(*destinations), self.clock)
        self.requests: dict[int, int] = {}

    def at(self, time: str) -> None:
        """Set the clock to a local time of the day, HH:MM or HH:MM:SS."""
        hour, minute, second = (*map(int, time.split(":")), 0)[:3]
        self.clock.now = datetime(2026, 7, 9, hour, minute, second, tzinfo=ZONE).astimezone(UTC)

    def order(self, booking: Booking, control: OrderControl = OrderControl.PLACE, day: str = "20260709") -> int:
        """Send an order or a change to it; answers the key of the order."""
        code = {OrderControl.CANCEL: "CA", OrderControl.CHANGE: "XO"}.get(control, "NW")

        def work(connection: Connection) -> orders.AppliedOrder:
            key = journal.insert(connection, self._journal(message(booking, code), f"M{booking.number}{code}"))
            return orders.apply(connection, self.context, "ris", RIS, change(booking, control, day), key)

        applied = self.context.database.write(work)
        assert applied.request_key is not None
        self.requests[booking.number] = applied.request_key
        return applied.request_key

    def _journal(self, raw: bytes, control_id: str) -> journal.JournalEntry:
        answer = (
            f"MSH|^~\\&|BROKER|RAD|RIS|HOSP|20260709070000||ACK|9{control_id}|P|2.5.1\rMSA|AA|{control_id}\r".encode()
        )
        return journal.JournalEntry(
            received_at=self.clock.now, sender="RIS", peer="10.1.4.20", control_id=control_id, message_type="OMI^O23",
            digest="0" * 64, outcome="applied", raw=raw, acknowledgement=answer,
        )  # fmt: skip

    def queried(self, booking: Booking, station: str, times: int = 1) -> None:
        """A device got the step on its list."""
        key = self.step_key(booking)
        first = self.clock.now - timedelta(minutes=times)
        row = {
            "step_id": key,
            "calling_ae_title": station,
            "first_at": first,
            "last_at": self.clock.now,
            "times": times,
        }
        asked = {
            "at": self.clock.now,
            "calling_ae_title": station,
            "keys": {},
            "status": 0,
            "answers": 1,
            "milliseconds": 3,
        }

        def work(connection: Connection) -> None:
            connection.execute(step_query.insert(), row)
            connection.execute(device_query.insert(), asked)

        self.context.database.write(work)

    def step_key(self, booking: Booking) -> int:
        """The key of the booking's step."""
        from broker.store import orders as store

        order = self.context.database.read(lambda c: store.load(c, self.requests[booking.number]))
        key = order.steps[0].key
        assert key is not None
        return key

    def begin(self, booking: Booking, start: str, *, patient_id: str = "", linked: bool = True) -> None:
        """The room's device starts the exam."""
        reference = exams.reference(
            str(booking.number), StudyInstanceUID=f"1.2.826.77.{booking.number}",
            AccessionNumber=f"A26{booking.number:05}",
            RequestedProcedureID=f"RP{booking.number}", ScheduledProcedureStepID=f"SPS{booking.number}",
        )  # fmt: skip
        values = exams.create(
            [reference] if linked else [exams.reference("999", StudyInstanceUID="1.2.826.78.9")],
            PatientName=booking.patient, PatientID=patient_id or f"40{booking.number:05}",
            PatientBirthDate=booking.birth,
            PatientSex=booking.sex, PerformedStationAETitle=booking.station, Modality=booking.modality,
            PerformedProcedureStepStartDate="20260709", PerformedProcedureStepStartTime=start,
            PerformedProcedureStepDescription=booking.words,
        )  # fmt: skip
        performed.start(self.context, self._exam(booking, values))

    def end(self, booking: Booking, end: str, status: str = "COMPLETED", **more: object) -> None:
        """The room's device ends the exam."""
        values = exams.final(
            status, PerformedProcedureStepEndDate="20260709", PerformedProcedureStepEndTime=end, **more
        )
        performed.update(self.context, self._exam(booking, values))

    def _exam(self, booking: Booking, values: exams.Plain) -> PerformedMessage:
        dataset: Dataset = exams.dataset(values)
        return PerformedMessage(f"1.2.826.88.{booking.number}", dataset, booking.station)

    def told(self, booking: Booking, result: str = "delivered", detail: str = "AA") -> None:
        """The first notification of the booking that waits was tried."""
        request, at = self.requests[booking.number], self.clock.now

        def work(connection: Connection) -> None:
            waiting = [n for n in timeline.notifications(connection, request) if n.finished_at is None]
            entry = waiting[0]
            answer = f"MSH|^~\\&|RIS|HOSP|BROKER|RAD|20260709||ACK|1|P|2.3.1\rMSA|AA|{entry.message_id}\r".encode()
            outbox.add_attempt(connection, entry.key, Attempt(at, result, 12, detail, answer))
            if result == "delivered":
                outbox.mark_delivered(connection, entry.key, at)

        self.context.database.write(work)


def live_the_morning(department: Department, bookings: Iterable[Booking] = DAY) -> None:
    """Orders, queries, exams and notifications until 10:42."""
    by_number = {b.number: b for b in bookings}
    for booking in by_number.values():
        department.at("07:00")
        department.order(booking)
    done = ((1, "07:34", "07:52"), (2, "08:03", "08:15"), (3, "08:41", "09:02"), (9, "07:49", "08:21"),
            (10, "08:50", "09:31"), (13, "08:20", "08:41"), (16, "09:25", "09:33"))  # fmt: skip
    for number, start, end in done:
        booking = by_number[number]
        department.at(start)
        department.queried(booking, booking.station, 3)
        department.begin(booking, start.replace(":", "") + "12")
        department.told(booking)
        department.at(end)
        department.end(booking, end.replace(":", "") + "40")
        department.told(booking)
    department.at("09:10")
    department.begin(by_number[14], "091005")
    department.at("09:20")
    department.end(
        by_number[14], "092000", "DISCONTINUED", **exams.reason("110513", "Discontinued for unspecified reason")
    )
    department.at("09:22")
    department.order(by_number[17], OrderControl.CANCEL)
    for number, start in ((5, "10:21"), (11, "10:04"), (18, "10:39")):
        department.at(start)
        department.queried(by_number[number], by_number[number].station, 2)
        department.begin(by_number[number], start.replace(":", "") + "09", patient_id="4099999" if number == 18 else "")
    department.clock.now = NOW
