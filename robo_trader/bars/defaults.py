"""What an instrument is when nobody said: its calendar, kind, tick and lot, by its symbol.

Cboe's volatility indices close at 16:15 New York (calendar ``XCBO``), pairs of crypto-currencies
trade around the clock (``24/7``), everything else is taken for a stock of New York (``XNYS``).
"""

from __future__ import annotations

import re
from typing import Any

from robo_trader.instruments import Instrument

#: Indices that Cboe computes until a quarter past four.
CBOE_INDICES = frozenset(
    (
        *("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VIX1Y", "VXV", "VXMT", "VVIX", "VXN", "VXD", "RVX"),
        *("OVX", "GVZ", "EVZ", "VXEEM", "VXAPL", "VXGOG", "SKEW"),
    )
)
_COINS = frozenset(
    (
        *("BTC", "XBT", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BCH", "BNB", "DOT", "AVAX", "LINK"),
        *("MATIC", "TRX", "XLM", "ATOM", "UNI", "ETC", "XMR", "SHIB", "EOS"),
    )
)
_QUOTES = frozenset(["USD", "USDT", "USDC", "BUSD", "TUSD", "DAI", "EUR", "GBP", "JPY", "BTC", "ETH"])
_SPLIT = re.compile(r"[-_/: .]+")


def default_instrument(symbol: str) -> Instrument:
    """Return what `symbol` most probably is; settings override each field."""
    fields: dict[str, Any] = {}
    name = symbol.upper()
    words = [w for w in _SPLIT.split(name.lstrip("^$")) if w]
    pair = _crypto_pair(words)
    if words and words[0] in CBOE_INDICES:
        fields = {"calendar": "XCBO", "sec_type": "IND", "exchange": "CBOE"}
    elif pair:
        fields = {"calendar": "24/7", "sec_type": "CRYPTO", "exchange": "PAXOS", "currency": pair[1]}
        fields |= {"tick": 1e-8, "lot": 1e-8}
    elif name.startswith("^"):
        fields = {"sec_type": "IND"}
    return Instrument(symbol, **fields)


def _crypto_pair(words: list[str]) -> tuple[str, str] | None:
    """Return (coin, quote) where the first words are a pair; a bare BTC or ETH is quoted in dollars."""
    if len(words) >= 2 and words[0] in _COINS and words[1] in _QUOTES:
        return words[0], words[1]
    if len(words) >= 2 and words[1] in _COINS and words[1] in _QUOTES:
        return words[0], words[1]
    if words and words[0] in ("BTC", "XBT", "ETH"):
        return words[0], "USD"
    if words:
        for coin in _COINS:
            if words[0].startswith(coin) and words[0][len(coin) :] in _QUOTES:
                return coin, words[0][len(coin) :]
    return None
