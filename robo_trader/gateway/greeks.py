"""Black and Scholes: an option's price, greeks and implied volatility.

Formulas: Black and Scholes, "The Pricing of Options and Corporate Liabilities", Journal of Political
Economy 81 (1973); the greeks as in Hull, "Options, Futures, and Other Derivatives", chapter on the
Greek letters. European exercise, no dividends. Theta is per calendar day, vega per point of volatility
(0.01), as Interactive Brokers quotes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class Greeks:
    """An option's model: price and greeks per share of the underlying."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def _cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _pdf(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def black_scholes(spot: float, strike: float, years: float, rate: float, vol: float, call: bool) -> Greeks:
    """Return price and greeks; `vol` and `rate` are yearly fractions. All but `rate` must be above 0."""
    root = vol * math.sqrt(years)
    d1 = (math.log(spot / strike) + (rate + vol * vol / 2.0) * years) / root
    d2 = d1 - root
    sign = 1.0 if call else -1.0
    discounted = strike * math.exp(-rate * years)
    price = sign * (spot * _cdf(sign * d1) - discounted * _cdf(sign * d2))
    decay = -spot * _pdf(d1) * vol / (2.0 * math.sqrt(years)) - sign * rate * discounted * _cdf(sign * d2)
    return Greeks(
        price=max(price, 0.0),
        delta=sign * _cdf(sign * d1),
        gamma=_pdf(d1) / (spot * root),
        vega=spot * _pdf(d1) * math.sqrt(years) / 100.0,
        theta=decay / _DAYS,
    )


def implied_volatility(
    price: float, spot: float, strike: float, years: float, rate: float, call: bool
) -> float | None:
    """Return the volatility that gives `price`, by bisection; None where no volatility does."""
    low, high = 0.0001, 5.0
    if not (
        black_scholes(spot, strike, years, rate, low, call).price
        <= price
        <= black_scholes(spot, strike, years, rate, high, call).price
    ):
        return None
    for _ in range(60):
        middle = (low + high) / 2.0
        if black_scholes(spot, strike, years, rate, middle, call).price < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0
