"""What a device's profile adds to its queries, and who may associate."""

from datetime import datetime

import pytest

from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile, DeviceRegistry, narrowed
from broker.domain.matching import Candidate, Obstacle, Verdict, matches, why_not
from broker.domain.query_keys import query_of
from tests.support.worklist import Item, document

NOW = datetime(2026, 11, 23, 8, 0)
CT = DeviceProfile("CT_QUERY", stations=("CT1", "CT2"), window=(2, 4))

CASES = [
    # keys of the step, keys of the root, station, start, on the list
    ({}, {}, "CT1", "0900", True),
    ({}, {}, "CT2", "0900", True),
    ({}, {}, "MR1", "0900", False),
    ({"ScheduledStationAETitle": ""}, {}, "MR1", "0900", False),
    ({"ScheduledStationAETitle": "MR1"}, {}, "MR1", "0900", True),
    ({"ScheduledStationAETitle": "CT_QUERY"}, {}, "CT2", "0900", True),
    ({"ScheduledStationAETitle": "CT_QUERY"}, {}, "MR1", "0900", False),
    ({}, {}, "CT1", "0559", False),
    ({}, {}, "CT1", "0600", True),
    ({}, {}, "CT1", "1201", False),
    ({"ScheduledProcedureStepStartDate": "20261123"}, {}, "CT1", "2000", True),
    ({"ScheduledProcedureStepStartTime": "20"}, {}, "CT1", "2000", True),
    ({}, {"AccessionNumber": "A1"}, "MR1", "2000", True),
    ({}, {"PatientName": "DOE*"}, "MR1", "0900", False),
]


@pytest.mark.parametrize(("step", "root", "station", "start", "expected"), CASES)
def test_stations_and_window(step: dict, root: dict, station: str, start: str, expected: bool) -> None:
    query = narrowed(query_of({**root, SPS_SEQUENCE: [step]}), CT, NOW)
    item = Item(step={"ScheduledStationAETitle": [station], "ScheduledProcedureStepStartTime": start})
    assert matches(query, Candidate(document(item, 1), item.status, item.complete)) is expected


@pytest.mark.parametrize("ignore_case", [False, True])
def test_a_device_that_asks_for_its_own_title_gets_its_stations(ignore_case: bool) -> None:
    device = DeviceProfile("CT_QUERY", stations=("ROOM1",), ignore_case=ignore_case)
    keys = {SPS_SEQUENCE: [{"ScheduledStationAETitle": "CT_QUERY"}]}
    query = narrowed(query_of(keys, manner=device.manner()), device, NOW)
    item = Item(step={"ScheduledStationAETitle": ["ROOM1"]})
    assert matches(query, Candidate(document(item, 1), item.status, item.complete))


def test_a_time_of_the_day_is_asked_of_the_days_of_the_window() -> None:
    query = narrowed(query_of({SPS_SEQUENCE: [{"ScheduledProcedureStepStartTime": "20"}]}), CT, NOW)
    for day, expected in (("20261122", False), ("20261123", True), ("20261124", False)):
        item = Item(step={"ScheduledProcedureStepStartDate": day, "ScheduledProcedureStepStartTime": "2000"})
        assert matches(query, Candidate(document(item, 1), item.status, True)) is expected


def test_the_window_is_named_as_the_reason() -> None:
    query = narrowed(query_of({}), CT, NOW)
    item = Item(step={"ScheduledProcedureStepStartTime": "2000"})
    assert why_not(query, Candidate(document(item, 1), item.status, True)) == Verdict(Obstacle.WINDOW)


def test_an_unregistered_device_is_not_narrowed() -> None:
    registry = DeviceRegistry.of([CT])
    assert registry.known("CT_QUERY")
    assert not registry.known("ct_query")
    query = query_of({})
    assert narrowed(query, registry.profile("X"), NOW) == query
