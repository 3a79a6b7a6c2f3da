"""Where a run stands, read from its journal: what a session needs to go on with it.

A run is a strategy in an account with a starting capital, and it may be lived in several sessions.
Executions are the truth: an order's `filled` and the positions are sums of the fills that count, not what
a status said. Only what is committed is seen: `RunJournal.flush` first where this process writes the run.

Failure contract: a run that does not exist, and a journal that cannot be read, raise `JournalError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from robo_trader.errors import JournalError
from robo_trader.journal.reading import Reader, Row, read_database

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal
    from robo_trader.records import Side

#: How a run ends for good; one that was interrupted or killed can go on.
ENDED = ("finished", "failed")


@dataclass(frozen=True, slots=True)
class StandingChange:
    """A change of an order that was committed and of which nobody knows whether the broker took it."""

    number: int
    size: Decimal
    limit: Decimal | None
    stop: Decimal | None


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An order as the journal knows it.

    `size` is what the guard decided, 0 for a veto; `filled` what counting executions add up to; `status`
    the newest, in Backtrader's spelling; `at` when the strategy asked. `parent` and `oco` are numbers. An
    order that was changed has the values that hold; `changes` are those that may hold instead, oldest first.
    """

    number: int
    ref: str
    symbol: str
    side: Side
    type: str
    size: Decimal
    limit: Decimal | None
    stop: Decimal | None
    parent: int | None
    oco: int | None
    status: str
    filled: Decimal
    because: str
    at: datetime
    changes: tuple[StandingChange, ...] = ()

    @property
    def may_be(self) -> tuple[StandingOrder, ...]:
        """The order with each of the values that it may have at the broker, those that hold first."""
        others = (replace(self, size=c.size, limit=c.limit, stop=c.stop) for c in self.changes)
        return (self, *others)


