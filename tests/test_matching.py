"""The fill rules as pure functions: prices by hand, and laws that hold for any bar and order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from robo_trader.matching import (
    CLOSE,
    LIMIT,
    MARKET,
    STOP,
    STOP_LIMIT,
    STOP_TRAIL,
    STOP_TRAIL_LIMIT,
    Bar,
    Slippage,
    Terms,
    at_open,
    in_bar,
    trail,
)

NONE = Slippage()
BAR = Bar(100.0, 105.0, 95.0, 102.0)

PRICE = st.integers(1, 40).map(lambda k: k / 2)
TYPES = (MARKET, CLOSE, LIMIT, STOP, STOP_LIMIT, STOP_TRAIL, STOP_TRAIL_LIMIT)


@st.composite
def bars(draw: Any) -> Bar:
    low, high = sorted((draw(PRICE), draw(PRICE)))
    inside = st.floats(low, high)
    return Bar(draw(inside), high, low, draw(inside), draw(st.booleans()))


@st.composite
def terms(draw: Any, types: tuple[str, ...] = TYPES) -> Terms:
    kind = draw(st.sampled_from(types))
    limit = draw(PRICE) if kind in (LIMIT, STOP_LIMIT, STOP_TRAIL_LIMIT) else None
    stop = draw(PRICE) if kind not in (MARKET, CLOSE, LIMIT) else None
    triggered = kind in (STOP_LIMIT, STOP_TRAIL_LIMIT) and draw(st.booleans())
    return Terms(kind, draw(st.booleans()), limit, stop, triggered)


SLIPPAGES = st.builds(
    Slippage,
    fraction=st.sampled_from([0.0, 0.001, 0.3]),
    fixed=st.sampled_from([0.0, 0.25, 5.0]),
    at_open=st.booleans(),
    cap=st.booleans(),
    cap_limits=st.booleans(),
    beyond=st.booleans(),
)


def fill(order: Terms, bar: Bar, slippage: Slippage = NONE) -> tuple[float | None, str]:
    """Match one bar as a broker does: the open, then the rest."""
    price, triggered = at_open(order, bar, slippage)
    if price is not None:
        return price, "open"
    order = Terms(order.type, order.buy, order.limit, order.stop, triggered)
    price, _ = in_bar(order, bar, slippage)
    return price, "rest"


class TestByHand:
    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            (Terms(MARKET, True), (100.0, "open")),
            (Terms(MARKET, False), (100.0, "open")),
            (Terms(CLOSE, True), (102.0, "rest")),
            (Terms(LIMIT, True, limit=101.0), (100.0, "open")),
            (Terms(LIMIT, True, limit=100.0), (100.0, "open")),
            (Terms(LIMIT, True, limit=97.0), (97.0, "rest")),
            (Terms(LIMIT, True, limit=95.0), (95.0, "rest")),
            (Terms(LIMIT, True, limit=94.9), (None, "rest")),
            (Terms(LIMIT, False, limit=99.0), (100.0, "open")),
            (Terms(LIMIT, False, limit=105.0), (105.0, "rest")),
            (Terms(LIMIT, False, limit=105.1), (None, "rest")),
            (Terms(LIMIT, True, limit=float("nan")), (None, "rest")),
            (Terms(LIMIT, False, limit=float("nan")), (None, "rest")),
            (Terms(STOP, True, stop=99.0), (100.0, "open")),
            (Terms(STOP, True, stop=103.0), (103.0, "rest")),
            (Terms(STOP, True, stop=105.1), (None, "rest")),
            (Terms(STOP, False, stop=100.0), (100.0, "open")),
            (Terms(STOP, False, stop=95.0), (95.0, "rest")),
            (Terms(STOP_TRAIL, False, stop=94.9), (None, "rest")),
            (Terms(STOP_LIMIT, True, stop=99.0, limit=101.0), (100.0, "open")),
            (Terms(STOP_LIMIT, True, stop=99.0, limit=98.0), (98.0, "rest")),
            (Terms(STOP_LIMIT, True, stop=103.0, limit=104.0), (103.0, "rest")),
            (Terms(STOP_LIMIT, True, stop=103.0, limit=101.0), (None, "rest")),
            (Terms(STOP_LIMIT, False, stop=97.0, limit=96.0), (97.0, "rest")),
            (Terms(STOP_LIMIT, False, stop=97.0, limit=101.0), (101.0, "rest")),
            (Terms(STOP_LIMIT, False, stop=97.0, limit=103.0), (None, "rest")),
            (Terms(STOP_LIMIT, True, stop=110.0, limit=97.0, triggered=True), (97.0, "rest")),
            (Terms(STOP_TRAIL_LIMIT, False, stop=90.0, limit=99.0, triggered=True), (100.0, "open")),
        ],
    )
    def test_price_and_place(self, order: Terms, expected: tuple[float | None, str]) -> None:
        assert fill(order, BAR) == expected

    def test_market_on_close_waits_for_the_last_bar_of_the_session(self) -> None:
        early = Bar(100.0, 105.0, 95.0, 102.0, last=False)
        assert in_bar(Terms(CLOSE, True), early, NONE) == (None, False)
        assert at_open(Terms(CLOSE, True), BAR, NONE) == (None, False)

    def test_a_triggered_stop_limit_is_remembered(self) -> None:
        order = Terms(STOP_LIMIT, True, stop=103.0, limit=101.0)
        assert at_open(order, BAR, NONE) == (None, False)
        assert in_bar(order, BAR, NONE) == (None, True)
        assert at_open(Terms(STOP_LIMIT, True, stop=99.0, limit=90.0), BAR, NONE) == (None, True)

    def test_a_limit_behind_the_stop_needs_a_close_that_proves_it(self) -> None:
        falling = Bar(102.0, 105.0, 95.0, 100.0)
        assert fill(Terms(STOP_LIMIT, True, stop=104.0, limit=101.0), falling) == (101.0, "rest")
        assert fill(Terms(STOP_LIMIT, True, stop=104.0, limit=99.0), falling) == (None, "rest")


class TestSlippage:
    @pytest.mark.parametrize(
        ("order", "slippage", "expected"),
        [
            (Terms(MARKET, True), Slippage(0.01), 101.0),
            (Terms(MARKET, False), Slippage(0.01), 99.0),
            (Terms(MARKET, True), Slippage(0.0, 2.0), 102.0),
            (Terms(MARKET, True), Slippage(0.01, 2.0), 101.0),
            (Terms(MARKET, True), Slippage(0.01, at_open=False), 100.0),
            (Terms(MARKET, True), Slippage(0.1), 105.0),
            (Terms(MARKET, True), Slippage(0.1, cap=False), None),
            (Terms(MARKET, True), Slippage(0.1, beyond=True), 110.00000000000001),
            (Terms(STOP, False, stop=97.0), Slippage(0.01), 96.03),
            (Terms(STOP, False, stop=97.0), Slippage(0.1), 95.0),
            (Terms(STOP, False, stop=97.0), Slippage(0.01, at_open=False), 96.03),
            (Terms(LIMIT, True, limit=100.5), Slippage(0.01), 100.5),
            (Terms(LIMIT, True, limit=100.5), Slippage(0.01, beyond=True), 100.5),
            (Terms(LIMIT, True, limit=100.5), Slippage(0.01, cap=False), 100.5),
            (Terms(LIMIT, True, limit=100.5), Slippage(0.01, cap=False, cap_limits=False), None),
            (Terms(LIMIT, True, limit=97.0), Slippage(0.01), 97.0),
            (Terms(STOP_LIMIT, True, stop=103.0, limit=103.5), Slippage(0.01), 103.5),
            (Terms(STOP_LIMIT, False, stop=97.0, limit=96.5), Slippage(0.01), 96.5),
            (Terms(CLOSE, True), Slippage(0.01), 102.0),
        ],
    )
    def test_how_much_worse(self, order: Terms, slippage: Slippage, expected: float | None) -> None:
        assert fill(order, BAR, slippage)[0] == pytest.approx(expected)


class TestLaws:
    @given(order=terms(), bar=bars(), slippage=SLIPPAGES)
    def test_a_limit_is_never_filled_worse_than_its_price(
        self, order: Terms, bar: Bar, slippage: Slippage
    ) -> None:
        price, _ = fill(order, bar, slippage)
        if price is not None and order.limit is not None:
            assert price <= order.limit if order.buy else price >= order.limit

    @given(order=terms(), bar=bars())
    def test_without_slippage_every_price_was_printed(self, order: Terms, bar: Bar) -> None:
        price, where = fill(order, bar)
        assert price is None or bar.low <= price <= bar.high
        if where == "open":
            assert price == bar.open

    @given(order=terms(), bar=bars(), fraction=st.floats(0.0001, 0.5))
    def test_slippage_only_makes_worse_and_stays_in_the_bar(
        self, order: Terms, bar: Bar, fraction: float
    ) -> None:
        plain, slipped = fill(order, bar)[0], fill(order, bar, Slippage(fraction))[0]
        assert (plain is None) == (slipped is None)
        if plain is not None and slipped is not None:
            assert slipped >= plain if order.buy else slipped <= plain
            if order.buy or order.limit is None:
                assert bar.low <= slipped <= bar.high

    @given(order=terms((STOP, STOP_TRAIL, STOP_LIMIT, STOP_TRAIL_LIMIT)), bar=bars(), slippage=SLIPPAGES)
    def test_a_stop_is_not_filled_before_it_is_touched(
        self, order: Terms, bar: Bar, slippage: Slippage
    ) -> None:
        assert order.stop is not None
        touched = bar.high >= order.stop if order.buy else bar.low <= order.stop
        price, _ = fill(order, bar, slippage)
        assert price is None or touched or order.triggered

    @given(order=terms(), bar=bars())
    def test_the_open_knows_nothing_of_the_rest(self, order: Terms, bar: Bar) -> None:
        """The same open gives the same answer whatever comes after."""
        later = Bar(bar.open, bar.open, bar.open, bar.open, not bar.last)
        assert at_open(order, bar, NONE) == at_open(order, later, NONE)

    @given(order=terms(), bar=bars())
    def test_buying_and_selling_are_mirror_images(self, order: Terms, bar: Bar) -> None:
        """Reflected prices and the other side give the reflected fill, wherever the path is known."""
        mirror = 50.0
        flipped = Bar(mirror - bar.open, mirror - bar.low, mirror - bar.high, mirror - bar.close, bar.last)
        other = Terms(
            order.type,
            not order.buy,
            None if order.limit is None else mirror - order.limit,
            None if order.stop is None else mirror - order.stop,
            order.triggered,
        )
        price, _ = fill(order, bar)
        reflected, _ = fill(other, flipped)
        # Backtrader asks a buying stop-limit for a falling bar and a selling one for a rising or level one.
        assume(order.type not in (STOP_LIMIT, STOP_TRAIL_LIMIT) or bar.open != bar.close)
        assert (price is None) == (reflected is None)
        if price is not None and reflected is not None:
            assert reflected == pytest.approx(mirror - price)

    @given(order=terms((LIMIT,)), bar=bars())
    def test_a_limit_that_was_reached_is_filled(self, order: Terms, bar: Bar) -> None:
        assert order.limit is not None
        reached = bar.low <= order.limit if order.buy else bar.high >= order.limit
        assert (fill(order, bar)[0] is not None) is reached


class TestTrailing:
    def test_by_hand(self) -> None:
        assert trail(95.0, 102.0, False, 5.0, None) == 97.0
        assert trail(95.0, 99.0, False, 5.0, None) == 95.0
        assert trail(105.0, 98.0, True, 5.0, None) == 103.0
        assert trail(105.0, 101.0, True, 5.0, None) == 105.0
        assert trail(95.0, 110.0, False, None, 0.1) == 99.0
        assert trail(95.0, 110.0, False, 5.0, 0.1) == 105.0
        assert trail(95.0, 110.0, False, None, None) == 110.0

    @given(stop=PRICE, closes=st.lists(PRICE, min_size=1), buy=st.booleans(), amount=PRICE)
    def test_it_never_steps_back(self, stop: float, closes: list[float], buy: bool, amount: float) -> None:
        for close in closes:
            moved = trail(stop, close, buy, amount, None)
            assert moved <= stop if buy else moved >= stop
            assert moved <= close + amount if buy else moved >= close - amount
            stop = moved
