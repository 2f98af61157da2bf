"""What order messages do to orders: the rules of the inbound reference, section 6, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from broker.domain.errors import Reason, Refusal
from broker.domain.identifiers import valid_uid
from broker.domain.model import (
    Changes,
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
from broker.domain.scheduling import OrderPolicy, decide
from broker.domain.states import StepStatus

C, S = OrderControl, StepStatus
POLICY = OrderPolicy()


class Numbers:
    """A sequence for tests."""

    sender = "ris"
    accession_prefix = "WB"

    def __init__(self) -> None:
        self.given = 0

    def next_number(self) -> int:
        self.given += 1
        return self.given


def change(
    control: OrderControl = C.PLACE, *steps: StepChange, procedure: ProcedureChange | None = None, **given: Any
) -> OrderChange:
    """An order change about order P1/F1 with one procedure."""
    wanted = procedure or ProcedureChange("RP1", "1.2.3", {"RequestedProcedureDescription": "CT head"}, steps)
    base = OrderChange(
        control=control, placer=Identifier("P1", "HIS"), filler=Identifier("F1", "RIS"),
        accession=Identifier("A1"), patient=PatientChange((Identifier("4711", "HOSP"),), {}),
        visit=VisitChange(Identifier(""), {}), attributes={}, procedures=(wanted,), where="ORC[1]",
    )  # fmt: skip
    return replace(base, **given)


def stored(order: Order) -> Order:
    """The order as if it had been saved: every part has a key."""
    procedures = tuple(
        replace(p, key=i + 1, steps=tuple(replace(s, key=10 * i + j + 1) for j, s in enumerate(p.steps)))
        for i, p in enumerate(order.procedures)
    )
    return replace(order, key=1, patient_key=1, procedures=procedures)


def placed(*steps: StepChange, **given: Any) -> Order:
    order = decide(None, change(C.PLACE, *steps, **given), POLICY, Numbers()).order
    assert order is not None
    return stored(order)


def step(step_id: str | None, **attributes: str) -> StepChange:
    return StepChange(step_id, dict[str, str](attributes))


def with_status(order: Order, status: StepStatus, step_id: str | None = None) -> Order:
    procedures = tuple(
        replace(
            p,
            steps=tuple(
                replace(s, status=status) if step_id in (None, s.scheduled_procedure_step_id) else s for s in p.steps
            ),
        )
        for p in order.procedures
    )
    return replace(order, procedures=procedures)


def test_a_new_order_takes_the_identifiers_it_is_given() -> None:
    order = placed(step("SPS1", Modality="CT"))
    assert (order.accession.value, order.procedures[0].study_instance_uid) == ("A1", "1.2.3")
    assert [(s.scheduled_procedure_step_id, s.status) for s in order.steps] == [("SPS1", S.SCHEDULED)]


def test_missing_identifiers_are_made_once_and_stay() -> None:
    bare = change(C.PLACE, procedure=ProcedureChange(None, None, {}), accession=None)
    numbers = Numbers()
    first = decide(None, bare, POLICY, numbers).order
    assert first is not None
    assert first.accession.value == "F1"  # the filler order number fits
    assert first.procedures[0].requested_procedure_id == "F1"
    assert valid_uid(first.procedures[0].study_instance_uid)
    assert first.steps[0].scheduled_procedure_step_id == "F1-1"
    again = decide(stored(first), bare, POLICY, numbers)
    assert again.order == stored(first)
    assert again.facts == ()


def test_a_filler_number_that_cannot_be_an_accession_number_gives_way_to_the_sequence() -> None:
    bare = change(accession=None, filler=Identifier("FILLER*" + "1" * 20))
    order = decide(None, bare, POLICY, Numbers()).order
    assert order is not None
    assert order.accession.value == "WB00000001"


def test_the_derived_study_uid_is_the_same_in_a_second_database() -> None:
    bare = change(C.PLACE, procedure=ProcedureChange(None, None, {}))
    uids = {decide(None, bare, POLICY, Numbers()).order.procedures[0].study_instance_uid for _ in range(2)}  # type: ignore[union-attr]
    assert len(uids) == 1


@pytest.mark.parametrize("missing", [{"placer": None, "filler": None}, {"procedures": ()}])
def test_an_order_without_number_or_procedure_is_refused(missing: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        decide(None, change(**missing), POLICY, Numbers())
    assert refused.value.reason is Reason.REQUIRED_MISSING
    assert refused.value.where == "ORC[1]"


def test_an_invalid_study_uid_is_refused_not_replaced() -> None:
    with pytest.raises(Refusal) as refused:
        decide(None, change(procedure=ProcedureChange("RP1", "1.02.3", {})), POLICY, Numbers())
    assert refused.value.reason is Reason.INVALID_VALUE


def test_a_change_touches_only_what_it_names() -> None:
    order = placed(step("SPS1", Modality="CT", PreMedication="none"), step("SPS2", Modality="CT"))
    changed = decide(order, change(C.CHANGE, step("SPS1", Modality="MR")), POLICY, Numbers()).order
    assert changed is not None
    first, second = changed.steps
    assert first.attributes == {"Modality": "MR", "PreMedication": "none"}
    assert second == order.steps[1]


def test_null_deletes_and_absent_leaves() -> None:
    order = placed(step("SPS1", Modality="CT", PreMedication="none"))
    gone: Changes = {"PreMedication": None}
    changed = decide(order, change(C.CHANGE, StepChange("SPS1", gone)), POLICY, Numbers()).order
    assert changed is not None
    assert changed.steps[0].attributes == {"Modality": "CT"}


def test_a_change_can_add_a_step() -> None:
    order = placed(step("SPS1"))
    decision = decide(order, change(C.CHANGE, step("SPS2")), POLICY, Numbers())
    assert decision.order is not None
    assert [s.scheduled_procedure_step_id for s in decision.order.steps] == ["SPS1", "SPS2"]
    assert decision.facts[0].data["added_steps"] == ["SPS2"]


def test_a_step_without_id_is_found_by_its_protocol_code_not_by_position() -> None:
    def coded(code: str, **more: Any) -> StepChange:
        codes = [{"CodeValue": code, "CodingSchemeDesignator": "99RIS", "CodeMeaning": code}]
        return StepChange(None, {"ScheduledProtocolCodeSequence": codes, **more})

    bare = ProcedureChange("RP1", "1.2.3", {}, (coded("C1"), coded("C2")))
    order = placed(procedure=bare)
    moved = ProcedureChange("RP1", "1.2.3", {}, (coded("C2", PreMedication="yes"), coded("C1")))
    changed = decide(order, change(C.CHANGE, procedure=moved), POLICY, Numbers()).order
    assert changed is not None
    assert len(changed.steps) == 2
    assert changed.steps[1].attributes["PreMedication"] == "yes"


@pytest.mark.parametrize(
    ("control", "present", "expected"),
    [
        (C.CANCEL, S.SCHEDULED, S.CANCELED), (C.CANCEL, S.HELD, S.CANCELED), (C.CANCEL, S.CANCELED, S.CANCELED),
        (C.DISCONTINUE, S.STARTED, S.DISCONTINUED), (C.DISCONTINUE, S.COMPLETED, S.COMPLETED),
        (C.HOLD, S.ARRIVED, S.HELD), (C.RELEASE, S.HELD, S.SCHEDULED),
    ],
)  # fmt: skip
def test_actions(control: OrderControl, present: StepStatus, expected: StepStatus) -> None:
    order = with_status(placed(step("SPS1")), present)
    decision = decide(order, change(control, step("SPS1")), POLICY, Numbers())
    assert decision.order is not None
    assert decision.order.steps[0].status is expected
    assert bool(decision.facts) == (present is not expected)


def test_a_cancellation_names_one_step_and_spares_its_siblings() -> None:
    order = placed(step("SPS1"), step("SPS2"))
    changed = decide(order, change(C.CANCEL, step("SPS2")), POLICY, Numbers()).order
    assert changed is not None
    assert [s.status for s in changed.steps] == [S.SCHEDULED, S.CANCELED]


def test_a_cancellation_that_names_no_step_is_about_the_whole_order() -> None:
    order = placed(step("SPS1"), step("SPS2"))
    changed = decide(order, change(C.CANCEL, procedures=()), POLICY, Numbers()).order
    assert changed is not None
    assert {s.status for s in changed.steps} == {S.CANCELED}


@pytest.mark.parametrize("present", [S.STARTED, S.COMPLETED])
def test_cancel_after_start_is_refused_or_raises_an_alarm(present: StepStatus) -> None:
    order = with_status(placed(step("SPS1")), present)
    with pytest.raises(Refusal) as refused:
        decide(order, change(C.CANCEL, step("SPS1")), POLICY, Numbers())
    assert refused.value.reason is Reason.WRONG_STATE
    tolerant = decide(order, change(C.CANCEL, step("SPS1")), OrderPolicy(cancel_after_start="alarm"), Numbers())
    assert tolerant.order == order
    assert [f.kind for f in tolerant.facts][1:] == [FactKind.CANCELED_DURING_EXAM]


@pytest.mark.parametrize(
    ("control", "policy", "reason"),
    [
        (C.CHANGE, OrderPolicy(unknown_change="refuse"), Reason.UNKNOWN_KEY),
        (C.CANCEL, OrderPolicy(), Reason.UNKNOWN_KEY),
        (C.HOLD, OrderPolicy(unknown_cancel="accept"), Reason.UNKNOWN_KEY),
    ],
)
def test_unknown_orders(control: OrderControl, policy: OrderPolicy, reason: Reason) -> None:
    with pytest.raises(Refusal) as refused:
        decide(None, change(control, step("SPS1")), policy, Numbers())
    assert refused.value.reason is reason


def test_a_change_of_an_unknown_order_creates_it_by_default() -> None:
    assert decide(None, change(C.CHANGE, step("SPS1")), POLICY, Numbers()).order is not None


def test_an_unknown_cancellation_may_be_accepted() -> None:
    assert decide(None, change(C.CANCEL), OrderPolicy(unknown_cancel="accept"), Numbers()).order is None


def test_new_again_with_other_content() -> None:
    order = placed(step("SPS1", Modality="CT"))
    other = change(C.PLACE, step("SPS1", Modality="MR"))
    assert decide(order, other, POLICY, Numbers()).order != order
    with pytest.raises(Refusal) as refused:
        decide(order, other, OrderPolicy(known_new="refuse"), Numbers())
    assert refused.value.reason is Reason.DUPLICATE_KEY


def test_a_canceled_order_is_not_revived() -> None:
    order = with_status(placed(step("SPS1", Modality="CT")), S.CANCELED)
    with pytest.raises(Refusal) as refused:
        decide(order, change(C.PLACE, step("SPS1", Modality="MR")), POLICY, Numbers())
    assert refused.value.reason is Reason.DUPLICATE_KEY


def test_identifiers_are_fixed_once_the_exam_began() -> None:
    order = with_status(placed(step("SPS1")), S.STARTED)
    other_study = ProcedureChange("RP1", "1.2.4", {}, ())
    for wanted in (change(C.CHANGE, procedure=other_study), change(C.CHANGE, accession=Identifier("A2"))):
        with pytest.raises(Refusal) as refused:
            decide(order, wanted, POLICY, Numbers())
        assert refused.value.reason is Reason.WRONG_STATE


def test_before_the_exam_the_study_uid_may_be_taken_over() -> None:
    order = placed(step("SPS1"))
    changed = decide(
        order, change(C.CHANGE, procedure=ProcedureChange("RP1", "1.2.4", {}, ())), POLICY, Numbers()
    ).order
    assert changed is not None
    assert changed.procedures[0].study_instance_uid == "1.2.4"
