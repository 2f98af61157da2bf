"""Instance Availability Notifications taken: kept as received, linked, told, refused with the standard's words."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Row, insert, select

from broker.dicom import datasets
from broker.dicom.availability import AvailabilityHandler
from broker.dicom.messages import Response
from broker.dicom.n_services import INSTANCE_AVAILABILITY, MPPS
from broker.domain.errors import Refusal
from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import DestinationRule
from broker.domain.performed_faults import DEFAULT_TOLERATED, Quirk
from broker.domain.performing import PerformedPolicy
from broker.services import attention, availability, timeline
from broker.services.context import Context
from broker.store.availability_tables import availability_notice
from broker.store.database import Database
from broker.store.reconciliation_tables import device_toleration
from broker.store.tables import event, outbox_entry
from tests.integration.mpps_peer import Peer, new_context
from tests.support import exams
from tests.support.notices import Plain, encoded, instance, named, notice

ANNA = Actor(Source.PERSON, "anna")
STUDY_FACTS = frozenset({FactKind.STUDY_AVAILABLE, FactKind.STUDY_PARTLY_AVAILABLE, FactKind.STUDY_UNMATCHED})
TWO = [{"ReferencedSOPClassUID": "1.2", "ReferencedSOPInstanceUID": uid} for uid in ("1.1", "1.2")]


class Archive:
    """An archive that tells the broker of images, and a look into the database."""

    def __init__(self, context: Context, title: str = "ARCHIVE") -> None:
        self.context = context
        self._device = Peer(context, calling_ae_title=title)
        self._handler = AvailabilityHandler(context)

    def tell(self, values: Plain | None = None, uid: str | None = "1.8.1", **more: object) -> Response:
        data = encoded(notice() if values is None else values)
        request = {"sop_class_uid": INSTANCE_AVAILABILITY, "dataset": data, **more}
        return self._handler.create(replace(self._device.request(uid), **request))  # type: ignore[arg-type]

    def rows(self) -> list[Row[tuple[object, ...]]]:
        return self._device.rows(select(availability_notice).order_by(availability_notice.c.id))

    def facts(self) -> list[Row[tuple[object, ...]]]:
        wanted = [kind.value for kind in STUDY_FACTS]
        return self._device.rows(select(event).where(event.c.kind.in_(wanted)).order_by(event.c.id))

    def told(self) -> list[tuple[str, str]]:
        rows = self._device.rows(select(outbox_entry).order_by(outbox_entry.c.id))
        return [(row.destination, row.kind) for row in rows]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    made = new_context(database, PerformedPolicy(DEFAULT_TOLERATED))
    events = STUDY_FACTS | {FactKind.ORDER_COMPLETED}
    rules = (DestinationRule("ris"), DestinationRule("hook", "webhook", events))
    yield replace(made, site=replace(made.site, destinations=rules))
    database.close()


@pytest.fixture
def archive(context: Context) -> Archive:
    return Archive(context)


@pytest.fixture
def device(context: Context) -> Peer:
    return Peer(context)


def test_a_notice_is_kept_as_received_and_linked_to_the_exam_it_names(archive: Archive, device: Peer) -> None:
    key = device.order()
    device.create()
    device.set()
    response = archive.tell()
    assert (response.status, response.sop_instance_uid, response.dataset) == (0, "1.8.1", None)
    (row,) = archive.rows()
    assert (row.dataset, row.transfer_syntax_uid) == (encoded(notice()), datasets.EXPLICIT_LITTLE)
    assert (row.state, row.performed_id, row.calling_ae_title) == ("linked", device.performed()[0].id, "ARCHIVE")
    (fact,) = archive.facts()
    assert (fact.kind, fact.request_id, fact.performed_id) == ("study.available", key, row.performed_id)
    assert (fact.source, fact.actor) == ("device", "ARCHIVE")
    assert fact.data == {
        "study": "1.2.3.1", "at": ["ARCHIVE"], "instances": 1, "available": 1, "expected": 1, "missing": 0,
        "unavailable": 0, "performed": "1.9.1",
    }  # fmt: skip
    assert archive.told()[-1] == ("hook", "study.available")
    assert ("ris", "study.available") not in archive.told()


def test_images_come_in_several_notices(archive: Archive, device: Peer) -> None:
    device.order()
    device.create()
    device.set(values=exams.final(PerformedSeriesSequence=[{**exams.SERIES, "ReferencedImageSequence": TWO}]))
    archive.tell(notice(instances=[instance("1.1")]), "1.8.1")
    archive.tell(notice(instances=[instance("1.2", "NEARLINE", "DEEP")]), "1.8.2")
    archive.tell(notice(instances=[instance("1.1", "UNAVAILABLE")]), "1.8.3")
    assert [(f.kind, f.data["available"], f.data["missing"]) for f in archive.facts()] == [
        ("study.partly_available", 1, 1), ("study.available", 2, 0), ("study.partly_available", 1, 1),
    ]  # fmt: skip


def test_without_a_performed_step_the_study_links(archive: Archive, device: Peer) -> None:
    key = device.order()
    archive.tell(notice(performed=""))
    archive.tell(notice(performed="1.9.404"), "1.8.2")
    assert [(row.state, row.performed_id) for row in archive.rows()] == [("linked", None)] * 2
    assert [(f.kind, f.request_id, "expected" in f.data) for f in archive.facts()] == [
        ("study.available", key, False)
    ] * 2
    assert device.statuses() == {"SPS1": "SCHEDULED"}


def test_an_exam_of_several_orders_tells_each(archive: Archive, device: Peer) -> None:
    keys = [device.order(), device.order("2")]
    device.create(values=exams.create([exams.reference("1"), exams.reference("2")]))
    archive.tell()
    assert [f.request_id for f in archive.facts()] == keys


def test_an_exam_without_an_order_is_no_exception_of_its_own(archive: Archive, device: Peer) -> None:
    """It waits in the reconciliation queue already."""
    device.create(values=exams.create([exams.reference("77")]))
    archive.tell(notice("1.2.3.77"))
    assert [(f.kind, f.request_id) for f in archive.facts()] == [("study.available", None)]
    found = attention.look(archive.context)
    assert (len(found.unmatched), found.images) == (1, ())


def test_images_of_nobody_are_an_exception(archive: Archive, device: Peer) -> None:
    device.order()
    archive.tell(notice("1.2.3.404", ""))
    (fact,) = archive.facts()
    assert (fact.kind, fact.request_id, fact.patient_id) == ("study.unmatched", None, None)
    assert archive.told()[-1] == ("hook", "study.unmatched")
    (waiting,) = attention.look(archive.context).images
    assert (waiting.study_instance_uid, waiting.instance_count, waiting.retrieve_ae_titles) == (
        "1.2.3.404", 1, ("ARCHIVE",)
    )  # fmt: skip


def test_a_patient_alone_never_links(archive: Archive, device: Peer) -> None:
    """Forbidden there by PS3.4 R.3.2.1.2, and not looked at when it comes all the same."""
    device.order()
    data = encoded(notice("1.2.3.404", ""))
    patient = bytes.fromhex("10002000") + b"LO\x04\x00" + b"4711"
    assert archive.tell(dataset=data + patient).status == 0
    assert [row.state for row in archive.rows()] == ["open"]


@pytest.mark.parametrize("late", ["order", "exam"])
def test_what_comes_later_finds_its_images(archive: Archive, device: Peer, late: str) -> None:
    archive.tell()
    assert availability.attach_waiting(archive.context) == 0
    if late == "order":
        key = device.order()
    else:
        device.create(values=exams.create([exams.reference("99")]))
    assert availability.attach_waiting(archive.context) == 1
    assert availability.attach_waiting(archive.context) == 0
    assert [f.kind for f in archive.facts()] == ["study.unmatched", "study.available"]
    assert archive.facts()[-1].request_id == (key if late == "order" else None)
    assert attention.look(archive.context).images == ()


def test_setting_aside_and_back(archive: Archive, device: Peer) -> None:
    archive.tell()
    (waiting,) = availability.queue(archive.context)
    availability.set_aside(archive.context, ANNA, waiting.key)
    assert availability.queue(archive.context) == []
    assert [one.key for one in availability.queue(archive.context, aside=True)] == [waiting.key]
    device.order()
    assert availability.attach_waiting(archive.context) == 0
    with pytest.raises(Refusal, match="do not wait"):
        availability.set_aside(archive.context, ANNA, waiting.key)
    availability.queue_again(archive.context, ANNA, waiting.key)
    with pytest.raises(Refusal, match="not set aside"):
        availability.queue_again(archive.context, ANNA, waiting.key)
    assert availability.attach_waiting(archive.context) == 1
    acts = device.facts(FactKind.STUDY_SET_ASIDE, FactKind.STUDY_QUEUED)
    assert [(f.kind, f.actor) for f in acts] == [("study.set_aside", "anna"), ("study.queued", "anna")]


@pytest.mark.parametrize(
    ("values", "status", "offending", "comment"),
    [
        ({k: v for k, v in notice().items() if k != "StudyInstanceUID"}, 0x0120, 0x0020000D, "missing: StudyInst"),
        (notice(study=""), 0x0121, 0x0020000D, "no value: StudyInstanceUID"),
        (notice(study="1.2.no"), 0x0106, 0x0020000D, "invalid value: StudyInstanceUID"),
        (notice(ReferencedSeriesSequence=[]), 0x0121, 0x00081115, "no value: ReferencedSeriesSequence"),
        (notice(instances=[instance("1.1", "HERE")]), 0x0106, 0x00080056, "invalid value: InstanceAvailability"),
        (notice(instances=[instance("1.1", at="")]), 0x0121, 0x00080054, "no value: RetrieveAETitle"),
        (
            notice(ReferencedPerformedProcedureStepSequence=[named(), named()]), 0x0106, 0x00081111,
            "invalid value: ReferencedPerformedProcedureStepSequence",
        ),
    ],
)  # fmt: skip
def test_refusals(archive: Archive, values: Plain, status: int, offending: int, comment: str) -> None:
    response = archive.tell(values)
    assert (response.status, response.offending) == (status, (offending,))
    assert str(response.error_comment).startswith(comment)
    assert len(str(response.error_comment)) <= 64
    assert archive.rows() == []
    assert archive.facts() == []


def test_what_is_no_notice_at_all(archive: Archive) -> None:
    assert archive.tell(dataset=b"\x08\x00").status == 0x0110
    assert archive.tell(uid="1..2").status == 0x0117
    assert archive.tell(sop_class_uid=MPPS).status == 0x0211
    assert archive.tell(sop_class_uid="1.2.3").status == 0x0118
    assert archive.rows() == []


def test_a_notice_without_a_uid_gets_one(archive: Archive) -> None:
    response = archive.tell(uid=None)
    assert response.status == 0
    assert [row.sop_instance_uid for row in archive.rows()] == [response.sop_instance_uid]


def test_a_notice_that_comes_twice(context: Context) -> None:
    assert Archive(context).tell().status == 0
    assert Archive(context).tell().status == 0x0111
    lenient = replace(context.site.performed, devices={"ARCHIVE": frozenset({Quirk.REPEATED_CREATE})})
    used = replace(context, site=replace(context.site, performed=lenient))
    assert Archive(used).tell().status == 0
    assert Archive(used).tell(notice("1.2.3.5")).status == 0x0111
    assert Archive(used, "OTHER").tell().status == 0x0111
    assert len(Archive(used).rows()) == len(Archive(used).facts()) == 1


def test_what_an_archive_is_let_pass_is_counted(archive: Archive, device: Peer) -> None:
    values = {k: v for k, v in notice().items() if k != "ReferencedPerformedProcedureStepSequence"}
    assert archive.tell(values).status == 0
    (row,) = device.rows(select(device_toleration))
    assert (row.calling_ae_title, row.quirk, row.path) == (
        "ARCHIVE", "missing_type_2", "ReferencedPerformedProcedureStepSequence",
    )  # fmt: skip


def test_the_page_of_the_order_counts_what_is_there_now(archive: Archive, device: Peer) -> None:
    """The archive was quicker than the device's last word: the page compares anew."""
    key = device.order()
    device.create()
    archive.tell(notice(instances=[instance("1.1")]))
    record = timeline.of_order(archive.context, key)
    assert record is not None
    assert (record.images["1.2.3.1"].coverage.expected, record.images["1.2.3.1"].coverage.complete) == (None, True)
    device.set(values=exams.final(PerformedSeriesSequence=[{**exams.SERIES, "ReferencedImageSequence": TWO}]))
    record = timeline.of_order(archive.context, key)
    assert record is not None
    images = record.images["1.2.3.1"]
    assert (images.coverage.expected, images.coverage.missing, images.retrieve_ae_titles) == (2, 1, ("ARCHIVE",))


def test_many_strange_studies_are_listed_newest_first_up_to_a_limit(archive: Archive) -> None:
    values = {
        "calling_ae_title": "ARCHIVE", "transfer_syntax_uid": datasets.EXPLICIT_LITTLE, "dataset": b"x",
        "instances": [], "instance_count": 3, "retrieve_ae_titles": "A\\B", "received_at": archive.context.clock(),
        "state": "open",
    }  # fmt: skip
    many = [{**values, "sop_instance_uid": f"1.8.{n}", "study_instance_uid": f"1.3.{n}"} for n in range(150)]
    archive.context.database.write(lambda c: c.execute(insert(availability_notice), many))
    found = attention.look(archive.context).images
    assert (len(found), found[0].study_instance_uid, found[0].retrieve_ae_titles) == (100, "1.3.149", ("A", "B"))
