"""Owns: a broker's MPPS handler on a real database, and a device that sends it encoded requests. Must not: judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, insert, select

from broker.dicom import datasets
from broker.dicom.messages import Association, Request, Response
from broker.dicom.mpps import MPPS, MPPS_RETRIEVE, MppsHandler
from broker.domain.model import (
    Actor,
    FactKind,
    Identifier,
    OrderChange,
    OrderControl,
    PatientChange,
    ProcedureChange,
    Source,
    StepChange,
    VisitChange,
)
from broker.domain.notifications import DestinationRule
from broker.domain.performing import PerformedPolicy
from broker.domain.site import Site
from broker.services import orders
from broker.services.context import Context
from broker.store import events
from broker.store.database import Connection, Database
from broker.store.tables import (
    event,
    journal_entry,
    outbox_entry,
    performed_message,
    performed_procedure_step,
    scheduled_procedure_step,
    step_link,
    worklist_item,
)
from tests.support import exams

NOW = datetime(2026, 11, 23, 8, 31, tzinfo=UTC)
RIS = Actor(Source.SENDER, "ris")
#: an N-CREATE or N-SET by keyword
Plain = Mapping[str, object]


def new_context(database: Database, policy: PerformedPolicy | None = None) -> Context:
    """A site with one destination that is told what happens to orders."""
    site = Site(
        zone=ZoneInfo("Europe/Zurich"), performed=policy or PerformedPolicy(), destinations=(DestinationRule("ris"),)
    )
    return Context(database, site, lambda: NOW)


@dataclass
class Peer:
    """A device, and a look into the database."""

    context: Context
    calling_ae_title: str = "CT1"
    syntax: str = datasets.EXPLICIT_LITTLE
    handler: MppsHandler = field(init=False)

    def __post_init__(self) -> None:
        self.handler = MppsHandler(self.context)

    def request(self, uid: str | None, data: bytes = b"", **more: Any) -> Request:
        base = Request(
            association=Association(self.calling_ae_title, "BROKER", "127.0.0.1", 104), message_id=1,
            sop_class_uid=MPPS, transfer_syntax_uid=self.syntax, dataset=data, sop_instance_uid=uid,
        )  # fmt: skip
        return replace(base, **more)

    def encode(self, values: Plain) -> bytes:
        return datasets.encode(exams.dataset(values), self.syntax)

    def create(self, uid: str | None = "1.9.1", values: Plain | None = None) -> Response:
        return self.handler.create(self.request(uid, self.encode(exams.create() if values is None else values)))

    def set(self, uid: str | None = "1.9.1", values: Plain | None = None) -> Response:
        return self.handler.set(self.request(uid, self.encode(exams.final() if values is None else values)))

    def get(self, uid: str | None = "1.9.1", tags: tuple[int, ...] = ()) -> Response:
        return self.handler.get(self.request(uid, sop_class_uid=MPPS_RETRIEVE, attribute_identifiers=tags))

    def order(self, number: str = "1", steps: Sequence[str] = (), control: OrderControl = OrderControl.PLACE) -> int:
        """Place (or cancel) order ``number`` with steps ``SPS<number>`` unless others are named; answers its key."""
        ids = steps or (f"SPS{number}",)
        change = OrderChange(
            control=control, placer=Identifier(f"P{number}", "HIS"), filler=Identifier(f"F{number}", "RIS"),
            accession=Identifier(f"A{number}"), visit=VisitChange(Identifier("V1", "HOSP"), {}), attributes={},
            patient=PatientChange(
                (Identifier("4711", "HOSP"),),
                {"PatientName": "MÜLLER^Eva", "PatientBirthDate": "19700131", "PatientSex": "F"},
            ),
            procedures=(ProcedureChange(f"RP{number}", f"1.2.3.{number}", {}, tuple(_step(one) for one in ids)),),
        )  # fmt: skip
        work = self.context.database.write
        applied = work(lambda c: orders.apply(c, self.context, "ris", RIS, change, _journal(c)))
        assert applied.request_key is not None
        return applied.request_key

    def rows(self, statement: object) -> list[Row[tuple[object, ...]]]:
        return self.context.database.read(lambda c: list(c.execute(statement)))  # type: ignore[call-overload]

    def statuses(self) -> dict[str, str]:
        """Step ID to status; the worklist item must say the same."""
        steps = self.rows(select(scheduled_procedure_step).order_by(scheduled_procedure_step.c.id))
        items = {row.step_id: row.status for row in self.rows(select(worklist_item))}
        assert items == {row.id: row.status for row in steps}
        return {row.scheduled_procedure_step_id: row.status for row in steps}

    def performed(self) -> list[Row[tuple[object, ...]]]:
        return self.rows(select(performed_procedure_step).order_by(performed_procedure_step.c.id))

    def messages(self) -> list[Row[tuple[object, ...]]]:
        return self.rows(select(performed_message).order_by(performed_message.c.id))

    def links(self) -> list[Row[tuple[object, ...]]]:
        return self.rows(select(step_link).order_by(step_link.c.id))

    def facts(self, *kinds: FactKind) -> list[Row[tuple[object, ...]]]:
        wanted = [kind.value for kind in kinds]
        return self.rows(select(event).where(event.c.kind.in_(wanted)).order_by(event.c.id))

    def told(self) -> list[str]:
        """What the destination will be told, in order."""
        return [row.kind for row in self.rows(select(outbox_entry).order_by(outbox_entry.c.id))]

    def history(self, request_key: int) -> list[FactKind]:
        return [e.kind for e in self.context.database.read(lambda c: events.of_request(c, request_key))]


def _step(step_id: str) -> StepChange:
    attributes = {
        "Modality": "CT", "ScheduledStationAETitle": ["CT1"], "ScheduledProcedureStepStartDate": "20261123",
        "ScheduledProcedureStepStartTime": "0930", "ScheduledProcedureStepDescription": "CT head",
    }  # fmt: skip
    return StepChange(step_id, attributes)


def _journal(connection: Connection) -> int:
    values = {"received_at": NOW, "digest": "0" * 64, "raw": b"x", "outcome": "applied"}
    return int(connection.execute(insert(journal_entry).returning(journal_entry.c.id), values).one().id)
