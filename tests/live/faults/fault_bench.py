"""A session of a trading strategy at a simulated gateway, and the judge of their books."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
from fault_strategy import OVER, Diary, strategy

from robo_trader import clock
from robo_trader.bars.frame import BarFrame
from robo_trader.calendars import get_calendar
from robo_trader.engine.recorder import order_prices
from robo_trader.feeds.bars import to_backtrader_days
from robo_trader.gateway.build import replay_gateway
from robo_trader.gateway.embedded import EmbeddedGateway
from robo_trader.gateway.orders import ALIVE
from robo_trader.gateway.server import GatewayServer
from robo_trader.gateway.settings import GatewaySettings
from robo_trader.ib.connection import Line
from robo_trader.ib.executions import split_id
from robo_trader.instruments import Instrument
from robo_trader.journal.live import open_journal
from robo_trader.journal.standing import Standing, standing
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.trading import trade

T = TypeVar("T")
ACCOUNT = "DU1234567"
CASH = 1_000_000.0
SYMBOLS = {"SPY": 500.0, "AAPL": 190.0}
FIRST, SECOND = np.datetime64("2024-03-05"), np.datetime64("2024-03-06")
#: A line that notices and mends within seconds what takes a real one half a minute. A shorter heartbeat would
#: break lines where nothing but a busy machine is slow.
QUICK: dict[str, Any] = dict(heartbeat=2.5, retry_first=0.02, retry_most=0.2)
SPEED = "600x"


def minutes(symbol: str, price: float, seed: int, days: int = 2) -> BarFrame:
    """Return synthetic minute bars of the first session and those that follow it."""
    chance = np.random.default_rng([seed, len(symbol), int(price)])
    dates = FIRST + np.arange(2 * days + 5)
    opens, closes, there = get_calendar("XNYS").session_bounds(dates)
    minute = 60 * 10**9
    start = [np.arange(a, b, minute, dtype=np.int64) for a, b in zip(opens, closes, strict=True)]
    chosen = np.flatnonzero(there)[:days].tolist()
    session = np.concatenate([np.full(len(start[i]), dates[i]) for i in chosen])
    start = np.concatenate([start[i] for i in chosen])
    walk = price * np.exp(np.cumsum(chance.normal(0, 0.0008, len(start) + 1)))
    opening, close = np.round(walk[:-1], 2), np.round(walk[1:], 2)
    high = np.round(np.maximum(opening, close) * (1 + abs(chance.normal(0, 0.0004, len(start)))), 2)
    low = np.round(np.minimum(opening, close) * (1 - abs(chance.normal(0, 0.0004, len(start)))), 2)
    return BarFrame(
        symbol, "1m", start, start + minute, session, opening, np.maximum.reduce([high, opening, close]),
        np.minimum.reduce([low, opening, close]), close, np.full(len(start), 40_000.0), Instrument(symbol),
    )  # fmt: skip


class Simulated:
    """A gateway that replays minutes and counts how often each order reached it."""

    def __init__(self, folder: Path, seed: int, *, speed: str = SPEED, days: int = 20) -> None:
        self.frames = {name: minutes(name, price, seed, days) for name, price in SYMBOLS.items()}
        self.settings = GatewaySettings(
            port=0, control_port=0, speed=speed, matching="quotes", books=str(folder / "books.sqlite"),
            cash=CASH, warn_closed=False,
        )  # fmt: skip
        #: (client, order id, reference) of each placeOrder, in order of arrival.
        self.placed: list[tuple[int, int, str]] = []
        self.embedded = EmbeddedGateway(self._make)

    def _make(self) -> GatewayServer:
        server = replay_gateway(self.settings, self.frames.values(), start=str(SECOND))
        desk = server.gateway.desk
        place = desk.place

        def counted(client: int, placed: Any) -> None:
            if placed.values["orderRef"]:
                self.placed.append((client, placed.order_id, placed.values["orderRef"]))
            place(client, placed)

        desk.place = counted  # type: ignore[method-assign]
        return server

    def __enter__(self) -> Simulated:
        self.embedded.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.embedded.close()

    def reborn(self) -> None:
        """End the gateway, and start one anew with the same books and ports."""
        ports = {"port": self.embedded.port, "control_port": self.embedded.control_port}
        self.embedded.close()
        self.settings = replace(self.settings, **ports)
        self.embedded = EmbeddedGateway(self._make)
        self.embedded.__enter__()

    def control(self, cmd: str, **more: Any) -> dict[str, Any]:
        return self.embedded.control(cmd, **more)

    def inside(self, ask: Callable[[GatewayServer], T]) -> T:
        """Return ``ask(server)``, asked in the gateway's own thread."""

        async def call() -> T:
            return ask(self.embedded.server)

        assert self.embedded._loop is not None
        return asyncio.run_coroutine_threadsafe(call(), self.embedded._loop).result(60)

    def now(self) -> int:
        """Market time in ns UTC."""
        return self.inside(lambda server: server.gateway.clock.now())

    def books(self) -> Books:
        return self.inside(_books)


