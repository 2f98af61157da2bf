"""Statements of the hot paths: written in SQLAlchemy Core, compiled once per dialect, run by the driver itself.

Owns: parameters and rows on their way to and from the driver, and its errors as SQLAlchemy's.  Must not: open
transactions or decide what to ask.  A Core execution costs several times the Python of one of these, and
an order message takes fifteen.  Statements that are built anew at each call stay with ``connection.execute``.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
        self._forms: dict[tuple[str, ...], _Form] = {}

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """Every row."""
        form = self._form(connection, values)
        cursor = form.execute(connection, values)
        try:
            return form.rows(cursor.fetchall())
        finally:
            cursor.close()

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
        cursor = self._form(connection, values).execute(connection, values)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Execute once for each of ``rows``, in as few round trips as the driver can."""
        if len(rows) == 1:
            self.run(connection, rows[0])
        elif rows:
            self._form(connection, rows[0]).execute_many(connection, rows)

    def _form(self, connection: Connection, values: Values) -> "_Form":
        dialect = connection.dialect
        columns = tuple(values) if self._writes else ()
        form = self._forms.get((dialect.name, *columns))
        if form is None:
            form = _compile(self._statement, list(columns) if self._writes else None, dialect)
            self._forms[dialect.name, *columns] = form
        return form


@dataclass(frozen=True, slots=True)
class _Form:
    """A statement for one dialect."""

    sql: str
    #: (parameter, how it is converted, its value when none is given), in the order of the SQL text
    parameters: tuple[tuple[str, _Process, Any], ...]
    positional: bool
    row: Callable[[Iterable[Any]], Any]
    #: (position, how it is converted), of the columns that need it
    processes: tuple[tuple[int, Callable[[Any], Any]], ...]
    dialect: Dialect

    def execute(self, connection: Connection, values: Values) -> Any:
        """A cursor with the answer.  Raises DBAPIError."""
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.sql, self._bound(values))
        except self._errors as error:
            cursor.close()
            raise self._translated(error) from error
        return cursor

    def execute_many(self, connection: Connection, rows: Sequence[Values]) -> None:
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(self.sql, [self._bound(row) for row in rows])
        except self._errors as error:
            raise self._translated(error) from error
        finally:
            cursor.close()

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        make, processes = self.row, self.processes
        if not processes:
            return [make(row) for row in found]
        converted = []
        for row in found:
            cells = list(row)
            for position, process in processes:
                cells[position] = process(cells[position])
            converted.append(make(cells))
        return converted

    def _bound(self, values: Values) -> Any:
        bound = []
        for name, process, default in self.parameters:
            value = values.get(name, default)
            if value is _REQUIRED:
                raise KeyError(f"the statement needs a value for {name}")
            bound.append(value if process is None else process(value))
        if self.positional:
            return bound
        return {name: value for (name, _, _), value in zip(self.parameters, bound, strict=True)}

    @property
    def _errors(self) -> type[Exception]:
        return cast(type[Exception], self.dialect.loaded_dbapi.Error)

    def _translated(self, error: Exception) -> BaseException:
        return DBAPIError.instance(self.sql, None, error, self._errors, hide_parameters=True, dialect=self.dialect)


_REQUIRED = object()


def _compile(statement: Statement, values: list[str] | None, dialect: Dialect) -> _Form:
    compiled = statement.compile(dialect=dialect, column_keys=values)
    if not isinstance(compiled, SQLCompiler) or "POSTCOMPILE" in compiled.string:
        raise TypeError("only statements whose text does not depend on their values can be prepared")
    names = (compiled.positiontup or ()) if compiled.positional else compiled.params
    parameters = tuple(_parameter(compiled, name, dialect) for name in names)
    columns = list(statement.exported_columns) if _answers(statement) else []
    processes = []
    for position, column in enumerate(columns):
        process = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if process is not None:
            processes.append((position, process))
    row = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]
    return _Form(compiled.string, parameters, compiled.positional, row._make, tuple(processes), dialect)


def _answers(statement: Statement) -> bool:
    return isinstance(statement, Select | CompoundSelect) or bool(statement._returning)


def _parameter(compiled: SQLCompiler, name: str, dialect: Dialect) -> tuple[str, _Process, Any]:
    bind = compiled.binds[name]
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return name, process, _REQUIRED if bind.required else compiled.params[name]
