"""Telling senders apart, and refusals in HL7's words."""

import pytest

from broker.domain.errors import Reason, Refusal
from broker.intake.answers import error_of, location_of
from broker.intake.senders import Arrival, Sender, Senders
from hl7.peers import PeerInfo

KNOWN = (Sender("all"), Sender("ris", "RIS"), Sender("ris-north", "RIS", "NORTH"))


def name_of(sender: Sender | None) -> str:
    assert sender is not None
    return sender.name


@pytest.mark.parametrize(
    ("application", "facility", "name"),
    [("RIS", "NORTH", "ris-north"), ("ris", "SOUTH", "ris"), ("HIS", "", "all"), ("", "", "all")],
)
def test_most_exact_description_wins(application, facility, name):
    assert name_of(Senders(KNOWN).identify(application, facility)) == name


@pytest.mark.parametrize(("application", "facility", "name"), [("A", "B", "A@B"), ("A", "", "A"), ("", "", "unknown")])
def test_unknown_sender_is_called_what_it_calls_itself(application, facility, name):
    assert name_of(Senders(()).identify(application, facility)) == name


def test_unknown_sender_is_refused_by_policy():
    assert Senders(KNOWN[1:], "refuse").identify("HIS", "") is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_codes(reason):
    error = error_of(Refusal(reason, "why", where="ORC[2]-3.1"))
    assert error.ack_code.value in ("AE", "AR")
    assert error.text == "why"
    assert str(error.location) == "ORC[2]-3.1"


@pytest.mark.parametrize(
    ("where", "expected"), [("PID-3", "PID-3"), ("ORC[2]", "ORC[2]"), ("", None), ("PatientID", None)]
)
def test_location_of(where, expected):
    found = location_of(where)
    assert (None if found is None else str(found)) == expected


ARRIVALS = [
    (Arrival(), "ris"),
    (Arrival("", 2576), "by port"),
    (Arrival("", 2575, frozenset({"ris.example"})), "by certificate"),
    (Arrival("", 2576, frozenset({"ris.example"})), "by certificate"),
    (Arrival("", 2575, frozenset({"other.example"})), "ris"),
]


@pytest.mark.parametrize(("arrival", "name"), ARRIVALS)
def test_certificate_and_port_say_more_than_the_message(arrival, name):
    known = (Sender("ris", "RIS"), Sender("by port", port=2576), Sender("by certificate", certificate="RIS.example"))
    assert name_of(Senders(known).identify("RIS", "", arrival)) == name


def test_names_of_a_certificate():
    certificate = {"subject": ((("commonName", "RIS-1"),),), "subjectAltName": (("DNS", "ris.Example"), ("IP", "::1"))}
    arrival = Arrival.of(PeerInfo("10.0.0.1", 4711, 2575, certificate))
    assert (arrival.peer, arrival.port, arrival.names) == ("10.0.0.1:4711", 2575, frozenset({"ris.example", "ris-1"}))
