"""Going on where a run stands: after a restart, and after every break of the line.

What the journal holds is booked again without telling anybody; what the broker holds beyond that is booked
like news; what the two do not agree on is a difference, and blocks what opens until it is resolved. Nothing
is sent again: an order that never arrived is closed as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import backtrader as bt

from robo_trader.clock import to_ns
from robo_trader.engine.modifying import values_of
from robo_trader.errors import BrokerError
from robo_trader.ib.broker import IBBroker
from robo_trader.ib.connection import Connection
from robo_trader.ib.contracts import Qualified
from robo_trader.ib.desk import Outgoing, terms
from robo_trader.ib.executions import Change, Orders, State
from robo_trader.ib.messages import Commission, Execution, Message
from robo_trader.ib.snapshot import take_snapshot
from robo_trader.journal.live import Journal, RunJournal
from robo_trader.journal.siblings import siblings
from robo_trader.journal.standing import Standing, StandingFill, StandingOrder, reading, standing
from robo_trader.live.books import acceptance
from robo_trader.live.books.reconcile import GONE, OVER, compare, number_of

#: What an order ends with that the broker never saw.
NEVER = "never sent: the broker does not know its reference"
DROPPED = "the broker parked it and holds it no more"
#: Why a change came to nothing that the broker's books know nothing of.
LOST = "it never arrived: the broker holds the order as it was"
_KINDS = {name: number for number, name in enumerate(bt.Order.ExecTypes)}
#: Stands for the order of an earlier session's fill.
_EARLIER = SimpleNamespace(p=SimpleNamespace(simulated=True), ref=0)


class Restorer:
    """Brings an account up to what journal and broker know of the run `run`."""

    def __init__(
        self,
        journal: Journal,
        run: RunJournal,
        connection: Connection,
        orders: Orders,
        contracts: Mapping[str, Qualified],
        account: str,
        refs: dict[int, str],
        session: int,
        in_flight: Callable[[str], bool] = lambda ref: False,
        change_in_flight: Callable[[str], bool] = lambda ref: False,
    ) -> None:
        self._journal, self._run, self._connection = journal, run, connection
        self._orders, self._contracts, self._account = orders, contracts, account
        self._refs, self._session = refs, session
        self._in_flight, self._change_in_flight = in_flight, change_in_flight
        #: What the account holds beyond our executions, signed, by symbol: differences that nobody accepted.
        self.unexplained: dict[str, float] = {}

    def begin(self, broker: IBBroker, owner: Any) -> Standing:
        """Book what the journal holds of earlier sessions; before anything else is heard."""
        stands = standing(self._journal, self._run.id)
        feeds = {feed._name: feed for feed in broker.cerebro.datas}
        broker.now = max((int(feed.frame.end[len(feed) - 1]) for feed in feeds.values()), default=0)
        missing = sorted(set(stands.positions) - set(feeds))
        if missing:
            held = ", ".join(f"{stands.positions[symbol]:g} {symbol}" for symbol in missing)
            raise BrokerError(
                f"the run {stands.run_id} holds {held}, which this session does not trade",
                hint="name these symbols too, or begin a new run with --fresh",
            )
        for fill in stands.fills:
            if fill.symbol in feeds:
                self._book(broker, fill, feeds[fill.symbol], owner)
        broker.book.earlier = self._sessions()
        client = self._connection.line.client_id
        followed: dict[int, Any] = {}
        for order in stands.orders:
            if not order.size or order.symbol not in feeds:
                continue
            self._orders.announce(order.ref, client_id=client, order_id=0, side=order.side, size=order.size)
            self._refs[order.number] = order.ref
            followed[order.number] = self._follow(broker, order, feeds[order.symbol], owner)
            if order.status not in OVER:
                self._doubt(broker, order, followed[order.number])
        _join(broker, stands.orders, followed)
        for fill in stands.fills:
            if fill.execution and fill.symbol in self._contracts:
                self._orders.apply(self._execution(fill))
                self._orders.apply(Commission(exec_id=fill.execution, amount=fill.commission, currency=""))
        broker.revalue()
        return stands

    @staticmethod
    def _book(broker: IBBroker, fill: StandingFill, feed: Any, owner: Any) -> None:
        """Book a fill again, and let the strategy's trade go on, so that it ends as it began."""
        size = float(fill.size) if fill.side == "BUY" else -float(fill.size)
        price, cost = float(fill.price), float(fill.commission)
        opened, closed = broker.restore(feed, fill.execution or "", size, price, fill.commission)
        trades, comminfo = owner._trades[feed][0], broker.getcommissioninfo(feed)
        for part in (closed, opened):
            if not part:
                continue
            if not trades or trades[-1].isclosed:
                trades.append(bt.Trade(data=feed))
            share = cost * abs(part) / (abs(opened) + abs(closed))
            trades[-1].update(_EARLIER, part, price, part * price, share, 0.0, comminfo)

    def _sessions(self) -> list[tuple[int, float]]:
        """Return when the run's sessions ended (ns UTC) and what the account was worth then."""
        with reading(self._journal) as reader:
            rows = list(reader.rows("daily_equity", "run = :run", order="number", run=self._run.number))
        return [(to_ns(row["at"]), float(row["value"])) for row in rows]

    def _follow(self, broker: IBBroker, stands: StandingOrder, feed: Any, owner: Any) -> Any:
        """Make the order of an earlier session anew, as far as it was filled; late executions find it."""
        kind = bt.BuyOrder if stands.side == "BUY" else bt.SellOrder
        price, pricelimit = _prices(stands)
        order = kind(
            owner=owner,
            data=feed,
            size=float(stands.size),
            price=price,
            pricelimit=pricelimit if stands.stop is not None else None,
            exectype=_KINDS.get(stands.type, bt.Order.Market),
            valid=None,
            simulated=True,
        )
        order.p.simulated = False  # Or the strategy would not hear of it.
        order.addinfo(because=stands.because)
        order.submit(broker)
        order.accept(broker)
        filled = float(stands.filled) if stands.side == "BUY" else -float(stands.filled)
        order.executed.size, order.executed.remsize = filled, order.created.size - filled
        broker.recorder.know(order.ref, stands.number)
        if stands.status in OVER:
            order.status = getattr(bt.Order, "Canceled" if stands.status == "Cancelled" else stands.status)
        broker.adopt(stands.ref, order)
        return order

    def _give_up_changes(self, ref: str, heard: Callable[[Sequence[Change]], None]) -> None:
        """Take back the changes of an order that the broker's books, being asked, say nothing of."""
        changes = self._orders.unchanged(ref, LOST) if self._orders.get(ref) is not None else ()
        if changes:
            heard(changes)

    def _doubt(self, broker: IBBroker, stands: StandingOrder, order: Any) -> None:
        """Let the broker's word decide about changes that were committed and may never have left."""
        contract = self._contracts.get(stands.symbol)
        for change, one in zip(stands.changes, stands.may_be[1:], strict=True):
            price, pricelimit = _prices(one)
            asked = values_of(order)._replace(size=float(one.size), price=price, pricelimit=pricelimit)
            broker.await_answer(order, change.number, asked, values_of(order))
            if contract is not None:
                out = Outgoing(
                    ref=one.ref, symbol=one.symbol, side=one.side, size=one.size, type=one.type,
                    limit=_float(one.limit), stop=_float(one.stop),
                )  # fmt: skip
                self._orders.change(one.ref, change.number, terms(out, contract.tick))

    def _execution(self, fill: StandingFill) -> Execution:
        return Execution(
            exec_id=fill.execution or "",
            order_id=0,
            client_id=self._connection.line.client_id,
            perm_id=0,
            ref=fill.ref,
            con_id=self._contracts[fill.symbol].name.con_id,
            symbol=fill.symbol,
            account=self._account,
            side=fill.side,
            size=fill.size,
            price=fill.price,
            time=fill.at,
        )

    def refuse_orders_of_others(self) -> None:
        """Raise where orders of this run rest under another client id: nobody else can cancel them."""
        own = self._connection.line.client_id
        theirs = [one for one in self._orders if one.ours and one.order_id and not one.state.over]
        other = {one.client_id: one.ref for one in theirs if one.client_id != own}
        if other:
            raise BrokerError(
                f"orders of this run rest at the broker under client id {min(other)} ({other[min(other)]}), "
                f"and this session is client {own}: it could neither cancel them nor hear of their fills",
                hint=f"start it with --client-id {min(other)}, or cancel them first",
            )

    def compare(self, broker: IBBroker, heard: Callable[[Sequence[Change]], None]) -> Sequence[str]:
        """Ask the broker for everything; `heard` takes what is new of our orders. Return the differences.

        What it finds is written into the journal: orders that are over or were never sent, and the
        differences.
        """
        snapshot = take_snapshot(self._connection, self._account)
        refs = [order.ref for order in snapshot.open_orders]
        refs += [order.ref for order in snapshot.completed_orders]
        refs += [execution.ref for execution in snapshot.executions]
        # An exit that left while the journal was away is not in it after a crash: its reference is taken.
        broker.recorder.skip(max((number_of(self._run.id, ref) for ref in refs), default=0))
        changes: list[Change] = []
        books: list[Message] = [*snapshot.open_orders, *snapshot.executions, *snapshot.commissions]
        for told in books:
            changes += self._orders.apply(told)
        if changes:
            heard(changes)
        self._run.flush()
        found = compare(
            standing(self._journal, self._run.id),
            snapshot,
            self._contracts,
            account=self._account,
            accepted=acceptance.accepted(self._journal, self._run.id),
            others=siblings(self._journal, self._run.id),
        )
        by_ref = dict(broker.by_ref())
        for held in found.orders_held:
            if not self._change_in_flight(held.order.ref):
                self._give_up_changes(held.order.ref, heard)
        for gone in found.orders_gone:
            if gone.reason == GONE and self._in_flight(gone.order.ref):
                continue  # Its end would have been told over this line; an answer that lacks it may be wrong.
            self._give_up_changes(gone.order.ref, heard)
            broker.ended(by_ref.get(gone.order.ref), gone.status, gone.reason)
        for order in found.never_sent:
            known = self._orders.get(order.ref)
            dropped = known is not None and known.state is State.INACTIVE
            if self._in_flight(order.ref) and not dropped:
                continue  # Made since the broker was asked, or not yet among its orders.
            broker.ended(by_ref.get(order.ref), "Rejected", DROPPED if dropped else NEVER)
            # The first of a family may wait there for a last one that the line swallowed.
            broker.wanted_gone.add(order.ref)
        acceptance.record(self._run, found, self._session)
        symbols = {one.name.con_id: symbol for symbol, one in [*self._contracts.items()][::-1]}
        for owned in snapshot.positions:
            if owned.account == self._account and owned.con_id in symbols:
                self._run.position(symbols[owned.con_id], float(owned.size), float(owned.average_cost))
        extra = {self._contracts[d.symbol].name.con_id: d.extra for d in found.differences if d.extra}
        self.unexplained = {
            symbol: float(extra[one.name.con_id])
            for symbol, one in self._contracts.items()
            if one.name.con_id in extra
        }
        return [difference.text for difference in found.differences]


