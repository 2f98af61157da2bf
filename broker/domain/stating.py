"""When each value was stated: the newest statement wins, in whatever order messages arrive (HL7 inbound reference 10).

A ledger maps a path (``keyword``, ``0/keyword`` of the first procedure, ``0/1/keyword`` of its second step) to the time
its value was stated.  The entry "" holds for every stored value without one of its own, so that an order stated all at
once needs a single entry.  What nobody stated (defaults, catalogue, generated identifiers) is marked as filled and
yields to any statement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker.domain.attributes import Attributes, Value
from broker.domain.model import Changes

Stated = Mapping[str, str]

#: marks of values that nobody stated: by a default or generated, and by the catalogue
DEFAULTED, DERIVED = "", "~"
#: where the ledger of a patient or visit keeps who stated last
SENDER = "@"


def stamp(at: datetime) -> str:
    """An instant as text that sorts."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f")


@dataclass(slots=True)
class Ledger:
    """The times of one patient, visit or order, while one change is applied to it."""

    known: dict[str, str] = field(default_factory=dict)
    #: when the change happened
    at: str = ""
    #: clocks are compared only among the messages of one sender
    compare: bool = True
    #: what the change said and something newer had said already: keywords, or what else it is
    overruled: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, known: Stated, at: datetime | None, *, new: bool = False, compare: bool = True) -> "Ledger":
        """The ledger of something stored, or of something ``new``.  Without a time a change is the newest."""
        newest = max((t for p, t in known.items() if p != SENDER and t[:1].isdigit()), default="")
        moment = stamp(at) if at is not None else newest
        return cls({"": moment} if new else dict(known), moment, compare)

    def is_filled(self, path: str) -> bool:
        """Whether nobody stated the value there."""
        return self.known.get(path) in (DEFAULTED, DERIVED) and path != ""

    def is_filled_at(self, prefix: str, keyword: str) -> bool:
        """As ``is_filled``, of a keyword below ``prefix``."""
        return self.is_filled(prefix + keyword)

    def is_late(self, path: str, *, present: bool = True) -> bool:
        """Whether something newer was stated about ``path`` already."""
        return self.compare and self.at < self._newest(path, present=present)

    def _newest(self, path: str, *, present: bool) -> str:
        usual = self.known.get("", "") if present else ""
        found = self.known.get(path, usual)
        return "" if found == DERIVED else found

    def state(self, path: str, *, deleted: bool = False, present: bool = True) -> None:
        """Note that the change stated ``path``; ``present``: a value was stored there before."""
        moment = max(self.at, self._newest(path, present=present and not deleted))
        if not deleted and moment == self.known.get(""):
            self.known.pop(path, None)
        else:
            self.known[path] = moment

    def fill(self, path: str, mark: str = DEFAULTED) -> None:
        """Note that the value at ``path`` was stated by nobody."""
        self.known[path] = mark

    def take(self, path: str, stored: str, wanted: str | None) -> str:
        """The identifier after the change: the one it names, unless a newer statement named another."""
        if not wanted:
            return stored
        if wanted != stored and self.is_late(path, present=bool(stored)):
            self.overruled.append(path.rpartition("/")[2])
            return stored
        self.state(path, present=bool(stored))
        return wanted

    def merge(
        self, prefix: str, stored: Attributes, changes: Changes, *, keep_filled: bool = False
    ) -> dict[str, Value]:
        """The attributes after ``changes``: absent leaves, None deletes, a value replaces what is not newer.

        ``keep_filled``: what was filled in follows from something newer and stays.
        """
        merged, known, at = dict(stored), self.known, self.at
        for keyword, value in changes.items():
            path = prefix + keyword
            if keyword not in stored and path not in known:
                # said for the first time, as all of a new order is: nothing can be newer
                if value is not None:
                    merged[keyword] = value
                if value is None or at != known.get(""):
                    known[path] = at
                continue
            if self.is_late(path, present=keyword in stored):
                if stored.get(keyword) != value:
                    self.overruled.append(keyword)
                continue
            if keep_filled and self.is_filled(path):
                continue
            if value is None:
                merged.pop(keyword, None)
            else:
                merged[keyword] = value
            self.state(path, deleted=value is None, present=keyword in stored)
        return merged

    def fill_in(
        self, prefix: str, merged: dict[str, Value], values: Attributes, mark: str, *, over: tuple[str, ...] = ()
    ) -> None:
        """Fill ``values`` where nothing is stored and nothing was deleted, and over values with a mark of ``over``."""
        for keyword, value in values.items():
            path = prefix + keyword
            known = self.known.get(path)
            missing = keyword not in merged and (known is None or known in (DEFAULTED, DERIVED))
            if missing or (keyword in merged and known is not None and known in over):
                merged[keyword] = value
                self.fill(path, mark)
