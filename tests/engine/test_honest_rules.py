"""The honest fill rules, one example each: the cases that Backtrader's own rules get wrong, and the
promises about validity, cancellation, groups and brackets."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from scripted import Script, fills, flat, once, play, statuses
from worlds import CLOSES, HOUR, MINUTE, always_open, daily, frame, intraday, ns, waiting

from robo_trader.bars.align import align
from robo_trader.clock import iso
from robo_trader.engine import run
from robo_trader.instruments import Instrument


class TestSeveralClocks:
    """What was measured with SPY at 16:00 and VIX at 16:15 stamps in plain Backtrader."""

    def spy_vix(self, **changed: list[float]) -> list[Any]:
        return [daily("SPY", flat(4, **changed)), daily("VIX", flat(4), close=CLOSES + 15 * MINUTE)]

    def test_a_limit_never_fills_inside_a_bar_that_has_closed(self) -> None:
        """Sent after SPY's close, when VIX ends: the closed bar's low is no longer to be had."""
        do = once(
            "next",
            lambda s: s.buy(s.datas[0], size=1, exectype=bt.Order.Limit, price=99.5),
            lambda s: len(s.datas[1]) == 1 and len(s.datas[0]) == 1,
        )
        frames = self.spy_vix(bar1=[100, 101, 99.8, 100])
        assert fills(play(frames, do)) == [("SPY", 99.5, "Wed 21:00")]

    def test_market_on_close_waits_for_a_close_that_is_still_to_come(self) -> None:
        do = once(
            "next",
            lambda s: s.buy(s.datas[0], size=1, exectype=bt.Order.Close),
            lambda s: len(s.datas[1]) == 1,
        )
        frames = self.spy_vix(bar1=[100, 103, 99, 102])
        assert fills(play(frames, do)) == [("SPY", 102.0, "Tue 21:00")]

    def test_market_on_close_is_not_filled_at_a_close_that_was_printed_before_it(self) -> None:
        """Delivered together at 21:15, SPY's last price is of 21:00: an order of 21:05 came too late."""
        frames = align(self.spy_vix(bar2=[100, 103, 99, 102]))
        do = once("event", lambda s: s.buy(s.datas[0], size=1, exectype=bt.Order.Close))
        late = play(frames, do, events=[ns("2024-01-09T21:05")])
        assert fills(late) == [("SPY", 102.0, "Wed 21:15")]
        last_moment = play(frames, do, events=[ns("2024-01-09T20:59")])
        assert fills(last_moment) == [("SPY", 100.0, "Tue 21:15")]

    def test_a_bracket_does_not_leave_in_its_parents_bar(self) -> None:
        """The stop lies inside the bar of the entry; it is filled in the bar after it."""

        def bracket(s: Any) -> None:
            s.buy_bracket(s.datas[0], size=1, exectype=bt.Order.Market, stopprice=99.5, limitprice=200.0)

        record = play(self.spy_vix(), once("next", bracket))
        assert fills(record) == [("SPY", 100.0, "Tue 14:30"), ("SPY", 99.5, "Wed 21:00")]
        assert statuses(record) == ["Completed", "Completed", "Canceled"]

    def test_a_fill_at_the_daily_open_is_known_to_the_hourly_handler(self) -> None:
        """In plain Backtrader the position stays 0 until the day is over, and the handler buys again."""
        frames = [intraday("H", flat(21)), daily("D", flat(3))]
        seen = []

        def do(s: Any, name: str, order: Any) -> None:
            if name == "next":
                seen.append((len(s.datas[0]), len(s.datas[1]), s.getposition(s.datas[1]).size))
                if len(s.datas[1]) and not s.getposition(s.datas[1]).size and len(s.datas[0]) == 7:
                    s.buy(s.datas[1], size=5)

        record = play(frames, do)
        assert record.notify == "at_open"
        assert fills(record) == [("D", 100.0, "Tue 14:30")]
        assert (8, 1, 5) in seen

    def test_an_order_made_during_a_daily_bar_sees_the_next_one(self) -> None:
        """At 15:30 on Monday the day's low is not to be had; Tuesday's is."""
        frames = [intraday("H", flat(14)), daily("D", flat(3, bar0=[100, 101, 90, 100]))]
        do = once("event", lambda s: s.buy(s.datas[1], size=1, exectype=bt.Order.Limit, price=99.0))
        record = play(frames, do, events=[ns("2024-01-09T16:00")])
        assert fills(record) == [("D", 99.0, "Wed 21:00")]

    def test_market_on_close_may_use_the_daily_bar_in_progress(self) -> None:
        frames = [intraday("H", flat(14)), daily("D", flat(3, bar1=[100, 104, 99, 103]))]
        do = once("event", lambda s: s.buy(s.datas[1], size=1, exectype=bt.Order.Close))
        record = play(frames, do, events=[ns("2024-01-09T20:59")])
        assert fills(record) == [("D", 103.0, "Tue 21:00")]
        record = play(frames, do, events=[])
        assert not record.fills

    def test_market_on_close_misses_a_close_that_its_bar_has_behind_it(self) -> None:
        """SPY's bar waits for the VIX; at 21:05 its close of 21:00 has been printed."""
        frames = [
            waiting(daily("SPY", flat(3, bar1=[100, 104, 99, 103], bar2=[100, 104, 99, 102])), 15 * MINUTE),
            daily("VIX", flat(3), close=CLOSES + 15 * MINUTE),
        ]
        do = once("event", lambda s: s.buy(size=1, exectype=bt.Order.Close))
        for moment, expected in (("20:59", "Tue"), ("21:00", "Wed"), ("21:05", "Wed")):
            record = play(frames, do, events=[ns(f"2024-01-09T{moment}")])
            assert [row[2] for row in fills(record)] == [f"{expected} 21:15"]
            assert record.fills[0].price == (103.0 if expected == "Tue" else 102.0)

    def test_market_on_close_at_the_close_itself_is_too_late(self) -> None:
        frames = [daily("D", flat(3, bar1=[100, 104, 99, 103]))]
        do = once("event", lambda s: s.buy(size=1, exectype=bt.Order.Close))
        record = play(frames, do, events=[ns("2024-01-08T21:00")])
        assert fills(record) == [("D", 103.0, "Tue 21:00")]

    def test_market_on_close_is_the_sessions_close_on_intraday_bars(self) -> None:
        prices = flat(14)
        prices[:, 3] = 100 + np.arange(14) / 20
        do = once("next", lambda s: s.buy(size=1, exectype=bt.Order.Close), lambda s: len(s) == 2)
        assert fills(play([intraday("H", prices)], do)) == [("H", 100.3, "Mon 21:00")]

    def test_the_answer_to_a_fill_at_the_open_waits_for_the_next_bar(self) -> None:
        """The open is known by then; a bar that has started is not entered any more."""

        def do(s: Any, name: str, order: Any) -> None:
            if name == "event":
                s.buy(size=1)
            elif name == "order" and order.status == order.Completed and len(s.data) == 1:
                s.sell(size=1, exectype=bt.Order.Stop, price=99.5)

        record = play([daily("D", flat(4))], do, events=[ns("2024-01-09T10:00")])
        assert fills(record) == [("D", 100.0, "Tue 14:30"), ("D", 99.5, "Wed 21:00")]


