"""The SQL of the worklist against the plain evaluator, on both databases; pages, order, filters for people."""

from collections.abc import Callable, Iterator
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile
from broker.domain.matching import Candidate, Obstacle, matches
from broker.domain.query import TELLABLE, Manner
from broker.domain.query_keys import query_of
from broker.domain.site import Site
from broker.domain.states import StepStatus
from broker.services import explaining, worklist
from broker.services.context import Context
from broker.services.worklist import ItemFilter
from broker.store.database import Database
from broker.store.tables import worklist_item
from tests.support.worklist import NOW, Item, document, fill

NAMES = ["DOE^JANE", "doe^john", "DOE", "MÜLLER^Eva", "Muller^Eva", "50%^A_B", "50X^AXB", "O'NEIL^\\", "A^B^C",
         "Yamada^Tarou=山田^太郎=やまだ^たろう", "=山田^花子", "DOE=山田", None]  # fmt: skip
IDS = ["P1", "p1", "P12", "P_2", "P%2", "1.2", "Ä1", "", None]
STARTS = [("20261122", "2359"), ("20261123", "0930"), ("20261123", "093059"), ("20261123", "1000"), ("20261124", "00"),
          ("20261231", "235959.5")]  # fmt: skip
STATIONS = [["CT1"], ["CT1", "CT2"], ["MR1"], ["CT*"], ["ct1"]]


