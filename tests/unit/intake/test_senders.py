"""Telling senders apart, and refusals in HL7's words."""

import pytest

from broker.domain.errors import Reason, Refusal
from broker.intake.answers import error_of, location_of
from broker.intake.senders import Sender, Senders

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
