"""What the engine has to be told, apart from bars, events and the strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from robo_trader.errors import UsageError


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Settings of one run.

    `cash` in account currency; `commission` and `slippage` are fractions of value (0.001 is
    0.1 %). With `fractional` sizes are not rounded to lots. `strategy_tz` is the zone in which
    `data.datetime` reads for the strategy (the numbers themselves are UTC). `cheat_on_open` and
    `cheat_on_close` are Backtrader's and need ``fill_rules="stock"``. `audit` makes reading ahead
    raise. Bars that end before `trading_from` (ns UTC) only warm indicators up: the strategy is in
    `prenext`, events are kept from it, orders are refused and the account is not yet marked.
    `engine` is the way through the run; both give the same record. With `wake` the fast one calls a
    strategy that defines ``wake()`` only on the bars that it names.
    """

    cash: float = 100_000.0
    commission: float = 0.0
    slippage: float = 0.0
    fill_rules: Literal["honest", "stock"] = "honest"
    fractional: bool = False
    seed: int = 0
    strategy_tz: str | None = None
    cheat_on_open: bool = False
    cheat_on_close: bool = False
    audit: bool = False
    trading_from: int | None = None
    engine: Literal["fast", "plain"] = "fast"
    wake: bool = True

    def __post_init__(self) -> None:
        if not self.cash > 0:
            raise UsageError(f"cash must be above 0, not {self.cash!r}")
        for name in ("commission", "slippage"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UsageError(
                    f"{name} must be a fraction of value from 0 to below 1, not {value!r}",
                    hint="0.001 stands for 0.1 %",
                )
        if self.engine not in ("fast", "plain"):
            raise UsageError(f"the engine is 'fast' or 'plain', not {self.engine!r}")
        if self.fill_rules not in ("honest", "stock"):
            raise UsageError(f"fill rules are 'honest' or 'stock', not {self.fill_rules!r}")
        if self.fill_rules == "honest" and (self.cheat_on_open or self.cheat_on_close):
            raise UsageError(
                "cheat-on-open and cheat-on-close contradict the honest fill rules",
                hint="ask for them together with --fill-rules stock",
            )
