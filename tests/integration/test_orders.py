"""Order changes applied to a real database: aggregates, worklist items, history, patients."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Row, insert, select

from broker.domain.errors import Reason, Refusal
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
from broker.domain.requests import PatientUpdate
from broker.domain.site import Site
from broker.services import orders, patients
from broker.services.context import Context
from broker.store import events
from broker.store import orders as order_store
from broker.store.database import Connection, Database
from broker.store.tables import journal_entry, worklist_item, worklist_item_station

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RIS = Actor(Source.SENDER, "ris")
HOSP = Identifier("4711", "HOSP")


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: NOW)
    database.close()


def step(step_id: str = "SPS1", **more: Any) -> StepChange:
    attributes: dict[str, Any] = {
        "Modality": "CT", "ScheduledStationAETitle": ["CT1", "CT2"], "ScheduledProcedureStepStartDate": "20261123",
        "ScheduledProcedureStepStartTime": "0930", "ScheduledProcedureStepDescription": "CT head plain",
        "ScheduledPerformingPhysicianName": "RÖNTGEN^Wilhelm", **more,
    }  # fmt: skip
    return StepChange(step_id, attributes)


def order(number: str = "1", *steps: StepChange, **more: Any) -> OrderChange:
    procedure = ProcedureChange(
        f"RP{number}", f"1.2.3.{number}", {"RequestedProcedureDescription": "CT head"}, steps or (step(),)
    )
    base = OrderChange(
        control=OrderControl.PLACE, placer=Identifier(f"P{number}", "HIS"), filler=Identifier(f"F{number}", "RIS"),
        accession=Identifier(f"A{number}"),
        patient=PatientChange((HOSP,), {"PatientName": "MÜLLER^Eva", "PatientBirthDate": "19700131"}, "PID-3"),
        visit=VisitChange(Identifier("V1", "HOSP"), {"CurrentPatientLocation": "W1"}), attributes={},
        procedures=(procedure,), where="ORC[1]",
    )  # fmt: skip
    return replace(base, **more)


def journal(connection: Connection) -> int:
    values = {"received_at": NOW, "digest": "0" * 64, "raw": b"x", "outcome": "applied"}
    return int(connection.execute(insert(journal_entry).returning(journal_entry.c.id), values).one().id)


def apply(context: Context, change: OrderChange) -> orders.AppliedOrder:
    return context.database.write(lambda c: orders.apply(c, context, "ris", RIS, change, journal(c)))


def items(context: Context) -> list[Row[tuple[object, ...]]]:
    query = select(worklist_item).order_by(worklist_item.c.step_id)
    return context.database.read(lambda c: list(c.execute(query)))


def kinds(context: Context, request_key: int | None) -> list[FactKind]:
    assert request_key is not None
    return [e.kind for e in context.database.read(lambda c: events.of_request(c, request_key))]


def test_a_new_order_is_on_the_worklist(context: Context) -> None:
    apply(context, order())
    item = items(context)[0]
    assert item.complete
    assert item.open
    assert (item.accession_number, item.modality, item.start_at) == ("A1", "CT", "20261123093000")
    assert (item.patient_name_folded, item.physician_name_folded) == ("muller^eva", "rontgen^wilhelm")
    assert item.document["PatientName"] == "MÜLLER^Eva"
    assert item.document["IssuerOfPatientID"] == "HOSP"
    assert item.document["CurrentPatientLocation"] == "W1"
    assert item.document["ScheduledProcedureStepSequence"][0]["ScheduledProcedureStepStatus"] == "SCHEDULED"
    stations = select(worklist_item_station.c.station_ae_title).order_by("station_ae_title")
    assert context.database.read(lambda c: list(c.execute(stations).scalars())) == ["CT1", "CT2"]


def test_an_item_that_lacks_a_type_1_attribute_is_kept_but_not_complete(context: Context) -> None:
    apply(context, order("1", step(ScheduledStationAETitle=[])))
    assert not items(context)[0].complete


def test_the_same_order_again_has_no_effect(context: Context) -> None:
    first = apply(context, order())
    again = apply(context, order())
    assert again.request_key == first.request_key
    assert again.facts == ()
    assert kinds(context, first.request_key) == [FactKind.ORDER_PLACED]


def test_a_change_reaches_the_item(context: Context) -> None:
    apply(context, order())
    apply(context, order("1", step(ScheduledProcedureStepStartTime="1100"), control=OrderControl.CHANGE))
    assert [i.start_at for i in items(context)] == ["20261123110000"]
    assert items(context)[0].version == 2


def test_a_canceled_step_leaves_the_worklist(context: Context) -> None:
    applied = apply(context, order())
    apply(context, order(control=OrderControl.CANCEL))
    item = items(context)[0]
    assert (item.open, item.status) == (False, "CANCELED")
    assert kinds(context, applied.request_key) == [
        FactKind.ORDER_PLACED, FactKind.ORDER_CANCELED, FactKind.STEP_STATUS,
    ]  # fmt: skip


def test_a_refused_change_leaves_nothing(context: Context) -> None:
    apply(context, order())
    with pytest.raises(Refusal) as refused:
        apply(context, order("2", accession=Identifier("A2"), procedures=order("1").procedures))
    assert refused.value.reason is Reason.DUPLICATE_KEY
    assert len(items(context)) == 1


def test_order_numbers_that_belong_to_two_orders_are_refused(context: Context) -> None:
    apply(context, order("1"))
    apply(context, order("2"))
    with pytest.raises(Refusal, match="two different orders"):
        apply(context, order("1", filler=Identifier("F2", "RIS")))


def test_an_order_does_not_move_to_another_patient(context: Context) -> None:
    apply(context, order("1"))
    other = PatientChange((Identifier("0815", "HOSP"),), {"PatientName": "MEIER^Max"}, "PID-3")
    with pytest.raises(Refusal) as refused:
        apply(context, order("1", patient=other))
    assert refused.value.where == "PID-3"


def test_numbers_without_issuer_belong_to_their_sender(context: Context) -> None:
    bare = order("1", placer=Identifier("P1"), filler=None)
    first = apply(context, bare)
    elsewhere = replace(bare, procedures=order("9").procedures)
    second = context.database.write(lambda c: orders.apply(c, context, "other", RIS, elsewhere, journal(c)))
    assert first.request_key != second.request_key


def test_demographics_in_an_order_do_not_change_a_known_patient(context: Context) -> None:
    apply(context, order("1"))
    renamed = replace(order("2").patient, attributes={"PatientName": "MEIER^Eva"})
    applied = apply(context, order("2", patient=renamed))
    assert "PatientName" in applied.warnings[0]
    assert "MEIER" not in applied.warnings[0]
    assert {i.patient_name_folded for i in items(context)} == {"muller^eva"}


def test_demographics_may_be_taken_over_by_setting(context: Context) -> None:
    trusting = replace(context, site=replace(context.site, orders_update_patients=True))
    apply(trusting, order("1"))
    apply(trusting, order("2", patient=replace(order("2").patient, attributes={"PatientName": "MEIER^Eva"})))
    assert {i.patient_name_folded for i in items(context)} == {"meier^eva"}


def test_an_adt_update_shows_on_every_item_at_once(context: Context) -> None:
    applied = [apply(context, order(str(n))) for n in (1, 2)]
    change = PatientChange((HOSP, Identifier("X9", "CANTON")), {"PatientName": "MEIER^Eva", "PatientBirthDate": None})
    visit = VisitChange(Identifier("V1", "HOSP"), {"CurrentPatientLocation": "W7"})
    context.database.write(lambda c: patients.update(c, context, RIS, PatientUpdate(change, visit), journal(c)))
    for item in items(context):
        assert item.patient_name_folded == "meier^eva"
        assert "PatientBirthDate" not in item.document
        assert item.document["CurrentPatientLocation"] == "W7"
        assert item.document["OtherPatientIDsSequence"][0]["PatientID"] == "X9"
    assert [kinds(context, a.request_key)[-1] for a in applied] == [FactKind.PATIENT_UPDATED] * 2


def test_an_adt_for_an_unknown_patient_creates_it(context: Context) -> None:
    change = PatientChange((Identifier("1", "HOSP"),), {"PatientName": "NEW^Patient"})
    visit = VisitChange(Identifier(""), {})
    first, second = (
        context.database.write(lambda c: patients.update(c, context, RIS, PatientUpdate(change, visit), journal(c)))
        for _ in range(2)
    )
    assert first.patient_key == second.patient_key


def test_simultaneous_first_messages_make_one_order(context: Context) -> None:
    bare = order("1", accession=None, procedures=(ProcedureChange(None, None, {}, (step("SPS1"),)),))
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: apply(context, bare), range(4)))
    assert len({a.request_key for a in applied}) == 1
    assert len(items(context)) == 1


@pytest.mark.postgres
def test_an_order_that_another_message_has_just_placed_is_no_other_order(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look for the order found none; then the other message committed, with the study that both derive."""
    database = Database(postgres_url)
    context = Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: NOW)
    first = apply(context, order())
    looks: list[list[int]] = []

    def too_early(*asked: Any) -> list[int]:
        looks.append([] if not looks else find(*asked))
        return looks[-1]

    find = order_store.find
    monkeypatch.setattr(order_store, "find", too_early)
    assert apply(context, order()).request_key == first.request_key
    assert looks[0] == []
    assert len(looks) > 2
    database.close()
