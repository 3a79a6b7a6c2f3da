"""Read a journal: any file or database, one row or a whole table, and the chain behind an order.

A file is read with Python's own SQLite, without SQLAlchemy: a question to a million fills then
takes milliseconds beyond start-up. The questions are the same for PostgreSQL. Rows are dicts with the
columns' names; times are aware UTC datetimes, amounts `Decimal`, JSON plain values.

Failure contract: a file that is missing, damaged or no journal, a schema that is newer, and a server
that cannot be reached raise `JournalError` with the place and the next step. Nothing is written.
"""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from robo_trader.errors import JournalError
from robo_trader.journal.tables import BY_NAME, HEAD, REVISIONS, TABLES

if TYPE_CHECKING:
    from robo_trader.journal.database import Database

Row = dict[str, Any]
_AT_ONCE = 5_000


class Reader(ABC):
    """Questions to one journal. Close it, or use it in a ``with`` block."""

    #: Where the journal is, in words for people.
    place: str
    #: The revision of its schema.
    revision: str = HEAD

    @abstractmethod
    def ask(self, sql: str, **values: Any) -> Iterator[Row]:
        """Yield the rows of a SELECT as the database gives them; values are written ``:name``."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def decode(self, table: str, row: Row) -> Row:
        """Return a row of `table` with its values as Python has them."""

    # -- rows ------------------------------------------------------------------------------------

    def rows(self, table: str, where: str = "", *, order: str = "", **values: Any) -> Iterator[Row]:
        """Yield the rows of `table` that fit, by their key unless `order` says otherwise.

        A journal that is older than the table has none.
        """
        if not self.has(table):
            return
        by = order or ", ".join(BY_NAME[table].key)
        condition = f" WHERE {where}" if where else ""
        names = ", ".join(BY_NAME[table].names)
        for row in self.ask(f"SELECT {names} FROM {table}{condition} ORDER BY {by}", **values):
            yield self.decode(table, row)

    def has(self, table: str) -> bool:
        """Whether the journal's schema knows `table`."""
        return REVISIONS.index(BY_NAME[table].since) <= REVISIONS.index(self.revision)

    def row(self, table: str, run: int, number: int | None) -> Row | None:
        """Return one row by its number, or None."""
        if number is None:
            return None
        return next(self.rows(table, "run = :run AND number = :number", run=run, number=number), None)

    def count(self, table: str, run: int) -> int:
        """Return how many rows of `table` a run has."""
        if not self.has(table):
            return 0
        found = next(self.ask(f"SELECT count(*) AS n FROM {table} WHERE run = :run", run=run))
        return int(found["n"])

    def last(self, table: str, run: int) -> int:
        """Return the highest number of `table` in a run, 0 where it has none; never counts."""
        if not self.has(table):
            return 0
        found = next(self.ask(f"SELECT max(number) AS n FROM {table} WHERE run = :run", run=run))
        return int(found["n"] or 0)

    # -- runs ------------------------------------------------------------------------------------

    def runs(self) -> list[Row]:
        """Return every run with its `state`: how it ended, or ``unfinished``.

        An interrupted run that another session goes on with is ``unfinished`` until that ends.
        """
        return [{**row, "state": self.state(row["number"])} for row in self.rows("runs")]

    def state(self, run: int) -> str:
        """Return how a run ended, or ``unfinished``."""
        ends = list(self.rows("run_ends", "run = :run", run=run))
        if not ends:
            return "unfinished"
        state = str(ends[-1]["state"])
        newest = self.last("sessions", run) if state == "interrupted" else 0
        if newest and not list(self.rows("session_ends", "run = :run AND session = :n", run=run, n=newest)):
            return "unfinished"
        return state

    def run(self, run_id: str) -> Row | None:
        """Return the run with this id, or None."""
        return next(self.rows("runs", "id = :id", id=run_id), None)

    # -- the chain -------------------------------------------------------------------------------

    def chain(self, run: int, order: int) -> Row | None:
        """Return what stands behind an order, or None where there is no such order.

        Keys: `order`, its `states`, `decision` (None for an order refused unasked), the rules'
        `answers`, the `signal` with its `evidence` (each an `event` and a `view`), the `event` that
        the strategy gave as its reason, its `modifications`, and the `fills` that count.
        """
        asked = self.row("orders", run, order)
        if asked is None:
            return None
        decision = self.row("decisions", run, asked["decision"])
        answers: list[Row] = []
        signal = event = None
        evidence: list[Row] = []
        if decision is not None:
            answers = list(
                self.rows("guard_answers", "run = :run AND decision = :n", run=run, n=decision["number"])
            )
            signal = self.row("signals", run, decision["signal"])
            event = self.row("events", run, decision["event"])
        if signal is not None:
            for link in self.rows(
                "signal_evidence", "run = :run AND signal = :n", run=run, n=signal["number"]
            ):
                view = self.row("views", run, link["view"])
                behind = link["event"]
                if behind is None and view is not None:
                    behind = view["event"]
                evidence.append({"event": self.row("events", run, behind), "view": view})
        return {
            "order": asked,
            "states": list(self.rows("order_states", "run = :run AND order_number = :n", run=run, n=order)),
            "modifications": self.modifications(run, order),
            "decision": decision,
            "answers": answers,
            "signal": signal,
            "evidence": evidence,
            "event": event,
            "fills": self.fills_of(run, order),
        }

    def modifications(self, run: int, order: int) -> list[Row]:
        """Return what an order was changed to, and what became of each change."""
        where = "order_number = :n AND +run = :run"
        return list(self.rows("modifications", where, order="number", run=run, n=order))

    def fills_of(self, run: int, order: int) -> list[Row]:
        """Return the fills of an order that no other one corrects."""
        return self._counting(run, "order_number = :n", n=order)

    def fills_of_trade(self, run: int, trade: Row) -> list[Row]:
        """Return the fills between a trade's first and last, both included."""
        first, last = trade["first_fill"], trade["last_fill"]
        where = "symbol = :symbol AND number BETWEEN :first AND :last"
        return self._counting(run, where, symbol=trade["symbol"], first=first, last=last)

    def _counting(self, run: int, where: str, **values: Any) -> list[Row]:
        # The plus takes the run out of the choice of an index: see `tables.Table`.
        found = list(self.rows("fills", f"+run = :run AND {where}", order="number", run=run, **values))
        replaced = {row["number"] for row in found if self._is_corrected(run, row["number"])}
        counting = [row for row in found if row["number"] not in replaced]
        return [{**row, "commission": self._cost(run, row, self._told)} for row in counting]

    def _cost(self, run: int, fill: Row, told: Callable[[int, Any], Decimal | None]) -> Decimal:
        """What a fill cost: the newest that the broker said, else what the fill itself says.

        A correction for which nothing was said yet keeps what the fill that it replaces cost.
        """
        now: Row | None = fill
        while now is not None:
            amount = told(run, now["execution"])
            if amount is not None:
                return amount
            now = self.row("fills", run, now["corrects"])
        return Decimal(fill["commission"])

    def _told(self, run: int, execution: str | None) -> Decimal | None:
        if execution is None:  # a backtest's
            return None
        where = "+run = :run AND execution = :execution"
        newest = self.rows("commissions", where, order="number DESC LIMIT 1", run=run, execution=execution)
        return next((row["amount"] for row in newest), None)

    def commissions(self, run: int) -> dict[str, Decimal]:
        """Return what each execution of a run cost, where the broker said it: the newest amounts."""
        rows = self.rows("commissions", "run = :run", order="number", run=run)
        return {row["execution"]: row["amount"] for row in rows}

    def _is_corrected(self, run: int, number: int) -> bool:
        later = self.ask("SELECT 1 AS n FROM fills WHERE +run = :run AND corrects = :n", run=run, n=number)
        return next(later, None) is not None

    def fills(self, run: int) -> Iterator[Row]:
        """Yield all fills of a run that no other one corrects, in order, with the newest commissions."""
        where = (
            "run = :run AND NOT EXISTS"
            " (SELECT 1 FROM fills later WHERE +later.run = fills.run AND later.corrects = fills.number)"
        )
        told = self.commissions(run)
        for row in self.rows("fills", where, order="number", run=run):
            yield {**row, "commission": self._cost(run, row, lambda _, execution: told.get(execution))}

    def trades_of(self, run: int, symbol: str, fill: int) -> list[Row]:
        """Return the trades that a fill took part in: one, or two where it reversed a position."""
        where = "run = :run AND symbol = :symbol AND first_fill <= :fill"
        newest = self.rows(
            "trades", where, order="first_fill DESC LIMIT 2", run=run, symbol=symbol, fill=fill
        )
        return sorted((row for row in newest if row["last_fill"] >= fill), key=lambda row: row["number"])

    def family(self, run: int, order: Row) -> list[Row]:
        """Return the other orders of an order's bracket and group, by number."""
        n, parent, oco = order["number"], order["parent"], order["oco"]
        wanted = {other for other in (parent, oco) if other is not None}
        for column, value in (("parent", n), ("oco", n), ("parent", parent), ("oco", oco)):
            if value is not None:
                where = f"+run = :run AND {column} = :value"
                others = self.rows("orders", where, order="number", run=run, value=value)
                wanted |= {row["number"] for row in others}
        found = (self.row("orders", run, other) for other in sorted(wanted - {n}))
        return [row for row in found if row is not None]

    def halts(self, run: int) -> Iterator[Row]:
        """Yield the changes of the halt state in a run, and those outside of any since it began."""
        where = "run = :run OR run IS NULL AND at >= (SELECT started FROM runs WHERE number = :run)"
        return self.rows("halts", where, order="at, halt_id", run=run)

    def status(self, run: int, order: int) -> Row:
        """Return the last state of an order."""
        states = list(self.rows("order_states", "run = :run AND order_number = :n", run=run, n=order))
        if states:
            return states[-1]
        return {"status": "Created", "filled": Decimal(0), "reason": ""}

    def _check(self) -> None:
        """Refuse what is no journal or a newer one."""
        revision = next(self.ask("SELECT version_num FROM alembic_version"), {}).get("version_num")
        if revision not in REVISIONS:
            raise JournalError(
                f"{self.place}: the journal has schema {revision}, this version knows up to {HEAD}",
                hint="upgrade robo_trader, or name another journal",
            )
        self.revision = revision

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_file(path: str | Path) -> Reader:
    """Open the journal in the SQLite file `path` for reading."""
    return _FileReader(Path(path))


