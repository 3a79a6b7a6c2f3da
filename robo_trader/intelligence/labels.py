"""Labels instead of symbols: what a model is shown, and the way back.

A model never sees or names a ticker: S1, S2, … stand for an event's symbols, MARKET for every
instrument. So it cannot move a symbol that the event is not about, and a ticker in the text brings
back less of what it remembers. Company names stay. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

MARKET = "MARKET"
#: The symbol that reaches every instrument.
EVERYWHERE = "*"
#: More symbols than this are not asked about: a list of tickers is not about any of them.
MOST = 8
#: Kinds that are about the market, whatever symbols they carry.
MARKET_KINDS = frozenset({"fomc", "macro"})

_LABEL = re.compile(r"\bS[1-9]\d?\b")


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of one event, in the order of its symbols."""

    symbols: Mapping[str, str]
    _pattern: re.Pattern[str] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The labels that a model may use."""
        return tuple(self.symbols)

    def masked(self, text: str) -> str:
        """Return `text` with tickers (AAPL, $AAPL, (NASDAQ: AAPL)) replaced by labels."""
        if self._pattern is None:
            return text
        back = {symbol: label for label, symbol in self.symbols.items()}
        return self._pattern.sub(lambda match: back.get(match[0]) or back[match[0].removeprefix("$")], text)

    def unmasked(self, text: str) -> str:
        """Return `text` with the labels replaced by their symbols."""
        return _LABEL.sub(lambda match: self.symbols.get(match[0], match[0]), text)


@lru_cache(maxsize=4096)
def labels_of(kind: str, symbols: Sequence[str]) -> Labels:
    """Return the labels of an event of `kind` with `symbols` (a tuple)."""
    named = tuple(dict.fromkeys(s for s in symbols if s and s != EVERYWHERE))[:MOST]
    if kind in MARKET_KINDS or not named:
        return Labels(MappingProxyType({MARKET: EVERYWHERE}), None)
    labels = {f"S{i}": symbol for i, symbol in enumerate(named, 1)}
    # The longest first, so that BRK.B is not taken for BRK.
    words = "|".join(_word(symbol) for symbol in sorted(named, key=len, reverse=True))
    return Labels(MappingProxyType(labels), re.compile(words))


def _word(symbol: str) -> str:
    quoted = re.escape(symbol)
    if len(symbol) > 2:
        return rf"(?<![\w$])\$?{quoted}(?![\w])"
    # "A" and "IT" are words far more often than tickers: only where they are marked as such.
    return rf"\${quoted}(?!\w)|(?<=[(:]){quoted}(?=\))|(?<=: ){quoted}(?=\))"
