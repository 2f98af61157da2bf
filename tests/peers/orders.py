"""Owns: invented orders put straight into the database, and facts about them. Must not: be used to test intake."""

from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from broker.domain.model import Actor, Fact, FactKind, Identifier, Order, Patient, Procedure, Source, Step, Visit
from broker.domain.notifications import DestinationRule
from broker.domain.site import Site
from broker.domain.states import StepStatus
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import orders, patients
from broker.store.database import Database

START = datetime(2026, 7, 4, 8, 0, tzinfo=UTC)
ACTOR = Actor(Source.DEVICE, "CT1")


class Clock:
    """A clock that a test may set; it stands still otherwise."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def make_context(database: Database, *names: str, clock: Clock | None = None) -> Context:
    """A context whose site tells each named destination the default facts."""
    site = Site(UTC, destinations=tuple(DestinationRule(name) for name in names))
    return Context(database, site, clock or Clock())


def example_order(number: int, patient_key: int, visit_key: int) -> Order:
    code = [{"CodeValue": "CTHEAD", "CodingSchemeDesignator": "LOCAL", "CodeMeaning": "CT head"}]
    step = Step(
        f"SPS{number}", StepStatus.SCHEDULED, StepStatus.SCHEDULED,
        {"Modality": "CT", "ScheduledStationAETitle": ["CT1"], "ScheduledProcedureStepStartDate": "20260704",
         "ScheduledProcedureStepStartTime": "0830", "ScheduledProtocolCodeSequence": code},
    )  # fmt: skip
    procedure = Procedure(
        f"RP{number}", f"1.2.3.{number}", {"RequestedProcedureCodeSequence": code}, steps=(step,)
    )  # fmt: skip
    return Order(
        Identifier(f"P{number}", "HIS"), Identifier(f"F{number}", "RIS"), Identifier(f"A{number}"),
        {"RequestingPhysician": "WELBY^MARCUS^^DR"}, (procedure,), sender="ris", patient_key=patient_key,
        visit_key=visit_key,
    )  # fmt: skip


def insert_order(connection: Connection, number: int) -> int:
    """Patient, visit and order with one CT step; answers the order's key."""
    person = Patient(
        (Identifier(f"4711-{number}", "HOSP"),),
        {"PatientName": "MEIER^EVA^^DR", "PatientBirthDate": "19700131", "PatientSex": "F"},
    )
    patient_key = patients.save(connection, person, START)
    visit_key = patients.save_visit(connection, Visit(Identifier(f"V{number}", "HOSP"), {}), patient_key, START)
    saved = orders.save(connection, example_order(number, patient_key, visit_key), None, START)
    assert saved.key is not None
    return saved.key


def place(context: Context, number: int) -> int:
    return context.database.write(partial(insert_order, number=number))


def happen(context: Context, request_key: int, *kinds: FactKind, **data: object) -> None:
    """Facts about an order, in one transaction as a use case would."""
    facts = [Fact(kind, data) for kind in kinds]
    about = About(request_key=request_key)
    context.database.write(lambda c: record(c, context, ACTOR, about, facts, context.clock()))
