"""News about a patient or a report that moves steps: arrival, and final reports (by the site's choice)."""

from dataclasses import replace

from broker.domain.acting import act
from broker.domain.attributes import text
from broker.domain.model import (
    Actor,
    Fact,
    FactKind,
    Identifier,
    Order,
    OrderChange,
    OrderControl,
    PatientChange,
    ProcedureChange,
    StepChange,
    VisitChange,
)
from broker.domain.requests import ReportChange
from broker.domain.states import WAITING
from broker.services import items
from broker.services.context import Context
from broker.services.history import record
from broker.services.inference_notes import note_inferences
from broker.services.orders import about_order, status_facts
from broker.store import orders as store
from broker.store.database import Connection

_FINAL = ("F", "C")


def report(
    connection: Connection, context: Context, actor: Actor, change: ReportChange, journal_key: int
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Record that a report is there; answers the orders it is about, and what to notice.

    A final one completes what is still open where the site says so.
    """
    keys = _reported(connection, change, actor.name)
    if not keys:
        return (), ("the report belongs to no order that is known here",)
    completes = change.status in _FINAL and context.site.orders.final_report == "complete"
    for key in keys:
        order = store.load(connection, key)
        facts = [Fact(FactKind.ORDER_REPORTED, {"status": change.status})]
        if completes:
            facts += _advance(connection, context, actor, order, _asked(order, OrderControl.COMPLETE, "final report"))
        record(connection, context, actor, about_order(order, journal_key), facts, context.clock())
    return tuple(keys), ()


def _reported(connection: Connection, change: ReportChange, sender: str) -> list[int]:
    """By filler order number, else accession number, else placer order number (HL7 inbound reference, section 9)."""
    found = store.find(connection, None, change.filler, sender) if change.filler else []
    if not found and change.accession is not None:
        found = store.with_accession(connection, change.accession)
    return found or (store.find(connection, change.placer, None, sender) if change.placer else [])


def arrive(connection: Connection, context: Context, actor: Actor, patient_key: int, journal_key: int) -> None:
    """The patient is here: today's waiting steps say so."""
    today = context.clock().astimezone(context.site.zone).strftime("%Y%m%d")
    for key in store.of_patient(connection, patient_key):
        order = store.load(connection, key)
        procedures = tuple(
            ProcedureChange(
                None, p.study_instance_uid, {},
                tuple(
                    StepChange(s.scheduled_procedure_step_id, {}) for s in p.steps
                    if s.status in WAITING and text(s.attributes, "ScheduledProcedureStepStartDate") == today
                ),
            )
            for p in order.procedures
        )  # fmt: skip
        if any(p.steps for p in procedures):
            asked = replace(_asked(order, OrderControl.ARRIVE, "arrival"), procedures=procedures)
            facts = _advance(connection, context, actor, order, asked)
            record(connection, context, actor, about_order(order, journal_key), facts, context.clock())


def _asked(order: Order, control: OrderControl, reason: str) -> OrderChange:
    nobody, nowhere = PatientChange((), {}), VisitChange(Identifier(""), {})
    return OrderChange(control, order.placer, order.filler, None, nobody, nowhere, {}, reason=reason)


def _advance(connection: Connection, context: Context, actor: Actor, order: Order, asked: OrderChange) -> list[Fact]:
    """What the news do to the steps that ``asked`` names; kept as inferences, so that it can be taken back."""
    decision = act(order, asked, context.site.orders, order.sender)
    if decision.order is None or not decision.facts or order.key is None:
        return []
    saved = store.save(connection, decision.order, order, context.clock())
    note_inferences(connection, actor, saved, decision.facts, asked.reason, context.clock())
    items.refresh(connection, context, order.key)
    return [*decision.facts, *status_facts(order, saved, decision.facts)]