def corpus() -> list[Item]:
    """Items that differ in everything a key can ask for, in many combinations."""
    statuses = list(StepStatus)
    found = []
    for n in range(120):
        date, time = STARTS[n % len(STARTS)]
        step = {
            "ScheduledProcedureStepStartDate": date, "ScheduledProcedureStepStartTime": time,
            "Modality": ("CT", "MR", "US")[n % 3], "ScheduledStationAETitle": STATIONS[n // 2 % len(STATIONS)],
            "ScheduledProcedureStepID": ("S1", "S2", "s1")[n // 3 % 3],
            "ScheduledPerformingPhysicianName": (None, "RÖNTGEN^W", "CURIE^M")[n // 5 % 3],
            "ScheduledProcedureStepDescription": ("CT head", "ct head", "Abdomen*")[n // 7 % 3],
        }  # fmt: skip
        root = {
            "PatientName": NAMES[n % len(NAMES)], "PatientID": IDS[n // 2 % len(IDS)],
            "AccessionNumber": IDS[n // 3 % len(IDS)], "AdmissionID": IDS[n // 4 % len(IDS)],
            "RequestedProcedureID": IDS[n // 5 % len(IDS)], "PatientSex": ("M", "F", None)[n % 3],
            "PatientBirthDate": ("19700101", "19701231", None)[n // 2 % 3],
        }  # fmt: skip
        found.append(Item(root, step, statuses[n // 2 % len(statuses)], complete=n % 11 != 0))
    return found


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW)
    database.close()


names = st.sampled_from(
    ["DOE", "doe*", "DOE^*", "*", "", "D?E*", "*^J*", "mull*", "MÜLLER^EVA", "50%*", "5_?^*", "*\\", "O'NEIL*",
     "山田*", "=山*", "Yamada*==やまだ*", "DOE=*", "?", "*E", "A^B^C^^", "DOE\\A*", "\U0010ffff*", "zz*"]
) | st.text("DOEdoe^=*?山ÄM%_\\ '", max_size=6)  # fmt: skip
ids = st.sampled_from(["P1", "p1", "P*", "p?", "P_2", "P%2", "*", "", "Ä*", "1.2", "?", "P1 "]) | st.text(
    "Pp1*?%_ ", max_size=4
)
dates = st.sampled_from(
    ["", "*", "20261123", "20261122-20261123", "-20261123", "20261124-", "20261123-20261123", "2026.11.23", "20270101"]
)
times = st.sampled_from(["", "*", "0930", "09", "0930-1000", "-0930", "1000-", "2300-0100", "093059", "00:00:00"])
status_keys = st.sampled_from(["", "*", "SCHEDULED", "ARRIVED", "S*", "STARTED", "CANCELED", "COMPLETED", "?EADY"])


def _split(text: str) -> list[str]:
    return text.split("\\")


steps = st.fixed_dictionaries(
    {},
    optional={
        "ScheduledProcedureStepStartDate": dates,
        "ScheduledProcedureStepStartTime": times,
        "Modality": st.sampled_from(["", "CT", "MR", "C*", "*"]) | st.just(["CT", "US"]),
        "ScheduledStationAETitle": st.sampled_from(["", "CT1", "CT2", "CT*", "ct1", "*"]) | st.just(["MR1", "CT2"]),
        "ScheduledProcedureStepID": st.sampled_from(["", "S1", "s*", "?1"]),
        "ScheduledPerformingPhysicianName": names.map(_split),
        "ScheduledProcedureStepStatus": status_keys,
        "ScheduledProcedureStepDescription": st.sampled_from(["", "CT*", "*head", "ct head", "Abdomen?"]),
    },
)
roots = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": names.map(_split),
        "PatientID": ids,
        "AccessionNumber": ids,
        "AdmissionID": ids,
        "RequestedProcedureID": ids.map(lambda i: [i, "P12"]),
        "StudyInstanceUID": st.sampled_from(["", "1.2.3.4", "1.2.3.*"]) | st.just([f"1.2.3.{n}" for n in range(1, 90)]),
        "PatientSex": st.sampled_from(["", "M", "*"]),
        "PatientBirthDate": st.sampled_from(["", "19700101", "19700101-19700630", "-19701231"]),
    },
)


manners = st.builds(Manner, ignore_case=st.booleans(), exact_names=st.booleans(), fuzzy_names=st.booleans())


def test_sql_and_evaluator_agree(context: Context) -> None:
    items = corpus()
    keys = context.database.write(lambda c: fill(c, items))
    candidates = {
        key: Candidate(document(item, n), item.status, item.complete)
        for n, (key, item) in enumerate(zip(keys, items, strict=True), 1)
    }
    hits = 0

    @settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(roots, steps, manners)
    def agree(root: dict, step: dict, manner: Manner) -> None:
        nonlocal hits
        query = query_of({**root, SPS_SEQUENCE: [step]}, manner=manner)
        found = [entry.step_key for entry in worklist.find(context, query)]
        expected = {key for key, candidate in candidates.items() if matches(query, candidate)}
        assert len(found) == len(set(found))
        assert set(found) == expected
        hits += bool(expected)

    agree()
    assert hits > 50, "the generated queries hardly match anything: they prove nothing"


def test_pages_hold_every_item_once_and_in_order(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklist, "_FIRST_PAGE", 2)
    monkeypatch.setattr(worklist, "_PAGE", 3)
    items = [
        Item(step={"ScheduledProcedureStepStartTime": f"{10 + n % 4}00", "ScheduledProcedureStepID": f"S{99 - n}",
                   "ScheduledStationAETitle": [("CT2", "CT1")[n % 2], "ZZ"]})
        for n in range(20)
    ]  # fmt: skip
    context.database.write(lambda c: fill(c, items))
    found = list(worklist.find(context, query_of({})))
    order = [(e.start_at, e.station, e.scheduled_procedure_step_id) for e in found]
    assert len(found) == 20
    assert order == sorted(order)
    some = list(worklist.find(context, query_of({}, limit=7)))
    assert [e.step_key for e in some] == [e.step_key for e in found[:7]]


def test_a_page_whose_items_all_fail_a_residual_key_does_not_end_the_list(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist, "_FIRST_PAGE", 2)
    items = [Item(root={"PatientSex": "M" if n < 5 else "F"}) for n in range(6)]
    keys = context.database.write(lambda c: fill(c, items))
    assert [e.step_key for e in worklist.find(context, query_of({"PatientSex": "F"}))] == keys[5:]


def test_steps_that_move_while_the_list_is_read_are_told_once(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worklist, "_FIRST_PAGE", 2)
    monkeypatch.setattr(worklist, "_PAGE", 3)
    keys = context.database.write(
        lambda c: fill(c, [Item(step={"ScheduledProcedureStepStartTime": f"{8 + n:02}00"}) for n in range(10)])
    )
    reading = worklist.find(context, query_of({}))
    begun = [next(reading).step_key for _ in range(4)]

    def move(connection: Connection, key: int, start: str) -> None:
        moved = update(worklist_item).where(worklist_item.c.step_id == key)
        connection.execute(moved.values(start_at=f"20261123{start}00", updated_at=NOW))

    for key, start in ((keys[8], "0700"), (keys[0], "1630"), (keys[7], "1800")):
        context.database.write(partial(move, key=key, start=start))
    found = [*begun, *(entry.step_key for entry in reading)]
    assert sorted(found) == keys


def test_a_changed_item_is_read_with_its_new_version(context: Context) -> None:
    context.database.write(lambda c: fill(c, [Item()]))
    before = next(worklist.find(context, query_of({})))
    context.database.write(lambda c: c.execute(update(worklist_item).values(version=7)))
    after = next(worklist.find(context, query_of({})))
    assert (before.version, after.version) == (1, 7)
    assert after.document == before.document


@pytest.mark.parametrize(
    ("shown", "key", "expected"),
    [(None, None, 1), (frozenset({StepStatus.STARTED}), None, 1), (frozenset({StepStatus.STARTED}), "SCHEDULED", 1),
     (frozenset({StepStatus.STARTED, StepStatus.SCHEDULED}), "", 2)],
)  # fmt: skip
def test_statuses_of_a_device(
    context: Context, shown: frozenset[StepStatus] | None, key: str | None, expected: int
) -> None:
    context.database.write(lambda c: fill(c, [Item(), Item(status=StepStatus.STARTED)]))
    step = {} if key is None else {"ScheduledProcedureStepStatus": key}
    device = DeviceProfile("CT1", shown=shown)
    query = worklist.for_device(context, query_of({SPS_SEQUENCE: [step]}), device)
    assert len(list(worklist.find(context, query))) == expected


def test_a_status_that_a_device_asks_for_goes_before_its_settings(context: Context) -> None:
    context.database.write(lambda c: fill(c, [Item(), Item(status=StepStatus.STARTED)]))
    everything = Context(context.database, Site(zone=ZoneInfo("UTC"), shown=TELLABLE), context.clock)
    device = DeviceProfile("CT1", shown=frozenset({StepStatus.SCHEDULED}))
    query = worklist.query_for(everything, {SPS_SEQUENCE: [{"ScheduledProcedureStepStatus": ["STARTED"]}]}, device)
    assert [entry.status for entry in worklist.find(everything, query)] == [StepStatus.STARTED]


FILTERS: list[tuple[ItemFilter, Callable[[Item], bool]]] = [
    (ItemFilter(), lambda i: True),
    (ItemFilter(modality="MR"), lambda i: i.step["Modality"] == "MR"),
    (ItemFilter(station="CT2"), lambda i: "CT2" in i.step["ScheduledStationAETitle"]),  # type: ignore[operator]
    (ItemFilter(patient_id="P1"), lambda i: i.root["PatientID"] == "P1"),
    (ItemFilter(accession_number="P12"), lambda i: i.root["AccessionNumber"] == "P12"),
    (ItemFilter(date="20261123"), lambda i: i.step["ScheduledProcedureStepStartDate"] == "20261123"),
    (ItemFilter(date="20261124-"), lambda i: i.step["ScheduledProcedureStepStartDate"] > "20261123"),  # type: ignore[operator]
    (ItemFilter(name="mull*"), lambda i: str(i.root["PatientName"]).lower()[:2] in ("mu", "mü")),
]


@pytest.mark.parametrize(("wanted", "expected"), FILTERS)
def test_people_see_every_item(context: Context, wanted: ItemFilter, expected: Callable[[Item], bool]) -> None:
    items = corpus()
    keys = context.database.write(lambda c: fill(c, items))
    found = worklist.list_items(context, wanted)
    assert {e.step_key for e in found} == {k for k, i in zip(keys, items, strict=True) if expected(i)}


def test_explaining_names_what_removed_each_candidate(context: Context) -> None:
    items = [Item(), Item(step={"Modality": "MR"}), Item(status=StepStatus.CANCELED), Item(complete=False)]
    context.database.write(lambda c: fill(c, items))
    query = query_of({SPS_SEQUENCE: [{"Modality": "CT"}]})
    verdicts = [e.verdict for e in explaining.explain(context, query, ItemFilter(name="DOE*"))]
    assert [v.obstacle if v else None for v in verdicts] == [
        None, Obstacle.KEY, Obstacle.STATUS, Obstacle.INCOMPLETE,
    ]  # fmt: skip