class TestCancelling:
    def test_an_order_made_by_one_event_can_be_cancelled_by_the_next(self) -> None:
        """Before the next bar starts; Backtrader's broker has not looked at the order by then."""
        made: list[Any] = []

        def do(s: Any, name: str, _: Any) -> None:
            if name == "event":
                if made:
                    s.cancel(made[0])
                else:
                    made.append(s.buy(size=1))

        events = [ns("2024-01-08T22:00"), ns("2024-01-08T22:05")]
        record = play([daily("D", flat(3))], do, events=events)
        assert not record.fills
        assert statuses(record) == ["Canceled"]
        assert made[0].status == bt.Order.Canceled

    def test_a_whole_bracket_goes_with_its_parent(self) -> None:
        made: list[Any] = []

        def do(s: Any, name: str, _: Any) -> None:
            if name == "event":
                if made:
                    s.cancel(made[0])
                else:
                    made.extend(s.buy_bracket(size=1, price=99.5, stopprice=90.0, limitprice=110.0))

        events = [ns("2024-01-08T22:00"), ns("2024-01-08T22:05")]
        record = play([daily("D", flat(3))], do, events=events)
        assert not record.fills
        assert statuses(record) == ["Canceled"] * 3

    def test_made_and_cancelled_in_one_moment_goes_out_as_in_backtrader(self) -> None:
        record = play([daily("D", flat(3))], once("next", lambda s: s.cancel(s.buy(size=1))))
        assert statuses(record) == ["Completed"]