@dataclass
class Books:
    """The gateway's books: executions that count by name, orders by reference, positions, cash."""

    fills: dict[str, Any]
    orders: dict[str, list[Any]]
    positions: dict[str, float]
    cash: float
    time: int

    @property
    def alive(self) -> set[str]:
        """References of orders that work."""
        return {ref for ref, copies in self.orders.items() if any(o["status"] in ALIVE for o in copies)}

    @property
    def parked(self) -> set[str]:
        """References of inactive orders: whoever calls them alive is as right as who does not."""
        return {ref for ref, copies in self.orders.items() if any(o["status"] == "Inactive" for o in copies)}


def _books(server: GatewayServer) -> Books:
    books, account = server.books, server.gateway.account
    fills: dict[str, Any] = {}
    for execution in books.executions.values():
        name, number = split_id(execution.exec_id)
        if name not in fills or split_id(fills[name]["id"])[1] < number:
            fills[name] = {
                "id": execution.exec_id, "ref": execution.ref, "symbol": execution.contract.symbol,
                "side": "BUY" if execution.side == "BOT" else "SELL", "size": execution.shares,
                "price": execution.price, "commission": execution.commission,
            }  # fmt: skip
    orders: dict[str, list[Any]] = {}
    for order in books.orders.values():
        about = {
            "status": order.status, "filled": order.filled, "id": order.order_id, "size": order.quantity,
            "prices": (order.limit, order.stop), "group": order.group,
        }  # fmt: skip
        orders.setdefault(order.values["orderRef"], []).append(about)
    held = {p.contract.symbol: p.size for p in account.positions.values() if p.size}
    return Books(fills, orders, held, account.cash, server.gateway.clock.now())


@dataclass
class Trader:
    """A live session in a thread of its own."""

    simulated: Simulated
    folder: Path
    diary: Diary
    stop: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None
    error: BaseException | None = None
    alerts: list[str] = field(default_factory=list)
    line: dict[str, Any] = field(default_factory=lambda: QUICK)
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run, name="session")
        self.thread.start()

    def _run(self) -> None:
        try:
            with patch("robo_trader.live.trading.Line", partial(Line, **self.line)):
                self.outcome = trade(
                    strategy(self.diary), **session_arguments(self.folder, self.simulated.embedded.port),
                    told=Told(alert=lambda alert: self.alerts.append(f"{alert.title}: {alert.text}")),
                    stop=self.stop,
                )  # fmt: skip
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            self.error = error
        finally:
            self.diary.ended = True
            self.diary.tell()

    @property
    def broker(self) -> Any:
        return self.diary.strategy.broker if self.diary.strategy is not None else None

    def end(self) -> Outcome:
        self.stop.set()
        assert self.thread is not None
        self.thread.join(120)
        assert not self.thread.is_alive(), "the session does not end"
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome


def session_arguments(folder: Path, port: int) -> dict[str, Any]:
    """Return what `trade` is called with."""
    return dict(
        mode="paper", ib=f"127.0.0.1:{port}", account=ACCOUNT, send=True, symbols=list(SYMBOLS),
        timeframe="1m", cash=CASH, risk="off", save=False,
        flags={
            "live.history": 30, "live.timeout": "10s", "journal.url": f"sqlite:///{folder}/journal.sqlite",
            "state.url": f"file://{folder}/state",
        },
    )  # fmt: skip