def read_journal(url: str | None = None, *, folder: str | Path = ".robo") -> Reader:
    """Open the journal at `url` (see `database.open_database`) for reading."""
    if not url:
        return read_file(Path(folder) / "journal.sqlite")
    from robo_trader.journal.database import open_database

    database = open_database(url, folder=folder)
    if database.path is not None:
        return read_file(database.path)
    return _ServerReader(database)


def read_database(database: Database) -> Reader:
    """Open the journal in `database` for reading; closing the reader leaves the database open."""
    if database.path is not None:
        return read_file(database.path)
    return _ServerReader(database, own=False)


class _FileReader(Reader):
    """Reads a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        if not path.is_file():
            raise JournalError(f"{path}: there is no such journal", hint="see 'robo runs list'")
        try:
            self._connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        self._connection.row_factory = sqlite3.Row
        try:
            self._check()
        except JournalError:
            self._connection.close()
            raise

    def ask(self, sql: str, **values: Any) -> Iterator[Row]:
        """Yield the rows of a SELECT."""
        try:
            for row in self._connection.execute(sql, values):
                yield dict(row)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> JournalError:
        return JournalError(
            f"{self.place}: the journal cannot be read: {error}",
            hint="restore a backup; the CSV files beside it, where there are any, hold orders and fills",
        )

    def decode(self, table: str, row: Row) -> Row:
        """Return a row with times, amounts and JSON as Python has them."""
        for name, read in _FROM_TEXT[table]:
            value = row.get(name)
            if value is not None:
                row[name] = read(value)
        return row

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class _ServerReader(Reader):
    """Reads a database on a server, all questions in one state of it."""

    def __init__(self, database: Database, *, own: bool = True) -> None:
        self.place = database.place
        self._database, self._own = database, own
        with database.errors():
            connection = database.engine.connect()
        self._connection = connection.execution_options(isolation_level="REPEATABLE READ")
        try:
            self._check()
        except JournalError:
            self.close()
            raise

    def ask(self, sql: str, **values: Any) -> Iterator[Row]:
        """Yield the rows of a SELECT."""
        import sqlalchemy as sa

        with self._database.errors():
            streamed = self._connection.execution_options(yield_per=_AT_ONCE)
            # Closed also when the reader has seen enough.
            with streamed.execute(sa.text(sql), values) as result:
                for row in result.mappings():
                    yield dict(row)

    def decode(self, table: str, row: Row) -> Row:
        """Return the row: the driver knows times, amounts and JSON."""
        return row

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        if self._own:
            self._database.close()


_READ: Mapping[str, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "exact": Decimal,
    "json": json.loads,
    "bool": bool,
}
_FROM_TEXT: Mapping[str, Sequence[tuple[str, Callable[[Any], Any]]]] = {
    table.name: [(column.name, _READ[column.kind]) for column in table.columns if column.kind in _READ]
    for table in TABLES
}
