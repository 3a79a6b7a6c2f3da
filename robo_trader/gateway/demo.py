"""The demo universe: eight underlyings and six options, always open, with synthetic prices.

Fixed in every detail, so that a client can be checked against it without any data.
"""

from __future__ import annotations

from robo_trader.gateway.contracts import Contract, Spec, Universe

_EXPIRY = "20261218"
_FIRST_OPTION = 700_000_000
_STRIKES = (180.0, 190.0, 200.0)


def demo_universe() -> Universe:
    """Return the demo universe."""
    return Universe([*_stocks(), _euro(), _future(), *_options()])


def _stock(con_id: int, symbol: str, name: str, primary: str, base: float, **more: object) -> Spec:
    contract = Contract(
        con_id=con_id,
        symbol=symbol,
        sec_type="STK",
        exchange="SMART",
        primary_exchange=primary,
        currency=str(more.pop("currency", "USD")),
        local_symbol=symbol,
        trading_class=str(more.pop("trading_class", "NMS" if primary == "NASDAQ" else symbol)),
    )
    stock_type = str(more.pop("stock_type", "COMMON"))
    return Spec(contract, long_name=name, base=base, exchanges=("SMART", primary), stock_type=stock_type)


def _stocks() -> list[Spec]:
    return [
        _stock(265598, "AAPL", "APPLE INC", "NASDAQ", 190.0),
        _stock(272093, "MSFT", "MICROSOFT CORP", "NASDAQ", 410.0),
        _stock(756733, "SPY", "SPDR S&P 500 ETF TRUST", "ARCA", 500.0, stock_type="ETF"),
        _stock(36285627, "DUAL", "DUAL LISTED CORP", "NYSE", 20.0),
        _stock(36285628, "DUAL", "DUAL LISTED CORP", "TSE", 25.0, currency="CAD"),
    ]


def _euro() -> Spec:
    contract = Contract(
        con_id=12087792,
        symbol="EUR",
        sec_type="CASH",
        exchange="IDEALPRO",
        currency="USD",
        local_symbol="EUR.USD",
        trading_class="EUR.USD",
    )
    return Spec(
        contract,
        "European Monetary Union Euro",
        0.00005,
        1.08,
        exchanges=("IDEALPRO", "SMART"),
        stock_type="",
    )


def _future() -> Spec:
    contract = Contract(
        con_id=495512552,
        symbol="ES",
        sec_type="FUT",
        expiry=_EXPIRY,
        multiplier="50",
        exchange="CME",
        currency="USD",
        local_symbol="ESZ6",
        trading_class="ES",
    )
    return Spec(
        contract, "E-mini S&P 500", 0.25, 5000.0, zone="US/Central", exchanges=("CME",), stock_type=""
    )


def _options() -> list[Spec]:
    pairs = [(strike, right) for right in "CP" for strike in _STRIKES]
    return [_option(_FIRST_OPTION + i, strike, right) for i, (strike, right) in enumerate(pairs)]


def _option(con_id: int, strike: float, right: str) -> Spec:
    contract = Contract(
        con_id=con_id,
        symbol="AAPL",
        sec_type="OPT",
        expiry=_EXPIRY,
        strike=strike,
        right=right,
        multiplier="100",
        exchange="SMART",
        currency="USD",
        local_symbol=f"AAPL  {_EXPIRY[2:]}{right}{int(strike * 1000):08d}",
        trading_class="AAPL",
    )
    return Spec(
        contract, "APPLE INC", base=5.0, exchanges=("SMART", "CBOE"), under_con_id=265598, stock_type=""
    )
