"""The record of a run: ids, sessions, state, warm-up, and the same record for the same inputs."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given, settings
from planned import Outcome, Planned, plans
from test_honest_rules import Script, flat, once, play
from worlds import CLOSES, MINUTE, World, always_open, daily, frame, intraday, ns, tape, walk, worlds

from robo_trader.engine import EngineSettings, run
from robo_trader.errors import DataError, UsageError
from robo_trader.strategies import RandomEntry
from robo_trader.strategy import Strategy


def facts(record: Any) -> dict[str, Any]:
    """Return everything in a record that has to repeat."""
    sessions = {name: np.asarray(column).tolist() for name, column in asdict(record.sessions).items()
                if isinstance(column, np.ndarray)}  # fmt: skip
    return {
        "orders": [asdict(order) for order in record.orders],
        "fills": list(record.fills),
        "decisions": list(record.decisions),
        "sessions": repr(sessions),
        "sizes": {name: column.tolist() for name, column in record.sessions.sizes.items()},
        "rest": (record.state, record.notify, record.warnings, record.bars_processed),
    }


@settings(max_examples=15)
@given(world=worlds(), plan=plans())
def test_two_runs_in_one_process_are_equal(world: World, plan: Any) -> None:
    first, second = (
        run(world.frames, Planned, {"plan": plan, "out": Outcome(), "tick": world.tick}, events=world.tape)
        for _ in range(2)
    )
    assert facts(first) == facts(second)


class Dice(bt.Strategy):
    """Trades on the global generators, as scripts do."""

    params = (("rolls", None),)

    def next(self) -> None:
        self.p.rolls.append((random.random(), np.random.rand()))
        if random.random() < 0.3:
            self.buy(size=np.random.randint(1, 9))


def roll(seed: int) -> tuple[list[Any], Any]:
    rolls: list[Any] = []
    record = run([daily("D", flat(30))], Dice, {"rolls": rolls}, settings=EngineSettings(seed=seed))
    assert record.state == "finished", record.failure
    return rolls, facts(record)


def test_global_generators_start_from_the_seed_and_are_put_back() -> None:
    random.seed(12345)
    np.random.seed(54321)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first = roll(7)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.random()
    assert roll(7) == first
    assert roll(8) != first
    assert roll(2**40)[0] != first[0]


def test_generators_are_put_back_after_a_failure() -> None:
    before = random.getstate()
    record = run([daily("D", flat(3))], Script, {"do": lambda *a: 1 / random.random() / 0})
    assert record.state == "failed"
    assert random.getstate() == before


def test_order_ids_count_from_one_in_each_run() -> None:
    for _ in range(2):
        record = play([daily("D", flat(5))], once("next", lambda s: [s.buy(size=1), s.sell(size=1)]))
        assert [order.order_id for order in record.orders] == [1, 2]
        assert [fill.order_id for fill in record.fills] == [1, 2]


def test_parents_and_groups_are_order_ids_of_the_run() -> None:
    def act(s: Any) -> None:
        first = s.buy(size=1, exectype=bt.Order.Limit, price=90.0)
        second = s.buy(size=1, exectype=bt.Order.Limit, price=91.0, oco=first)
        s.buy(size=1, exectype=bt.Order.Limit, price=92.0, oco=second)
        s.buy_bracket(price=93.0, stopprice=80.0, limitprice=120.0)

    record = play([daily("D", flat(3))], once("next", act))
    assert [o.oco for o in record.orders] == [None, 1, 1, None, None, None]
    assert [o.parent for o in record.orders] == [None, None, None, None, 4, 4]
    assert [o.type for o in record.orders] == ["Limit"] * 4 + ["Stop", "Limit"]


def test_prices_and_reasons_of_every_type() -> None:
    def act(s: Any) -> None:
        types = bt.Order
        s.buy(size=1, because="why not")
        s.buy(size=1, exectype=types.Close)
        s.sell(size=2, exectype=types.Limit, price=120.0)
        s.sell(size=1, exectype=types.Stop, price=80.0)
        s.sell(size=1, exectype=types.StopLimit, price=80.0, plimit=79.0)
        s.sell(size=1, exectype=types.StopTrail, trailamount=20.0)
        s.sell(size=1, exectype=types.StopTrailLimit, price=100.0, plimit=99.0, trailpercent=0.2)

    orders = play([daily("D", flat(2))], once("next", act)).orders
    rows = [(o.type, o.side, o.size, o.limit, o.stop, o.because) for o in orders]
    assert rows == [
        ("Market", "BUY", 1.0, None, None, "why not"),
        ("Close", "BUY", 1.0, None, None, ""),
        ("Limit", "SELL", 2.0, 120.0, None, ""),
        ("Stop", "SELL", 1.0, None, 80.0, ""),
        ("StopLimit", "SELL", 1.0, 79.0, 80.0, ""),
        ("StopTrail", "SELL", 1.0, None, 80.0, ""),
        ("StopTrailLimit", "SELL", 1.0, 79.0, 80.0, ""),
    ]


def test_a_reason_that_no_file_can_hold_is_written_out() -> None:
    orders = play([daily("D", flat(2))], once("next", lambda s: s.buy(size=1, because="a\ud800ü"))).orders
    assert [o.because for o in orders] == ["a\\ud800ü"]


class TestSessions:
    def test_one_row_a_session_on_intraday_bars(self) -> None:
        record = play([intraday("H", flat(14))], once("next", lambda s: s.buy(size=1)))
        assert [str(date) for date in record.sessions.date] == ["2024-01-08", "2024-01-09"]
        assert record.sessions.time.tolist() == [ns("2024-01-08T21:00"), ns("2024-01-09T21:00")]

    def test_clocks_that_close_apart_are_marked_at_the_last(self) -> None:
        frames = [daily("A", flat(2)), daily("B", flat(2), close=CLOSES + 15 * MINUTE)]
        record = play(frames, lambda *a: None)
        assert record.sessions.time.tolist() == [ns("2024-01-08T21:15"), ns("2024-01-09T21:15")]

    def test_a_utc_day_where_markets_never_close(self) -> None:
        record = play([always_open("A", flat(7), step=8 * 60 * MINUTE, name="8h")], lambda *a: None)
        assert [str(date) for date in record.sessions.date] == ["2024-01-08", "2024-01-09", "2024-01-10"]
        assert record.sessions.time[0] == ns("2024-01-09T00:00")

    def test_always_open_beside_an_exchange_has_the_weekend(self) -> None:
        record = play([daily("A", flat(6)), always_open("B", flat(8))], lambda *a: None)
        dates = [str(date) for date in record.sessions.date]
        assert dates == [f"2024-01-{day:02d}" for day in range(8, 16)]
        assert record.sessions.prices["A"][5] == 100.0

    def test_a_missing_bar_leaves_the_last_price(self) -> None:
        full = daily("A", flat(4, bar1=[100, 104, 99, 103]))
        record = play([full.where(np.array([0, 1, 3])), daily("B", flat(4))], lambda *a: None)
        assert record.sessions.prices["A"].tolist() == [100.0, 103.0, 103.0, 100.0]

    def test_before_the_first_bar_there_is_no_price(self) -> None:
        frames = [daily("A", flat(3)), daily("B", flat(1), first=np.datetime64("2024-01-10"))]
        record = play(frames, lambda *a: None)
        assert np.isnan(record.sessions.prices["B"]).tolist() == [True, True, False]


class Warming(Strategy):
    """Says which callbacks it gets, and orders in all of them."""

    params = (("calls", None),)

    def prenext(self) -> None:
        self.p.calls.append(("prenext", len(self)))
        self.buy(size=1)

    def next(self) -> None:
        self.p.calls.append(("next", len(self)))

    def notify_event(self, event: Any) -> None:
        self.p.calls.append(("event", len(self)))


def test_bars_that_only_warm_up() -> None:
    calls: list[Any] = []
    events = tape([ns("2024-01-09T22:00"), ns("2024-01-11T22:00")])
    record = run(
        [daily("D", flat(6))], Warming, {"calls": calls}, events=events,
        settings=EngineSettings(trading_from=ns("2024-01-11T21:00")),
    )  # fmt: skip
    assert record.state == "finished", record.failure
    assert calls == [("prenext", 1), ("prenext", 2), ("prenext", 3), ("next", 4), ("event", 4), ("next", 5),
                     ("next", 6)]  # fmt: skip
    assert [str(date) for date in record.sessions.date] == ["2024-01-11", "2024-01-12", "2024-01-15"]
    assert {(o.status, o.reason) for o in record.orders} == {("Rejected", "the run is still warming up")}
    assert not record.fills


class TestRefusals:
    def test_no_bars(self) -> None:
        with pytest.raises(DataError, match="no bars"):
            run([], Strategy)

    def test_a_symbol_given_twice(self) -> None:
        with pytest.raises(DataError, match="A is given twice"):
            run([daily("A", flat(2)), daily("A", flat(2))], Strategy)

    @pytest.mark.parametrize(
        "wrong", [{"cash": 0}, {"cash": float("nan")}, {"commission": 1.0}, {"slippage": -0.1},
                  {"fill_rules": "hopeful"}],
    )  # fmt: skip
    def test_settings_out_of_range(self, wrong: Any) -> None:
        with pytest.raises(UsageError):
            EngineSettings(**wrong)


def test_progress_tells_steps_done_and_steps_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robo_trader.engine.cerebro._PROGRESS_SECONDS", 0.0)
    told: list[tuple[int, int]] = []
    settings_ = EngineSettings(engine="plain")
    frames = [daily("D", flat(4))]
    run(frames, Strategy, settings=settings_, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_zone_of_the_strategy() -> None:
    seen = []
    do = once("next", lambda s: seen.append(s.data.datetime.datetime(0).isoformat()))
    play([daily("D", flat(2))], do, strategy_tz="America/New_York")
    play([daily("D", flat(2))], do)
    assert seen == ["2024-01-08T16:00:00", "2024-01-08T21:00:00"]


def test_the_same_with_more_bars_after_the_end() -> None:
    """What happened until a day does not hang on the days after it."""
    prices = walk(np.random.default_rng(5), 80, 0.02, 0.01)
    settings_ = EngineSettings(seed=3, fractional=True)
    params = {"chance": 0.3, "hold": 2}
    long = run([daily("D", prices)], RandomEntry, params, settings=settings_)
    short = run([daily("D", prices[:60])], RandomEntry, params, settings=settings_)
    assert len(short.fills) > 10
    assert list(short.fills) == list(long.fills)[: len(short.fills)]
    assert short.sessions.value.tolist() == long.sessions.value[:60].tolist()


def test_a_position_valued_before_its_own_feed_ends_a_bar() -> None:
    """Filled at the daily open, valued at the hours that follow: the last known close of its own feed."""
    hours, days = intraday("H", flat(14)), frame(
        "D", "1d", [ns("2024-01-08T14:30"), ns("2024-01-09T14:30")],
        [ns("2024-01-08T21:00"), ns("2024-01-09T21:00")], ["2024-01-08", "2024-01-09"],
        [[100, 101, 99, 100], [110, 121, 109, 120]],
    )  # fmt: skip
    values = []

    def do(s: Any, name: str, _: Any) -> None:
        if name == "next":
            values.append(round(s.broker.getvalue(), 6))
            if len(s.datas[0]) == 7:
                s.buy(s.datas[1], size=10)

    record = play([hours, days], do, cash=10_000.0)
    assert values[7:13] == [10_000.0 - 10 * 110 + 10 * 100] * 6
    assert record.sessions.value[-1] == 10_000.0 - 10 * 110 + 10 * 120