def same_contracts(journal: Journal, run_id: str, contracts: Mapping[str, Qualified]) -> None:
    """Raise where what a run holds, or has at the broker, would become another contract of that name."""
    stands = standing(journal, run_id)
    busy = {*stands.positions, *(one.symbol for one in stands.orders if one.size and one.status not in OVER)}
    traded: dict[str, Mapping[str, Any]] = {}
    with reading(journal) as reader:
        run = reader.run(run_id)
        for row in reader.rows("sessions", "run = :run", order="number", run=run["number"] if run else 0):
            traded |= row["contracts"]
    for symbol in sorted(busy & set(traded) & set(contracts)):
        name, before = contracts[symbol].name, traded[symbol]
        if name.con_id != before["con_id"]:
            raise BrokerError(
                f"the run {run_id} trades {before['notation']} as {symbol}, and this is {name.notation}",
                hint="name that contract too, with its whole notation, or begin a new run with --fresh",
            )


def _join(broker: IBBroker, stands: Sequence[StandingOrder], orders: Mapping[int, Any]) -> None:
    """Let the orders of earlier sessions know their parents and their groups, so that exits count once."""
    for one in stands:
        order = orders.get(one.number)
        if order is not None:
            order.parent = orders.get(one.parent or 0)
            broker._ocoize(order, orders.get(one.oco or 0))


def _prices(stands: StandingOrder) -> tuple[float | None, float | None]:
    """Return an order's `price` and `pricelimit` as Backtrader keeps them."""
    limit, stop = _float(stands.limit), _float(stands.stop)
    return (limit, limit) if stop is None else (stop, stop if limit is None else limit)


def _float(price: Any) -> float | None:
    return None if price is None else float(price)
