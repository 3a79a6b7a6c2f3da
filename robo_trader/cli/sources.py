"""Where a story's facts come from: the run's journal, or the CSV files of a run that has none.

Both answer the same questions. The journal answers them by its indexes, whatever the size of the
run, and knows the chain behind an order: event, view, signal and the guard's answers. A number that
the run does not have raises `UsageError` and says which there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robo_trader.cli.parts import Part, parts_of_trades
from robo_trader.clock import iso, to_ns
from robo_trader.errors import UsageError

if TYPE_CHECKING:
    from robo_trader.analytics import Trade
    from robo_trader.engine.record import OrderRecord
    from robo_trader.journal.reading import Reader
    from robo_trader.records import Fill
    from robo_trader.runs import StoredRun


class Source(ABC):
    """Answers questions about one run; `id` names it in messages."""

    id: str

    @abstractmethod
    def last_order(self) -> int:
        """The highest order id, 0 where there is none."""

    @abstractmethod
    def last_trade(self) -> int:
        """The highest trade id, 0 where there is none."""

    @abstractmethod
    def find_order(self, number: int) -> OrderRecord | None:
        """One order, or None."""

    @abstractmethod
    def find_trade(self, number: int) -> Trade | None:
        """One trade, or None."""

    @abstractmethod
    def parts(self, trade: Trade) -> list[Part]:
        """The shares of fills that make a trade, in order."""

    @abstractmethod
    def fills_of(self, order: int) -> list[Fill]:
        """The fills of an order."""

    @abstractmethod
    def family(self, order: OrderRecord) -> list[OrderRecord]:
        """The other orders of its bracket and its group."""

    @abstractmethod
    def shares(self, order: int) -> list[dict[str, Any]]:
        """The trades that an order took part in: trade_id, role, size."""

    def chain(self, order: int) -> dict[str, Any] | None:
        """What stands behind an order as `Reader.chain` gives it; None where nobody wrote it down."""
        return None

    def order(self, number: int) -> OrderRecord:
        """One order; raises `UsageError` saying which there are."""
        found = self.find_order(number)
        if found is None:
            raise self._unknown("order", number, self.last_order())
        return found

    def trade(self, number: int) -> Trade:
        """One trade; raises `UsageError` saying which there are."""
        found = self.find_trade(number)
        if found is None:
            raise self._unknown("trade", number, self.last_trade())
        return found

    def _unknown(self, kind: str, number: int, last: int) -> UsageError:
        if not last:
            hint = f"see what it did with 'robo explain {self.id}'"
            return UsageError(f"run {self.id} has no {kind}s", hint=hint)
        return UsageError(f"run {self.id} has no {kind} {number}", hint=f"they are numbered 1 to {last}")


class Tables(Source):
    """Reads the tables of a stored run."""

    def __init__(self, run: StoredRun) -> None:
        self._run = run
        self.id = run.id

    @cached_property
    def _parts(self) -> dict[int, list[Part]]:
        return parts_of_trades(self._run.fills)

    def last_order(self) -> int:
        """The highest order id."""
        return max((order.order_id for order in self._run.orders), default=0)

    def last_trade(self) -> int:
        """The highest trade id."""
        return len(self._run.trades)

    def find_order(self, number: int) -> OrderRecord | None:
        """One order, or None."""
        return next((order for order in self._run.orders if order.order_id == number), None)

    def find_trade(self, number: int) -> Trade | None:
        """One trade, or None."""
        return next((trade for trade in self._run.trades if trade.trade_id == number), None)

    def parts(self, trade: Trade) -> list[Part]:
        """The shares of fills that make a trade."""
        return self._parts.get(trade.trade_id, [])

    def fills_of(self, order: int) -> list[Fill]:
        """The fills of an order."""
        return [fill for fill in self._run.fills if fill.order_id == order]

    def family(self, order: OrderRecord) -> list[OrderRecord]:
        """The other orders of its bracket and its group."""
        return [
            other
            for other in self._run.orders
            if other.order_id != order.order_id
            and (
                other.parent == order.order_id
                or other.order_id == order.parent
                or (order.parent is not None and other.parent == order.parent)
                or other.order_id == order.oco
                or other.oco == order.order_id
                or (order.oco is not None and other.oco == order.oco)
            )
        ]

    def shares(self, order: int) -> list[dict[str, Any]]:
        """The trades that an order took part in."""
        return [
            {"trade_id": trade, "role": part.role, "size": part.size}
            for trade, found in self._parts.items()
            for part in found
            if part.fill.order_id == order
        ]


class JournalTables(Source):
    """Reads a journal; `run` is its row of `runs`.

    A session's trades are not written down, for a correction may change them: they are worked out
    from its fills.
    """

    def __init__(self, reader: Reader, run: dict[str, Any]) -> None:
        self._reader, self._number = reader, int(run["number"])
        self._bulk = run["mode"] == "backtest"
        self.id = run["id"]

    def last_order(self) -> int:
        """The highest order id."""
        return self._reader.last("orders", self._number)

    def last_trade(self) -> int:
        """The highest trade id."""
        return self._reader.last("trades", self._number) if self._bulk else len(self._trades)

    def find_order(self, number: int) -> OrderRecord | None:
        """One order, or None."""
        row = self._reader.row("orders", self._number, number)
        return None if row is None else self._order(row)

    def find_trade(self, number: int) -> Trade | None:
        """One trade, or None."""
        if not self._bulk:
            return next((trade for trade in self._trades if trade.trade_id == number), None)
        row = self._reader.row("trades", self._number, number)
        return None if row is None else _trade(row)

    def parts(self, trade: Trade) -> list[Part]:
        """The shares of fills that make a trade."""
        if not self._bulk:
            return self._parts.get(trade.trade_id, [])
        row = self._reader.row("trades", self._number, trade.trade_id)
        assert row is not None, "the trade was found before"
        return [
            _part(fill, trade.side, self._because(fill))
            for fill in self._reader.fills_of_trade(self._number, row)
        ]

    def fills_of(self, order: int) -> list[Fill]:
        """The fills of an order."""
        return [_fill(row, self._because(row)) for row in self._reader.fills_of(self._number, order)]

    def family(self, order: OrderRecord) -> list[OrderRecord]:
        """The other orders of its bracket and its group."""
        row = self._reader.row("orders", self._number, order.order_id)
        assert row is not None, "the order was found before"
        return [self._order(other) for other in self._reader.family(self._number, row)]

    def shares(self, order: int) -> list[dict[str, Any]]:
        """The trades that an order took part in."""
        if not self._bulk:
            return [
                {"trade_id": trade, "role": part.role, "size": part.size}
                for trade, found in self._parts.items()
                for part in found
                if part.fill.order_id == order
            ]
        out = []
        for fill in self._reader.fills_of(self._number, order):
            for trade in self._reader.trades_of(self._number, fill["symbol"], fill["number"]):
                part = _part(fill, trade["side"], "")
                out.append({"trade_id": trade["number"], "role": part.role, "size": part.size})
        return out

    def chain(self, order: int) -> dict[str, Any] | None:
        """What stands behind an order."""
        return self._reader.chain(self._number, order)

    def halts(self) -> list[dict[str, Any]]:
        """The changes of the halt state in this run, and those that an operator made since it began."""
        return [
            {"at": iso(to_ns(row["at"])), **{name: row[name] for name in ("state", "rule", "who", "why")}}
            for row in self._reader.halts(self._number)
        ]

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions of this run and how long each lived, by its heartbeats; times are ISO-8601."""
        from robo_trader.journal.uptime import sessions_of

        return [
            {
                "session": life.number, "start": iso(to_ns(life.start)),
                "end": None if life.end is None else iso(to_ns(life.end)), "state": life.state,
                "note": life.note, "alive_s": round(life.alive, 3), "online_s": round(life.online, 3),
                "heartbeats": life.beats,
                **{name: life.row[name] for name in ("account", "place", "simulated", "library", "send")},
            }
            for life in sessions_of(self._reader, self.id)
        ]  # fmt: skip

    def all_orders(self) -> list[OrderRecord]:
        """Every order, for a session's own story."""
        return [self._order(row) for row in self._reader.rows("orders", "run = :run", run=self._number)]

    @cached_property
    def fills(self) -> list[Fill]:
        """Every fill that counts, in order; for sessions, which are small."""
        return [_fill(row, self._because(row)) for row in self._reader.fills(self._number)]

    @cached_property
    def _trades(self) -> Sequence[Trade]:
        from robo_trader.analytics import build_trades

        return build_trades(self.fills)

    @property
    def trades(self) -> Sequence[Trade]:
        """Every trade of a session."""
        return self._trades

    @cached_property
    def _parts(self) -> dict[int, list[Part]]:
        return parts_of_trades(self.fills)

    def _because(self, fill: dict[str, Any]) -> str:
        order = self._reader.row("orders", self._number, fill["order_number"])
        return "" if order is None else str(order["because"])

    @cached_property
    def _changed(self) -> dict[int, dict[str, Any]]:
        """What orders were changed to, by number: the values that hold."""
        rows = self._reader.rows("modifications", "run = :run", order="number", run=self._number)
        names = ("size", "limit_price", "stop_price")
        return {row["order_number"]: {n: row[n] for n in names} for row in rows if row["state"] == "holds"}

    def _order(self, row: dict[str, Any]) -> OrderRecord:
        from robo_trader.engine.record import OrderRecord

        state = self._reader.status(self._number, row["number"])
        row = {**row, **self._changed.get(row["number"], {})}
        return OrderRecord(
            order_id=row["number"], time=to_ns(row["at"]), symbol=row["symbol"], side=row["side"],
            type=row["type"], size=float(row["size"]), limit=_float(row["limit_price"]),
            stop=_float(row["stop_price"]), parent=row["parent"], oco=row["oco"], status=state["status"],
            filled=float(state["filled"]), reason=state["reason"], because=row["because"],
        )  # fmt: skip


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _fill(row: dict[str, Any], because: str) -> Fill:
    from robo_trader.records import Fill

    return Fill(
        time=row["at"], symbol=row["symbol"], side=row["side"], size=float(row["size"]),
        price=float(row["price"]), commission=float(row["commission"]), order_id=row["order_number"],
        because=because,
    )  # fmt: skip


def _part(row: dict[str, Any], side: str, because: str) -> Part:
    """A fill's share in a trade that was entered on `side`; the position after it tells a reversal."""
    after = row["position"]
    before = after - (row["size"] if row["side"] == "BUY" else -row["size"])
    fill = _fill(row, because)
    if row["side"] == side:
        return Part(fill, "entry", float(abs(after)) if before * after < 0 else fill.size)
    return Part(fill, "exit", float(abs(before)) if before * after < 0 else fill.size)


def _trade(row: dict[str, Any]) -> Trade:
    from robo_trader.analytics import Trade

    return Trade(
        trade_id=row["number"], symbol=row["symbol"], side=row["side"], size=float(row["size"]),
        entry_time=row["entry_time"], entry_price=float(row["entry_price"]), exit_time=row["exit_time"],
        exit_price=_float(row["exit_price"]), pnl=_float(row["pnl"]), commission=float(row["commission"]),
        pnl_net=_float(row["pnl_net"]), bars=row["bars"], because=row["because"],
    )  # fmt: skip