def journal_of(folder: Path, run: str) -> Standing:
    with open_journal(f"sqlite:///{folder}/journal.sqlite") as journal:
        return standing(journal, run)


# -- the judge -----------------------------------------------------------------------------------------


def doubled(simulated: Simulated) -> list[str]:
    """Tell which references reached the gateway as more than one order."""
    wrong = []
    numbers: dict[str, set[tuple[int, int]]] = {}
    for client, number, ref in list(simulated.placed):
        numbers.setdefault(ref, set()).add((client, number))
    wrong += [f"{ref} was placed as {sorted(ids)}" for ref, ids in numbers.items() if len(ids) > 1]
    books = simulated.books()
    wrong += [
        f"{ref} is in the gateway's books {len(o)} times" for ref, o in books.orders.items() if len(o) > 1
    ]
    return wrong


def bars_wrong(
    simulated: Simulated, diary: Diary, *, upto: int | None = None, changed: set[Any] = frozenset()
) -> list[str]:  # type: ignore[assignment]
    """Tell of bars that the strategy missed, had twice, or had other than they were."""
    wrong = []
    for name, frame in simulated.frames.items():
        rows = list(diary.bars.get(name, []))
        days = to_backtrader_days(frame.end).tolist()
        index = {day: i for i, day in enumerate(days)}
        at = [index.get(row[0], -1) for row in rows]
        if -1 in at or not at:
            wrong.append(f"{name}: {at.count(-1)} of {len(at)} bars end when none does")
            continue
        if at != list(range(at[0], at[0] + len(at))):
            jumps = [(a, b) for a, b in pairwise(at) if b != a + 1]
            wrong.append(f"{name}: bars are doubled or missing at {jumps[:5]}")
        for i, row in zip(at, rows, strict=True):
            told = tuple(float(getattr(frame, c)[i]) for c in ("open", "high", "low", "close", "volume"))
            if row[1:] != told and (name, i) not in changed:
                wrong.append(f"{name}: bar {i} was told as {row[1:]}, and was {told}")
        if upto is not None:
            over = int(np.searchsorted(frame.end, upto, side="right"))
            if at[-1] < over - 1:
                wrong.append(f"{name}: the last bar is {at[-1]}, and {over - 1} is over")
    return wrong


def view_wrong(simulated: Simulated, trader: Trader, books: Books | None = None) -> list[str]:
    """Tell where the strategy's own view differs from the gateway's books."""
    books = books or simulated.books()
    broker = trader.broker
    wrong = []
    held = {d._name: p.size for d, p in list(broker.positions.items()) if p.size}
    if held != books.positions:
        wrong.append(f"the strategy holds {held}, the gateway {books.positions}")
    by_ref = dict(broker.by_ref())
    for ref, order in list(by_ref.items()):
        copies = books.orders.get(ref, [])
        filled = sum(o["filled"] for o in copies)
        if abs(abs(order.executed.size) - filled) > 1e-9:
            wrong.append(f"{ref} is filled {order.executed.size:g} here, {filled:g} there")
        if order.alive() != (ref in books.alive) and ref not in books.parked:
            wrong.append(f"{ref} is {order.getstatusname()} here, {[o['status'] for o in copies]} there")
        elif order.alive() and ref in books.alive:
            here = abs(order.created.size), *order_prices(order)
            wrong += [f"{ref} is for {here} here, for {o} there" for o in copies if not _same(here, o)]
    wrong += [f"{ref} is at the gateway only" for ref in books.alive - set(by_ref)]
    spent = sum(
        (1 if f["side"] == "BUY" else -1) * Decimal(repr(f["size"])) * Decimal(repr(f["price"]))
        + Decimal(repr(f["commission"]))
        for f in books.fills.values()
    )
    if abs(broker.cash - float(Decimal(repr(CASH)) - spent)) > 1e-6:
        wrong.append(f"cash is {broker.cash!r} here, {float(Decimal(repr(CASH)) - spent)!r} there")
    if abs(books.cash - float(Decimal(repr(CASH)) - spent)) > 1e-6:
        wrong.append(f"the gateway's own cash is {books.cash!r}")
    return wrong


