"""Each rule on its own: what it stops, in which words, and what it leaves alone."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from accounts import DAY, START, Account
from guards import make_guard

from robo_trader.clock import to_ns
from robo_trader.errors import ConfigError
from robo_trader.records import Decision, Intent
from robo_trader.risk.guard import Guard
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.rules import brakes, correlation, exposure, orders
from robo_trader.risk.sectors import BROAD_INDEX, SectorMap

EVEN = {"A": 100.0, "B": 50.0, "SPY": 400.0}


def decide(guard: Any, account: Account, symbol: str, side: str, size: float, **more: Any) -> Decision:
    """Decide about one order and let the account take it over."""
    decisions = guard.decide([account.intent(symbol, side, size, **more)], account)
    account.accept(decisions)
    return decisions[0]


def test_a_position_is_shrunk_to_its_limit_and_says_why() -> None:
    account, guard = Account(dict(EVEN)), make_guard(position=0.10)
    decision = decide(guard, account, "A", "BUY", 150)
    assert (decision.action, decision.size) == ("resize", 100.0)
    assert decision.reasons == ("position: A would reach 15 % of 100,000.00, limit 10 %",)
    assert decide(guard, account, "A", "BUY", 5, type="Limit", limit=90.0).action == "veto"
    assert decide(guard, account, "A", "SELL", 5).action == "allow"


def test_a_stop_above_the_market_counts_at_its_price() -> None:
    account, guard = Account(dict(EVEN)), make_guard(position=0.10)
    assert decide(guard, account, "A", "BUY", 100, type="Stop", stop=125.0).size == 80.0


def test_overrides_for_symbols_sectors_and_index_funds() -> None:
    account = Account({**EVEN, "C": 10.0}, sectors={"B": "Energy"})
    rule = {"limit": 0.1, "index_funds": 0.5, "symbols": {"A": 0.2}, "sectors": {"Energy": 0.05}}
    guard = make_guard({"SPY": "Broad index"}, position=rule)
    sizes = {s: decide(guard, account, s, "BUY", 9_000).size for s in ("A", "B", "C", "SPY")}
    assert sizes == {"A": 200.0, "B": 100.0, "C": 1000.0, "SPY": 125.0}


def test_a_sector_is_the_sum_of_its_symbols_and_a_symbol_without_one_is_its_own() -> None:
    account = Account({**EVEN, "C": 10.0}, sectors={"A": "Energy", "B": "Energy"})
    guard = make_guard(sector=0.30)
    assert decide(guard, account, "A", "BUY", 200).action == "allow"
    short = decide(guard, account, "B", "SELL", 400)
    assert (short.size, short.reasons) == (
        200.0,
        ("sector: Energy would reach 40 % of 100,000.00, limit 30 %",),
    )
    assert decide(guard, account, "C", "BUY", 3_000).action == "allow"


def test_all_rules_are_asked_and_all_reasons_kept() -> None:
    account = Account(dict(EVEN), sectors={"A": "Energy"})
    guard = make_guard(position=0.10, sector=0.05, gross=0.03, deny={"symbols": ["A"]})
    decision = decide(guard, account, "A", "BUY", 150)
    assert decision.action == "veto"
    assert [reason.partition(":")[0] for reason in decision.reasons] == [
        "position",
        "sector",
        "gross",
        "deny",
    ]
    assert guard.tally.vetoed_by == {"position": 1, "sector": 1, "gross": 1, "deny": 1}


def test_each_rule_gives_its_numbers() -> None:
    account = Account(dict(EVEN), cash=95_000.0, positions={"A": 50.0})
    guard = make_guard({"A": "X", "B": "X"}, position=0.1, sector=0.08, deny={"symbols": ["B"]})
    grown = decide(guard, account, "A", "BUY", 100)
    assert [(a.rule, a.action, a.limit, a.seen, a.size) for a in grown.answers] == [
        ("position", "resize", pytest.approx(0.1), pytest.approx(0.15), pytest.approx(50.0)),
        ("sector", "resize", pytest.approx(0.08), pytest.approx(0.15), pytest.approx(30.0)),
    ]
    assert grown.answers[0].numbers == {"portfolio": pytest.approx(100_000.0)}
    assert grown.reasons == tuple(f"{a.rule}: {a.reason}" for a in grown.answers)
    refused = decide(guard, account, "B", "BUY", 1)
    said = [(a.rule, a.action, a.size) for a in refused.answers]
    assert said == [("sector", "veto", 0.0), ("deny", "veto", 0.0)]
    split = decide(make_guard(deny={"symbols": ["A"]}), account, "A", "SELL", 60)
    assert [(a.action, a.size) for a in split.answers] == [("veto", 50.0)], "what closes passes"


def test_rotation_in_one_moment_counts_market_sells_as_filled() -> None:
    """A portfolio that is fully invested can exchange one position for another."""
    account = Account(dict(EVEN), cash=0.0, positions={"A": 1_000.0})
    guard = make_guard(gross=1.0)
    assert decide(guard, account, "B", "BUY", 100).action == "veto"
    assert decide(guard, account, "A", "SELL", 200).action == "allow"
    assert decide(guard, account, "B", "BUY", 400).action == "allow"
    assert decide(guard, account, "B", "BUY", 10).action == "veto"


def test_a_pending_limit_sell_frees_nothing() -> None:
    account = Account(dict(EVEN), cash=0.0, positions={"A": 1_000.0})
    guard = make_guard(gross=1.0)
    assert decide(guard, account, "A", "SELL", 200, type="Limit", limit=120.0).action == "allow"
    assert decide(guard, account, "B", "BUY", 400).action == "veto"


def test_members_of_an_oco_group_count_at_the_largest() -> None:
    account, guard = Account(dict(EVEN)), make_guard(position=0.10)
    leader = decide(guard, account, "A", "BUY", 100, type="Limit", limit=95.0)
    group = leader.intent.order_id
    assert decide(guard, account, "A", "BUY", 100, type="Stop", stop=105.0, oco=group).size == 95.0
    assert decide(guard, account, "A", "BUY", 70, type="Limit", limit=90.0, oco=group).action == "allow"
    assert decide(guard, account, "A", "BUY", 1, type="Limit", limit=95.0).action == "veto"


def test_a_reversal_is_split() -> None:
    account = Account(dict(EVEN), positions={"A": 60.0})
    guard = make_guard(position=0.10, deny={"symbols": ["B"]})
    decision = decide(guard, account, "A", "SELL", 400)
    assert (decision.action, decision.size) == ("resize", 60.0 + 106.0)
    account.positions["B"], account.cash = 10.0, account.cash - 500
    only_close = decide(guard, account, "B", "SELL", 25)
    assert only_close.size == 10.0
    assert only_close.reasons[-1] == "the part that closes the position, 10, passes"


def test_exits_at_work_are_netted() -> None:
    account = Account(dict(EVEN), positions={"A": 100.0})
    guard = make_guard(deny={"symbols": ["A"]})
    assert decide(guard, account, "A", "SELL", 60, type="Stop", stop=90.0).action == "allow"
    assert decide(guard, account, "A", "SELL", 100).size == 40.0
    assert decide(guard, account, "A", "SELL", 1).action == "veto"


# -- brakes ------------------------------------------------------------------------------------


def test_the_daily_loss_halt_lifts_with_the_next_session() -> None:
    account = Account(dict(EVEN), cash=60_000.0, positions={"A": 400.0})
    guard = make_guard(daily_loss=0.03)
    account.prices["A"] = 92.51
    assert decide(guard, account, "B", "BUY", 1).action == "allow"
    account.now, account.prices["A"] = START + 1_000, 92.50
    refused = decide(guard, account, "B", "BUY", 1)
    assert refused.reasons == ("daily_loss: the session has lost 3 % of its opening 100,000.00, limit 3 %",)
    assert decide(guard, account, "A", "SELL", 10).action == "allow"
    account.now, account.prices["A"] = START + 2_000, 100.0
    assert decide(guard, account, "B", "BUY", 1).action == "veto", "it stays for the session"
    account.session_values.append(account.value)
    account.now = START + DAY
    assert decide(guard, account, "B", "BUY", 1).action == "allow"
    assert guard.summary()["lifted"] == {"daily_loss": 1}
    assert halts_of(guard) == [
        ("REDUCING", "daily_loss", START + 1_000, refused.reasons[0]),
        ("ACTIVE", "daily_loss", account.session_end(1), "daily_loss: the session is over"),
    ]


def test_the_drawdown_brake_lifts_after_twenty_sessions_with_the_peak_reset() -> None:
    account = Account(dict(EVEN), cash=90_000.0)
    guard = make_guard(drawdown=0.15)
    account.session_values = [100_000.0, 110_000.0, 93_500.0]
    assert "15 % below its peak of 110,000.00" in decide(guard, account, "B", "BUY", 1).reasons[0]
    for day in range(1, 20):
        account.session_values.append(85_000.0)
        account.now += DAY
        assert decide(guard, account, "B", "BUY", 1).action == "veto", day
    account.session_values.append(85_000.0)
    account.now += DAY
    assert decide(guard, account, "B", "BUY", 1).action == "allow"
    assert guard.summary()["lifted"] == {"drawdown": 1}
    account.session_values.append(72_000.0)
    account.now += DAY
    assert "below its peak of 90,000.00" in decide(guard, account, "B", "BUY", 1).reasons[0]
    assert [(state, at) for state, _, at, _ in halts_of(guard)] == [
        ("REDUCING", account.session_end(2)), ("ACTIVE", account.session_end(22)),
        ("REDUCING", account.session_end(23)),
    ]  # fmt: skip


def test_openings_are_free_again_when_the_last_brake_lets_go() -> None:
    account = Account(dict(EVEN), cash=80_000.0, session_values=[100_000.0])
    guard = make_guard(daily_loss=0.03, drawdown=0.15)
    assert len(decide(guard, account, "B", "BUY", 1).reasons) == 2
    account.session_values += [80_000.0] * 25
    guard.close(account)
    assert [(state, rule) for state, rule, *_ in halts_of(guard)] == [
        ("REDUCING", "daily_loss"), ("REDUCING", "drawdown"),
        ("REDUCING", "daily_loss"), ("ACTIVE", "drawdown"),
    ]  # fmt: skip


def halts_of(guard: Any) -> list[tuple[str, str, int, str]]:
    return [(halt.state, halt.rule, to_ns(halt.when), halt.why) for halt in guard.halts()]


def test_sessions_without_orders_count_for_the_drawdown() -> None:
    account = Account(dict(EVEN), cash=100_000.0)
    guard = make_guard(drawdown=0.15)
    account.session_values = [100_000.0, 84_000.0, *[84_000.0] * 20]
    account.cash = 84_000.0
    assert decide(guard, account, "B", "BUY", 1).action == "allow"
    assert guard.summary()["lifted"] == {"drawdown": 1}


# -- correlation ---------------------------------------------------------------------------------


def with_history(rng: np.random.Generator, names: str, n: int = 80) -> Account:
    account = Account(dict.fromkeys(names, 10.0))
    common = rng.normal(0.0, 0.01, n)
    dates = np.datetime64("2024-01-01") + np.arange(n)
    for k, name in enumerate(names):
        own = rng.normal(0.0, 0.01 * (0.2 + 0.35 * k), n)
        walk = 50.0 * np.exp(np.cumsum((-1 if k % 3 == 2 else 1) * common + own))
        keep = np.arange(n) if k % 2 else np.sort(rng.choice(n, n - 2 * k, replace=False))
        account.history[name] = (dates[keep], walk[keep])
    return account


def by_numpy(account: Account, one: str, other: str, window: int, least: int) -> float:
    """Return the correlation of the last common sessions' returns, by numpy's own function."""
    a = dict(zip(*(column[-window - 1 :] for column in account.history[one]), strict=True))
    b = dict(zip(*(column[-window - 1 :] for column in account.history[other]), strict=True))
    days = sorted(a.keys() & b.keys())
    if len(days) - 1 < least:
        return 0.0
    x, y = (np.array([prices[d] for d in days]) for prices in (a, b))
    return float(np.corrcoef(x[1:] / x[:-1], y[1:] / y[:-1])[0, 1])


@pytest.mark.parametrize("seed", range(12))
def test_correlation_is_numpys_and_side_times_side_decides(seed: int) -> None:
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    account = with_history(rng, "ABCDEF")
    guard = make_guard(correlation={"limit": 0.6, "window": 50, "least": 30})
    for s in "ABC":
        account.positions[s] = float(dice.choice((-100, 100)))
    vetoes = 0
    for s in "DEF":
        for side in ("BUY", "SELL"):
            sign = 1 if side == "BUY" else -1
            worst = max(
                sign * math.copysign(1, account.positions[o]) * by_numpy(account, s, o, 50, 30) for o in "ABC"
            )
            decision = guard.decide([account.intent(s, side, 10)], account)[0]
            assert (decision.action == "veto") == (worst > 0.6), (s, side, worst)
            vetoes += decision.action == "veto"
            if vetoes:
                account.now += 1
    assert guard.tally.orders == 6


@pytest.mark.parametrize("seed", range(4))
def test_many_questions_of_one_moment_are_answered_as_the_first(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "_BLOCK", 7)
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(30)]
    # Each has one twin, far from it in the order in which they become known.
    n, twins = 80, rng.normal(0.0, 0.01, (15, 80))
    dates = np.datetime64("2024-01-01") + np.arange(n)
    account = Account(dict.fromkeys(names, 10.0))
    for k, name in enumerate(names):
        own = rng.normal(0.0, 0.01 * (0.2 + 0.06 * (k % 10)), n)
        common = (-1 if k % 7 == 3 else 1) * twins[k % 15]
        account.history[name] = (dates, 50.0 * np.exp(np.cumsum(common + own)))
    for name in names[:4]:
        account.positions[name] = float(rng.choice((-100, 100)))
    guard = make_guard(correlation={"limit": 0.75, "window": 60, "least": 30})
    refused = 0
    for symbol in names * 2:
        side = "BUY" if account.position(symbol) >= 0 else "SELL"
        decision = guard.decide([account.intent(symbol, side, 1)], account)[0]
        sign = 1 if side == "BUY" else -1
        worst = max(
            sign * math.copysign(1, size) * by_numpy(account, symbol, o, 60, 30)
            for o, size in account.positions.items() if size and o != symbol
        )  # fmt: skip
        assert (decision.action == "veto") == (worst > 0.75), (symbol, worst)
        refused += decision.action == "veto"
        if rng.random() < 0.5:
            continue  # It was never sent; its twin may be, and it may be asked for again.
        account.accept([decision])
        for order in list(account.orders):
            account.fill(order)
    assert 0 < refused < len(names) * 2


def test_declared_pairs_index_funds_and_short_histories_are_exempt() -> None:
    account = with_history(np.random.default_rng(3), "AB")
    account.history["B"] = account.history["A"]
    account.positions["A"] = 100.0

    def verdict(sectors: dict[str, str] | None = None, **rule: Any) -> str:
        guard = make_guard(sectors, correlation={"limit": 0.7, **rule})
        return guard.decide([account.intent("B", "BUY", 1)], account)[0].action

    assert verdict() == "veto"
    assert verdict(pairs=[["B", "A"]]) == "allow"
    assert verdict({"A": "Broad index"}) == "allow"
    assert verdict({"B": "Broad index"}) == "allow"
    account.history["B"] = tuple(column[-30:] for column in account.history["A"])
    assert verdict() == "allow", "29 returns are too few"
    guard = make_guard(correlation=0.7)
    assert guard.decide([account.intent("A", "BUY", 1)], account)[0].action == "allow", "itself"


def test_correlation_knows_only_closes_known_at_the_moment() -> None:
    account = with_history(np.random.default_rng(3), "AB")
    full = {s: account.history[s] for s in "AB"}
    account.history = {s: (d[:45], c[:45]) for s, (d, c) in full.items()}
    guard = make_guard(correlation={"limit": 0.7, "window": 60, "least": 40})
    account.positions["A"] = 100.0
    before = guard.rules["correlation"].returns  # type: ignore[attr-defined]
    guard.decide([account.intent("B", "BUY", 1)], account)
    first = before.related("B", guard.view, -1.0)
    account.history = full
    account.now += DAY
    guard.decide([account.intent("B", "BUY", 1)], account)
    assert before.related("B", guard.view, -1.0) != first


# -- orders ----------------------------------------------------------------------------------------


def test_orders_per_minute() -> None:
    account, guard = Account(dict(EVEN)), make_guard(orders_per_minute=3)
    answers = [decide(guard, account, "A", "BUY", size).action for size in (1, 2, 3, 4)]
    assert answers == ["allow", "allow", "allow", "veto"]
    account.positions["A"] = 5.0
    assert decide(guard, account, "A", "SELL", 5).action == "allow"
    account.now += 59_999_999_999
    assert decide(guard, account, "A", "BUY", 9).action == "veto"
    account.now += 1
    assert decide(guard, account, "A", "BUY", 9).action == "allow"


def test_orders_per_minute_holds_though_it_is_not_asked_each_time() -> None:
    account, guard = Account({"A": 0.01}), make_guard(orders_per_minute=250, gross=1.0)
    actions = [guard.decide([account.intent("A", "BUY", 1.0 + i)], account)[0].action for i in range(260)]
    assert actions == ["allow"] * 250 + ["veto"] * 10


def test_a_clock_that_jumps_back_frees_nothing() -> None:
    account = Account(dict(EVEN), cash=100_000.0)
    guard = make_guard(orders_per_minute=2, duplicate={"seconds": 1})
    account.now += 3600 * 10**9
    assert decide(guard, account, "A", "BUY", 1).action == "allow"
    account.now -= 3600 * 10**9
    assert decide(guard, account, "A", "BUY", 1).reasons[0].startswith("duplicate:")
    assert decide(guard, account, "A", "BUY", 2).action == "allow"
    assert decide(guard, account, "A", "BUY", 3).reasons[0].startswith("orders_per_minute: 2 orders")


def test_a_duplicate_is_refused_while_it_works_and_for_a_second() -> None:
    account, guard = Account(dict(EVEN)), make_guard(duplicate={})
    order = {"type": "Limit", "limit": 90.0}
    first = decide(guard, account, "A", "BUY", 5, **order)
    assert first.action == "allow"
    account.now += DAY
    again = decide(guard, account, "A", "BUY", 5, **order)
    assert again.reasons == (f"duplicate: order {first.intent.order_id} is the same and still works",)
    assert decide(guard, account, "A", "BUY", 6, **order).action == "allow"
    account.orders.clear()
    assert decide(guard, account, "A", "BUY", 6, **order).action == "veto", "less than a second ago"
    account.now += 1_000_000_000
    assert decide(guard, account, "A", "BUY", 6, **order).action == "allow"


def test_lists() -> None:
    account = Account(dict(EVEN), positions={"B": 5.0})
    guard = make_guard(allow={"symbols": ["A", "SPY"]}, deny={"symbols": ["SPY"]})
    assert decide(guard, account, "A", "BUY", 1).action == "allow"
    assert decide(guard, account, "SPY", "BUY", 1).reasons == ("deny: SPY is on the list of denied symbols",)
    assert "allow: B is not on the list of 2" in decide(guard, account, "B", "BUY", 1).reasons[0]
    assert decide(guard, account, "B", "SELL", 5).action == "allow"


@pytest.mark.parametrize(
    ("hours", "utc", "expected"),
    [
        ("regular", "2024-07-03T16:59", "allow"),
        ("regular", "2024-07-03T17:01", "veto"),  # a half day ends at 13:00 in New York
        ("regular", "2024-07-04T15:00", "veto"),
        ("09:45-15:45", "2024-07-02T13:44", "veto"),
        ("09:45-15:45", "2024-07-02T13:45", "allow"),
        ("09:45-15:45", "2024-07-06T15:00", "veto"),
    ],
)
def test_trading_hours_are_the_exchanges_own(hours: str, utc: str, expected: str) -> None:
    account = Account(dict(EVEN), calendars={"A": "XNYS"}, positions={"B": 1.0})
    account.now = int(np.datetime64(utc, "ns").astype(np.int64))
    guard = make_guard(trading_hours={"hours": hours})
    assert decide(guard, account, "A", "BUY", 1).action == expected


# -- the guard itself --------------------------------------------------------------------------------


class Raises(RiskRule):
    """A stranger's rule that does not work."""

    def check(self, intent: Intent, book: Any) -> Decision:
        raise ZeroDivisionError("no risk today")


