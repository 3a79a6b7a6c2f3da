"""Each rule on its own: what it stops, in which words, and what it leaves alone."""

from __future__ import annotations

import math
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
from robo_trader.risk.sectors import SectorMap

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


def test_capitals_make_no_difference_to_limits_and_lists() -> None:
    account = Account({"AB": 10.0, "CD": 10.0}, sectors={"CD": "Energy"})
    guard = make_guard(position={"limit": 0.5, "symbols": {"ab": 0.1}, "sectors": {"energy": 0.05}})
    assert [guard.decide([account.intent(s, "BUY", 9_000)], account)[0].size for s in ("AB", "CD")] == [
        1_000, 500,
    ]  # fmt: skip
    assert decide(make_guard(deny={"symbols": ["ab"]}), account, "AB", "BUY", 1).action == "veto"
    assert decide(make_guard(allow={"symbols": ["ab"]}), account, "AB", "BUY", 1).action == "allow"


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
