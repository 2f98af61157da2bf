"""Protocol records as CSV, on real databases."""

import csv
import io
from collections.abc import Iterator
from datetime import date

import pytest

from broker.domain.correcting import Correction
from broker.domain.model import Actor, Source
from broker.domain.states import PerformedStatus
from broker.services import correcting, protocol_export, reconciling
from broker.store.database import Database
from tests.integration.mpps_peer import Peer, new_context
from tests.support.exams import SERIES, create, final

DAY = date(2026, 11, 23)


@pytest.fixture
def peer(database_url: str) -> Iterator[Peer]:
    opened = Database(database_url)
    yield Peer(new_context(opened))
    opened.close()


def rows(peer: Peer, first: date = DAY, last: date = DAY) -> list[dict[str, str]]:
    text, _ = protocol_export.export(peer.context, first, last)
    return list(csv.DictReader(io.StringIO(text)))


def test_lines_of_a_day(peer: Peer) -> None:
    peer.create("1.9.1")
    peer.set("1.9.1", final(PerformedSeriesSequence=[{**SERIES, "SeriesDescription": '=HYPERLINK("x")'}]))
    peer.create("1.9.2", create(PerformedProcedureStepStartDate="20261124"))
    (row,) = rows(peer)
    assert (row["exam"], row["status"], row["section"], row["value"]) == ("1.9.1", "COMPLETED", "series", "1")
    assert (row["started"], row["ended"]) == ("2026-11-23T09:31:00", "2026-11-23T09:45:12")
    assert row["name"] == '\'=HYPERLINK("x")'
    assert [r["exam"] for r in rows(peer, DAY, date(2026, 11, 24))] == ["1.9.1", "1.9.2"]
    assert rows(peer, date(2026, 11, 25), date(2026, 11, 26)) == []


def test_what_staff_corrected_is_exported(peer: Peer) -> None:
    peer.create()
    key = reconciling.find_key(peer.context, "1.9.1")
    assert key is not None
    correction = Correction(PerformedStatus.COMPLETED, "the device died", ended_at="20261123100000")
    correcting.correct(peer.context, Actor(Source.PERSON, "nina"), key, correction)
    (row,) = rows(peer)
    assert (row["status"], row["corrected"]) == ("COMPLETED", "yes")
    assert (row["started"], row["ended"]) == ("2026-11-23T09:31:00", "2026-11-23T10:00:00")


def test_more_exams_than_are_read_at_once(peer: Peer) -> None:
    for number in range(203):
        peer.create(f"1.9.{number + 1}")
    text, count = protocol_export.export(peer.context, DAY, DAY)
    assert (count, text.count("\r\n")) == (203, 204)