def _same(here: tuple[float, float | None, float | None], there: dict[str, Any]) -> bool:
    """Tell whether an order asks for the same on both sides: prices on their tick, groups as they shrink."""
    size, *prices = here
    near = [
        (a is None) == (b is None) and (a is None or b is None or abs(a - b) < 0.0101)
        for a, b in zip(prices, there["prices"], strict=True)
    ]
    return all(near) and (there["size"] == size or (bool(there["group"]) and there["size"] < size))


def notices_wrong(trader: Trader, books: Books, refs: dict[int, str]) -> list[str]:
    """Tell where what the strategy was notified of does not add up to the executions, one notice each."""
    wrong = []
    fills: dict[str, list[float]] = {}
    for fill in books.fills.values():
        fills.setdefault(fill["ref"], []).append(fill["size"] if fill["side"] == "BUY" else -fill["size"])
    steps: dict[int, list[float]] = {}
    sizes: dict[int, float] = {}
    for notice in list(trader.diary.notices):
        before = sizes.get(notice.number, 0.0)
        if notice.size != before:
            steps.setdefault(notice.number, []).append(notice.size - before)
        sizes[notice.number] = notice.size
    for number, ref in refs.items():
        if Counter(round(s, 9) for s in steps.get(number, [])) != Counter(
            round(s, 9) for s in fills.get(ref, [])
        ):
            wrong.append(
                f"{ref}: the strategy was told of {steps.get(number)}, executions are {fills.get(ref)}"
            )
    return wrong


def journal_wrong(folder: Path, run: str, books: Books) -> list[str]:
    """Tell where the journal differs from the gateway's books."""
    stands = journal_of(folder, run)
    wrong = []
    there = {
        name: (f["id"], f["ref"], f["side"], Decimal(repr(f["size"])), Decimal(repr(f["price"])))
        for name, f in books.fills.items()
    }
    here = {}
    for fill in stands.fills:
        name = split_id(fill.execution or "")[0]
        if name in here:
            wrong.append(f"{name} is in the journal twice")
        here[name] = (fill.execution, fill.ref, fill.side, fill.size, fill.price)
        cost = books.fills.get(name, {}).get("commission")
        if cost is not None and abs(float(fill.commission) - cost) > 1e-9:
            wrong.append(f"{name} cost {fill.commission} in the journal, {cost} at the gateway")
    for name in sorted(set(here) ^ set(there)):
        wrong.append(f"execution {name} is only {'in the journal' if name in here else 'at the gateway'}")
    for name in sorted(set(here) & set(there)):
        if here[name] != there[name]:
            wrong.append(f"the journal has {here[name]}, the gateway {there[name]}")
    if {s: float(p) for s, p in stands.positions.items()} != books.positions:
        wrong.append(f"the journal holds {stands.positions}, the gateway {books.positions}")
    alive = set()
    known = set()
    for order in stands.orders:
        if not order.size:
            continue
        known.add(order.ref)
        copies = books.orders.get(order.ref, [])
        if order.status not in OVER:
            alive.add(order.ref)
            here = float(order.size), *(None if p is None else float(p) for p in (order.limit, order.stop))
            wrong += [
                f"{order.ref} is for {here} in the journal, for {o}" for o in copies if not _same(here, o)
            ]  # type: ignore[arg-type]
        wrong += [f"nobody answered the change {c} of {order.ref}" for c in order.changes]
        if float(order.filled) != sum(o["filled"] for o in copies):
            wrong.append(f"{order.ref} is filled {order.filled} in the journal, {copies} at the gateway")
        if order.status == "Completed" and not any(o["status"] == "Filled" for o in copies):
            wrong.append(f"{order.ref} is completed in the journal, {copies} at the gateway")
    for ref in sorted((alive ^ books.alive) - books.parked):
        wrong.append(f"{ref} is alive only {'in the journal' if ref in alive else 'at the gateway'}")
    wrong += [f"{ref} is not in the journal" for ref in sorted(set(books.orders) - known)]
    return wrong


