"""The correlation rule: no opening beside a position that would move with it.

Two positions are the same bet where side times side times the correlation of their returns is above
the limit: two longs that rise together, or a long and a short of which one falls when the other
rises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
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

#: So many questions of one moment are answered one by one.
_FEW = 2
_BLOCK = 64
#: Far more than products of half the digits can be wrong by.
_DOUBT = 1e-3


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
        returns = self.returns
        if (intent.symbol in returns.alone and book.now == returns.now) or book.judged.is_index_fund:
            return None
        side = 1.0 if intent.side == "BUY" else -1.0
        for other, rho in returns.related(intent.symbol, book, self.limit):
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
    ends. Symbols with the same sessions are compared in one matrix product, others in pairs. `alone`
    are symbols that are known to be related to nobody at the moment `now` (ns UTC).
    """

    def __init__(self, window: int, least: int) -> None:
        self.window = window
        self.least = least
        self.now = -1
        self.alone: Set[str] = frozenset()
        self._known: dict[str, tuple[int, bytes, _Vector | None]] = {}
        self._groups: dict[bytes, _Group] = {}
        self._there: dict[str, bytes] = {}

    def related(self, symbol: str, book: View, beyond: float) -> list[tuple[str, float]]:
        """Return the symbols at risk whose correlation with `symbol` is beyond `beyond`, either way.

        The strongest comes first. Only what is known at the book's moment counts.
        """
        if book.now != self.now:
            self.now, self.alone = book.now, frozenset()
            self._groups.clear()
            self._there.clear()
            self._add(tuple(book.at_risk()), book)
        if symbol not in self._there:
            self._add((symbol,), book)
        own = self._there[symbol]
        found = self._groups[own].related(symbol, beyond)
        if len(self._groups) == 1:
            # Only the rule itself asks for relations beyond its limit; `usage` wants them all.
            self.alone = self._groups[own].alone
        else:
            for key, group in self._groups.items():
                if key != own:
                    for other in group.place:
                        apart = self._pair(symbol, other, book)
                        if abs(apart) > beyond:
                            found.append((other, apart))
        if len(found) > 1:
            found.sort(key=lambda item: -abs(item[1]))
        return found

    def _add(self, symbols: Iterable[str], book: View) -> None:
        fresh: dict[bytes, list[tuple[str, int, _Vector]]] = {}
        known, window = self._known, self.window + 1
        there: dict[bytes, list[str]] = {}
        for symbol in symbols:
            dates, closes = book.closes(symbol)
            before = known.get(symbol)
            if before is None or before[0] != len(closes):
                key = dates[-window:].tobytes()
                fresh.setdefault(key, []).append((symbol, len(closes), closes[-window:]))
            else:
                key = before[1]
            self._there[symbol] = key
            there.setdefault(key, []).append(symbol)
        for key, rows in fresh.items():
            matrix = normalised(np.array([row[2] for row in rows]), self.least)
            vectors: Iterable[_Vector | None] = [None] * len(rows) if matrix is None else matrix
            for (symbol, n, _), vector in zip(rows, vectors, strict=True):
                known[symbol] = (n, key, vector)
        if len(self._groups.keys() | there.keys()) > 1:
            self.alone = frozenset()
        for key, names in there.items():
            vectors = [known[symbol][2] for symbol in names]
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group()
            group.add(names, vectors)

    def _pair(self, one: str, other: str, book: View) -> float:
        (dates_1, closes_1), (dates_2, closes_2) = book.closes(one), book.closes(other)
        n = self.window + 1
        _, i, j = np.intersect1d(dates_1[-n:], dates_2[-n:], assume_unique=True, return_indices=True)
        both = normalised(np.array([closes_1[-n:][i], closes_2[-n:][j]]), self.least)
        return 0.0 if both is None else float(both[0] @ both[1])


class _Group:
    """Symbols with the same sessions, their normalised returns as the rows of one array.

    A few questions are answered by a product of the array with one row. After `_FEW` of them all
    pairs are worked out at once, so that a rebalance of many symbols pays for them once a bar, and
    only who has a relation at all is asked about further.
    """

    def __init__(self) -> None:
        self.place: dict[str, int] = {}
        self._names: list[str] = []
        self._rows: _Vector | None = None
        self._questions = 0
        # Once all pairs are worked out: who is related to nobody beyond this limit.
        self._limit: float | None = None
        self.alone: set[str] = set()

    def add(self, symbols: Sequence[str], vectors: Sequence[_Vector | None]) -> None:
        """Add symbols with their returns; all of a group have some, or none has."""
        n = len(self._names)
        self.place.update(zip(symbols, range(n, n + len(symbols)), strict=True))
        self._names += symbols
        rows = [vector for vector in vectors if vector is not None]
        if not rows:
            return
        if self._rows is None:
            self._rows = np.array(rows)
        else:
            if n + len(rows) > len(self._rows):
                more = np.zeros((max(len(rows), len(self._rows)), self._rows.shape[1]))
                self._rows = np.concatenate([self._rows, more])
            self._rows[n : n + len(rows)] = rows
        if self._limit is not None:
            self._compare(n)

    def related(self, symbol: str, beyond: float) -> list[tuple[str, float]]:
        """Return the others whose correlation with `symbol` is beyond `beyond`, either way."""
        if self._rows is None:
            return []
        i = self.place[symbol]
        if beyond == self._limit:
            if symbol in self.alone:
                return []
        elif self._limit is None:
            self._questions += 1
            if self._questions > _FEW:
                self._limit = beyond
                self._compare(0)
        rho = self._rows[: len(self._names)] @ self._rows[i]
        others = np.flatnonzero(np.abs(rho) > beyond).tolist()
        return [(self._names[k], float(rho[k])) for k in others if k != i]

    def _compare(self, first: int) -> None:
        """Find out who may be related to whom, from the symbol number `first` on."""
        assert self._rows is not None and self._limit is not None
        # Half the digits are enough to tell who is surely not; the others are asked about exactly.
        rows = self._rows[: len(self._names)].astype(np.float32)
        beyond = np.float32(self._limit - _DOUBT)
        has_any = np.zeros(len(rows), dtype=bool)
        # In blocks that the processor keeps at hand, each against itself and what comes before it.
        for begin in range(first, len(rows), _BLOCK):
            end = min(begin + _BLOCK, len(rows))
            strong = np.abs(rows[begin:end] @ rows[:end].T) > beyond
            np.fill_diagonal(strong[:, begin:], False)
            has_any[begin:end] |= strong.any(axis=1)
            has_any[:end] |= strong.any(axis=0)
        related = has_any.tolist()
        self.alone.difference_update([s for s, is_ in zip(self._names, related, strict=True) if is_])
        self.alone.update([s for s, is_ in zip(self._names[first:], related[first:], strict=True) if not is_])


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