def test_a_rule_that_raises_vetoes_what_opens_and_nothing_else() -> None:
    account = Account(dict(EVEN), positions={"A": 3.0})
    guard = make_guard()
    guard._asked = guard._always = [("mine", Raises(), Raises().check)]
    decision = decide(guard, account, "A", "BUY", 1)
    assert decision.reasons == ("mine: the rule raised ZeroDivisionError: no risk today",)
    assert decide(guard, account, "A", "SELL", 3).action == "allow"


def test_a_rule_that_only_has_check_will_do() -> None:
    class Even:
        def check(self, intent: Intent, book: Any) -> Decision | None:
            return None if intent.size % 2 == 0 else RiskRule.veto(intent, "sizes must be even")

    guard = Guard({"even": Even()}, sectors=SectorMap({}))  # type: ignore[dict-item]
    account = Account(dict(EVEN))
    assert decide(guard, account, "A", "BUY", 2).action == "allow"
    assert decide(guard, account, "A", "BUY", 3).reasons == ("even: sizes must be even",)
    assert guard.line() == "risk: 1 of 2 orders vetoed (even); compare with --risk off"


def test_an_account_that_cannot_be_read_lets_only_exits_pass() -> None:
    class Unreadable(Account):
        @property
        def value(self) -> float:
            if getattr(self, "broken", False):
                raise ConnectionError("no line to the broker")
            return 100_000.0

    account = Unreadable(dict(EVEN), positions={"A": 3.0})
    account.broken = True  # type: ignore[attr-defined]
    guard = make_guard(position=0.1)
    assert decide(guard, account, "A", "SELL", 3).action == "allow"
    refused = decide(guard, account, "B", "BUY", 1)
    assert "could not be read: ConnectionError: no line" in refused.reasons[0]


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_a_size_that_is_none_is_vetoed(size: float) -> None:
    assert decide(make_guard(), Account(dict(EVEN)), "A", "BUY", size).action == "veto"


