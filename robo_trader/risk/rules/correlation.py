"""The correlation rule: no opening beside a position that would move with it.

Two positions are the same bet where side times side times the correlation of their returns is above
the limit: two longs that rise together, or a long and a short of which one falls when the other
rises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.errors import ConfigError
from robo_trader.records import Decision, Intent
from robo_trader.risk.limits import count, number
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.usage import Usage
from robo_trader.risk.view import View

_Vector = NDArray[np.float64]
_Dates = NDArray[np.datetime64]


class Correlation(RiskRule):
    """Vetoes an opening whose returns correlate with a held or ordered position's beyond `limit`.

    Returns are session to session, over the last `window` sessions known at the moment that both
    symbols have; under `least` of them nothing is known and nothing is vetoed. `pairs` are exempt,
    and so are broad index funds, which correlate with everything and have limits of their own.
    """

    def __init__(
        self, limit: float = 0.7, window: int = 60, least: int = 40, pairs: Sequence[Sequence[str]] = ()
    ) -> None:
        self.limit = number("correlation", "limit", limit, most=1.0)
        self.window = count("correlation", "window", window, least=3)
        self.least = count("correlation", "least", least, least=3)
        if self.least > self.window:
            raise ConfigError(f"[risk.correlation] least ({least}) must not be above window ({window})")
        self.pairs = _pairs(pairs)
        self.returns = TrailingReturns(self.window, self.least)

    def label(self) -> str:
        """Return the limit."""
        return f"{self.limit:g}"

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Veto `intent` where it would double a bet."""
        if book.judged.is_index_fund:
            return None
        side = 1.0 if intent.side == "BUY" else -1.0
        for other, rho in self.returns.related(intent.symbol, book, self.limit):
            held = book.exposure(other)
            # Bought beside a long that rises with it, or beside a short that falls with it.
            wants_long = side * rho > 0
            against = held.high > 0 if wants_long else held.low < 0
            if not against or book.facts(other).is_index_fund:
                continue
            if self.pairs and frozenset((intent.symbol, other)) in self.pairs:
                continue
            where = "long" if wants_long else "short"
            return self.veto(
                intent,
                f"correlation {rho:.2f} with {other}, held or ordered {where}, limit {self.limit:g}"
                f" ({self.returns.window} sessions)",
                limit=self.limit,
                seen=abs(rho),
                correlation=rho,
                other=other,
                window=self.returns.window,
            )
        return None

    def usage(self, book: View) -> list[Usage]:
        """Return the closest two positions at risk, by side times side times correlation."""
        worst: Usage | None = None
        if len(book.at_risk()) > 50:
            return []  # Every pair would be compared, for a figure that nobody asked for.
        for symbol in book.at_risk():
            own = book.exposure(symbol)
            for other, rho in self.returns.related(symbol, book, 0.0):
                held = book.exposure(other)
                same = (own.high > 0 and held.high > 0) or (own.low < 0 and held.low < 0)
                closeness = rho if same else -rho
                if book.facts(symbol).is_index_fund or book.facts(other).is_index_fund:
                    continue
                if worst is None or closeness > worst.used:
                    worst = Usage(f"{symbol} and {other}", closeness, self.limit)
        return [worst] if worst else []


class TrailingReturns:
    """Returns of the symbols at risk, normalised so that a product of two is their correlation.

    Kept for one moment: what was worked out for a symbol is used again until one of its sessions
    ends. Symbols with the same sessions are compared in one matrix product, others in pairs.
    """

    def __init__(self, window: int, least: int) -> None:
        self.window = window
        self.least = least
        self._now = -1
        self._known: dict[str, tuple[int, bytes, _Vector | None]] = {}
        self._groups: dict[bytes, _Group] = {}
        self._there: dict[str, bytes] = {}

    def related(self, symbol: str, book: View, beyond: float) -> list[tuple[str, float]]:
        """Return the symbols at risk whose correlation with `symbol` is beyond `beyond`, either way.

        The strongest comes first. Only what is known at the book's moment counts.
        """
        if book.now != self._now:
            self._now = book.now
            self._groups.clear()
            self._there.clear()
            self._add(tuple(book.at_risk()), book)
        if symbol not in self._there:
            self._add((symbol,), book)
        own = self._there[symbol]
        found: list[tuple[str, float]] = []
        vector = self._known[symbol][2]
        if vector is not None:
            group = self._groups[own]
            rho = group.rows[: len(group.symbols)] @ vector
            for i in np.flatnonzero(np.abs(rho) > beyond).tolist():
                found.append((group.symbols[i], float(rho[i])))
        for key, group in self._groups.items():
            if key != own:
                for other in group.symbols:
                    apart = self._pair(symbol, other, book)
                    if abs(apart) > beyond:
                        found.append((other, apart))
        found = [(other, rho) for other, rho in found if other != symbol]
        found.sort(key=lambda item: -abs(item[1]))
        return found

    def _add(self, symbols: Iterable[str], book: View) -> None:
        fresh: dict[bytes, list[tuple[str, int, _Vector]]] = {}
        for symbol in symbols:
            dates, closes = book.closes(symbol)
            known = self._known.get(symbol)
            if known is None or known[0] != len(closes):
                tail = dates[-self.window - 1 :]
                fresh.setdefault(tail.tobytes(), []).append((symbol, len(closes), closes[-self.window - 1 :]))
        for key, rows in fresh.items():
            matrix = normalised(np.array([row[2] for row in rows]), self.least)
            for i, (symbol, n, _) in enumerate(rows):
                self._known[symbol] = (n, key, None if matrix is None else matrix[i])
        for symbol in symbols:
            _, key, vector = self._known[symbol]
            self._there[symbol] = key
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(0 if vector is None else len(vector))
            group.add(symbol, vector)

    def _pair(self, one: str, other: str, book: View) -> float:
        (dates_1, closes_1), (dates_2, closes_2) = book.closes(one), book.closes(other)
        n = self.window + 1
        _, i, j = np.intersect1d(dates_1[-n:], dates_2[-n:], assume_unique=True, return_indices=True)
        both = normalised(np.array([closes_1[-n:][i], closes_2[-n:][j]]), self.least)
        return 0.0 if both is None else float(both[0] @ both[1])


class _Group:
    """Symbols with the same sessions, their normalised returns as the rows of one array."""

    def __init__(self, width: int) -> None:
        self.symbols: list[str] = []
        self.rows: _Vector = np.zeros((16, width))

    def add(self, symbol: str, vector: _Vector | None) -> None:
        n = len(self.symbols)
        if n == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        if vector is not None:
            self.rows[n] = vector
        self.symbols.append(symbol)


def normalised(closes: _Vector, least: int) -> _Vector | None:
    """Return the returns of each row, centred and of length 1; None when there are under `least`.

    A row without any variation becomes zeros: it correlates with nothing.
    """
    if closes.shape[1] - 1 < least:
        return None
    returns = closes[:, 1:] / closes[:, :-1] - 1.0
    returns -= returns.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", returns, returns))[:, None]
    flat = length <= 1e-12
    out: _Vector = np.where(flat, 0.0, returns / np.where(flat, 1.0, length))
    return out


def _pairs(pairs: Any) -> frozenset[frozenset[str]]:
    hint = 'write pairs = [["GLD", "SLV"]]'
    if isinstance(pairs, str) or not isinstance(pairs, list | tuple):
        raise ConfigError(f"[risk.correlation] pairs must be a list of pairs, not {pairs!r}", hint=hint)
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ConfigError(f"[risk.correlation] pairs holds {pair!r}, which is no pair", hint=hint)
    return frozenset(frozenset(pair) for pair in pairs)
