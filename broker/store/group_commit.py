"""The one writer of an SQLite database: waiting use cases share a transaction, and none suffers from a neighbour.

A thread takes the write lock with ``BEGIN IMMEDIATE``, runs what is waiting (at most ``_BATCH``), commits once, and
only then answers everybody.  When a use case raises, all is rolled back and run again with a savepoint each: failures
are rare, and a savepoint costs as much as two statements.
"""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from broker.domain.errors import Conflict, Unavailable

T = TypeVar("T")
_BATCH = 64
_ATTEMPTS = 5
_STOP = None


class _Task:
    """A use case, and whoever waits for it.  A lock is a tenth of a ``Future``."""

    __slots__ = ("_answered", "_failure", "_result", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self._result: Any = None
        self._failure: BaseException | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def answer(self, result: Any, failure: BaseException | None = None) -> None:
        """Let whoever waits go on, with the result or the failure; once."""
        self._result, self._failure = result, failure
        self._answered.release()

    def wait(self) -> Any:
        """The result, once there is one; raises the failure."""
        self._answered.acquire()
        if self._failure is not None:
            raise self._failure
        return self._result


_Answers = Sequence[tuple[_Task, Any, BaseException | None]]


class GroupCommit:
    """Runs writing use cases one after another in few transactions; see the module text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` and wait until its effect is durable.  Raises what it raises, or Unavailable."""
        if self._closed:
            raise Unavailable("the database is closed")
        if threading.current_thread() is self._thread:
            raise RuntimeError("a writing use case must not start another: it would wait for itself")
        task = _Task(work)
        self._tasks.put(task)
        result: T = task.wait()
        return result

    def close(self) -> None:
        """Finish what is waiting, then end the thread."""
        self._closed = True
        self._tasks.put(_STOP)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            task = self._tasks.get()
            if task is _STOP:
                break
            batch = [task]
            while len(batch) < _BATCH and not self._tasks.empty():
                following = self._tasks.get()
                if following is _STOP:
                    stopping = True
                    break
                batch.append(following)
            self._transact([t for t in batch if t is not None])
        self._disconnect()

    def _transact(self, batch: list[_Task]) -> None:
        """Run a batch, commit, answer.  When the commit fails nobody was promised anything: all learn of it."""
        try:
            answers = self._committed(batch)
        except BaseException as error:  # noqa: BLE001 - the writer thread must outlive any fault of a single batch
            self._disconnect()
            answers = [(task, None, _as_told(error)) for task in batch]
        for task, result, failure in answers:
            task.answer(result, failure)

    def _committed(self, batch: list[_Task]) -> _Answers:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE")
        answers = _run_all(connection, driver, batch)
        driver.execute("COMMIT")
        if connection.in_transaction():
            connection.rollback()  # SQLAlchemy's own idea of a transaction, which statements of Core begin
        return answers

    def _disconnect(self) -> None:
        """The next batch begins on a new connection; what this one has not committed is rolled back with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError, sqlite3.Error):  # it may be beyond closing: it is given up either way
                connection.close()


def _run_all(connection: Connection, driver: Any, batch: list[_Task]) -> _Answers:
    """Every use case of the batch in the open transaction; if one fails, again, each with a savepoint."""
    try:
        return [(task, task.work(connection), None) for task in batch]
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        driver.execute("BEGIN IMMEDIATE")
        if len(batch) == 1 and not isinstance(error, Conflict):
            return [(batch[0], None, _as_told(error))]
    return [(task, *_attempt(connection, driver, task)) for task in batch]


def _attempt(connection: Connection, driver: Any, task: _Task, attempt: int = 1) -> tuple[Any, BaseException | None]:
    """Run one use case in its savepoint; a Conflict (it read before this batch) is run again on what is there now."""
    driver.execute("SAVEPOINT use_case")
    try:
        result = task.work(connection)
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits, as if it had been called directly
        driver.execute("ROLLBACK TO use_case")
        driver.execute("RELEASE use_case")
        if isinstance(error, Conflict) and attempt < _ATTEMPTS:
            return _attempt(connection, driver, task, attempt + 1)
        return None, _as_told(error)
    driver.execute("RELEASE use_case")
    return result, None


def _as_told(error: BaseException) -> BaseException:
    """What whoever waits is told: that the database refuses writing, else the failure itself."""
    if not isinstance(error, (OperationalError, sqlite3.OperationalError)):
        return error
    refused = Unavailable("the database refuses writing")
    refused.__cause__ = error
    return refused