# -- one schedule ----------------------------------------------------------------------------------------


@contextmanager
def trading(folder: Path, seed: int) -> Iterator[tuple[Simulated, Trader]]:
    """Run a session at a gateway; it has had its first bars when the block begins."""
    with Simulated(folder, seed) as simulated:
        trader = Trader(simulated, folder, Diary(seed=seed))
        trader.start()
        try:
            if not trader.diary.until(lambda: trader.diary.count >= 2, 120):
                raise AssertionError(f"no live bars: {trader.error!r} {trader.alerts}")
            yield simulated, trader
        finally:
            trader.stop.set()
            assert trader.thread is not None
            trader.thread.join(120)


def settle(simulated: Simulated, trader: Trader, seconds: float = 60.0) -> None:
    """Let a session come to rest and raise `AssertionError` with what never agreed."""
    diary = trader.diary
    live: list[str] = []

    def rest() -> bool:
        if trader.broker is None:
            return False
        books = simulated.books()
        live[:] = view_wrong(simulated, trader, books)
        near = [order.ref for order in diary.strategy.near()]
        if near:
            live.append(f"{len(near)} orders are not cancelled yet")
        if trader.broker.unanswered():
            live.append(f"changes without an answer: {trader.broker.unanswered()}")
        if trader.broker.gate.blocked:
            live.append(f"blocked: {trader.broker.gate.blocked}")
        live.extend(bars_wrong(simulated, diary, upto=books.time - 15 * 10**9, changed=ANY))
        return not live

    diary.quiet = True
    assert diary.until(rest, seconds), (
        f"never at rest: {live[:6]}; alerts {trader.alerts[-8:]}; {trader.error!r}"
    )

    def probed() -> bool:
        last = diary.last()
        return bool(diary.probes) and all(
            number in last and last[number].status in OVER for number in diary.probes
        )

    ends: list[str] = []
    for _ in range(3):  # A line may break of itself where a machine is busy.
        diary.probes, diary.probe = [], True
        assert diary.until(probed, seconds), f"a last order was not filled; alerts {trader.alerts[-8:]}"
        last = diary.last()
        ends = [last[number].status for number in diary.probes]
        if set(ends) == {"Completed"}:
            break
    else:
        raise AssertionError(f"the last orders ended as {ends}; alerts {trader.alerts[-8:]}")
    assert diary.until(rest, seconds), f"never at rest again: {live[:6]}; alerts {trader.alerts[-8:]}"


class _Any(set[Any]):
    def __contains__(self, _: object) -> bool:
        return True


#: Every bar may have been told before its last change came.
ANY: Any = _Any()


def judge(
    simulated: Simulated, trader: Trader, *, loose_bars: bool = False, adopted: bool = False
) -> dict[str, int]:
    """End a session that is at rest, and raise `AssertionError` unless all books agree exactly.

    An `adopted` run had sessions before: what they were notified of is not known here.
    """
    refs = {order.ref: ref for ref, order in trader.broker.by_ref()}
    outcome = trader.end()
    books = simulated.books()
    wrong = doubled(simulated) + view_wrong(simulated, trader, books)
    wrong += [] if adopted else notices_wrong(trader, books, refs)
    wrong += journal_wrong(trader.folder, outcome.run_id, books)
    wrong += bars_wrong(simulated, trader.diary, changed=ANY if loose_bars else frozenset())
    wrong += [f"the session shows {text}" for text in outcome.differences]
    assert not wrong, f"{len(wrong)} disagreements: {wrong[:8]}; alerts {trader.alerts[-12:]}"
    return {
        "orders": len(books.orders), "fills": len(books.fills), "bars": trader.diary.count,
        "notices": len(trader.diary.notices), "changes": sum(trader.diary.changes),
    }  # fmt: skip


def eventually(done: Callable[[], bool], seconds: float) -> bool:
    """Ask until it is so; False where it never was."""
    waiting = threading.Condition()
    until = clock.monotonic() + seconds
    while not done():
        if clock.monotonic() > until:
            return False
        with waiting:
            waiting.wait(0.01)
    return True
