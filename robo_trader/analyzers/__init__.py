"""Backtrader analyzers whose numbers are those of `robo_trader.analytics`.

For use in any Cerebro: ``cerebro.addanalyzer(Sharpe, rf=0.02)``. The account is sampled once a day,
at its last bar, by the fund's value, so that money paid in is no return.
"""

from robo_trader.analyzers.drawdown import Drawdown
from robo_trader.analyzers.sharpe import Sharpe

__all__ = ["Drawdown", "Sharpe"]
