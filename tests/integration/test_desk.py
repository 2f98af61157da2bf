"""The desk against a real database: looking leaves nothing, reading again does what it said; the journal's search."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select

from broker.domain.attributes import Level
from broker.domain.errors import Refusal
from broker.domain.identifiers import usable, valid_uid
from broker.domain.model import FactKind
from broker.domain.notifications import DestinationRule
from broker.domain.site import Site
from broker.intake.desk import Desk, DeskConfig
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.intake.senders import Sender, Senders
from broker.services import housekeeping, journal, replay
from broker.services.context import Context
from broker.services.examination import Question
from broker.services.journal import JournalFilter
from broker.store.database import Database
from broker.store.tables import journal_entry, metadata, scheduled_procedure_step, worklist_item
from tests.unit.intake import cases

NOW = datetime(2024, 7, 5, 6, 0, tzinfo=UTC)
NEW = cases.message("orm_ihe_new")
CHANGE = cases.message("orm_change")
DISCONTINUE = cases.message("orm_discontinue")


class Bench:
    """A handler and a desk that share their mappings."""

    def __init__(self, url: str, folder: Path) -> None:
        self.now = NOW
        self.folder = folder
        told = DestinationRule("PACS", events=frozenset({FactKind.ORDER_PLACED}))
        site = Site(zone=ZoneInfo("Europe/Zurich"), destinations=(told,))
        self.context = Context(Database(url), site, lambda: self.now)
        self.mappings = {"ihe-swf": cases.usual_mapping()}
        self.handler = MessageHandler(HandlerConfig(), self.context, self.mappings, cases.usual_site())
        self.desk = self.make_desk(folder)

    def make_desk(
        self, save_to: Path | None, order_status: Path | None = None, senders: Senders = Senders()  # noqa: B008
    ) -> Desk:
        folders = (save_to,) if save_to else ()
        config = DeskConfig(senders, folders, save_to, order_status)
        return Desk(config, self.context, self.mappings, cases.usual_site(), self.handler)

    def send(self, raw: bytes) -> int:
        self.handler.answer(raw, "peer")
        return journal.find(self.context, JournalFilter(limit=1))[0].key or 0

    def rows(self) -> dict[str, int]:
        tables = [t for t in metadata.sorted_tables if t.name != "replay_run"]
        count = lambda c: {t.name: c.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}  # noqa: E731
        return self.context.database.read(count)

    def item(self) -> dict:
        return self.context.database.read(lambda c: c.execute(select(worklist_item)).one()).document


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(database_url, tmp_path)
    yield made
    made.desk.close()
    made.context.database.close()


def look(bench: Bench, raw: bytes, **more):
    return bench.desk.examine(Question(raw, described=False, **more))


def test_looking_shows_what_would_be_new_and_leaves_nothing(bench):
    before = bench.rows()
    found = look(bench, NEW)
    assert bench.rows() == before
    assert found.would is not None
    assert {change.entity: change.is_new for change in found.would.changes} == {
        "patient": True, "visit": True, "order": True, "procedure 1": True, "procedure 1 step 1": True,
    }  # fmt: skip
    assert found.would.notifications == {"PACS": 1}
    (item,) = found.items
    assert (item.title, item.missing) == ("SPS100 CT CT1", ())
    bench.send(NEW)
    assert bench.rows()["worklist_item"] == 1


def test_what_was_shown_is_what_happens(bench):
    bench.send(NEW)
    would = look(bench, CHANGE).would
    assert would is not None
    bench.send(CHANGE)
    assert look(bench, CHANGE).would.changes == ()
    shown = {(c.entity, v.keyword): v.after for c in would.changes for v in c.values}
    step = bench.item()["ScheduledProcedureStepSequence"][0]
    assert shown["procedure 1 step 1", "ScheduledProcedureStepStartTime"] == step["ScheduledProcedureStepStartTime"]
    assert shown["procedure 1", "PatientTransportArrangements"] is None


def test_a_refusal_is_shown_with_its_reason(bench):
    found = look(bench, DISCONTINUE)
    assert found.would is not None
    assert found.would.refusal is not None
    assert "no order with this number" in found.would.refusal.text


def test_every_value_of_the_item_knows_its_rule(bench):
    found = look(bench, NEW)
    lines = {line.key: line for line in found.lines}
    (item,) = found.items
    sources = {row.keyword: lines[row.key].place for row in item.rows if row.key and row.depth == 0}
    assert sources["StudyInstanceUID"] == "ZDS-1"
    assert sources["PatientName"] == "PID-5"
    assert sources["ScheduledStationAETitle"] == "ORC-18"
    assert 'from = ["PID-5*"]' in next(line.rule for line in found.lines if line.keyword == "PatientName")


def test_a_message_taken_apart_has_the_standards_names(bench):
    description = bench.desk.describe(NEW)
    fields = {f.place: f for s in description.segments for f in s.fields}
    assert (fields["PID-5"].name, fields["PID-5"].text) == ("Patient Name", "MEIER^EVA^^JR^DR")
    assert bench.desk.describe(b"nothing").problem


def test_pasted_text_is_utf8_whatever_it_says(bench):
    raw = NEW.decode("latin-1").replace("MEIER", "MÜLLER").encode()
    (line,) = [line for line in look(bench, raw, pasted=True).lines if line.keyword == "PatientName"]
    assert str(line.value).startswith("MÜLLER")


def test_an_edited_mapping_is_tried_saved_and_used(bench):
    text = 'extends = "ihe-swf"\n[attributes]\nPatientName = { from = ["PID-9"], as = "patient_name" }\n'
    tried = look(bench, NEW, mapping="site", mapping_text=text)
    assert "PatientName" not in {line.keyword for line in tried.lines}
    assert bench.desk.mappings() == ["ihe-swf"]
    bench.mappings["site"] = cases.usual_mapping()
    bench.desk.save_mapping("site", text)
    assert (bench.folder / "site.toml").read_text(encoding="utf-8") == text
    rules = bench.mappings["site"].rules[Level.PATIENT]
    assert [str(source) for r in rules if r.keyword == "PatientName" for source in r.sources] == ["PID-9"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("../site", "", "name it with small letters"),
        ("site", "[attributes\n", "not readable as TOML"),
        ("site", '[attributes]\nPatientNme = { from = ["PID-5"] }', "no attribute of a worklist item"),
        ("ihe-swf", 'extends = "ihe-swf"', "goes in a circle"),
    ],
)
def test_a_mapping_that_cannot_be_read_is_not_saved(bench, name, text, said):
    with pytest.raises(Refusal, match=said):
        bench.desk.save_mapping(name, text)
    assert list(bench.folder.glob("*.toml")) == []


def test_without_a_folder_nothing_is_saved_and_the_remedy_is_said(bench):
    desk = bench.make_desk(None)
    assert "intake.mappings_dir" in desk.can_save()
    with pytest.raises(Refusal, match=r"intake\.mappings_dir"):
        desk.save_mapping("site", 'extends = "ihe-swf"')


def test_reading_again_is_recorded_and_has_its_effect(bench):
    first = bench.send(NEW)
    bench.send(CHANGE)
    text = bench.desk.mapping_text("ihe-swf")
    # with the mapping of now the number to call is another field
    assert 'OrderCallbackPhoneNumber = { from = ["ORC-14"' in text
    bench.desk.save_mapping("ihe-swf", text.replace('Number = { from = ["ORC-14"', 'Number = { from = ["PID-13"'))
    shown, found = bench.desk.replay(first, "nina", dry_run=True)
    changes = {(c.entity, v.keyword): v.after for c in found.would.changes for v in c.values}
    assert (shown.outcome, shown.dry_run, changes) == (
        "applied",
        True,
        {("order", "OrderCallbackPhoneNumber"): "031 555 12 12"},
    )
    done, _ = bench.desk.replay(first, "nina", dry_run=False)
    assert bench.item()["OrderCallbackPhoneNumber"] == "031 555 12 12"
    # what a newer message said stands
    assert bench.item()["ScheduledProcedureStepSequence"][0]["ScheduledProcedureStepStartTime"] == "110000"
    made = journal.load(bench.context, done.result_key or 0)
    assert made is not None
    assert (made.outcome, made.changes["replay_of"], made.changes["by"], made.raw) == ("applied", first, "nina", NEW)
    assert [(r.dry_run, r.actor) for r in replay.runs(bench.context, first)] == [(False, "nina"), (True, "nina")]
    with pytest.raises(Refusal, match="there is no message"):
        bench.desk.replay(4711, "nina", dry_run=True)


def test_a_held_message_is_applied_once_the_table_is_mended(bench):
    key = bench.send(CHANGE.replace(b"ORC|XO", b"ORC|ZZ"))
    shown, found = bench.desk.replay(key, "nina", dry_run=True)
    assert (shown.outcome, found.would) == ("held", None)
    assert "not in the table of order control" in shown.text
    text = bench.desk.mapping_text("ihe-swf")
    bench.desk.save_mapping("ihe-swf", f'{text}\n[order_control]\n"ZZ *" = "change"\n')
    for dry_run in (True, False):
        assert bench.desk.replay(key, "nina", dry_run=dry_run)[0].outcome == "applied"


def test_the_order_control_table_of_the_site_counts_here_too(bench, tmp_path):
    """The shipped one was used to look and to read again, and intake got it with every mapping that was saved."""
    key = bench.send(NEW.replace(b"|NW|", b"|QQ|"))
    table = tmp_path / "order_status.toml"
    table.write_text('[order_control]\n"QQ SC" = "place"\n', encoding="utf-8")
    desk = bench.make_desk(bench.folder, table)
    try:
        assert desk.replay(key, "someone", dry_run=True)[0].outcome == "applied"
        desk.save_mapping("ihe-swf", desk.mapping_text("ihe-swf"))
        mapping = bench.mappings["ihe-swf"]
        assert (mapping.effect("QQ", "SC"), mapping.effect("NW", "SC")) == ("place", None)
        assert desk.replay(key, "someone", dry_run=False)[0].outcome == "applied"
    finally:
        desk.close()


@pytest.mark.parametrize(
    "sender", [Sender("ris", "RIS", charset="8859/1"), Sender("ris", "RIS", charset_fallback="8859/1")]
)
def test_the_character_set_of_the_sender_counts_here_too(bench, sender):
    raw = NEW.replace(b"MEIER", "MÜLLER".encode("latin_1")).replace(b"8859/1", b"")
    key = bench.send(raw)
    assert bench.desk.replay(key, "someone", dry_run=True)[0].outcome == "refused"
    desk = bench.make_desk(bench.folder, senders=Senders((sender,)))
    try:
        run, found = desk.replay(key, "someone", dry_run=True)
        assert (run.outcome, found.sender) == ("applied", "ris")
        assert "MÜLLER" in str(found.items)
    finally:
        desk.close()


def test_a_refused_message_is_applied_once_the_cause_is_mended(bench):
    key = bench.send(DISCONTINUE)
    assert bench.desk.replay(key, "nina", dry_run=True)[0].outcome == "refused"
    bench.send(NEW)
    assert bench.desk.replay(key, "nina", dry_run=False)[0].outcome == "applied"


ANONYMOUS = b"\r".join(
    [
        b"MSH|^~\\&|RIS|RAD|BROKER|RAD|20240705080000||ORM^O01|ID1|P|2.3.1",
        b"PID|||77^^^HOSP||DOE^JANE",
        b"ORC|NW|%b|||||^^^20240705093000",
        b"OBR|1|%b||NMBONE",
        b"",
    ]
)


@pytest.mark.parametrize("number", [b"P1", b"A-VERY-LONG-PLACER-ORDER-NUMBER-OF-40-LETTERS", b"ORD 1/2"])
def test_made_identifiers_are_valid_and_stay_on_replay(bench, number):
    key = bench.send(ANONYMOUS % (number, number))

    def ids() -> list[tuple[str, ...]]:
        table = worklist_item.c
        query = select(
            table.accession_number, table.requested_procedure_id, table.study_instance_uid,
            table.scheduled_procedure_step_id,
        ).order_by(table.step_id)  # fmt: skip
        return [tuple(row) for row in bench.context.database.read(lambda c: c.execute(query).all())]

    made = ids()
    assert len(made) == 2  # the catalogue's two steps
    for accession, procedure, study, step in made:
        assert all(usable(text, 16) for text in (accession, procedure, step))
        assert valid_uid(study)
    assert bench.desk.replay(key, "nina", dry_run=False)[0].outcome == "applied"
    assert ids() == made


def test_the_end_is_planned_by_the_catalogue_and_moves_with_the_start(bench):
    bench.send(ANONYMOUS % (b"P1", b"P1"))

    def ends() -> set[str]:
        rows = bench.context.database.read(lambda c: c.execute(select(scheduled_procedure_step.c.attributes)).all())
        return {row.attributes["ScheduledProcedureStepEndTime"] for row in rows}

    assert ends() == {"100000"}
    bench.send((ANONYMOUS % (b"P1", b"P1")).replace(b"|NW|", b"|XO|").replace(b"0705093000", b"0705140000"))
    assert ends() == {"143000"}


def test_codes_the_catalogue_lacks_are_listed_until_it_has_them(bench):
    bench.send((ANONYMOUS % (b"P1", b"P1")).replace(b"NMBONE", b"XYZ^Strange scan^LOCAL"))
    bench.send((ANONYMOUS % (b"P2", b"P2")).replace(b"NMBONE", b"XYZ^Strange scan, new^LOCAL").replace(b"ID1", b"ID2"))
    bench.send(ANONYMOUS % (b"P3", b"P3"))
    (one,) = bench.desk.unmapped_codes()
    assert (one.code, one.scheme, one.meaning, one.modality, one.messages) == (
        "XYZ", "LOCAL", "Strange scan, new", "", 2,
    )  # fmt: skip


def found(bench: Bench, number: str) -> list[str]:
    return [e.control_id for e in journal.find(bench.context, JournalFilter(number=number))]


def test_search_by_numbers_finds_applied_and_refused_messages(bench):
    bench.send(NEW)
    bench.send(CHANGE.replace(b"ORC|XO", b"ORC|ZZ"))
    bench.send(NEW)
    bench.send(ANONYMOUS % (b"OTHER", b"OTHER"))
    for number in ("4711", "P100", "A100", "F100"):
        assert "CASE0001" in found(bench, number), number
        assert "ID1" not in found(bench, number)
    assert found(bench, "4711") == ["CASE0001", "CASE0004", "CASE0001"]
    assert found(bench, "OTHER") == ["ID1"]
    assert found(bench, "NOBODY") == []


def test_old_messages_go_and_those_of_open_orders_stay(bench):
    bench.send(NEW)
    bench.send(b"MSH|^~\\&|RIS|RAD|||20240705||QRY^A19|OLD|P|2.3.1\r")
    other = ANONYMOUS % (b"P9", b"P9")
    closed = bench.send(other.replace(b"ID1", b"CLOSED"))
    bench.send(other.replace(b"|NW|", b"|CA|").replace(b"ID1", b"CANCEL"))
    bench.desk.replay(closed, "nina", dry_run=True)
    bench.now = NOW + timedelta(days=40)
    bench.send(NEW.replace(b"CASE0001", b"YOUNG"))
    assert housekeeping.sweep_messages(bench.context, timedelta(days=30)) == 3
    assert sorted(e.control_id for e in journal.find(bench.context, JournalFilter())) == ["CASE0001", "YOUNG"]
    assert housekeeping.sweep_messages(bench.context, timedelta(days=30)) == 0


def test_messages_that_wait_for_a_remedy_stay(bench):
    key = bench.send(b"MSH|^~\\&|RIS|RAD|||20240705||QRY^A19|OLD|P|2.3.1\r")
    row = bench.context.database.read(lambda c: c.execute(select(journal_entry).where(journal_entry.c.id == key)).one())
    values = {**row._mapping, "id": None, "outcome": "held", "control_id": "HELD"}
    del values["id"]
    bench.context.database.write(lambda c: c.execute(insert(journal_entry), values).rowcount)
    bench.now = NOW + timedelta(days=400)
    assert housekeeping.sweep_messages(bench.context, timedelta(days=30)) == 1
    assert [e.control_id for e in journal.find(bench.context, JournalFilter())] == ["HELD"]
