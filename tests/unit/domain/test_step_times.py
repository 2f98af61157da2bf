"""Ends of steps: by planned length, and following a start that moves."""

import pytest

from broker.domain.model import StepChange
from broker.domain.step_times import end_after, follow_start

START = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"
END = "ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime"


def times(start: str = "", end: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for keywords, text in ((START, start), (END, end)):
        if text:
            date, _, time = text.partition(" ")
            found |= {keywords[0]: date, **({keywords[1]: time} if time else {})}
    return found


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        ("20260709 0930", 20, "20260709 095000"),
        ("20260709 093015.25", 20, "20260709 095015"),
        ("20260709 235000", 30, "20260710 002000"),
        ("20260709", 30, "20260709 003000"),
        ("20261301 0930", 20, ""),
        ("", 20, ""),
    ],
)
def test_end_by_length(start, minutes, end):
    assert end_after(times(start), minutes) == times("", end)


@pytest.mark.parametrize(
    ("before", "stated", "derived", "end"),
    [
        # an end by the planned length follows
        (("20260709 0900", "20260709 0920"), times("20260709 1100"), times("", "20260709 1120"), "20260709 112000"),
        # an end the message stated before stays ...
        (("20260709 0900", "20260709 1200"), times("20260709 1100"), times("", "20260709 1120"), "20260709 1200"),
        # ... unless it would lie before the start: the step keeps its length
        (("20260709 0900", "20260709 0945"), times("20260709 1100"), times("", "20260709 1120"), "20260709 114500"),
        (("20260709 0900", "20260709 0945"), times("20260709 1100"), {}, "20260709 114500"),
        # a message that says the end is believed
        (("20260709 0900", "20260709 0920"), times("20260709 1100", "20260709 1105"), {}, "20260709 1105"),
        # nothing about the start: nothing moves
        (("20260709 0900", "20260709 0920"), {"Modality": "CT"}, times("", "20260709 0950"), "20260709 0920"),
        # without a start there is no end, whatever was planned from the moment of receipt
        (("20260709 0900", "20260709 0920"), dict.fromkeys(START), {}, ""),
        (("", "20260709 0920"), {}, times("", "20261126 0950"), ""),
    ],
)
def test_end_follows_start(before, stated, derived, end):
    stored = times(*before)
    merged = {k: v for k, v in {**stored, **stated}.items() if v is not None}
    after = follow_start(stored, merged, StepChange("S1", stated, derived))
    assert {k: v for k, v in after.items() if k in END} == times("", end)


def test_an_end_planned_from_the_moment_of_receipt_is_put_behind_the_stored_start() -> None:
    received = times("20261126 1450")
    planned = times("", "20261126 1510")
    after = follow_start(times("20260709 0900"), {**times("20260709 0900"), **planned}, StepChange(
        "S1", {}, planned, received,
    ))  # fmt: skip
    assert after == times("20260709 0900", "20260709 092000")
