"""The worklist over DICOM: real associations, real databases, pynetdicom as the device."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import update

from broker.dicom import scu
from broker.dicom.association_log import AssociationLog
from broker.dicom.association_policy import AssociationPolicy
from broker.dicom.datasets import IMPLICIT_LITTLE, TRANSFER_SYNTAXES
from broker.dicom.device_checks import DeviceCheck, DeviceChecks, network
from broker.dicom.plain import to_dataset
from broker.dicom.upper_layer import AssociationRejected, AssociationRequest
from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL
from broker.domain.devices import DeviceProfile
from broker.domain.errors import Refusal
from broker.domain.states import StepStatus
from broker.services import device_registry
from broker.services.device_registry import DeviceDirectory, Source
from broker.store.tables import step_query, worklist_item
from tests.support.dicom import Provider, provider
from tests.support.wait import until
from tests.support.worklist import Item, fill

PATIENT_NAME = {"PatientName": "", SPS_SEQUENCE: [{"ScheduledProcedureStepID": ""}]}
QUIRKY = {
    # what dcmjs-dimse sends besides its keys
    "QueryRetrieveLevel": "", "StudyDate": "", "PregnancyStatus": 0, "ReferencedStudySequence": [],
    "ReferencedPatientSequence": [], "RequestedProcedureCodeSequence": [], **PATIENT_NAME,
}  # fmt: skip


@pytest.fixture
def running(database_url: str) -> Iterator[Provider]:
    with provider(database_url, DeviceProfile("LATIN", charset="ISO_IR 100")) as started:
        yield started


def put(running: Provider, *items: Item) -> list[int]:
    return running.context.database.write(lambda c: fill(c, items))


def step_ids(found: scu.Found) -> list[str]:
    return [str(item[SPS_SEQUENCE][0]["ScheduledProcedureStepID"]) for item in found.items]  # type: ignore[index]


def test_echo(running: Provider) -> None:
    assert scu.echo(running.peer()).status == 0


def test_nothing_on_the_list_is_a_success(running: Provider) -> None:
    found = scu.find(running.peer(), PATIENT_NAME)
    assert (found.items, found.final.status) == ((), 0)


def test_every_supported_attribute_comes_back_when_asked_for(running: Provider) -> None:
    """Type 1 with its value, the others empty when they have none, except the either-or pairs."""
    put(running, Item())
    step = {k: [] if a.is_sequence else "" for k, a in STEP_LEVEL.items()}
    root = {k: [] if a.is_sequence else "" for k, a in ROOT_LEVEL.items()}
    found = scu.find(running.peer(), {**root, SPS_SEQUENCE: [step]})
    item = found.items[0]
    inner = item[SPS_SEQUENCE][0]  # type: ignore[index]
    assert set(root) - set(item) == {"RequestedProcedureCodeSequence"}
    assert set(step) - set(inner) == {"ScheduledProtocolCodeSequence"}
    assert found.pending == {0xFF00}
    assert item["StudyInstanceUID"] == "1.2.3.1"
    assert item["ReferringPhysicianName"] == ""
    assert inner["ScheduledProcedureStepStartDate"] == "20261123"
    assert "SpecificCharacterSet" not in item


@pytest.mark.parametrize("sequence", [[], [{}]])
def test_an_empty_sequence_gives_the_whole_step(running: Provider, sequence: list) -> None:
    put(running, Item())
    inner = scu.find(running.peer(), {SPS_SEQUENCE: sequence}).items[0][SPS_SEQUENCE][0]  # type: ignore[index]
    assert {"Modality", "ScheduledStationAETitle", "ScheduledProcedureStepID", "ScheduledStationName"} <= set(inner)


def test_an_absent_sequence_gives_the_root_keys(running: Provider) -> None:
    put(running, Item())
    assert scu.find(running.peer(), {"PatientName": ""}).items == ({"PatientName": "DOE^JANE"},)


REFUSED: list[tuple[Mapping[str, object], int, tuple[int, ...]]] = [
    ({SPS_SEQUENCE: [{"Modality": "CT"}, {"Modality": "MR"}]}, 0xA900, (0x00400100,)),
    ({"StudyID": ""}, 0xA900, ()),
    ({SPS_SEQUENCE: [{"ScheduledProcedureStepStartDate": "today"}]}, 0xC002, (0x00400002,)),
]


@pytest.mark.parametrize(("keys", "status", "offending"), REFUSED)
def test_refused_identifiers(
    running: Provider, keys: Mapping[str, object], status: int, offending: tuple[int, ...]
) -> None:
    final = scu.find(running.peer(), keys).final
    assert (final.status, final.offending) == (status, offending)
    assert 0 < len(final.error_comment) <= 64
    running.log.flush()
    device = device_registry.find(running.context, running.directory, "CT1")
    assert device is not None
    (warning,) = (w.text for w in device.warnings if w.kind == "refused")
    assert f"{status:04X}" in warning
    assert final.error_comment in warning


def test_a_time_in_a_date_key_is_noted(running: Provider) -> None:
    put(running, Item(), Item(step={"ScheduledProcedureStepStartDate": "20261125"}))
    keys = {**PATIENT_NAME, SPS_SEQUENCE: [{"ScheduledProcedureStepStartDate": "20261123093000-202611241000"}]}
    assert len(scu.find(running.peer(), keys).items) == 1
    running.log.flush()
    device = device_registry.find(running.context, running.directory, "CT1")
    assert device is not None
    assert [w.text for w in device.warnings] == [
        "it sends a time with the date ScheduledProcedureStepStartDate: only the date is compared"
    ]


def test_keys_that_are_longer_than_any_value(running: Provider) -> None:
    """SQLite refuses such patterns, and nothing is out of order because of that."""
    put(running, Item())
    for key, expected in (("A" * 60_000, 0), ("*A" * 20_000, 0), ("A" + "*" * 60_000, 1)):
        found = scu.find(running.peer(), {"AccessionNumber": key})
        assert (found.final.status, len(found.items)) == (0, expected)
    final = scu.find(running.peer(transfer_syntaxes=(IMPLICIT_LITTLE,)), {"PatientComments": "x" * 70_000}).final
    assert (final.status, final.error_comment) == (0xC000, "the data set is longer than 65536 bytes")


def test_unsupported_keys_warn_and_stay_away(running: Provider) -> None:
    put(running, Item())
    found = scu.find(running.peer(), {**PATIENT_NAME, "StudyID": "1"})
    assert found.pending == {0xFF01}
    assert "StudyID" not in found.items[0]


def test_a_device_that_cannot_digest_the_warning(database_url: str) -> None:
    with provider(database_url, DeviceProfile("OLD", warn_unsupported=False)) as running:
        put(running, Item())
        assert scu.find(running.peer("OLD"), {**PATIENT_NAME, "StudyID": "1"}).pending == {0xFF00}


def test_odd_keys_of_a_javascript_client(running: Provider) -> None:
    put(running, Item())
    found = scu.find(running.peer(), QUIRKY)
    assert (len(found.items), sorted(found.pending)) == (1, [0xFF00])


@pytest.mark.parametrize("uid", TRANSFER_SYNTAXES)
def test_transfer_syntaxes(running: Provider, uid: str) -> None:
    put(running, Item(root={"PatientName": "MÜLLER^Jörg", "PregnancyStatus": 4}))
    keys = {"PatientName": "MÜLLER*", "PregnancyStatus": "", SPS_SEQUENCE: [{"Modality": "CT"}]}
    found = scu.find(running.peer(transfer_syntaxes=(uid,)), {k: v for k, v in keys.items() if k != "PregnancyStatus"})
    assert found.items[0]["PatientName"] == "MÜLLER^Jörg"
    assert found.items[0][SPS_SEQUENCE] == [{"Modality": "CT"}]


CHARSETS = [
    # calling AE title, the request's set, the patient, the set of the answer
    ("CT1", "ISO_IR 192", "MÜLLER^Jörg", "ISO_IR 192"),
    ("CT1", "ISO_IR 100", "MÜLLER^Jörg", "ISO_IR 100"),
    ("CT1", "ISO_IR 100", "Иванов^Иван", "ISO_IR 192"),
    ("CT1", ["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", ["", "ISO 2022 IR 87"]),
    ("LATIN", "ISO_IR 192", "MÜLLER^Jörg", "ISO_IR 100"),
    ("CT1", "ISO_IR 192", "DOE^JANE", None),
]


@pytest.mark.parametrize(("calling", "declared", "name", "expected"), CHARSETS)
def test_character_sets(running: Provider, calling: str, declared: object, name: str, expected: object) -> None:
    put(running, Item(root={"PatientName": name}))
    first = "*" if declared == "ISO_IR 100" and name.startswith("И") else name[:3] + "*"
    found = scu.find(running.peer(calling), {"SpecificCharacterSet": declared, "PatientName": first})
    assert found.items[0]["PatientName"] == name
    assert found.items[0].get("SpecificCharacterSet") == expected


@pytest.mark.filterwarnings("ignore:.*Unknown encoding")
def test_an_unknown_character_set_in_the_request(running: Provider) -> None:
    put(running, Item(root={"PatientName": "MÜLLER^Jörg"}), Item())
    keys = {"SpecificCharacterSet": "ISO_IR 999", "PatientName": "M*", SPS_SEQUENCE: [{"Modality": "CT"}]}
    assert len(scu.find(running.peer(), keys).items) == 1


def test_cancel_ends_the_list(running: Provider) -> None:
    put(running, *[Item()] * 3000)
    found = scu.find(running.peer(), PATIENT_NAME, limit=5)
    assert (len(found.items), found.final.status) == (5, 0xFE00)


def test_the_limit_cuts_the_list(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with provider(database_url, DeviceProfile("SMALL", limit=2), limit=3) as running:
        put(running, *[Item()] * 4)
        found = scu.find(running.peer(), PATIENT_NAME)
        assert (len(found.items), found.final.status) == (3, 0)
        assert len(scu.find(running.peer("SMALL"), PATIENT_NAME).items) == 2
        assert "cut at 3 items" in caplog.text


def test_sorted_by_start_station_and_step_id(running: Provider) -> None:
    put(
        running,
        Item(step={"ScheduledProcedureStepStartTime": "1000", "ScheduledProcedureStepID": "D"}),
        Item(step={"ScheduledStationAETitle": ["CT2"], "ScheduledProcedureStepID": "C"}),
        Item(step={"ScheduledProcedureStepID": "B"}),
        Item(step={"ScheduledProcedureStepID": "A"}),
    )
    assert step_ids(scu.find(running.peer(), PATIENT_NAME)) == ["A", "B", "C", "D"]


def test_a_canceled_step_is_gone_from_the_next_query(running: Provider) -> None:
    put(running, Item())
    assert len(scu.find(running.peer(), PATIENT_NAME).items) == 1
    gone = update(worklist_item).values(status=StepStatus.CANCELED.value, open=False, version=2)
    running.context.database.write(lambda c: c.execute(gone))
    assert scu.find(running.peer(), PATIENT_NAME).items == ()


def test_an_item_that_does_not_fit_is_left_out_and_reported(
    running: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    put(running, Item(root={"AccessionNumber": "12345678901234567"}), Item())
    found = scu.find(running.peer(), {**PATIENT_NAME, "AccessionNumber": ""})
    assert [item["AccessionNumber"] for item in found.items] == ["A2"]
    assert "AccessionNumber" in caplog.text
    assert "12345678901234567" not in caplog.text


def test_another_association_is_served_while_one_reads_slowly(running: Provider) -> None:
    put(running, *[Item()] * 2000)
    with scu.connect(running.peer("SLOW"), scu.MODALITY_WORKLIST) as slow:
        answers = slow._responses(to_dataset(PATIENT_NAME), 1)
        next(answers)
        assert len(scu.find(running.peer("QUICK"), {**PATIENT_NAME, "AccessionNumber": "A7"}).items) == 1
        assert sum(1 for _ in answers) == 2000


def test_queries_and_devices_are_recorded(running: Provider) -> None:
    (key,) = put(running, Item())
    keys = {"PatientName": "DOE*", SPS_SEQUENCE: [{"Modality": "CT"}]}
    for _ in range(2):
        scu.find(running.peer("CT9"), keys)
    running.log.flush()
    until(lambda: len(device_registry.recent_queries(running.context, "CT9")) == 2)
    query = device_registry.recent_queries(running.context, "CT9")[0]
    assert (query.status, query.answers, query.address) == (0, 1, "127.0.0.1")
    assert query.keys == {"PatientName": ["DOE*"], SPS_SEQUENCE: [{"Modality": ["CT"]}]}
    given = running.context.database.read(lambda c: c.execute(step_query.select()).all())
    assert [(row.step_id, row.calling_ae_title, row.times) for row in given] == [(key, "CT9", 2)]
    device, _latin = device_registry.listed(running.context, running.directory)
    assert (device.ae_title, device.source) == ("CT9", Source.KNOCKING)


def test_a_cancelled_query_is_recorded_as_such(running: Provider) -> None:
    put(running, *[Item()] * 2000)

    def cancelled() -> bool:
        scu.find(running.peer(), PATIENT_NAME, limit=3)  # on a busy machine all may be on its way before the cancel is
        running.log.flush()
        return device_registry.recent_queries(running.context, "CT1")[0].status == 0xFE00

    until(cancelled)


def test_unknown_devices_are_refused_when_the_site_says_so(database_url: str) -> None:
    with provider(database_url, DeviceProfile("CT1"), accept_unknown=False) as running:
        assert scu.echo(running.peer("CT1")).status == 0
        with pytest.raises(scu.Rejected) as rejected:
            scu.echo(running.peer("CT_1"))
        assert rejected.value.codes == (1, 1, 3)
        running.log.flush()
        listed = device_registry.listed(running.context, running.directory)
        assert {d.ae_title: d.source for d in listed} == {"CT1": Source.SETTINGS, "CT_1": Source.KNOCKING}
        assert listed[1].near == (("CT1", "differs in spaces, underscores or dashes"),)


def test_the_page_says_why_a_registered_device_was_refused(running: Provider) -> None:
    checks = DeviceChecks({"LATIN": DeviceCheck(networks=(network("10.1.2.3"),))})
    policy = AssociationPolicy(running.directory, running.log, accept_unknown=False, checks=checks)
    request = AssociationRequest("LATIN", "BROKER", "10.9.9.9", 104)
    admission = policy.admit(request)
    AssociationLog(running.log, checks).observe(AssociationRejected(request, admission))
    running.log.flush()
    device = device_registry.find(running.context, running.directory, "LATIN")
    assert device is not None
    assert [w.text for w in device.warnings] == ["refused: its address is not one of this device"]


def test_an_accepted_device_is_served_at_once_and_by_what_was_set(database_url: str) -> None:
    with provider(database_url, DeviceProfile("CT1"), accept_unknown=False) as running:
        put(running, Item(), Item(step={"ScheduledStationAETitle": ["MR1"]}))
        with pytest.raises(scu.Rejected):
            scu.echo(running.peer("MR_1"))
        device_registry.register(running.context, running.directory, "MR_1", {"stations": ["MR1"]}, by="nina.frei")
        assert step_ids(scu.find(running.peer("MR_1"), PATIENT_NAME)) == ["SPS2"]
        device_registry.register(running.context, running.directory, "MR_1", {"own_station": True})
        assert scu.find(running.peer("MR_1"), PATIENT_NAME).items == ()
        assert device_registry.unregister(running.context, running.directory, "MR_1")
        with pytest.raises(scu.Rejected):
            scu.echo(running.peer("MR_1"))


def test_what_another_process_registers_counts_soon(database_url: str) -> None:
    with provider(database_url, accept_unknown=False) as running:
        other = DeviceDirectory(running.context)
        device_registry.register(running.context, other, "US7")
        until(lambda: running.directory.known("US7"))
        assert scu.echo(running.peer("US7")).status == 0


def test_devices_of_the_settings_are_changed_there(running: Provider) -> None:
    with pytest.raises(Refusal, match="settings file"):
        device_registry.register(running.context, running.directory, "LATIN")


def test_a_database_that_is_away_is_told_and_nothing_breaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with provider(f"sqlite:///{tmp_path}/no/such/folder/broker.db") as running:
        final = scu.find(running.peer(), PATIENT_NAME).final
        assert (final.status, final.error_comment) == (0xA700, "database not reachable, repeat later")
        running.log.flush()
        until(lambda: "query records are lost" in caplog.text)