class TestGroups:
    def test_members_that_were_just_submitted_are_cancelled_with_a_leader_that_lacks_cash(self) -> None:
        """In Backtrader they stay, no longer a group, and both could be filled."""

        def group(s: Any) -> None:
            first = s.buy(size=1000, exectype=bt.Order.Limit, price=99.5)
            s.buy(size=1, exectype=bt.Order.Limit, price=99.4, oco=first)
            s.buy(size=1, exectype=bt.Order.Limit, price=99.3, oco=first)

        record = play([daily("D", flat(3))], once("next", group), cash=1_000.0)
        assert statuses(record) == ["Margin", "Canceled", "Canceled"]
        assert not record.fills

    def test_the_open_comes_before_the_rest_of_the_bar(self) -> None:
        """The limit was sent first; but the open jumps over the stop, so the stop goes."""

        def group(s: Any) -> None:
            first = s.buy(size=1, exectype=bt.Order.Limit, price=99.0)
            s.buy(size=1, exectype=bt.Order.Stop, price=104.0, oco=first)

        record = play([daily("D", flat(3, bar1=[105, 106, 98, 100]))], once("next", group))
        assert fills(record) == [("D", 105.0, "Tue 14:30")]
        assert statuses(record) == ["Canceled", "Completed"]

    def test_cancelling_a_member_before_the_open_spares_orders_of_no_group(self) -> None:
        def do(s: Any, name: str, _: Any) -> None:
            if name != "event":
                return
            if s.broker.orders:
                s.cancel(s.first)
                return
            s.first = s.buy(size=1, exectype=bt.Order.Limit, price=99.5)
            s.buy(size=1, exectype=bt.Order.Limit, price=99.4, oco=s.first)
            s.buy(size=1, exectype=bt.Order.Limit, price=99.3)

        events = [ns("2024-01-08T22:00"), ns("2024-01-08T22:05")]
        record = play([daily("D", flat(3))], do, events=events)
        assert statuses(record) == ["Canceled", "Canceled", "Completed"]


class TestBrackets:
    def test_a_parent_that_expires_takes_its_children_along(self) -> None:
        """They are cancelled at once, and nothing of the family trades afterwards."""
        told: list[tuple[str, str, int]] = []

        def do(s: Any, name: str, order: Any) -> None:
            if name == "order" and not order.alive():
                told.append((order.getordername(), order.getstatusname(), len(s)))
            elif name == "next" and len(s) == 1:
                s.buy_bracket(size=1, price=90.0, stopprice=99.5, limitprice=100.5, valid=dt.date(2024, 1, 9))

        record = play([daily("D", flat(5))], do)
        assert statuses(record) == ["Expired", "Canceled", "Canceled"]
        assert told == [("Limit", "Expired", 3), ("Stop", "Canceled", 3), ("Limit", "Canceled", 3)]

    def test_a_child_that_comes_later_does_not_send_its_parent_again(self) -> None:
        """Forgetting ``transmit=False`` makes Backtrader queue the parent twice."""

        def both(s: Any) -> None:
            s.parent = s.buy(size=1, exectype=bt.Order.Limit, price=99.2)
            s.sell(size=1, exectype=bt.Order.Stop, price=99.1, parent=s.parent)

        record = play([daily("D", flat(5))], once("next", both))
        assert fills(record) == [("D", 99.2, "Tue 21:00"), ("D", 99.1, "Wed 21:00")]
        assert len(record.decisions) == len(record.orders) == 2

        def take_back(s: Any, name: str, order: Any) -> None:
            once("next", both)(s, name, order)
            if name == "next" and len(s) == 2:
                s.cancel(s.parent)

        record = play([daily("D", flat(5, bar1=[100.0, 101.0, 99.8, 100.0]))], take_back)
        assert not record.fills
        assert statuses(record) == ["Canceled", "Canceled"]