def test_a_symbol_without_a_price_is_vetoed() -> None:
    assert decide(make_guard(), Account(dict(EVEN)), "NEW", "BUY", 1).reasons == (
        "guard: NEW has no price yet",
    )


def test_a_ruined_account_opens_nothing() -> None:
    account = Account(dict(EVEN), cash=-500.0, positions={"A": 3.0}, session_values=[100.0])
    guard = make_guard(position=0.1)
    assert decide(guard, account, "B", "BUY", 1).action == "veto"
    assert decide(guard, account, "A", "SELL", 3).action == "allow"


def test_fractions_and_lots() -> None:
    account, guard = Account(dict(EVEN), lots={"B": 10.0}), make_guard(position=0.10)
    assert decide(guard, account, "A", "BUY", 150.5).size == pytest.approx(100.0)
    assert decide(guard, account, "B", "BUY", 5_000).size == 200.0
    account.prices["B"] = 51.0
    account.now += 1
    account.orders.clear()
    assert decide(guard, account, "B", "BUY", 5_000).size == 190.0


def test_usage_shows_what_each_limit_has_left() -> None:
    account = Account(dict(EVEN), cash=93_000.0, positions={"A": 70.0}, sectors={"A": "Energy"})
    guard = make_guard(position=0.10, sector=0.3, gross=1.0, daily_loss=0.03, orders_per_minute=10)
    rows = dict(guard.usage(account))
    assert (rows["position"].scope, rows["position"].used) == ("A", pytest.approx(0.07))
    assert rows["position"].headroom == pytest.approx(0.03)
    assert (rows["sector"].scope, rows["gross"].used) == ("Energy", pytest.approx(0.07))
    assert rows["daily_loss"].used == 0.0
    assert rows["orders_per_minute"].limit == 10.0


