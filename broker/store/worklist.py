"""Reading the worklist: one statement a page over the read model, by keyset, whatever the size of the database.

Owns the statements and their cache.  What cannot be said in SQL is decided by ``domain.matching`` on the documents.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    true,
    tuple_,
)
from sqlalchemy import (
    column as any_column,
)

from broker.domain.attributes import Attributes
from broker.domain.matching import Candidate, first_unmet
from broker.domain.query import Condition, WorklistQuery
from broker.domain.states import StepStatus
from broker.store.functions import AsciiLower
from broker.store.name_index import TABLE as NAME_TABLE
from broker.store.tables import worklist_item, worklist_item_station
from broker.store.types import UtcDateTime
from broker.store.worklist_terms import ROOT_COLUMNS, STATION, STEP_COLUMNS, Term, name_pieces, terms

_item = worklist_item.c
_served = worklist_item_station.c
_Shape = tuple[tuple[str, ...], ...]

#: where a page begins: after this start and step
Place = tuple[str, int]


@dataclass(slots=True)
class Row:
    """One item of the read model.  The document stays text until somebody reads it."""

    step_key: int
    version: int
    status: StepStatus
    complete: bool
    start_at: str
    station: str
    scheduled_procedure_step_id: str
    document_text: str
    #: since when it has this status
    status_at: datetime | None = None
    _document: Attributes | None = field(default=None, repr=False)

    @property
    def document(self) -> Attributes:
        """The whole item by keyword."""
        if self._document is None:
            self._document = json.loads(self.document_text)
        return self._document

    @property
    def place(self) -> Place:
        """For the page that follows this row."""
        return (self.start_at, self.step_key)

    @property
    def candidate(self) -> Candidate:
        """What the evaluator looks at."""
        return Candidate(self.document, self.status, self.complete, self.status_at)


@dataclass(frozen=True, slots=True)
class Page:
    """``rows`` that belong on the list, and where the next page begins (None: there is none)."""

    rows: Sequence[Row]
    next: Place | None


class Reader:
    """One query, ready to be read page by page on any connection of one kind of database.

    With ``hidden``, only its keys count: also items that no device is shown.  ``name_index``: the database has an index
    of pieces of names that statements must name to use (SQLite).
    """

    def __init__(
        self, query: WorklistQuery, *, sqlite: bool, hidden: bool = False, name_index: bool = False
    ) -> None:  # fmt: skip
        step = terms(query.step, STEP_COLUMNS, sqlite=sqlite)
        root = terms(query.root, ROOT_COLUMNS, sqlite=sqlite)
        used = [term for _, term in step + root]
        self._shape: _Shape = tuple(term.shape for term in used)
        statuses = () if hidden else sorted(query.statuses)
        lingering = () if hidden else query.lingering
        self._statuses = None if hidden else (len(statuses), len(lingering))
        self._parameters: dict[str, Any] = {f"status{n}": status.value for n, status in enumerate(statuses)}
        for number, (status, since) in enumerate(lingering):
            self._parameters |= {f"lingering{number}": status.value, f"since{number}": since}
        for number, term in enumerate(used):
            self._parameters |= {f"p{number}_{at}": value for at, value in enumerate(term.values)}
        pieces = name_pieces(query.root, query.step) if name_index and not hidden else None
        self._by_name = pieces is not None
        if pieces is not None:
            self._parameters["pieces"] = pieces
        self._step = _undecided(query.step, step)
        self._root = _undecided(query.root, root)

    def page(
        self, connection: Connection, after: Place | None, size: int, since: datetime | None = None
    ) -> Page:  # fmt: skip
        """At most ``size`` rows that follow ``after`` in order of start and key; with ``since`` those written since."""
        parameters = {**self._parameters, "size": size, **({"written_since": since} if since else {})}
        if self._by_name and after is None:
            self._by_name = connection.execute(_HOLDING, parameters).scalar_one() < _MANY
        if after is not None:
            parameters |= {"after_start": after[0], "after_step": after[1]}
        statement = _statement(self._shape, self._statuses, after is not None, self._by_name, since is not None)
        found = connection.execute(statement, parameters).all()
        rows = [_row(values) for values in found]
        kept = [r for r in rows if first_unmet(self._step, self._root, r.document) is None] if self._left else rows
        return Page(kept, rows[-1].place if len(rows) == size else None)

    @property
    def _left(self) -> bool:
        return bool(self._step or self._root)


def _undecided(conditions: Sequence[Condition], decided: Sequence[tuple[Condition, Term]]) -> tuple[Condition, ...]:
    exact = [condition for condition, term in decided if term.exact]
    return tuple(condition for condition in conditions if condition not in exact)


def _row(values: Any) -> Row:
    key, version, status, complete, start_at, station, step_id, document, status_at = values
    return Row(key, version, StepStatus(status), complete, start_at, station or "", step_id, document, status_at)


#: the smallest of the item's station AE titles: what items that start together are sorted by
_FIRST_STATION = select(func.min(_served.station_ae_title)).where(_served.step_id == _item.step_id).scalar_subquery()
#: JSON as text: most documents are not read, because their encoded form is at hand
_COLUMNS = (
    _item.step_id, _item.version, _item.status, _item.complete, _item.start_at, _FIRST_STATION,
    _item.scheduled_procedure_step_id, cast(_item.document, Text), _item.status_at,
)  # fmt: skip
#: written as the partial indexes have it, so that they are used
_OPEN: ColumnElement[bool] = literal_column("worklist_item.open")
_names = table(NAME_TABLE, any_column("rowid"))
_HOLDERS = select(_names.c.rowid).where(literal_column(NAME_TABLE).op("MATCH")(bindparam("pieces", type_=Text)))
_NAMED = _item.step_id.in_(_HOLDERS)
#: names with a piece that this many have are found sooner by looking at one item after the other
_MANY = 4_000
_HOLDING = select(func.count()).select_from(_HOLDERS.limit(literal(_MANY)).subquery())
_UNINDEXED_START: ColumnElement[str] = literal_column("+worklist_item.start_at")


def waiting(connection: Connection, before: str, size: int) -> list[Row]:
    """Open items without a start, then those that start before ``before``, the latest first; ``size`` of each."""
    found = select(*_COLUMNS).where(_OPEN)
    undated = found.where(_item.start_at == "").order_by(_item.step_id).limit(size)
    earlier = found.where(_item.start_at > "", _item.start_at < before)
    latest = earlier.order_by(_item.start_at.desc(), _item.step_id.desc()).limit(size)
    return [_row(values) for statement in (undated, latest) for values in connection.execute(statement)]


@lru_cache(maxsize=1024)
def _statement(
    shape: _Shape, statuses: tuple[int, int] | None, continued: bool, by_name: bool, written_since: bool
) -> Select[Any]:  # fmt: skip
    """``statuses``: how many are shown, and how many for a while; None for hidden items too.  Parameters one by one,
    because a list of them is written into the statement anew for each execution."""
    conditions: list[ColumnElement[bool]] = [_NAMED] if by_name else []
    if written_since:
        conditions.append(_item.updated_at >= bindparam("written_since", type_=UtcDateTime))
    if statuses is not None:
        conditions += [_OPEN, _item.complete, _shown(*statuses)]
    for number, (column, *operators) in enumerate(shape):
        conditions.append(_any(column, operators, number))
    if continued:
        conditions.append(
            tuple_(_item.start_at, _item.step_id)
            > tuple_(bindparam("after_start", type_=String), bindparam("after_step", type_=_item.step_id.type))
        )
    # by name few items are found: SQLite must not walk through all of them in order of their start instead
    first = _UNINDEXED_START if by_name else _item.start_at
    ordered = select(*_COLUMNS).where(and_(true(), *conditions)).order_by(first, _item.step_id)
    return ordered.limit(bindparam("size"))


def _shown(statuses: int, lingering: int) -> ColumnElement[bool]:
    shown: ColumnElement[bool] = _item.status.in_([bindparam(f"status{n}", type_=String) for n in range(statuses)])
    late = [
        and_(
            _item.status == bindparam(f"lingering{n}", type_=String),
            _item.status_at >= bindparam(f"since{n}", type_=UtcDateTime),
        )
        for n in range(lingering)
    ]
    return or_(shown, *late) if late else shown


def _any(column: str, operators: Sequence[str], number: int) -> ColumnElement[bool]:
    alternatives = []
    at = 0
    for operator in operators:
        take = _OPERATORS[operator]
        count = 1 if operator.startswith(("equal", "like")) else 2
        parameters = [bindparam(f"p{number}_{at + n}", type_=Text) for n in range(count)]
        at += count
        alternatives.append(_serves(parameters[0]) if column == STATION else take(_item[column], *parameters))
    return or_(*alternatives)


def _serves(station: ColumnElement[str]) -> ColumnElement[bool]:
    return select(_served.step_id).where(_served.step_id == _item.step_id, _served.station_ae_title == station).exists()


_Operator = Callable[..., ColumnElement[bool]]
_OPERATORS: dict[str, _Operator] = {
    "equal": lambda column, value: column == value,
    "like": lambda column, pattern: column.like(pattern, escape="\\"),
    "equal_caseless": lambda column, value: AsciiLower(column) == value,
    "like_caseless": lambda column, pattern: AsciiLower(column).like(pattern, escape="\\"),
    "range": lambda column, first, following: and_(column >= first, column < following),
    "between": lambda column, first, last: column.between(first, last),
    "time": lambda column, first, last: func.substr(column, 9, 6).between(first, last),
}
