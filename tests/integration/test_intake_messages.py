"""Messages answered against a real database: one effect each, all or nothing, every outcome in the journal."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from broker.domain.site import Site
from broker.intake import order_parts
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.senders import Sender, Senders
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalEntry, JournalFilter
from broker.store.database import Database
from broker.store.tables import event, imaging_service_request, journal_entry, patient, worklist_item
from hl7.acknowledge import read_acknowledgement
from tests.unit.intake import cases

NOW = datetime(2024, 7, 5, 6, 0, tzinfo=UTC)
MAPPINGS = {"ihe-swf": cases.usual_mapping()}
SITE = cases.usual_site()
NEW = cases.message("orm_ihe_new")
CHANGE = cases.message("orm_change")


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: NOW)
    database.close()


def handler(context: Context, config: HandlerConfig | None = None, site: order_parts.Site = SITE) -> MessageHandler:
    return MessageHandler(config or HandlerConfig(), context, MAPPINGS, site)


def answer_of(context: Context, raw: bytes, config: HandlerConfig | None = None, peer: str = "peer") -> bytes:
    answer = handler(context, config).answer(raw, peer)
    assert answer is not None
    return answer


def send(context: Context, raw: bytes, config: HandlerConfig | None = None):
    return read_acknowledgement(answer_of(context, raw, config))


def whole(context: Context, key: int | None) -> JournalEntry:
    assert key is not None
    entry = journal.load(context, key)
    assert entry is not None
    return entry


def journalled(context: Context) -> list[str]:
    return [entry.outcome for entry in reversed(journal.find(context, JournalFilter()))]


def counts(context: Context) -> dict[str, int]:
    tables = (patient, imaging_service_request, worklist_item, event)
    return context.database.read(
        lambda c: {t.name: c.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
    )


def items(context: Context):
    return context.database.read(
        lambda c: c.execute(select(worklist_item).order_by(worklist_item.c.scheduled_procedure_step_id)).all()
    )


def test_new_order_is_on_the_worklist_as_it_says(context):
    answer = send(context, NEW)
    assert (answer.code.value, answer.control_id) == ("AA", "CASE0001")
    (item,) = items(context)
    assert (item.accession_number, item.modality, item.start_at, item.complete) == (
        "A100",
        "CT",
        "20240705093000",
        True,
    )
    step = item.document["ScheduledProcedureStepSequence"][0]
    assert step["ScheduledStationAETitle"] == ["CT1"]
    assert item.document["StudyInstanceUID"] == "1.2.3.4.5.100"
    assert journalled(context) == ["applied"]


def test_journal_keeps_bytes_answer_and_trace(context):
    raw_answer = answer_of(context, NEW, peer="10.0.0.1:4711")
    (summary,) = journal.find(context, JournalFilter(sender="RIS@RAD", control_id="CASE0001"))
    entry = whole(context, summary.key)
    assert (entry.raw, entry.acknowledgement, entry.peer, entry.message_type) == (
        NEW,
        raw_answer,
        "10.0.0.1:4711",
        "ORM^O01",
    )
    asked_all = entry.changes["asked"]
    assert isinstance(asked_all, list)
    (asked,) = asked_all
    assert asked["trace"]["procedure 1"]["StudyInstanceUID"] == "ZDS-1"
    assert "MEIER" not in str(entry.changes)
    assert journal.load(context, 0) is None


def test_change_touches_only_what_it_carries(context):
    send(context, NEW)
    before = items(context)[0].document
    assert send(context, CHANGE).code.value == "AA"
    after = items(context)[0].document
    step_before, step_after = (d["ScheduledProcedureStepSequence"][0] for d in (before, after))
    assert step_after["ScheduledProcedureStepStartTime"] == "110000"
    assert "PatientTransportArrangements" not in after
    for keyword in ("PatientName", "RequestedProcedureDescription", "AccessionNumber", "StudyInstanceUID"):
        assert after[keyword] == before[keyword]
    for keyword in ("Modality", "ScheduledStationAETitle", "ScheduledProtocolCodeSequence"):
        assert step_after[keyword] == step_before[keyword]


def test_change_before_new_gives_the_same_in_the_end(context):
    send(context, CHANGE)
    send(context, NEW.replace(b"20240705093000", b"20240705110000"))
    step = items(context)[0].document["ScheduledProcedureStepSequence"][0]
    assert len(items(context)) == 1
    assert (step["ScheduledProcedureStepID"], step["Modality"]) == ("SPS100", "CT")


def test_discontinued_order_leaves_the_open_items(context):
    send(context, NEW)
    assert send(context, cases.message("orm_discontinue")).code.value == "AA"
    assert [item.open for item in items(context)] == [False]


def test_patient_update_shows_at_once(context):
    send(context, NEW)
    assert send(context, cases.message("adt_a08")).code.value == "AA"
    document = items(context)[0].document
    assert document["PatientName"] == "MEIER-ROTH^EVA^^DR"
    assert "PatientAddress" not in document
    assert document["CurrentPatientLocation"] == "W2^7^1"


def test_further_identifier_of_another_patient_stays_that_patients(context):
    send(context, NEW)
    raw = NEW.replace(b"CASE0001", b"CASE0201").replace(b"4711", b"4712").replace(b"100", b"201")
    assert send(context, raw).code.value == "AA"
    newest = whole(context, journal.find(context, JournalFilter())[0].key)
    assert "OtherPatientIDsSequence" in str(newest.changes["noticed"])
    assert ["OtherPatientIDsSequence" in item.document for item in items(context)] == [True, False]
    admission = cases.message("adt_a08").replace(b"4711^^^HOSP", b"4712^^^HOSP~9901^^^REGION")
    assert send(context, admission).code.value == "AA"
    newest = whole(context, journal.find(context, JournalFilter())[0].key)
    assert "another patient" in str(newest.changes["noticed"])


def test_catalogue_makes_the_steps_and_a_repeat_adds_none(context):
    raw = cases.message("orm_catalogue_only")
    send(context, raw)
    send(context, raw.replace(b"CASE0007", b"CASE0107"))
    found = items(context)
    assert [(item.modality, item.complete) for item in found] == [("NM", True), ("NM", True)]
    assert len({item.study_instance_uid for item in found}) == 1
    assert len({item.scheduled_procedure_step_id for item in found}) == 2


def test_new_procedure_code_brings_the_catalogue_values_of_the_new_one(context):
    raw = b"MSH|^~\\&|HIS||||20240705||ORM^O01|%b|P|2.5\rPID|||1^^^H||A^B\rORC|%b|P1\rOBR|1|P1||%b^x^LOCAL\r"
    send(context, raw % (b"1", b"NW", b"CTHEAD"))
    send(context, raw % (b"2", b"XO", b"MRBRAIN"))
    (item,) = items(context)
    assert item.modality == "MR"
    assert item.document["ScheduledProcedureStepSequence"][0]["ScheduledStationAETitle"] == ["MR1"]


def test_repeated_message_has_one_effect_and_the_same_answer(context):
    first = handler(context).answer(NEW, "peer")
    before = counts(context)
    assert handler(context).answer(NEW, "other peer") == first
    assert counts(context) == before
    assert journalled(context) == ["applied", "duplicate"]


def test_same_control_id_with_other_content_is_another_message(context):
    send(context, NEW)
    send(context, NEW.replace(b"CT HEAD", b"CT NECK"))
    assert journalled(context) == ["applied", "applied"]
    assert items(context)[0].document["RequestedProcedureDescription"] == "CT NECK"


def test_refused_message_is_tried_again_when_repeated(context):
    cancel = cases.message("orm_discontinue")
    assert send(context, cancel).errors[0].code == "204"
    send(context, NEW)
    assert send(context, cancel).code.value == "AA"
    assert journalled(context) == ["refused", "applied", "applied"]


def test_same_message_at_once_from_many_connections_has_one_effect(context):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: handler(context).answer(cases.message("orm_catalogue_only"), "peer"), range(8))
        )
    assert {read_acknowledgement(a).code.value for a in answers if a is not None} == {"AA"}
    assert counts(context)["imaging_service_request"] == 1
    assert counts(context)["worklist_item"] == 2


def test_several_orders_are_applied_all_or_none(context):
    answer = send(context, cases.message("orm_three_groups"))
    assert (answer.code.value, answer.errors[0].code) == ("AE", "204")
    assert answer.errors[0].location.startswith("ORC^3")
    assert counts(context) == {"patient": 0, "imaging_service_request": 0, "worklist_item": 0, "event": 0}
    assert journalled(context) == ["refused"]


REFUSED = [
    (b"garbage", "AR", "100"),
    (b"", "AR", "100"),
    (b"MSH|^~\\&|A|B|||20240101||ORR^O02|1|P|2.5\rPID|||1\r", "AR", "200"),
    (b"MSH|^~\\&|A|B|||20240101||ADT^A60|1|P|2.5\rPID|||1\r", "AR", "201"),
    (b"MSH|^~\\&|A|B|||20240101||ORM^O01|1|T|2.5\rPID|||1\r", "AR", "202"),
    (b"MSH|^~\\&|A|B|||20240101||ORM^O01||P|2.5\rPID|||1\r", "AE", "101"),
    (NEW.replace(b"4711^^^HOSP&1.2.3.4&ISO^MR~9901^^^REGION", b""), "AE", "101"),
    (NEW.replace(b"|A100|", b"|A1234567890123456|"), "AE", "102"),
    (NEW.replace(b"MEIER", b"M\xff\xfeER").replace(b"8859/1", b"UNICODE UTF-8"), "AE", "102"),
    (NEW.replace(b"8859/1", b"CNS 11643-1992").replace(b"MEIER", b"M\xffER"), "AR", "103"),
    (b"MSH|^~\\&|A|B|||20240101||ADT^A40|1|P|2.5\rPID|||1\r", "AE", "101"),
    (b"MSH|^~\\&|A|B|||20240101||ADT^A40|1|P|2.5\rPID|||1\rMRG|1\r", "AE", "205"),
    (b"MSH|^~\\&|A|B|||20240101||ADT^A37|1|P|2.5\rPID|||1\r", "AE", "101"),
    (b"MSH|^~\\&|A|B|||20240101||SIU^S12|1|P|2.5\rPID|||1\r", "AE", "100"),
    (b"MSH|^~\\&|A|B|||20240101||SIU^S13|1|P|2.5\rSCH|9\r", "AE", "204"),
    (b"MSH|^~\\&|A|B|||20240101||ORU^R01|1|P|2.5\rPID|||1\r", "AE", "100"),
    (b"\r".join(line for line in NEW.split(b"\r") if not line.startswith(b"PID")), "AE", "101"),
]


@pytest.mark.parametrize(("raw", "code", "error"), REFUSED)
def test_refusal_is_answered_and_kept(context, raw, code, error):
    answer = send(context, raw)
    assert (answer.code.value, answer.errors[0].code) == (code, error)
    (entry,) = journal.find(context, JournalFilter(outcome="refused"))
    assert (entry.error_code, bool(entry.error_text)) == (error, True)
    assert whole(context, entry.key).raw == raw
    assert counts(context)["imaging_service_request"] == 0


def test_old_version_gets_its_own_form_of_error(context):
    raw = answer_of(context, NEW.replace(b"|NW|", b"|QQ|"))
    assert b"\rERR|ORC^1^1^103&" in raw
    newer = answer_of(context, NEW.replace(b"|NW|", b"|QQ|").replace(b"|2.3.1|", b"|2.5.1|"))
    assert b"\rERR||ORC^1^1|103^" in newer


CONDITIONS = [
    (b"AL", b"NE", b"CA"),
    (b"AL", b"AL", b"CA"),
    (b"NE", b"NE", None),
    (b"NE", b"AL", b"AA"),
    (b"ER", b"NE", None),
    (b"SU", b"", b"CA"),
]


@pytest.mark.parametrize(("accept", "application", "code"), CONDITIONS)
def test_enhanced_mode(context, accept, application, code):
    raw = NEW.replace(b"|2.3.1||||||", b"|2.3.1|||" + accept + b"|" + application + b"||")
    answer = answer_of(context, raw)
    assert (b"\rMSA|" + code in answer) if code else answer == b""
    assert journalled(context) == ["applied"]


@pytest.mark.parametrize("application", [b"AL", b"NE", b"ER"])
def test_a_refusal_is_heard_in_enhanced_mode(context, application):
    raw = NEW.replace(b"|NW|", b"|CA|").replace(b"|2.3.1||||||", b"|2.3.1|||AL|" + application + b"||")
    answer = answer_of(context, raw)
    assert b"\rMSA|CE" in answer
    assert b"^204&" in answer


def test_batch_is_answered_as_a_batch(context):
    raw = b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\r" + NEW + CHANGE + b"BTS|2\rFTS|1\r"
    answer = answer_of(context, raw)
    assert (answer.count(b"\rMSA|AA|"), answer[:3], answer.count(b"BHS|")) == (2, b"FHS", 1)
    assert journalled(context) == ["applied", "applied"]


def test_unknown_sender_and_wrong_receiver_by_policy(context):
    strict = HandlerConfig(Senders((Sender("his", "HIS"),), "refuse"))
    assert send(context, NEW, strict).errors[0].location == "MSH^1^3"
    elsewhere = HandlerConfig(receiving_application="PACS")
    assert send(context, NEW, elsewhere).errors[0].location == "MSH^1^5"
    assert send(context, NEW, HandlerConfig(receiving_application="broker")).code.value == "AA"


def test_named_sender_is_what_the_journal_and_the_history_say(context):
    send(context, NEW, HandlerConfig(Senders((Sender("main ris", "RIS"),))))
    assert journal.find(context, JournalFilter())[0].sender == "main ris"
    actor = context.database.read(lambda c: c.execute(select(event.c.actor)).scalars().first())
    assert actor == "main ris"


def test_sender_character_set_override(context):
    sender = Sender("ris", "RIS", charset="8859/2")
    send(context, NEW.replace(b"MEIER", b"WA\xa3\xcaSA"), HandlerConfig(Senders((sender,))))
    assert items(context)[0].document["PatientName"].startswith("WAŁĘSA")


def test_journal_filters(context):
    send(context, NEW)
    send(context, b"garbage")
    send(context, cases.message("adt_a08"))
    request_key = context.database.read(lambda c: c.execute(select(imaging_service_request.c.id)).scalar_one())
    patient_key = context.database.read(lambda c: c.execute(select(patient.c.id)).scalar_one())

    def kinds(**wanted):
        return [entry.message_type for entry in journal.find(context, JournalFilter(**wanted))]

    assert kinds() == ["ADT^A08", "", "ORM^O01"]
    assert kinds(outcome="refused") == [""]
    assert kinds(message_type="ADT^A08") == ["ADT^A08"]
    assert kinds(limit=1) == ["ADT^A08"]
    assert kinds(before=journal.find(context, JournalFilter(limit=1))[0].key) == ["", "ORM^O01"]
    assert kinds(request_key=request_key) == ["ADT^A08", "ORM^O01"]
    assert kinds(patient_key=patient_key) == ["ADT^A08", "ORM^O01"]
    assert kinds(since=NOW) == kinds()
    assert kinds(until=NOW) == []


def must_be_accepted(name: str) -> bool:
    return name.startswith(("mesa_sched", "mesa_ADT", "dcm4che_O", "kr_", "il_erad_ORM")) and not name.startswith(
        "dcm4che_ORU"
    )


@pytest.mark.parametrize("path", cases.CORPUS_FILES, ids=lambda path: path.stem)
def test_foreign_message_is_answered(sqlite_url, path):
    database = Database(sqlite_url)
    try:
        context = Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: NOW)
        raw = path.read_bytes()
        if path.name.startswith("mesa_sched_101.190"):  # it cancels what another file places
            send(context, raw.replace(b"ORC|CA|", b"ORC|NW|").replace(b"||CA|", b"||SC|").replace(b"101190", b"0"))
        answer = answer_of(context, raw)
        entry = journal.find(context, JournalFilter())[0]
        assert answer is not None
        accepted = entry.outcome in ("applied", "ignored")
        assert accepted or (entry.outcome in ("refused", "held") and entry.error_code and entry.error_text)
        # enhanced mode without wish for an answer: none is sent
        assert answer == b"" or read_acknowledgement(answer).accepted == accepted
        assert accepted or not must_be_accepted(path.name), (entry.error_location, entry.error_text)
    finally:
        database.close()


SEGMENTS = st.sampled_from([line for name in cases.CASES for line in cases.message(name).split(b"\r") if line])
SAMPLES = st.sampled_from([cases.message(name) for name in cases.CASES])
TRICKS = st.sampled_from(
    [b"|", b"^", b"~", b"&", b"\\", b'""', b"\\E\\", b"\\X0D\\", b"\xff", b"\x1b$B", b"\r", b"20269999"]
)


def spoilt(sample: bytes, tricks: list[tuple[int, bytes]]) -> bytes:
    """A sample of any kind, with what is special in HL7 at any places after its header."""
    header = sample.index(b"\r")
    for at, trick in tricks:
        place = header + at % (len(sample) - header)
        sample = sample[:place] + trick + sample[place:]
    return sample


MANGLED = st.one_of(
    st.builds(spoilt, SAMPLES, st.lists(st.tuples(st.integers(0, 5000), TRICKS), min_size=1, max_size=5)),
    st.binary(max_size=300),
    st.binary(max_size=60).map(lambda tail: NEW[: len(NEW) // 2] + tail),
    st.lists(SEGMENTS, max_size=8).map(
        lambda lines: b"\r".join([cases.message("omi_two_steps").split(b"\r")[0], *lines])
    ),
    st.tuples(st.integers(0, len(NEW) - 1), st.binary(max_size=4)).map(lambda t: NEW[: t[0]] + t[1] + NEW[t[0] + 1 :]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=MANGLED)
@example(raw=b"FHS")
@example(raw=b"BHS|^~\\&|RIS\r" + NEW + b"BTS|1\rBHS\r" + CHANGE)
def test_no_bytes_break_the_handler_or_leave_half_a_change(sqlite_url, raw):
    database = Database(sqlite_url)
    try:
        context = Context(database, Site(zone=ZoneInfo("Europe/Zurich")), lambda: NOW)
        before, rows = (
            counts(context),
            database.read(lambda c: c.execute(select(func.count(journal_entry.c.id))).scalar_one()),
        )
        answer = answer_of(context, raw)
        assert answer is not None
        newest = journal.find(context, JournalFilter(limit=1))[0]
        assert newest.outcome != "failed"
        assert database.read(lambda c: c.execute(select(func.count(journal_entry.c.id))).scalar_one()) > rows
        if newest.outcome == "refused":
            assert counts(context) == before
    finally:
        database.close()


def test_database_away_means_no_answer(tmp_path):
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    context = Context(database, Site(zone=UTC), lambda: NOW)
    assert handler(context).answer(NEW, "peer") is None
    database.close()
