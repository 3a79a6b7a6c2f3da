"""The books on disk: orders, executions, positions and cash, so that a restart forgets nothing.

One SQLite file in write-ahead mode. Each change of an order, with its fill, is one transaction and is
committed before any client hears of it. Without a file name the books are kept in memory. A file that
is not such a book, or that another gateway has open, is a `StateError`.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from robo_trader.errors import StateError
from robo_trader.gateway.account import Account, Position
from robo_trader.gateway.contracts import Contract
from robo_trader.gateway.orders import Execution, Order

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (perm_id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS executions (number INTEGER PRIMARY KEY, exec_id TEXT UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (con_id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
_FORMAT = 1


class Books:
    """Orders by permanent id, executions by id, and what the account holds."""

    def __init__(self, path: str | None = None) -> None:
        self.orders: dict[int, Order] = {}
        self.executions: dict[str, Execution] = {}
        self._by_key: dict[tuple[int, int], Order] = {}
        self._path = path
        if path is not None and not (folder := Path(path).expanduser().resolve().parent).is_dir():
            raise StateError(f"there is no folder {folder} for the books", hint="make it first")
        # Autocommit: transactions are written out below.
        try:
            self._db = sqlite3.connect(
                path or ":memory:", timeout=0.5, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StateError(
                f"cannot open the gateway's books {path}: {error}",
                hint="name a file in a folder that you may write to with --books",
            ) from error
        try:
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            self._read()
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            self._db.close()
            raise StateError(
                f"cannot use the gateway's books {path}: {error}",
                hint="another gateway may have them open; or name another file with --books",
            ) from error

    def _read(self) -> None:
        found = self.fact("format", _FORMAT)
        if found != _FORMAT:
            raise ValueError(f"format {found} is not {_FORMAT}")
        self._write("facts", "name", "format", _FORMAT)
        for (body,) in self._db.execute("SELECT body FROM orders ORDER BY perm_id"):
            order = Order.from_dict(json.loads(body))
            self.orders[order.perm_id] = self._by_key[order.key] = order
        for (body,) in self._db.execute("SELECT body FROM executions ORDER BY number"):
            execution = Execution.from_dict(json.loads(body))
            self.executions[execution.exec_id] = execution

    def restore(self, account: Account) -> None:
        """Give an account what it held."""
        account.cash = self.fact("cash", account.cash)
        account.realized = self.fact("realized", 0.0)
        for (body,) in self._db.execute("SELECT body FROM positions ORDER BY con_id"):
            row = json.loads(body)
            position = Position(Contract(**row.pop("contract")), **row)
            account.positions[position.contract.con_id] = position

    def fact(self, name: str, default: Any) -> Any:
        """Return a single remembered value."""
        row = self._db.execute("SELECT body FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def remember(self, name: str, value: Any) -> None:
        """Keep a single value."""
        self._write("facts", "name", name, value)

    def find(self, client: int, order_id: int) -> Order | None:
        """Return a client's latest order of an id."""
        return self._by_key.get((client, order_id))

    def latest(self) -> list[Execution]:
        """Return every execution in its latest correction, oldest first."""
        found = {e.exec_id.rpartition(".")[0]: e for e in self.executions.values()}
        return list(found.values())

    def next_perm_id(self) -> int:
        """Return a new permanent id; none is ever given twice."""
        number = int(self.fact("perm_id", 1_000_000_000)) + 1
        self.remember("perm_id", number)
        return number

    def next_order_id(self, client: int) -> int:
        """Return one above the highest order id that a client ever used."""
        return max((o.order_id for o in self.orders.values() if o.client == client), default=0) + 1

    def save(self, order: Order) -> None:
        """Keep an order as it is now."""
        self.orders[order.perm_id] = self._by_key[order.key] = order
        self._write("orders", "perm_id", order.perm_id, order.as_dict())

    def save_fill(
        self, order: Order | None, execution: Execution, account: Account, position: Position
    ) -> None:
        """Keep an execution with the order, position and cash that it changed, all or nothing."""
        self._db.execute("BEGIN")
        try:
            self.executions[execution.exec_id] = execution
            body = json.dumps(execution.as_dict())
            self._db.execute(
                "INSERT INTO executions (exec_id, body) VALUES (?, ?)", (execution.exec_id, body)
            )
            held = {"contract": _plain(position.contract), "size": position.size, "cost": position.cost}
            held["realized"] = position.realized
            self._write("positions", "con_id", position.contract.con_id, held)
            self._write("facts", "name", "cash", account.cash)
            self._write("facts", "name", "realized", account.realized)
            if order is not None:
                self.save(order)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _write(self, table: str, key: str, value: Any, body: Any) -> None:
        self._db.execute(
            f"INSERT INTO {table} ({key}, body) VALUES (?, ?)"
            f" ON CONFLICT ({key}) DO UPDATE SET body = excluded.body",
            (value, json.dumps(body)),
        )

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self._db.close()


def _plain(contract: Contract) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(contract)
