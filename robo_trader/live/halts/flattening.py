"""The journal's part in an emergency: what a run holds, and the orders that close it, journalled first.

Failure contract: `read_book` raises `JournalError`. `Journalling` never raises because of the journal:
what it cannot write is told, and the orders go out all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from robo_trader import clock
from robo_trader.errors import RoboError
from robo_trader.ib.executions import split_id
from robo_trader.ib.messages import Commission, Execution
from robo_trader.live.halts.rescue import Flat, RunBook
from robo_trader.records import Decision, Fill, Intent

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal, RunJournal
    from robo_trader.live.halts.order import Order

#: How long the journal may take for the orders that close positions, and for the end of the run, in seconds.
JOURNALLED = 2.0


def read_book(run: str, order: Order) -> RunBook:
    """Return what the journal has of `run`."""
    from robo_trader.journal.reading import read_journal
    from robo_trader.journal.standing import standing

    with read_journal(order.journal, folder=order.folder) as reader:
        known = standing(reader, run)
        row = reader.run(run)
        assert row is not None, "a run that stands has a row"
        contracts: dict[str, int] = {}
        simulated = False
        for session in reader.rows("sessions", "run = :run", run=row["number"]):
            simulated = session["simulated"]
            for symbol, about in (session["contracts"] or {}).items():
                contracts[symbol] = int(about.get("con_id") or 0)
    executions = frozenset(split_id(fill.execution)[0] for fill in known.fills if fill.execution)
    return RunBook(f"{run.rpartition('-')[2]}-", known.positions, executions, contracts, simulated)


class Journalling:
    """The run's journal while its positions are closed: a ``with`` block whose end closes it."""

    def __init__(self, about: Mapping[str, Any], order: Order, tell: Callable[[str], None]) -> None:
        self._run = str(about.get("run") or "")
        self._order, self._tell = order, tell
        self._journal: Journal | None = None
        self._book: RunJournal | None = None
        self._symbols: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Journalling:
        try:
            from robo_trader.journal.live import open_journal

            self._journal = open_journal(self._order.journal, folder=self._order.folder)
            self._book = self._journal.resume(self._run)
        except Exception as error:  # noqa: BLE001 - positions are closed without a journal, too
            self._trouble(error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._book is not None:
                self._book.finish(
                    "interrupted", f"flattened from outside by {self._order.who}", timeout=JOURNALLED
                )
            if self._journal is not None:
                self._journal.close()
        except Exception as failed:  # noqa: BLE001 - the orders are out; the next session reconciles
            self._trouble(failed)

    def references(self, orders: Sequence[Flat]) -> list[Flat]:
        """Return `orders` with their references, journalled as decisions of the operator."""
        prefix = self._run.rpartition("-")[2]
        if self._book is not None:
            try:
                return self._decided(self._book, orders)
            except Exception as error:  # noqa: BLE001 - see above
                self._trouble(error)
        stamp = f"{clock.to_ns(clock.now()) // 1_000_000:x}"
        return [replace(flat, ref=f"{prefix}-halt-{stamp}-{i}") for i, flat in enumerate(orders, 1)]

    def _decided(self, book: RunJournal, orders: Sequence[Flat]) -> list[Flat]:
        first, because = book.next_order_id, f"flattened by {self._order.who}: {self._order.why}"
        family = [
            Decision(
                intent=Intent(
                    order_id=first + i, time=clock.now(), symbol=flat.symbol, side=flat.side,
                    size=float(flat.size), type="Market", because=because,
                )
            )
            for i, flat in enumerate(orders)
        ]  # fmt: skip
        refs = book.decide(family, exits=True, timeout=JOURNALLED)
        assert refs is not None, "exits always get their references"
        out = [replace(flat, ref=ref) for flat, ref in zip(orders, refs, strict=True)]
        for i, flat in enumerate(out):
            self._symbols[flat.ref] = (first + i, flat.symbol)
            book.order_state(first + i, "Submitted")
        if not book.healthy:
            self._tell(f"the journal does not have these orders yet: {book.trouble}")
        return out

    def fills(
        self, orders: Sequence[Flat], executions: Iterable[Execution], commissions: Iterable[Commission]
    ) -> None:
        """Journal the executions of `orders`, which were given their references here."""
        if self._book is None:
            return
        costs = {report.exec_id: report for report in commissions}
        try:
            for execution in executions:
                if execution.ref not in self._symbols:
                    continue
                number, symbol = self._symbols[execution.ref]
                fill = Fill(
                    time=execution.time, symbol=symbol, side=execution.side, size=float(execution.size),
                    price=float(execution.price), commission=0.0, order_id=number,
                )  # fmt: skip
                self._book.fill(fill, execution.exec_id)
                if report := costs.get(execution.exec_id):
                    self._book.commission(report.exec_id, report.amount, report.currency)
            for flat in orders:
                if flat.filled and flat.ref in self._symbols:
                    status = "Completed" if flat.filled >= flat.size else "Partial"
                    self._book.order_state(self._symbols[flat.ref][0], status, filled=float(flat.filled))
        except RoboError as error:
            self._trouble(error)

    def _trouble(self, error: Exception) -> None:
        self._tell(f"the journal does not have this: {error}; the next session takes it from the broker")
