"""Merges, unlinks and changed numbers: orders follow the person, and go back."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers.feed import Feed, obr, orc, pid

START = "20240706093000"


@pytest.fixture
def feed(database_url: str) -> Iterator[Feed]:
    one = Feed(database_url)
    for order, number in (("1", "A"), ("2", "B"), ("3", "C")):
        assert (
            one.send("ORM^O01", pid(number, f"NAME^{number}"), orc("NW", order=order), obr(order, start=START)) == "AA"
        )
    yield one
    one.close()


def owners(one: Feed) -> list[str]:
    return [one.items()[f"SPS{order}"]["PatientID"] for order in (1, 2, 3)]


def mrg(number: str) -> str:
    return f"MRG|{number}^^^HOSP"


def merge(one: Feed, prior: str, survivor: str, event: str = "A40") -> str:
    return one.send(f"ADT^{event}", f"EVN|{event}", pid(survivor, f"NAME^{survivor}"), mrg(prior))


@pytest.mark.parametrize("event", ["A18", "A34", "A40"])
def test_merge_moves_the_orders_and_shows_the_survivor(feed, event):
    assert merge(feed, "A", "B", event) == "AA"
    assert owners(feed) == ["B", "B", "C"]
    assert feed.items()["SPS1"]["PatientName"] == "NAME^B"
    assert len(feed.facts("patient.merged")) == 2


def test_chain_of_merges_and_a_later_message_for_the_first_number(feed):
    assert [merge(feed, "A", "B"), merge(feed, "B", "C")] == ["AA", "AA"]
    assert owners(feed) == ["C", "C", "C"]
    assert feed.send("ORM^O01", pid("A"), orc("NW", order="4"), obr("4", start=START)) == "AA"
    assert feed.items()["SPS4"]["PatientID"] == "C"
    assert "merged" in str(feed.newest().changes["noticed"])


def test_chain_in_the_other_order_ends_the_same(feed):
    assert [merge(feed, "B", "C"), merge(feed, "A", "B")] == ["AA", "AA"]
    assert owners(feed) == ["C", "C", "C"]


@pytest.mark.parametrize(
    ("steps", "answers"),
    [
        ([("A", "A")], ["AE 205"]),
        ([("A", "B"), ("A", "B")], ["AA", "AA"]),
        ([("A", "B"), ("B", "A")], ["AA", "AE 205"]),
        ([("A", "B"), ("A", "C")], ["AA", "AE 207"]),
        ([("UNKNOWN", "A")], ["AA"]),
        ([("A", "UNKNOWN")], ["AA"]),
        ([("NOBODY", "UNKNOWN")], ["AA"]),
    ],
)
def test_odd_merges(feed, steps, answers):
    assert [merge(feed, prior, survivor) for prior, survivor in steps] == answers


def test_an_unknown_prior_leaves_a_tombstone(feed):
    merge(feed, "LATER", "A")
    assert feed.send("ORM^O01", pid("LATER"), orc("NW", order="4"), obr("4", start=START)) == "AA"
    assert feed.items()["SPS4"]["PatientID"] == "A"


def test_several_merges_in_one_message_are_one_transaction(feed):
    groups = (pid("C", "NAME^C"), mrg("A"), pid("C", "NAME^C"), mrg("B"))
    assert feed.send("ADT^A40", "EVN|A40", *groups) == "AA"
    assert owners(feed) == ["C", "C", "C"]


def test_half_a_merge_is_none(feed):
    groups = (pid("C", "NAME^C"), mrg("A"), pid("C", "NAME^C"), mrg("C"))
    assert feed.send("ADT^A40", "EVN|A40", *groups) == "AE 205"
    assert owners(feed) == ["A", "B", "C"]


def test_unlink_takes_the_merge_back(feed):
    merge(feed, "A", "B")
    assert feed.send("ADT^A37", "EVN|A37", pid("B"), "PV1||O", pid("A"), "PV1||O") == "AA"
    assert owners(feed) == ["A", "B", "C"]
    assert feed.items()["SPS1"]["PatientName"] == "NAME^A"
    assert len(feed.facts("patient.unmerged")) == 1
    assert merge(feed, "A", "C") == "AA"
    assert owners(feed) == ["C", "B", "C"]


def test_unlink_within_a_chain_gives_back_its_own_orders_only(feed):
    merge(feed, "A", "B")
    merge(feed, "B", "C")
    assert feed.send("ADT^A37", "EVN|A37", pid("A"), pid("B")) == "AA"
    assert owners(feed) == ["A", "C", "C"]
    assert feed.send("ADT^A37", "EVN|A37", pid("B"), pid("C")) == "AA"
    assert owners(feed) == ["A", "B", "C"]


def test_link_and_needless_unlink_change_nothing(feed):
    for event in ("A24", "A37"):
        assert feed.send(f"ADT^{event}", f"EVN|{event}", pid("A"), pid("B")) == "AA"
    assert owners(feed) == ["A", "B", "C"]


def test_changed_number(feed):
    assert feed.send("ADT^A47", "EVN|A47", pid("NEW", "NAME^A"), mrg("A")) == "AA"
    assert owners(feed) == ["NEW", "B", "C"]
    assert feed.send("ADT^A47", "EVN|A47", pid("B"), mrg("NEW")) == "AE 205"


def visit(one: Feed, event: str, location: str = "W1") -> str:
    return one.send(f"ADT^{event}", f"EVN|{event}", pid("A", "NAME^A"), f"PV1||I|{location}||||||||||||||||V1^^^HOSP")


@pytest.mark.parametrize(
    ("events", "status", "location"),
    [
        (("A01",), "ADMITTED", "W1"),
        (("A05", "A38"), None, None),
        (("A01", "A11"), None, None),
        (("A01", "A03"), "DISCHARGED", "W1"),
        (("A01", "A03", "A13"), "ADMITTED", "W1"),
        (("A06",), "ADMITTED", "W1"),
    ],
)
def test_visit_events(feed: Feed, events: tuple[str, ...], status: str | None, location: str | None) -> None:
    send: Callable[..., str] = visit
    assert [send(feed, event) for event in events] == ["AA"] * len(events)
    assert feed.send("ORM^O01", pid("A"), "PV1||I|||||||||||||||||V1^^^HOSP", orc("NW", order="5"), obr("5")) == "AA"
    item = feed.items()["SPS5"]
    assert (item.get("VisitStatusID"), item.get("CurrentPatientLocation")) == (status, location)


def test_transfer_and_its_cancellation(feed):
    for event, location in (("A01", "W1"), ("A02", "W2"), ("A12", "W1")):
        assert visit(feed, event, location) == "AA"
