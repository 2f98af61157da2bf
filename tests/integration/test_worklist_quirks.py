"""What devices in the field do to a worklist, one test a habit: the quirk checklist, over real associations."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from broker.dicom import reactor_gate, scu
from broker.dicom.plain import from_dataset, to_dataset
from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile
from broker.domain.states import StepStatus
from broker.domain.treatment import Treatment
from broker.services import device_registry, explaining
from broker.services.device_registry import Source
from broker.services.worklist import ItemFilter
from tests.support.dicom import NOW, Provider, provider
from tests.support.wait import until
from tests.support.worklist import Item, fill

NAME = {"PatientName": "", "AccessionNumber": "", SPS_SEQUENCE: [{"ScheduledProcedureStepID": ""}]}


def put(running: Provider, *items: Item) -> None:
    running.context.database.write(lambda c: fill(c, items))


@pytest.fixture
def running(database_url: str) -> Iterator[Provider]:
    with provider(database_url, DeviceProfile("OTHER", stations=("CT1", "CT2"))) as started:
        put(
            started, Item({"PatientName": "SMITH^JOHN", "PatientID": "AB-12"}),
            Item({"PatientName": "Müller^Jörg"}, {"ScheduledProcedureStepStartDate": "20261124",
                 "ScheduledProcedureStepStartTime": "0015", "ScheduledStationAETitle": ["CT2", "CT3"]}),
        )  # fmt: skip
        yield started


def accessions(running: Provider, keys: dict, calling: str = "CT1") -> list[str]:
    found = scu.find(running.peer(calling), {**NAME, **keys})
    assert found.final.status == 0
    return [str(item["AccessionNumber"]) for item in found.items]


def step(**keys: str) -> dict:
    return {SPS_SEQUENCE: [{"ScheduledProcedureStepID": "", **keys}]}


DATE, TIME, STATION = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "ScheduledStationAETitle"
QUERIES = [
    # no step sequence, an empty one, one with an empty item: no filter
    ({SPS_SEQUENCE: []}, ["A1", "A2"]), ({SPS_SEQUENCE: [{}]}, ["A1", "A2"]),
    # wildcards, trailing blanks, case
    ({"PatientName": "SMITH*"}, ["A1"]), ({"PatientName": "smith^john "}, ["A1"]), ({"PatientName": "SM?TH*"}, ["A1"]),
    ({"PatientID": "AB*"}, ["A1"]), ({"PatientID": "AB-1?"}, ["A1"]), ({"PatientID": "AB-12  "}, ["A1"]),
    ({"PatientName": "*"}, ["A1", "A2"]), ({"PatientName": "muller*"}, ["A2"]),
    # dates and times
    (step(**{DATE: "-20261123"}), ["A1"]), (step(**{DATE: "20261124-"}), ["A2"]), (step(**{DATE: "20261123"}), ["A1"]),
    (step(**{DATE: "20261123-20261124", TIME: "2300-0100"}), ["A2"]),
    (step(**{DATE: "20261123", TIME: "0900-1000"}), ["A1"]),
    # stations: absent, two values, in the wrong case, the second of several
    (step(), ["A1", "A2"]), (step(**{STATION: "CT1\\CT2"}), ["A1", "A2"]), (step(**{STATION: "ct1"}), []),
    (step(**{STATION: "CT3"}), ["A2"]),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), QUERIES)
def test_keys(running: Provider, keys: dict, expected: list[str]) -> None:
    assert accessions(running, keys) == expected


@pytest.mark.parametrize(("declared", "charset", "expected"), [
    ("ISO_IR 100", "ISO_IR 192", "Müller^Jörg"), ("ISO_IR 100", "ascii", "Muller^Jorg"),
    ("ISO_IR 192", "ISO_IR 100", "Müller^Jörg"), ("ISO_IR 100", "least", "Müller^Jörg"),
])  # fmt: skip
def test_asked_in_one_character_set_answered_in_another(
    running: Provider, declared: str, charset: str, expected: str
) -> None:
    device_registry.register(running.context, running.directory, "DEV", {"charset": charset})
    found = scu.find(running.peer("DEV"), {"SpecificCharacterSet": declared, "PatientName": "Müller^Jörg"})
    assert [item["PatientName"] for item in found.items] == [expected]


def test_the_wrong_case_of_a_station_by_policy(running: Provider) -> None:
    device_registry.register(running.context, running.directory, "ct1", {"ignore_case": True})
    assert accessions(running, step(**{STATION: "ct1"}), "ct1") == ["A1"]


def test_the_query_title_differs_from_the_station(running: Provider) -> None:
    assert accessions(running, step(**{STATION: "OTHER"}), "OTHER") == ["A1", "A2"]


def test_an_unknown_called_title_is_rejected_and_listed(running: Provider) -> None:
    with pytest.raises(scu.Rejected) as rejected:
        scu.echo(running.peer("NEW1", called_ae_title="BROCKER"))
    assert rejected.value.codes == (1, 1, 7)
    running.log.flush()
    device = until(lambda: device_registry.find(running.context, running.directory, "NEW1"))
    assert device is not None
    assert device.source is Source.KNOCKING
    assert [w.text for w in device.warnings] == ["it called an AE title that is not the broker's, 'BROCKER'"]


def test_five_thousand_answers_cancelled_after_the_first_and_limited(database_url: str) -> None:
    with provider(database_url, DeviceProfile("SMALL", limit=300)) as running:
        put(running, *[Item()] * 5000)
        assert len(scu.find(running.peer(), NAME, limit=1).items) == 1
        found = scu.find(running.peer("SMALL"), NAME)
        assert (len(found.items), found.final.status) == (300, 0)
        running.log.flush()
        device = device_registry.find(running.context, running.directory, "SMALL")
        assert device is not None
        assert [w.text for w in device.warnings] == ["its list was cut at 300 items"]


def test_a_second_device_keeps_a_step_that_the_first_has_started(database_url: str) -> None:
    with provider(database_url, DeviceProfile("CT2", grace=((StepStatus.STARTED, 30.0),))) as running:
        recent, old = (NOW - timedelta(minutes=m) for m in (10, 40))
        put(running, Item(status=StepStatus.STARTED, status_at=recent), Item(status=StepStatus.STARTED, status_at=old))
        assert accessions(running, {}, "CT2") == ["A1"]
        assert accessions(running, {}, "CT1") == []


def test_attributes_that_a_device_cannot_digest_are_left_out(database_url: str) -> None:
    treatment = Treatment(frozenset({"MedicalAlerts"}), (("PatientComments", "MedicalAlerts"),), (("PatientName", 5),))
    with provider(database_url, DeviceProfile("OLD", treatment=treatment)) as running:
        put(running, Item({"MedicalAlerts": ["Pacemaker"]}))
        keys = {"PatientName": "", "MedicalAlerts": "", "PatientComments": ""}
        assert scu.find(running.peer("OLD"), keys).items == ({"PatientName": "DOE^J", "PatientComments": "Pacemaker"},)


def extended(
    running: Provider, keys: dict, information: bytes, calling: str = "CT1"
) -> tuple[bytes | None, list[dict]]:
    """What a device gets that offers extended negotiation: the accepted information, and the items."""
    ae = AE(ae_title="CT1")
    ae.add_requested_context(ModalityWorklistInformationFind)
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = ModalityWorklistInformationFind
    item.service_class_application_information = information
    association = ae.associate("127.0.0.1", running.port, ae_title="BROKER", ext_neg=[item])
    assert association.is_established
    reactor_gate.guard(association)
    answers = association.send_c_find(to_dataset(keys), ModalityWorklistInformationFind)
    items = [from_dataset(identifier) for _, identifier in answers if identifier is not None]
    granted = association.acceptor.sop_class_extended.get(ModalityWorklistInformationFind)
    association.release()
    return granted, items


def shown_by_explanation(running: Provider) -> list[object]:
    """The accession numbers that the last query of CT1 is explained to have shown."""
    running.log.flush()
    account = explaining.explain_device(running.context, running.directory, "CT1", ItemFilter())
    return [e.entry.document["AccessionNumber"] for e in account.explanations if e.verdict is None]


def test_names_by_sound_when_negotiated(running: Provider) -> None:
    granted, items = extended(running, {"PatientName": "Smyth^Jon"}, b"\x01\x01\x01")
    assert granted == b"\x01\x01\x01"
    assert [item["PatientName"] for item in items] == ["SMITH^JOHN"]
    assert shown_by_explanation(running) == ["A1"]
    assert extended(running, {"PatientName": "Smyth^Jon"}, b"\x01\x01\x00") == (b"\x01\x01\x00", [])


def test_times_in_the_zone_of_the_device_when_negotiated(database_url: str) -> None:
    with provider(database_url, zone="Europe/Zurich") as running:
        put(running, Item(step={DATE: "20261124", TIME: "0030"}))
        keys = {"TimezoneOffsetFromUTC": "+0000", SPS_SEQUENCE: [{DATE: "20261123", TIME: ""}]}
        _, items = extended(running, keys, b"\x01\x01\x00\x01")
        assert [dict(item) for item in items] == [
            {"TimezoneOffsetFromUTC": "+0000", SPS_SEQUENCE: [{DATE: "20261123", TIME: "2330"}]}
        ]
        assert shown_by_explanation(running) == ["A1"]
        assert extended(running, keys, b"\x01\x01\x00")[1] == []
        assert shown_by_explanation(running) == []


def test_a_device_that_takes_small_pdus_only(running: Provider) -> None:
    device_registry.register(running.context, running.directory, "SMALLPDU", {"max_pdu": 4096})
    assert accessions(running, {}, "SMALLPDU") == ["A1", "A2"]
