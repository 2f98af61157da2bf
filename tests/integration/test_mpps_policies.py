"""What a site may choose about MPPS: tolerations per device, late exams, reasons; and two devices on one order."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from broker.domain.model import FactKind
from broker.domain.performed_faults import DEFAULT_TOLERATED, Quirk
from broker.domain.performing import PerformedPolicy
from broker.domain.performing_reasons import Consequence
from broker.domain.states import Reopening
from broker.services import device_registry
from broker.services.device_registry import DeviceDirectory
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import SERIES, create, final, reason, reference

STATUS = "PerformedProcedureStepStatus"
New = Callable[[PerformedPolicy], Peer]


@pytest.fixture
def new(sqlite_url: str) -> Iterator[New]:
    opened = Database(sqlite_url)
    yield lambda policy: Peer(new_context(opened, policy))
    opened.close()


def without(*keywords: str) -> dict[str, object]:
    return {k: v for k, v in create().items() if k not in keywords}


#: (quirk, what the device sends at N-CREATE, what at N-SET or None, the attribute that is named)
QUIRKS = [
    (Quirk.MISSING_TYPE_2, without("PatientSex"), None, "PatientSex"),
    (Quirk.CODE_WITHOUT_MEANING,
     create(ProcedureCodeSequence=[{"CodeValue": "C1", "CodingSchemeDesignator": "99X"}]), None,
     "ProcedureCodeSequence>CodeMeaning"),
    (Quirk.OVERSIZE, create(PerformedProcedureStepDescription="x" * 65), None, "PerformedProcedureStepDescription"),
    (Quirk.NOT_SETTABLE, create(), {"PatientName": "OTHER"}, "PatientName"),
    (Quirk.NOT_CREATED, create(), {"CommentsOnThePerformedProcedureStep": "hm"}, "CommentsOnThePerformedProcedureStep"),
    (Quirk.LOWER_CASE_STATUS, create() | {STATUS: "in progress"}, None, STATUS),
    (Quirk.FINAL_AT_CREATE, create() | final(), None, STATUS),
    (Quirk.NO_SCHEDULED_STEP, without("ScheduledStepAttributesSequence"), None, "ScheduledStepAttributesSequence"),
    (Quirk.DISCONTINUED_WITHOUT_SERIES, create(), final("DISCONTINUED", PerformedSeriesSequence=[]),
     "PerformedSeriesSequence"),
    (Quirk.END_BEFORE_START, create(), final(PerformedProcedureStepEndTime="0900"), "PerformedProcedureStepEndTime"),
]  # fmt: skip


@pytest.mark.parametrize(("quirk", "created", "update", "path"), QUIRKS)
def test_a_quirk_is_let_pass_for_the_device_it_is_listed_for_and_shown_there(
    new: New, quirk: Quirk, created: dict[str, object], update: dict[str, object] | None, path: str
) -> None:
    peer = new(PerformedPolicy(tolerate=frozenset(), devices={"CT1": frozenset({quirk})}))
    peer.order()
    assert peer.create(values=created).status == 0
    if update is not None:
        assert peer.set(values=update).status == 0
    page = device_registry.find(peer.context, DeviceDirectory(peer.context), "CT1")
    assert page is not None
    assert [(t.quirk, t.path, t.times) for t in page.tolerations] == [(quirk.value, path, 1)]
    strict = replace(peer, context=peer.context, calling_ae_title="CT2")
    answers = [strict.create("1.9.2", created).status]
    if update is not None:
        answers.append(strict.set("1.9.2", update).status)
    assert answers[-1] != 0
    assert device_registry.find(peer.context, DeviceDirectory(peer.context), "CT2") is None


@pytest.mark.parametrize("quirk", [Quirk.REPEATED_CREATE, Quirk.REPEATED_FINAL])
def test_repeats_are_let_pass_per_device_and_counted(new: New, quirk: Quirk) -> None:
    peer = new(PerformedPolicy(devices={"CT1": frozenset({quirk})}))
    assert peer.create().status == 0
    if quirk is Quirk.REPEATED_FINAL:
        assert peer.set().status == 0
    answers = {(peer.create() if quirk is Quirk.REPEATED_CREATE else peer.set()).status for _ in range(3)}
    assert answers == {0}
    page = device_registry.find(peer.context, DeviceDirectory(peer.context), "CT1")
    assert page is not None
    assert [(t.quirk, t.times) for t in page.tolerations] == [(quirk.value, 3)]


def test_the_quirks_above_are_all_there_are() -> None:
    tested = {q for q, *_ in QUIRKS} | {
        Quirk.REPEATED_CREATE, Quirk.REPEATED_FINAL, Quirk.UNDECODABLE_TEXT, Quirk.LATE_SET, Quirk.SERIES_IN_PARTS
    }  # fmt: skip
    assert tested == set(Quirk)


def test_a_report_after_the_end_is_let_pass_per_device(new: New) -> None:
    """Attributes are stored and handed on, the state stays; a reason that comes late counts."""
    peer = new(PerformedPolicy(devices={"CT1": frozenset({Quirk.LATE_SET})}))
    peer.order()
    peer.create()
    assert peer.set(values=final("DISCONTINUED", **reason("110504"))).status == 0
    assert peer.set(values=reason("110514")).status == 0
    assert peer.statuses() == {"SPS1": "SCHEDULED"}
    assert peer.told() == ["order.started", "order.discontinued", "order.returned"]
    assert peer.set(values=final("COMPLETED")).status == 0x0110
    assert [m.service for m in peer.messages()] == ["N-CREATE", "N-SET", "N-SET"]
    assert len(peer.facts(FactKind.PERFORMED_DISCONTINUED)) == 1
    page = device_registry.find(peer.context, DeviceDirectory(peer.context), "CT1")
    assert page is not None
    assert [(t.quirk, t.times) for t in page.tolerations if t.quirk == "late_set"] == [("late_set", 1)]
    strict = replace(peer, calling_ae_title="CT2")
    assert strict.set(values={}).status == 0x0110


def test_series_in_parts_are_let_pass_per_device(new: New) -> None:
    peer = new(PerformedPolicy(devices={"CT1": frozenset({Quirk.SERIES_IN_PARTS})}))
    peer.create()
    for number in (1, 2, 3):
        series = [{**SERIES, "SeriesInstanceUID": f"1.2.826.9.{number}"}]
        assert peer.set(values={STATUS: "IN PROGRESS", "PerformedSeriesSequence": series}).status == 0
    assert len(peer.performed()[0].dataset["00400340"]["Value"]) == 3
    page = device_registry.find(peer.context, DeviceDirectory(peer.context), "CT1")
    assert page is not None
    assert [(t.quirk, t.path, t.times) for t in page.tolerations] == [("series_in_parts", "PerformedSeriesSequence", 2)]


def test_undecodable_text_is_let_pass_per_device(new: New) -> None:
    peer = new(PerformedPolicy(tolerate=frozenset(), devices={"CT1": frozenset({Quirk.UNDECODABLE_TEXT})}))
    broken = peer.encode(create(PatientName="MULLER^Eva")).replace(b"MULLER^Eva", b"M\xff\xfeLLER^Ev")
    assert peer.handler.create(peer.request("1.9.1", broken)).status == 0
    strict = replace(peer, calling_ae_title="CT2")
    assert strict.handler.create(strict.request("1.9.2", broken)).status == 0x0106


def test_a_device_keeps_what_the_site_lets_pass(new: New) -> None:
    policy = PerformedPolicy(devices={"CT1": frozenset({Quirk.OVERSIZE})})
    assert policy.of_device("CT1").tolerate == DEFAULT_TOLERATED | {Quirk.OVERSIZE}
    assert policy.of_device("CT2").tolerate == DEFAULT_TOLERATED


REOPENED = [
    (Reopening.ALWAYS, "CT1", "STARTED"), (Reopening.ALWAYS, "CT2", "STARTED"),
    (Reopening.SAME_DEVICE, "CT1", "STARTED"), (Reopening.SAME_DEVICE, "CT2", "COMPLETED"),
    (Reopening.NEVER, "CT1", "COMPLETED"), (Reopening.NEVER, "CT2", "COMPLETED"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "device", "while_running"), REOPENED)
def test_a_late_exam_reopens_by_policy_only(new: New, policy: Reopening, device: str, while_running: str) -> None:
    peer = new(PerformedPolicy(reopen=policy))
    peer.order()
    peer.create("1.9.1")
    peer.set("1.9.1")
    late = replace(peer, calling_ae_title=device)
    assert late.create("1.9.2").status == 0
    assert peer.statuses() == {"SPS1": while_running}
    reopened = while_running == "STARTED"
    assert len(peer.facts(FactKind.LATE_EXAM)) == (not reopened)
    assert late.set("1.9.2", final("DISCONTINUED", **reason("110504"))).status == 0
    assert peer.statuses() == {"SPS1": "COMPLETED"}
    assert peer.told() == ["order.started", "order.completed"] * (2 if reopened else 1)


def test_in_progress_again_and_again_changes_nothing(new: New) -> None:
    """A device that sends N-SET for each image (user story 24): series replaced whole, one started message."""
    peer = new(PerformedPolicy())
    peer.order()
    peer.create()
    for number in range(1, 6):
        series = [{**SERIES, "SeriesInstanceUID": f"1.2.826.9.{n}"} for n in range(number)]
        assert peer.set(values={STATUS: "IN PROGRESS", "PerformedSeriesSequence": series}).status == 0
        assert len(peer.performed()[0].dataset["00400340"]["Value"]) == number
    assert (peer.statuses(), peer.told()) == ({"SPS1": "STARTED"}, ["order.started"])


def test_in_progress_after_the_end_is_refused(new: New) -> None:
    peer = new(PerformedPolicy())
    peer.order()
    peer.create()
    peer.set()
    answer = peer.set(values={STATUS: "IN PROGRESS"})
    assert (answer.status, answer.error_id) == (0x0110, 0xA710)
    assert peer.statuses() == {"SPS1": "COMPLETED"}


def test_two_devices_on_one_order(new: New) -> None:
    peer = new(PerformedPolicy())
    peer.order("1", steps=("S1", "S2"))
    second = replace(peer, calling_ae_title="CT2")
    peer.create("1.9.1", create([reference("1", ScheduledProcedureStepID="S1")]))
    second.create("1.9.2", create([reference("1", ScheduledProcedureStepID="S2")], PerformedStationAETitle="CT2"))
    assert peer.told() == ["order.started"]
    peer.set("1.9.1")
    assert (peer.statuses(), peer.told()) == ({"S1": "COMPLETED", "S2": "STARTED"}, ["order.started"])
    second.set("1.9.2", final("DISCONTINUED", **reason("110501")))
    assert peer.statuses() == {"S1": "COMPLETED", "S2": "SCHEDULED"}
    assert peer.told() == ["order.started"]


def test_the_site_says_what_a_reason_means(new: New) -> None:
    peer = new(PerformedPolicy(reasons={"110504": Consequence.RETURNS, "77^99ISR": Consequence.RETURNS}))
    peer.order("1")
    peer.order("2")
    peer.create("1.9.1")
    peer.create("1.9.2", create([reference("2")]))
    peer.set("1.9.1", final("DISCONTINUED", **reason("110504")))
    peer.set("1.9.2", final("DISCONTINUED", **reason("77", scheme="99ISR")))
    assert peer.statuses() == {"SPS1": "SCHEDULED", "SPS2": "SCHEDULED"}
