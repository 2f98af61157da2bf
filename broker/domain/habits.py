"""What a device usually does with its exams: counts over some days, and what they say in words.

Counts what the device itself reported, whatever people corrected or said in its place.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Habits:
    """One device over a period; exams by when they were begun, steps by when the device was first given them."""

    calling_ae_title: str
    first: datetime
    last: datetime
    #: exams that it reported as begun
    started: int = 0
    completed: int = 0
    discontinued: int = 0
    #: in progress, and heard of lately
    running: int = 0
    #: in progress, and nothing was heard of them for longer than exams take
    left_open: int = 0
    #: exams that belong to a scheduled step; the others are unscheduled
    linked: int = 0
    #: median of the lengths of the completed ones as it reported them; None when it gave none
    median_seconds: int | None = None
    #: worklist queries, as far back as they are kept
    queries: int = 0
    #: steps that it was given on its list, and given ones that it reported an exam of
    steps_given: int = 0
    steps_reported: int = 0

    @property
    def unscheduled(self) -> int:
        """Exams that belong to no scheduled step."""
        return self.started - self.linked

    @property
    def completes(self) -> float | None:
        """Which share of what it starts it completes, 0 to 1; None when nothing it started is over."""
        over = self.started - self.running
        return self.completed / over if over else None

    @property
    def silent(self) -> bool:
        """True when it fetches its list and never reports."""
        return not self.started and bool(self.steps_given or self.queries)

    @property
    def words(self) -> tuple[str, ...]:
        """What is worth saying, the weightiest first."""
        if self.silent:
            return ("fetches its list but never reports",)
        share = self.completes
        found = [f"completes {round(100 * share)} % of what it starts"] if share is not None else []
        if self.left_open:
            found.append(f"left {self.left_open} open")
        if self.unscheduled:
            found.append(f"{self.unscheduled} of {self.started} without a scheduled step")
        return tuple(found)