@dataclass(frozen=True, slots=True)
class StandingFill:
    """An execution that counts; `commission` is the newest that is known."""

    order_number: int
    ref: str
    execution: str | None
    at: datetime
    symbol: str
    side: Side
    size: Decimal
    price: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """A run's orders by number, its fills as they came, and its signed positions that are not flat."""

    run_id: str
    starting_cash: Decimal | None
    orders: tuple[StandingOrder, ...]
    fills: tuple[StandingFill, ...]
    positions: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a run's journal holds of the news: the numbers of its rows, by what they tell.

    `started` is when the run was begun. Events go by id, views by event, analyst and symbol, signals by
    symbol and name: of those the newest, with its time. `titles` are the events' in their order.
    """

    started: datetime
    events: dict[str, int]
    titles: tuple[tuple[str, int], ...]
    views: dict[tuple[int, str, str], int]
    signals: dict[tuple[str, str], tuple[int, datetime]]


def heard(journal: Journal | Reader, run_id: str) -> Heard:
    """Return what the run `run_id` has heard."""
    with reading(journal) as reader:
        run = known_run(reader, run_id)
        number = int(run["number"])
        asked = "SELECT event_id, title, number FROM events WHERE run = :run ORDER BY number"
        events = list(reader.ask(asked, run=number))
        views = reader.ask("SELECT event, analyst, symbol, number FROM views WHERE run = :run", run=number)
        return Heard(
            started=run["started"],
            events={row["event_id"]: row["number"] for row in events},
            titles=tuple((row["title"], row["number"]) for row in events if row["title"]),
            views={(row["event"], row["analyst"], row["symbol"]): row["number"] for row in views},
            signals={
                (row["symbol"], row["name"]): (row["number"], row["at"])
                for row in reader.rows("signals", "run = :run", run=number)
            },
        )


def standing(journal: Journal | Reader, run_id: str) -> Standing:
    """Return where the run `run_id` stands."""
    with reading(journal) as reader:
        run = known_run(reader, run_id)
        number = int(run["number"])
        asked = {row["number"]: row for row in reader.rows("orders", "run = :run", run=number)}
        fills = tuple(
            StandingFill(
                row["order_number"], asked[row["order_number"]]["ref"], row["execution"], row["at"],
                row["symbol"], row["side"], row["size"], row["price"], row["commission"],
            )
            for row in reader.fills(number)
        )  # fmt: skip
        decided = _decided(reader, number)
        changed = list(reader.rows("modifications", "run = :run", order="number", run=number))
        status = _newest_states(reader, number)
    filled: dict[int, Decimal] = {}
    positions: dict[str, Decimal] = {}
    for fill in fills:
        signed = fill.size if fill.side == "BUY" else -fill.size
        positions[fill.symbol] = positions.get(fill.symbol, Decimal(0)) + signed
        filled[fill.order_number] = filled.get(fill.order_number, Decimal(0)) + fill.size
    orders = tuple(
        StandingOrder(
            n, row["ref"], row["symbol"], row["side"], row["type"],
            row["size"] if row["decision"] is None else decided[row["decision"]],
            row["limit_price"], row["stop_price"], row["parent"], row["oco"], status.get(n, "Created"),
            filled.get(n, Decimal(0)), row["because"], row["at"],
        )
        for n, row in asked.items()
    )  # fmt: skip
    if changed:
        orders = tuple(
            _as_changed(order, [r for r in changed if r["order_number"] == order.number]) for order in orders
        )
    held = {symbol: size for symbol, size in positions.items() if size}
    return Standing(run_id, run["starting_cash"], orders, fills, held)


def latest_run(journal: Journal | Reader, *, mode: str, strategy: str, account: str | None) -> str | None:
    """Return the id of the newest run of `strategy` in `account` that can go on, or None.

    That is one that has not ended as finished or failed; the newest is the one begun last.
    """
    where = "mode = :mode AND strategy = :strategy AND "
    where += "account IS NULL" if account is None else "account = :account"
    values: dict[str, Any] = {"mode": mode, "strategy": strategy}
    if account is not None:
        values["account"] = account
    with reading(journal) as reader:
        for run in list(reader.rows("runs", where, order="number DESC", **values)):
            ends = reader.rows("run_ends", "run = :run", run=run["number"])
            if not any(row["state"] in ENDED for row in ends):
                return str(run["id"])
    return None


@contextmanager
def reading(journal: Journal | Reader) -> Iterator[Reader]:
    """Give a reader of `journal`: itself, or a new one of an open journal."""
    if isinstance(journal, Reader):
        yield journal
        return
    with read_database(journal.database) as reader:
        yield reader


def _as_changed(order: StandingOrder, rows: Sequence[Row]) -> StandingOrder:
    """Return an order as its changes left it; `rows` are those of `modifications`, in their order."""
    open_: dict[int, StandingChange] = {}
    for row in rows:
        if row["state"] == "asked":
            number = row["number"]
            open_[number] = StandingChange(number, row["size"], row["limit_price"], row["stop_price"])
        elif row["state"] == "holds":
            order = replace(order, size=row["size"], limit=row["limit_price"], stop=row["stop_price"])
            open_ = {n: change for n, change in open_.items() if n > (row["answers"] or row["number"])}
        else:
            open_.pop(row["answers"] or 0, None)
    return replace(order, changes=tuple(open_.values()))


def known_run(reader: Reader, run_id: str) -> Row:
    """Return the run's row."""
    run = reader.run(run_id)
    if run is None:
        raise JournalError(f"{reader.place}: there is no run {run_id!r}", hint="see 'robo runs list'")
    return run


def _decided(reader: Reader, run: int) -> dict[int, Decimal]:
    rows = reader.ask("SELECT number, decided FROM decisions WHERE run = :run", run=run)
    return {row["number"]: reader.decode("decisions", row)["decided"] for row in rows}


def _newest_states(reader: Reader, run: int) -> dict[int, str]:
    # By number, whatever a clock said.
    rows = reader.ask(
        "SELECT order_number, status FROM order_states WHERE run = :run ORDER BY number", run=run
    )
    return {row["order_number"]: row["status"] for row in rows}
