"""Explanations against answers: what a device is really sent over the handler, and why it is not sent the rest."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.dicom import datasets
from broker.dicom.datasets import EXPLICIT_LITTLE
from broker.dicom.messages import Association, Request
from broker.dicom.worklist import MODALITY_WORKLIST_FIND, WorklistConfig, WorklistHandler
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.device_settings import profile_of
from broker.domain.devices import DeviceProfile, DeviceRegistry
from broker.domain.dicom_json import items, texts
from broker.domain.matching import Obstacle
from broker.domain.site import Site
from broker.domain.states import StepStatus
from broker.domain.zones import as_offset
from broker.services import explaining
from broker.services.context import Context
from broker.services.devices import DeviceLog, QueryRecord
from broker.services.explaining import SiteRules
from broker.services.worklist import Asking, ItemFilter
from broker.store.database import Database
from tests.support.worklist import NOW, Item, fill, pydicom_bytes

SITE_LIMIT = 25


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.close()


def corpus() -> list[Item]:
    """Items that differ in what keys, rules and lengths decide by."""
    statuses = [*StepStatus, StepStatus.SCHEDULED, StepStatus.SCHEDULED]
    found = []
    for n in range(90):
        step = {
            "Modality": ("CT", "MR")[n % 2], "ScheduledStationAETitle": [("CT1", "ct1", "MR1")[n % 3]],
            "ScheduledProcedureStepLocation": ("Room 1", "Room 2")[n // 2 % 2],
            "ScheduledProcedureStepStartDate": ("20261122", "20261123", "20261201")[n // 3 % 3],
        }  # fmt: skip
        root = {
            "PatientName": ("DOE^JANE", "Müller^Eva", "Meier^Jo", None)[n // 5 % 4],
            "AccessionNumber": "A" * (1 + n % 20), "PatientID": ("P1", "p1", "P2")[n // 7 % 3],
        }  # fmt: skip
        at = NOW - timedelta(minutes=n)
        found.append(Item(root, step, statuses[n // 2 % len(statuses)], complete=n % 13 != 0, status_at=at))
    return found


root_keys = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.sampled_from(["", "doe*", "Müller^Eva", "muller*", "Meyer^Jo", "?OE*"]),
        "AccessionNumber": st.sampled_from(["", "A", "a*", "AAAAAAAAAAAAAAAAAA", "AA*"]),
        "PatientID": st.sampled_from(["", "P1", "p?"]),
        "RequestedProcedureDescription": st.just(""),
    },
)
step_keys = st.fixed_dictionaries(
    {"ScheduledProcedureStepID": st.just("")},
    optional={
        "Modality": st.sampled_from(["", "CT", "mr"]),
        "ScheduledStationAETitle": st.sampled_from(["", "CT1", "DEVICE"]),
        "ScheduledProcedureStepStartDate": st.sampled_from(["", "20261123", "20261123-"]),
        "ScheduledProcedureStepStatus": st.sampled_from(["", "STARTED", "SCHEDULED"]),
    },
)
device_settings = st.fixed_dictionaries(
    {},
    optional={
        "stations": st.sampled_from([["CT1"], ["CT1", "MR1"]]), "own_station": st.booleans(),
        "modalities": st.just(["CT"]), "locations": st.just(["Room 1"]), "window": st.just([12, 36]),
        "shown": st.sampled_from([["SCHEDULED"], ["STARTED", "READY"]]),
        "grace": st.sampled_from([{"STARTED": 30}, {"HELD": 60, "STARTED": 5}]), "limit": st.sampled_from([0, 3, 40]),
        "ignore_case": st.booleans(), "exact_names": st.booleans(), "strip": st.just(["AccessionNumber"]),
        "too_long": st.sampled_from(["cut", "whole", "withhold"]),
        "clip": st.just({"AccessionNumber": 16}),
    },
)  # fmt: skip


askings = st.builds(
    Asking, st.just(SITE_LIMIT), st.booleans(), st.none() | st.sampled_from([0, 60, -720, 840])
)  # fmt: skip


def test_a_list_holds_exactly_what_is_explained_as_shown(context: Context) -> None:
    context.database.write(lambda c: fill(c, corpus()))
    log = DeviceLog(context)
    seen: set[Obstacle | None] = set()

    def answered(keys: dict, device: DeviceProfile, asking: Asking) -> set[str]:
        handler = WorklistHandler(context, WorklistConfig(SITE_LIMIT), DeviceRegistry.of([device]), log)
        zone = {} if asking.offset is None else {"TimezoneOffsetFromUTC": as_offset(asking.offset)}
        association = Association(
            "DEVICE", "BROKER", "127.0.0.1", 1, fuzzy_names=asking.fuzzy_names, timezone_adjustment=bool(zone)
        )
        identifier = pydicom_bytes({"SpecificCharacterSet": "ISO_IR 192", **zone, **keys}, EXPLICIT_LITTLE)
        request = Request(association, 1, MODALITY_WORKLIST_FIND, EXPLICIT_LITTLE, identifier)
        found = [r.dataset for r in handler.find(request) if r.dataset is not None]
        return {str(step_id(data)) for data in found}

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(root_keys, step_keys, device_settings, askings)
    def agree(root: dict, step: dict, given_settings: dict, asking: Asking) -> None:
        device = profile_of("DEVICE", given_settings)
        keys = {**root, SPS_SEQUENCE: [step]}
        account = explaining.explain_keys(context, device, listed(keys), ItemFilter(), asking)
        shown = {e.entry.scheduled_procedure_step_id for e in account.explanations if e.verdict is None}
        assert shown == answered(keys, device, asking)
        for one in account.explanations:
            seen.add(one.verdict.obstacle if one.verdict else None)
            assert one.reason is None or (one.reason.what and one.reason.remedy)

    agree()
    log.stop()
    assert seen == {None, *Obstacle}


def listed(keys: dict) -> dict:
    """Keys as they are recorded: values as lists, none for an empty one."""
    found: dict = {}
    for keyword, value in keys.items():
        found[keyword] = [listed(item) for item in value] if isinstance(value, list) else [value] if value else []
    return found


def step_id(data: bytes) -> str:
    (step,) = items(datasets.decode(data, EXPLICIT_LITTLE).dataset, 0x00400100)
    return texts(step, 0x00400009)[0]


@pytest.mark.parametrize(
    ("item", "words", "remedy"),
    [
        (Item(status=StepStatus.COMPLETED), "completed", "Order it anew"),
        (Item(status=StepStatus.HELD), "on hold", "Release"),
        (Item(status=StepStatus.STARTED), "started", "`shown`"),
        (Item({"PatientName": None}, complete=False), "PatientName", "Send the order again"),
        (Item(step={"ScheduledStationAETitle": ["MR1"]}), "ScheduledStationAETitle", "`stations`"),
        (Item({"AccessionNumber": "A" * 17}), "AccessionNumber is longer", "`too_long`"),
    ],
)
def test_reasons_in_words(context: Context, item: Item, words: str, remedy: str) -> None:
    context.database.write(lambda c: fill(c, [item]))
    devices = DeviceRegistry.of([DeviceProfile("CT1", stations=("CT1",))])
    (one,) = explaining.explain_device(context, devices, "CT1", ItemFilter()).explanations
    assert one.reason is not None
    assert words in one.reason.what
    assert remedy in one.reason.remedy


def test_a_query_that_is_refused_is_explained_as_such(context: Context) -> None:
    step = {"ScheduledProcedureStepStartDate": ["today"]}
    account = explaining.explain_keys(context, DeviceProfile("CT1"), {SPS_SEQUENCE: [step]}, ItemFilter())
    assert account.refused == "its query is refused: ScheduledProcedureStepStartDate: the key is no date or range"


@pytest.mark.parametrize(
    ("query", "rules", "why"),
    [(None, SiteRules(accept_unknown=False), "not registered"), (None, SiteRules(), ""),
     (QueryRecord(NOW, "CT9", "10.0.0.9", {}, 0xC000, 0, 1), SiteRules(), "answered C000")],
)  # fmt: skip
def test_a_device_that_gets_no_list_at_all(
    context: Context, query: QueryRecord | None, rules: SiteRules, why: str
) -> None:
    context.database.write(lambda c: fill(c, [Item()]))
    log = DeviceLog(context)
    if query is not None:
        log.queried(query)
    log.stop()
    account = explaining.explain_device(context, DeviceRegistry(), "CT9", ItemFilter(), rules)
    assert why in account.refused
    assert bool(account.explanations) is not bool(why)


def test_items_that_lack_a_required_value_are_listed(context: Context) -> None:
    context.database.write(lambda c: fill(c, [Item(), Item({"PatientID": None}, complete=False)]))
    (gap,) = explaining.gaps(context)
    assert gap.missing == ("PatientID",)


def test_years_of_finished_steps_do_not_hide_what_matters(context: Context) -> None:
    date = "ScheduledProcedureStepStartDate"
    old = [Item(step={date: "20250101"}, status=StepStatus.COMPLETED)] * 300
    waits = [Item(step={date: "20250102"}), Item(step={date: None}, complete=False), Item(status=StepStatus.COMPLETED)]
    days = [Item(step={date: "20261122"}), Item(step={date: "20261201"})]
    context.database.write(lambda c: fill(c, [*old, *waits, *days]))
    account = explaining.explain_keys(context, DeviceProfile("CT1"), {SPS_SEQUENCE: []}, ItemFilter())
    found = [e.entry.scheduled_procedure_step_id for e in account.explanations]
    assert (found, account.more) == (["SPS302", "SPS301", "SPS304", "SPS303", "SPS305"], False)
    named = explaining.explain_keys(context, DeviceProfile("CT1"), {SPS_SEQUENCE: []}, ItemFilter(date="20250101"))
    assert (len(named.explanations), named.more) == (200, True)
