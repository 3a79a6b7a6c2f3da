"""The thread that brings rows into the database, in order, through every outage.

Rows come in batches; a batch is one transaction's worth and is in the journal whole or not at all.
While the database is away (stopped, unreachable, disk full) batches wait in memory and, so that a
crash takes nothing, in a `Spool`; when it is back they are written in the order in which they
came. Where it is not known whether a commit arrived, the batch is sent again: rows have their numbers
already, so that nothing appears twice.

Failure contract: nothing here raises into the caller. `healthy` is False from the first failure
until everything that waited is written; `trouble` says what is wrong. A batch that the database
refuses for what it holds is kept in the spool beside the journal and never lets `healthy` come back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from robo_trader.clock import monotonic
from robo_trader.errors import JournalError
from robo_trader.journal.database import Database
from robo_trader.journal.schema import SA_TABLES
from robo_trader.journal.spool import Row, Spool

#: Seconds between two attempts to reach the database: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
_MOST_AT_ONCE = 500


class Batch:
    """Rows that belong together, and whether they are safe."""

    __slots__ = ("done", "kept", "rows")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = list(rows)
        #: Set once the rows are committed.
        self.done = threading.Event()
        #: Whether they stand in the spool.
        self.kept = False


class Writer:
    """Writes batches to `database`; see the module. `on_change(healthy, words)` is told of changes."""

    def __init__(
        self, database: Database, spool: Spool, on_change: Callable[[bool, str], None] | None = None
    ) -> None:
        self._database, self._spool, self._on_change = database, spool, on_change
        self._waiting: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._broken = False
        #: The first batches of the queue may have arrived although their commit failed.
        self._uncertain = 0
        self.trouble = ""
        self._thread = threading.Thread(target=self._work, name="robo-journal", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the database takes rows."""
        return not self.trouble

    def put(self, rows: Sequence[Row]) -> Batch:
        """Hand over rows; they are written in the order of these calls."""
        batch = Batch(rows)
        with self._changed:
            if self.trouble:
                self._keep(batch)
            self._waiting.append(batch)
            self._changed.notify_all()
        return batch

    def wait(self, batch: Batch, timeout: float) -> None:
        """Wait until `batch` is committed, the database fails, or `timeout` seconds are over."""
        until = monotonic() + timeout
        with self._changed:
            while not batch.done.is_set() and not self.trouble:
                left = until - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more; False when `timeout` seconds were not enough."""
        until = monotonic() + timeout
        with self._changed:
            while self._waiting:
                left = until - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout: float) -> bool:
        """Write what waits, stop, and tell whether everything is in the database.

        What could not be written stands in the spool for the next session.
        """
        everything = self.flush(timeout)
        with self._changed:
            for batch in self._waiting:
                self._keep(batch)
            self._ending = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return everything and not self._broken

    # -- the thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with self._changed:
                while not self._waiting and not self._ending:
                    self._changed.wait()
                if self._ending and (not self._waiting or self.trouble):
                    return
                batches = [self._waiting[i] for i in range(min(len(self._waiting), _MOST_AT_ONCE))]
                if self._broken:
                    # One by one: a batch that is refused must not take its neighbours with it.
                    batches = batches[:1]
            try:
                self._write(batches, again=self._uncertain)
            except sa.exc.SQLAlchemyError as error:
                if _is_refusal(error):
                    self._refused(batches, error)
                    continue
                self._failed(batches, error)
                with self._changed:
                    if not self._ending:
                        self._changed.wait_for(lambda: self._ending, pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                self._written(batches)

    def _write(self, batches: Sequence[Batch], *, again: int) -> None:
        with self._database.engine.begin() as connection:
            for i, batch in enumerate(batches):
                insert_rows(connection, batch.rows, again=i < again)

    def _written(self, batches: Sequence[Batch]) -> None:
        with self._changed:
            for batch in batches:
                self._waiting.popleft()
                batch.done.set()
            self._uncertain = max(0, self._uncertain - len(batches))
            recovered = bool(self.trouble) and not self._waiting and not self._broken
            if recovered:
                self._spool.clear()
                self.trouble = ""
            self._changed.notify_all()
        if recovered:
            self._tell(True, f"{self._database.place}: the journal is complete again")

    def _failed(self, batches: Sequence[Batch], error: sa.exc.SQLAlchemyError) -> None:
        said = str(self._database.said(error))
        # Every connection of the pool has probably gone the same way.
        self._database.engine.dispose()
        with self._changed:
            first = not self.trouble
            self.trouble = said
            self._uncertain = max(self._uncertain, len(batches))
            for batch in self._waiting:
                self._keep(batch)
            self._changed.notify_all()
        if first:
            self._tell(False, said)

    def _refused(self, batches: Sequence[Batch], error: sa.exc.SQLAlchemyError) -> None:
        """Find the batch that the database will never take, and let the others pass."""
        if len(batches) > 1 and not self._broken:
            with self._changed:
                self._broken = True
            return
        said = f"a row was refused and waits in {self._spool.path}: {self._database.said(error)}"
        with self._changed:
            self._broken = True
            batch = self._waiting.popleft()
            self._uncertain = max(0, self._uncertain - 1)
            self.trouble = said
            self._keep(batch)
            self._changed.notify_all()
        self._tell(False, said)

    def _keep(self, batch: Batch) -> None:
        """Put a batch into the spool, once; where that fails too it waits in memory alone."""
        if batch.kept:
            return
        try:
            self._spool.add(batch.rows)
            batch.kept = True
        except JournalError as error:
            self.trouble = f"{self.trouble.partition('; and ')[0]}; and {error}"

    def _tell(self, healthy: bool, words: str) -> None:
        if self._on_change is not None:
            self._on_change(healthy, words)


def insert_rows(connection: sa.Connection, rows: Sequence[Row], *, again: bool = False) -> None:
    """Insert `rows` in their order; with `again`, those that are there already are left as they are."""
    for name, group in groupby(rows, key=lambda row: row[0]):
        table = SA_TABLES[name]
        statement: Any = table.insert()
        if again:
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            statement = make(table).on_conflict_do_nothing()
        connection.execute(statement, [values for _, values in group])


def _is_refusal(error: sa.exc.SQLAlchemyError) -> bool:
    """Whether it was the rows' fault, so that sending them again is of no use."""
    if isinstance(error, sa.exc.DBAPIError):
        return (
            isinstance(error, sa.exc.IntegrityError | sa.exc.DataError) and not error.connection_invalidated
        )
    return isinstance(error, sa.exc.StatementError)
