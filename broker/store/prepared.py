"""Statements of the hot paths: written in SQLAlchemy Core, compiled once per dialect, run by the driver itself.

Owns: parameters and rows on their way to and from the driver, and its errors as SQLAlchemy's.  Must not: open
transactions or decide what to ask.  A Core execution costs several times the Python of one of these, and
an order message takes fifteen.  Statements that are built anew at each call stay with ``connection.execute``.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import CompoundSelect, Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Statement = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete
Values = Mapping[str, Any]
_Process = Callable[[Any], Any] | None


class Prepared:
    """One statement.  An INSERT or UPDATE writes the columns that the values given name.

    Thread-safe.  Rows are named tuples of the selected columns.  Raises DBAPIError as Core does.
    """

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._writes = not isinstance(statement, Select | CompoundSelect)
        self._forms: dict[tuple[str, tuple[str, ...]], _Form] = {}

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """Every row."""
        form = self._form(connection, values)
        return form.rows(form.execute(connection, values).fetchall())

    def first(self, connection: Connection, values: Values) -> Any:
        """The first row, or None."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    def one(self, connection: Connection, values: Values) -> Any:
        """The only row.  Raises LookupError when there is none."""
        rows = self.all(connection, values)
        if not rows:
            raise LookupError("the row is not there")
        return rows[0]

    def run(self, connection: Connection, values: Values) -> int:
        """Execute without rows; answers how many were written."""
        return int(self._form(connection, values).execute(connection, values).rowcount)

    def many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute once for each of ``rows``, in as few round trips as the driver can."""
        if len(rows) == 1:
            self.run(connection, rows[0])
        elif rows:
            self._form(connection, rows[0]).execute_many(connection, rows)

    def _form(self, connection: Connection, values: Values) -> "_Form":
        dialect = connection.dialect
        columns = tuple(values) if self._writes else ()
        form = self._forms.get((dialect.name, columns))
        if form is None:
            form = _compile(self._statement, list(columns) if self._writes else None, dialect)
            self._forms[dialect.name, columns] = form
        return form


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement for one dialect."""

    sql: str
    #: the parameters in the order of the SQL text, and the values of those that are constants of the statement
    names: tuple[str, ...]
    constants: Values
    #: picks the values of ``names``
    pick: Callable[[Values], Sequence[Any]]
    #: (position, how it is converted), of the parameters that need it
    binding: tuple[tuple[int, Callable[[Any], Any]], ...]
    positional: bool
    row: Callable[[Iterable[Any]], Any]
    #: (position, how it is converted), of the columns that need it
    reading: tuple[tuple[int, Callable[[Any], Any]], ...]
    dialect: Dialect
    errors: type[Exception]

    def execute(self, connection: Connection, values: Values) -> Any:
        """A cursor with the answer.  Raises DBAPIError."""
        driver: Any = connection.connection.dbapi_connection
        try:
            return driver.execute(self.sql, self._bound(values))
        except self.errors as error:
            raise self._translated(error) from error

    def execute_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        driver: Any = connection.connection.dbapi_connection
        try:
            driver.cursor().executemany(self.sql, [self._bound(row) for row in rows])
        except self.errors as error:
            raise self._translated(error) from error

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        make, reading = self.row, self.reading
        if not reading:
            return [make(row) for row in found]
        converted = []
        for row in found:
            cells = list(row)
            for position, process in reading:
                cells[position] = process(cells[position])
            converted.append(make(cells))
        return converted

    def _bound(self, values: Values) -> Any:
        bound = list(self.pick({**self.constants, **values} if self.constants else values))
        for position, process in self.binding:
            bound[position] = process(bound[position])
        return bound if self.positional else dict(zip(self.names, bound, strict=True))

    def _translated(self, error: Exception) -> BaseException:
        return DBAPIError.instance(self.sql, None, error, self.errors, hide_parameters=True, dialect=self.dialect)


def _compile(statement: Statement, values: list[str] | None, dialect: Dialect) -> _Form:
    compiled = statement.compile(dialect=dialect, column_keys=values)
    if not isinstance(compiled, SQLCompiler) or "POSTCOMPILE" in compiled.string:
        raise TypeError("only statements whose text does not depend on their values can be prepared")
    names = tuple((compiled.positiontup or ()) if compiled.positional else compiled.params)
    binds = [compiled.binds[name] for name in names]
    constants = {
        name: compiled.params[name] for name, bind in zip(names, binds, strict=True) if not bind.required
    }
    binding = ((n, bind.type.dialect_impl(dialect).bind_processor(dialect)) for n, bind in enumerate(binds))
    columns = list(statement.exported_columns) if _answers(statement) else []
    reading = ((n, c.type.dialect_impl(dialect).result_processor(dialect, None)) for n, c in enumerate(columns))
    row = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]
    return _Form(
        compiled.string, names, constants, _picker(names), _needed(binding), compiled.positional, row._make,
        _needed(reading), dialect, cast(type[Exception], dialect.loaded_dbapi.Error),
    )  # fmt: skip


def _picker(names: tuple[str, ...]) -> Callable[[Values], Sequence[Any]]:
    """Raises KeyError for a value that is not given."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def _needed(processes: Iterable[tuple[int, _Process]]) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    return tuple((position, process) for position, process in processes if process is not None)


def _answers(statement: Statement) -> bool:
    return isinstance(statement, Select | CompoundSelect) or bool(statement._returning)
