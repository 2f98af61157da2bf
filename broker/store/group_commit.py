"""The one writer of an SQLite database: waiting use cases share a transaction, each in a savepoint of its own.

A thread takes the write lock with ``BEGIN IMMEDIATE``, runs what is waiting (at most ``_BATCH``), commits once, and
only then answers everybody.  A use case that raises is rolled back to its savepoint and disturbs no neighbour.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from broker.domain.errors import Conflict, Unavailable

T = TypeVar("T")
_BATCH = 64
_ATTEMPTS = 5
_STOP = None


class _Task:
    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class GroupCommit:
    """Runs writing use cases one after another in few transactions; see the module text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
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
        result: T = task.future.result()
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
                return
            batch = [task]
            while len(batch) < _BATCH and not self._tasks.empty():
                following = self._tasks.get()
                if following is _STOP:
                    stopping = True
                    break
                batch.append(following)
            self._transact([t for t in batch if t is not None])

    def _transact(self, batch: list[_Task]) -> None:
        """Run a batch, commit, answer.  When the commit fails nobody was promised anything: all learn of it."""
        answers: list[tuple[_Task, Any, BaseException | None]] = []
        try:
            with self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("BEGIN IMMEDIATE")
                try:
                    answers = [(task, *_attempt(connection, task)) for task in batch]
                    driver.execute("COMMIT")
                except BaseException:
                    driver.execute("ROLLBACK")
                    raise
        except BaseException as error:  # noqa: BLE001 - the writer thread must outlive any fault of a single batch
            refused = isinstance(error, (OperationalError, sqlite3.OperationalError))
            unavailable = Unavailable("the database refuses writing") if refused else error
            for task in batch:
                task.future.set_exception(unavailable)
            return
        for task, result, failure in answers:
            if failure is None:
                task.future.set_result(result)
            else:
                task.future.set_exception(failure)


def _attempt(connection: Connection, task: _Task, attempt: int = 1) -> tuple[Any, BaseException | None]:
    """Run one use case in its savepoint; a Conflict (it read before this batch) is run again on what is there now."""
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT use_case")
    try:
        result = task.work(connection)
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits, as if it had been called directly
        driver.execute("ROLLBACK TO use_case")
        driver.execute("RELEASE use_case")
        if isinstance(error, Conflict) and attempt < _ATTEMPTS:
            return _attempt(connection, task, attempt + 1)
        if isinstance(error, OperationalError):
            refused = Unavailable("the database refuses writing")
            refused.__cause__ = error
            return None, refused
        return None, error
    driver.execute("RELEASE use_case")
    return result, None