def test_usage_of_the_drawdown_and_of_the_closest_pair() -> None:
    account = with_history(np.random.default_rng(5), "ABC")
    account.positions = {"A": 100.0, "B": -100.0, "C": 100.0}
    account.session_values = [2_000.0, account.value / 0.9]
    guard = make_guard({"C": BROAD_INDEX}, drawdown=0.15, correlation={"window": 50, "least": 30})
    rows = dict(guard.usage(account))
    assert rows["drawdown"].used == pytest.approx(0.1)
    assert rows["correlation"].scope in ("A and B", "B and A"), "an index fund has no part in it"
    assert rows["correlation"].used == pytest.approx(-by_numpy(account, "A", "B", 50, 30))
    account.positions = {f"S{i}": 1.0 for i in range(60)}
    account.prices |= dict.fromkeys(account.positions, 10.0)
    account.now += 1
    assert "correlation" not in dict(guard.usage(account)), "too many pairs for a figure in passing"


# -- limits out of range -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: exposure.Position(limit=0), "[risk.position] limit must be above 0"),
        (lambda: exposure.Position(limit=10.5), "10.5 % is written 0.105"),
        (lambda: exposure.Position(symbols={"A": -1}), "symbols.A must be above 0"),
        (lambda: exposure.Position(symbols=3), "must be a table"),  # type: ignore[arg-type]
        (lambda: exposure.Gross(limit="much"), "not 'much'"),  # type: ignore[arg-type]
        (lambda: exposure.Net(limit=True), "not True"),
        (lambda: exposure.Leverage(limit=math.nan), "not nan"),
        (lambda: brakes.DailyLoss(limit=3), "3 % is written 0.03"),
        (lambda: brakes.Drawdown(lift_after=0), "whole number from 1 on, not 0"),
        (lambda: correlation.Correlation(limit=1.2), "at most 1"),
        (lambda: correlation.Correlation(window=10, least=20), "least (20) must not be above window (10)"),
        (lambda: correlation.Correlation(pairs=["AB"]), "'AB', which is no pair"),
        (lambda: orders.OrdersPerMinute(limit=1.5), "whole number"),  # type: ignore[arg-type]
        (lambda: orders.DuplicateOrder(seconds=-1), "seconds must be above 0"),
        (lambda: orders.AllowList(symbols="SPY"), 'such as ["SPY"]'),
        (lambda: orders.DenyList(symbols=[3]), "symbols only"),  # type: ignore[list-item]
        (lambda: orders.TradingHours(hours="9 to 5"), "09:35-15:55, not '9 to 5'"),
        (lambda: orders.TradingHours(hours="16:00-09:00"), "from-to"),
    ],
)
def test_limits_out_of_range_say_what_is_allowed(make: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)