class TestValidity:
    LIMIT = dict(size=1, exectype=bt.Order.Limit, price=99.0)

    def test_a_date_is_good_through_that_sessions_bar(self) -> None:
        for days, expected in ((0, "Expired"), (1, "Completed")):
            valid = dt.date(2024, 1, 9) + dt.timedelta(days=days)
            do = once("next", lambda s, v=valid: s.buy(valid=v, **self.LIMIT))
            record = play([daily("D", flat(4, bar1=[100, 101, 99.5, 100]))], do)
            assert statuses(record) == [expected]

    def test_a_date_means_the_session_where_markets_never_close(self) -> None:
        """That bar ends at the next midnight."""
        do = once("next", lambda s: s.buy(valid=dt.date(2024, 1, 9), **self.LIMIT))
        assert statuses(play([always_open("BTC", flat(4))], do)) == ["Completed"]
        late = [always_open("BTC", flat(4, bar1=[100, 101, 99.5, 100]))]
        assert statuses(play(late, do)) == ["Expired"]

    @pytest.mark.parametrize("make", [daily, always_open])
    def test_three_days_are_three_daily_bars(self, make: Any) -> None:
        prices = flat(8)
        prices[:, 2] = 99.5
        for bar, expected in ((3, "Completed"), (4, "Expired")):
            prices[bar, 2] = 99.0
            do = once("next", lambda s: s.buy(valid=dt.timedelta(days=3), **self.LIMIT))
            assert statuses(play([make("D", prices)], do)) == [expected]
            prices[bar, 2] = 99.5

    def test_a_duration_counts_from_the_order_and_not_from_the_last_bar(self) -> None:
        """Monday noon, four hours: good for Monday's first bars, though the last bar is Friday's."""
        do = once("event", lambda s: s.buy(valid=dt.timedelta(hours=4), **self.LIMIT))
        frame = intraday("H", flat(7 * 7))
        record = play([frame], do, events=[ns("2024-01-15T12:00")])
        assert fills(record) == [("H", 99.0, "Mon 15:30")]

    def test_an_order_of_the_day_before_the_open_is_good_for_that_day(self) -> None:
        do = once("event", lambda s: s.buy(valid=bt.Order.DAY, **self.LIMIT))
        assert statuses(play([daily("D", flat(3))], do, events=[ns("2024-01-09T12:00")])) == ["Completed"]
        assert statuses(play([daily("D", flat(3))], do, events=[ns("2024-01-09T18:00")])) == ["Expired"]

    def test_a_day_after_a_half_day_reaches_the_later_close(self) -> None:
        """Monday closes at 18:00; one day is Tuesday, not Tuesday until 18:00."""
        short = daily("D", flat(4, bar1=[100, 101, 99.5, 100], bar2=[100, 101, 99.5, 100]))
        short = replace(short, end=short.end - np.array([3 * HOUR, 0, 0, 0]))
        do = once("next", lambda s: s.buy(valid=dt.timedelta(days=1), **self.LIMIT))
        assert statuses(play([short], do)) == ["Expired"]
        reached = replace(short, low=np.array([99.0, 99.0, 99.5, 99.5]))
        assert statuses(play([reached], do)) == ["Completed"]

    def test_a_day_on_hourly_bars_is_a_day_by_the_clock(self) -> None:
        prices = flat(14)
        prices[:, 2] = 99.5
        for bar, expected in ((8, "Completed"), (9, "Expired")):
            prices[bar, 2] = 99.0
            do = once(
                "next", lambda s: s.buy(valid=dt.timedelta(days=1), **self.LIMIT), lambda s: len(s) == 2
            )
            assert statuses(play([intraday("H", prices)], do)) == [expected]
            prices[bar, 2] = 99.5

    @pytest.mark.parametrize(("moment", "expected"), [("23:00", "Completed"), ("22:59", "Expired")])
    def test_an_order_of_the_day_belongs_to_the_session_that_has_begun(
        self, moment: str, expected: str
    ) -> None:
        """A future's session begins on the evening before: from 23:00 on it is the next day's."""
        day = np.array([ns(f"2024-01-{d:02d}") for d in (8, 9, 10)])
        sessions = ["2024-01-08", "2024-01-09", "2024-01-10"]
        bars = frame("F", "1d", day - HOUR, day + 22 * HOUR, sessions, flat(3))
        do = once("event", lambda s: s.buy(valid=bt.Order.DAY, **self.LIMIT))
        record = play([bars], do, events=[ns(f"2024-01-08T{moment}")])
        assert statuses(record) == [expected]

    def test_an_order_of_the_day_after_the_last_bar(self) -> None:
        do = once("event", lambda s: s.buy(valid=bt.Order.DAY, **self.LIMIT))
        assert statuses(play([daily("D", flat(2))], do, events=[ns("2024-02-01")])) == ["Submitted"]

    def test_an_order_whose_validity_ends_inside_a_bar_is_not_matched_in_it(self) -> None:
        do = once("next", lambda s: s.buy(valid=dt.datetime(2024, 1, 9, 20, 59), **self.LIMIT))  # noqa: DTZ001
        assert statuses(play([daily("D", flat(3))], do)) == ["Expired"]

    @pytest.mark.parametrize("zone", [None, "America/New_York"])
    def test_an_aware_time_keeps_its_zone(self, zone: str | None) -> None:
        for minute, expected in ((0, "Completed"), (-1, "Expired")):
            valid = dt.datetime(2024, 1, 9, 21, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
            do = once("next", lambda s, v=valid: s.buy(valid=v, **self.LIMIT))
            assert statuses(play([daily("D", flat(3))], do, strategy_tz=zone)) == [expected]

    def test_a_naive_time_is_in_the_strategys_zone(self) -> None:
        close = dt.datetime(2024, 1, 9, 16)  # noqa: DTZ001
        do = once("next", lambda s: s.buy(valid=close, **self.LIMIT))
        assert statuses(play([daily("D", flat(3))], do, strategy_tz="America/New_York")) == ["Completed"]
        assert statuses(play([daily("D", flat(3))], do)) == ["Expired"]

    def test_a_market_order_does_not_expire(self) -> None:
        """As in Backtrader: it is executed, come what may."""
        do = once("next", lambda s: s.buy(size=1, valid=dt.date(2024, 1, 8)))
        assert statuses(play([daily("D", flat(3))], do)) == ["Completed"]


class TestPrices:
    def test_slippage_never_makes_a_limit_worse(self) -> None:
        """Stop-limit included; stock Backtrader fills the latter at the slipped price."""

        def orders(s: Any) -> None:
            s.buy(size=1, exectype=bt.Order.Limit, price=100.2)
            s.buy(size=1, exectype=bt.Order.StopLimit, price=100.5, plimit=100.6)

        record = play([daily("D", flat(3))], once("next", orders), slippage=0.005)
        assert sorted(f.price for f in record.fills) == [100.2, 100.6]
        record = play([daily("D", flat(3))], once("next", orders), slippage=0.005, fill_rules="stock")
        assert max(f.price for f in record.fills) > 100.6

    def test_a_fractional_reversal_is_one_fill(self) -> None:
        """From 0.2 to -0.7: both parts together are not 0.9 to the last bit, and no rest stays behind."""

        def do(s: Any, name: str, _: Any) -> None:
            if name == "next" and len(s) < 3:
                s.buy(size=0.2) if len(s) == 1 else s.sell(size=0.9)

        assert (0.2 - 0.9) - 0.2 != -0.9
        record = play([daily("D", flat(6))], do)
        assert [f.size for f in record.fills] == [0.2, pytest.approx(0.9)]
        assert statuses(record) == ["Completed", "Completed"]
        assert record.sessions.sizes["D"][-1] == pytest.approx(-0.7)

    def test_slippage_set_by_the_strategy_itself_is_heard(self) -> None:
        def do(s: Any, name: str, _: Any) -> None:
            if name == "next" and len(s) == 1:
                s.broker.set_slippage_fixed(0.25)
                s.buy(size=1)

        assert fills(play([daily("D", flat(3))], do)) == [("D", 100.25, "Tue 14:30")]

    @pytest.mark.parametrize("cheat", ["set_coc", "set_coo"])
    def test_cheating_from_inside_a_strategy_is_refused(self, cheat: str) -> None:
        record = run([daily("D", flat(3))], Script, {"do": lambda s, n, o: getattr(s.broker, cheat)(True)})
        assert record.state == "failed"
        assert "do not allow cheat-on" in record.failure.message


class TestMoney:
    def test_multiplier_and_commission(self) -> None:
        future = Instrument("ES", multiplier=50.0)
        do = once("next", lambda s: s.buy(size=2))
        frame = daily("ES", flat(3, bar1=[100, 105, 99, 104]), instrument=future)
        record = play([frame], do, commission=0.001, cash=50_000.0)
        assert record.fills[0].commission == pytest.approx(2 * 100 * 50 * 0.001)
        assert record.sessions.cash[-1] == pytest.approx(50_000 - 10_000 - 10)
        assert record.sessions.value[1] == pytest.approx(50_000 - 10 + 2 * 4 * 50)

    def test_an_order_beyond_the_cash_ends_as_margin_and_says_why(self) -> None:
        record = play([daily("D", flat(3))], once("next", lambda s: s.buy(size=11)), cash=1_000.0)
        assert [(o.status, o.reason) for o in record.orders] == [("Margin", "not enough cash")]

    def test_added_cash_with_a_feed_that_has_not_started(self) -> None:
        """Valuing the account must not read the feed that has no bar yet."""
        frames = [daily("A", flat(5)), daily("B", flat(2), first=np.datetime64("2024-01-11"))]

        def do(s: Any, name: str, _: Any) -> None:
            s.getposition(s.datas[1])
            if len(s) == 2 and name == "next":
                s.broker.add_cash(500.0)

        record = play(frames, do)
        assert record.sessions.value.tolist() == [100_000.0, 100_000.0, 100_500.0, 100_500.0, 100_500.0]
        assert record.sessions.fund[-1] == pytest.approx(100.0)


def test_times_of_records() -> None:
    """An order's time is its submission; a fill's the bar's start if the open decided, else its end."""

    def orders(s: Any) -> None:
        s.buy(size=1)
        s.buy(size=1, exectype=bt.Order.Limit, price=99.0)

    record = play([daily("D", flat(3))], once("next", orders))
    assert [iso(o.time) for o in record.orders] == ["2024-01-08T21:00:00Z"] * 2
    assert [f.time.isoformat() for f in record.fills] == [
        "2024-01-09T14:30:00+00:00",
        "2024-01-09T21:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("events", "expected"), [([], "2024-01-09T21:00"), (["2024-01-08T22:00"], "2024-01-09T14:30")]
)
def test_the_orders_own_time_is_when_the_strategy_hears_of_it(events: list[str], expected: str) -> None:
    """`order.executed.dt` is Backtrader's, the bar's end, except where the open is told at once."""
    told: list[Any] = []

    def do(s: Any, name: str, order: Any) -> None:
        if name == "next" and len(s) == 1:
            s.buy(size=1)
        elif name == "order" and order.status == order.Completed:
            told.append(bt.num2date(order.executed.dt).isoformat(timespec="minutes"))

    play([daily("D", flat(3))], do, events=[ns(moment) for moment in events])
    assert told == [expected]


def test_three_hours_of_validity_on_hourly_bars() -> None:
    limit = dict(size=1, exectype=bt.Order.Limit, price=99.0)
    prices = flat(14)
    prices[:, 2] = 99.5
    for bar, expected in ((4, "Completed"), (5, "Expired")):
        prices[bar, 2] = 99.0
        do = once("next", lambda s: s.buy(valid=dt.timedelta(hours=3), **limit), lambda s: len(s) == 2)
        assert statuses(play([intraday("H", prices, step=HOUR)], do)) == [expected]
        prices[bar, 2] = 99.5
