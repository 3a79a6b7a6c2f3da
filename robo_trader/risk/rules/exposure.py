"""Rules about how much money stands at risk: position, sector, gross, net and leverage.

All of them shrink an order to what still fits. The measure is the worst that the positions and
working orders known at the moment can lead to (see `robo_trader.risk.exposure`).
"""

from __future__ import annotations

from collections.abc import Mapping

from robo_trader.records import Decision, Intent
from robo_trader.risk.exposure import SLACK
from robo_trader.risk.limits import Limits, percent
from robo_trader.risk.rule import RiskRule
from robo_trader.risk.usage import Usage, ratio
from robo_trader.risk.view import View


class _Fitting(RiskRule):
    """Shrinks an order until the exposure of its symbol fits into a room."""

    limits: Limits

    def label(self) -> str:
        """Return the limit as a percentage of the portfolio."""
        return percent(self.limits.limit)

    def _fit(
        self, intent: Intent, book: View, most: float, others: float, what: str, *, net: bool = False
    ) -> Decision | None:
        """Allow what keeps the symbol's exposure and `others`, both money, within `most`.

        Where others alone are past the limit, an order may still lead its symbol to nothing; not so
        for a `net` limit, where that would make things worse.
        """
        room = most - others
        if room < 0 and not net:
            room = 0.0
        if room >= 0:
            size = max(room / book.unit - book.reach, -book.units)
        else:
            size = room / book.plain_unit - book.units
        if intent.size <= size + SLACK * (abs(book.reach) + intent.size):
            return None
        would, value = others + book.after, book.value
        reason = f"{what} would reach {_part(would, value)} of {value:,.2f}, limit {_part(most, value)}"
        limit, seen = (most / value, would / value) if value > 0 else (None, None)
        if 0 < size < intent.size:
            return self.resize(intent, size, reason, limit=limit, seen=seen, portfolio=value)
        return self.veto(intent, reason, limit=limit, seen=seen, portfolio=value)


class Position(_Fitting):
    """One symbol's exposure, either way, as a fraction of the portfolio; broad index funds apart."""

    def __init__(
        self,
        limit: float = 0.10,
        index_funds: float = 1.0,
        symbols: Mapping[str, float] | None = None,
        sectors: Mapping[str, float] | None = None,
    ) -> None:
        self.limits = Limits("position", limit, symbols=symbols, sectors=sectors, index_funds=index_funds)

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Shrink `intent` so that its symbol stays within its limit."""
        most = self.limits.of(intent.symbol, book.judged) * book.value
        if book.after <= most:
            return None
        return self._fit(intent, book, most, 0.0, intent.symbol)

    def usage(self, book: View) -> list[Usage]:
        """Return one row for each symbol at risk."""
        return [
            Usage(
                symbol,
                ratio(book.exposure(symbol).gross, book.value),
                self.limits.of(symbol, book.facts(symbol)),
            )
            for symbol in book.at_risk()
        ]


class Sector(_Fitting):
    """The gross exposure of one sector; a symbol without a sector is a sector of its own."""

    def __init__(
        self, limit: float = 0.30, index_funds: float = 1.0, sectors: Mapping[str, float] | None = None
    ) -> None:
        self.limits = Limits("sector", limit, sectors=sectors, index_funds=index_funds)

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Shrink `intent` so that its sector stays within its limit."""
        facts = book.judged
        most = self.limits.of(facts.sector, facts) * book.value
        others = book.sector_gross(facts.sector) - book.own_gross
        if others + book.after <= most and book.after >= 0:
            return None
        return self._fit(intent, book, most, others, facts.sector)

    def usage(self, book: View) -> list[Usage]:
        """Return one row for each sector at risk."""
        members = {book.sector(symbol): book.facts(symbol) for symbol in book.at_risk()}
        return [
            Usage(sector, ratio(book.sector_gross(sector), book.value), self.limits.of(sector, facts))
            for sector, facts in members.items()
        ]


class _Total(_Fitting):
    """A limit of the whole portfolio."""

    name = ""

    def __init__(self, limit: float = 1.0) -> None:
        self.limits = Limits(self.name, limit)

    def used(self, book: View) -> float:
        """Return the money that counts against the limit now."""
        raise NotImplementedError

    def unasked(self, book: View) -> float:
        """Return what is left: no order adds more to a total than its own size."""
        return self.limits.limit * book.value - self.used(book)

    def usage(self, book: View) -> list[Usage]:
        """Return one row for the portfolio."""
        return [Usage("portfolio", ratio(self.used(book), book.value), self.limits.limit)]


class Gross(_Total):
    """Long and short exposure added up, as a fraction of the portfolio."""

    name = "gross"

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Shrink `intent` so that all exposures together stay within the limit."""
        most = self.limits.limit * book.value
        return self._fit(intent, book, most, book.gross - book.own_gross, "gross exposure")

    def used(self, book: View) -> float:
        """Return the gross exposure."""
        return book.gross


class Net(_Total):
    """Long less short exposure, either way, as a fraction of the portfolio."""

    name = "net"

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Shrink `intent` so that the net exposure stays within the limit on its side."""
        most = self.limits.limit * book.value
        buying = intent.side == "BUY"
        others = book.net_high - book.own_high if buying else book.own_low - book.net_low
        return self._fit(intent, book, most, others, "net exposure", net=True)

    def used(self, book: View) -> float:
        """Return the net exposure on its larger side."""
        return max(book.net_high, -book.net_low, 0.0)


class Leverage(_Total):
    """Long exposure as a multiple of the portfolio: above 1 it is bought with borrowed money."""

    name = "leverage"

    def check(self, intent: Intent, book: View) -> Decision | None:
        """Shrink a buying `intent` so that longs stay within the limit."""
        if intent.side == "SELL":
            return None
        most = self.limits.limit * book.value
        others = book.longs - max(book.own_high, 0.0)
        return self._fit(intent, book, most, others, "long exposure")

    def used(self, book: View) -> float:
        """Return the long exposure."""
        return book.longs


def _part(money: float, value: float) -> str:
    return percent(money / value) if value > 0 else f"{money:,.2f}"
