"""Black and Scholes against a published example and against itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robo_trader.gateway.greeks import black_scholes, implied_volatility

_SPOT, _YEARS, _VOL = st.floats(20, 500), st.floats(0.02, 2), st.floats(0.08, 1.0)


def test_a_published_example() -> None:
    """Hull, "Options, Futures, and Other Derivatives": S=42, K=40, r=10 %, vol=20 %, half a year."""
    call = black_scholes(42, 40, 0.5, 0.10, 0.20, True)
    put = black_scholes(42, 40, 0.5, 0.10, 0.20, False)
    assert (round(call.price, 2), round(put.price, 2)) == (4.76, 0.81)


@given(spot=_SPOT, ratio=st.floats(0.7, 1.4), years=_YEARS, vol=_VOL)
def test_put_call_parity_and_bounds(spot: float, ratio: float, years: float, vol: float) -> None:
    strike = spot * ratio
    call, put = (black_scholes(spot, strike, years, 0.04, vol, c) for c in (True, False))
    assert call.price - put.price == pytest.approx(spot - strike * math.exp(-0.04 * years), abs=1e-7 * spot)
    assert call.delta - put.delta == pytest.approx(1.0)
    assert (call.gamma, call.vega) == pytest.approx((put.gamma, put.vega))
    assert 0 <= call.delta <= 1 and call.gamma >= 0 and call.vega >= 0


@given(spot=_SPOT, ratio=st.floats(0.9, 1.1), years=st.floats(0.1, 2), vol=_VOL)
def test_greeks_are_the_slopes_of_the_price(spot: float, ratio: float, years: float, vol: float) -> None:
    strike, h = spot * ratio, spot * 1e-4
    here = black_scholes(spot, strike, years, 0.04, vol, True)
    up, down = (black_scholes(spot + d, strike, years, 0.04, vol, True) for d in (h, -h))
    assert here.delta == pytest.approx((up.price - down.price) / (2 * h), abs=1e-4)
    later = black_scholes(spot, strike, years - 1 / 365, 0.04, vol, True)
    assert here.theta == pytest.approx(later.price - here.price, rel=0.1, abs=1e-4 * spot)


@given(spot=_SPOT, ratio=st.floats(0.9, 1.1), years=st.floats(0.1, 2), vol=_VOL, call=st.booleans())
def test_implied_volatility_gives_the_volatility_back(
    spot: float, ratio: float, years: float, vol: float, call: bool
) -> None:
    price = black_scholes(spot, spot * ratio, years, 0.04, vol, call).price
    found = implied_volatility(price, spot, spot * ratio, years, 0.04, call)
    assert found == pytest.approx(vol, abs=1e-4)


def test_no_volatility_gives_less_than_the_intrinsic_value() -> None:
    assert implied_volatility(5.0, 190, 180, 0.1, 0.04, True) is None
    assert implied_volatility(191.0, 190, 180, 0.1, 0.04, True) is None
