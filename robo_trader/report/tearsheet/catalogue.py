"""The catalogue of the tear sheet: every drawing of pyfolio that can say something about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.report.tearsheet.draw import TALL
from robo_trader.report.tearsheet.frames import Frames
from robo_trader.report.tearsheet.panels import (
    HALF_YEAR,
    Paint,
    Panel,
    benchmark,
    fills,
    held,
    long_benchmark,
    months,
    moves,
    named_sectors,
    not_charged,
    sessions,
    solvent,
    trips,
    winners_and_losers,
    york_hours,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def _cumulative(pf: Any, f: Frames, ax: Axes) -> None:
    returns = f.returns if f.returns_vs is None else f.returns_vs
    pf.plotting.plot_rolling_returns(returns, factor_returns=f.benchmark, ax=ax)


def _matched(pf: Any, f: Frames, ax: Axes) -> None:
    pf.plotting.plot_rolling_returns(f.returns_vs, factor_returns=f.benchmark, volatility_match=True, ax=ax)


def _logarithmic(pf: Any, f: Frames, ax: Axes) -> None:
    returns = f.returns if f.returns_vs is None else f.returns_vs
    pf.plotting.plot_rolling_returns(returns, factor_returns=f.benchmark, logy=True, ax=ax)
    # The logarithmic formatter writes TeX, which is off so that names stay names.
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.tick_params(axis="y", which="minor", labelsize=9, size=0)


def _rolling_volatility(pf: Any, f: Frames, ax: Axes) -> None:
    returns = f.returns if f.returns_vs is None else f.returns_vs
    pf.plotting.plot_rolling_volatility(returns, factor_returns=f.benchmark, ax=ax)


def rolling_beta(returns: pd.Series, benchmark_returns: pd.Series, window: int) -> pd.Series:
    """Return beta over the last `window` returns; pyfolio's loop gives the same in seconds, not ms."""
    return returns.rolling(window).cov(benchmark_returns) / benchmark_returns.rolling(window).var()


def _rolling_beta(pf: Any, f: Frames, ax: Axes) -> None:
    assert f.returns_vs is not None and f.benchmark is not None
    for window, label in ((HALF_YEAR, "6 months"), (2 * HALF_YEAR, "12 months")):
        beta = rolling_beta(f.returns_vs, f.benchmark, window)
        if beta.notna().any():
            ax.plot(beta.index, beta.to_numpy(), label=label)
    ax.axhline(1.0, color="black", linestyle="--", linewidth=1)
    ax.set_ylabel("Beta")
    ax.legend(loc="best")


def _heatmap(pf: Any, f: Frames, ax: Axes) -> None:
    # pyfolio shows months before the start and after the end as 0; they are no months of this run.
    absent = pf.timeseries.aggregate_returns(f.returns, "monthly").unstack().isna().to_numpy()
    pf.plotting.plot_monthly_returns_heatmap(f.returns, ax=ax, mask=absent)
    ax.tick_params(axis="y", rotation=0)
    ax.grid(False)


def _turnover(pf: Any, f: Frames, ax: Axes) -> None:
    pf.plotting.plot_turnover(f.returns, f.transactions, f.positions, turnover_denom="portfolio_value", ax=ax)
    # pyfolio fixes the axis at 0 to 2, where a calm book is a flat line and a busy one is cut off.
    top = max((float(np.nanmax(np.append(line.get_ydata(), 0.0))) for line in ax.lines), default=0.0)
    ax.set_ylim(0, top * 1.08 or 1)


def _turnover_histogram(pf: Any, f: Frames, ax: Axes) -> None:
    active = f.positions.loc[f.transactions.index.unique()]
    pf.plotting.plot_daily_turnover_hist(
        f.transactions, active, turnover_denom="portfolio_value", ax=ax, bins=30
    )


def _volume(pf: Any, f: Frames, ax: Axes) -> None:
    import pandas as pd

    # Days without a fill count as 0: the line would join the others through them.
    idle = pd.DataFrame({"symbol": "", "amount": 0.0, "price": 0.0}, index=f.returns.index)
    pf.plotting.plot_daily_volume(f.returns, pd.concat([f.transactions, idle]).sort_index(), ax=ax)
    ax.set_ylim(bottom=0)


def _drawdown_periods(pf: Any, f: Frames, ax: Axes) -> None:
    pf.plotting.plot_drawdown_periods(f.returns, top=10, ax=ax)
    for shade in ax.collections:
        shade.set_alpha(0.2)


def _top_positions(pf: Any, f: Frames, ax: Axes) -> None:
    pf.plotting.show_and_plot_top_positions(
        f.returns, f.allocation, show_and_plot=0, legend_loc="best", ax=ax
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=5, frameon=False)


def _sector_allocation(pf: Any, f: Frames, ax: Axes) -> None:
    known = f.positions[[*f.sectors, "cash"]]
    allocation = pf.pos.get_sector_exposures(known, dict(f.sectors))
    total = f.positions.sum(axis="columns")
    pf.plotting.plot_sector_allocations(
        f.returns, allocation.drop(columns="cash").divide(total, axis="index"), ax=ax
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=4, frameon=False)


def _histogram(column: str, label: str, scale: float = 1.0) -> Paint:
    def paint(pf: Any, f: Frames, ax: Axes) -> None:
        values = f.trips[column].dropna().to_numpy(dtype=float) * scale
        ax.hist(values[np.isfinite(values)], bins=min(40, max(8, len(values) // 4)))
        ax.axvline(0.0, color="#3b4351", linewidth=1)
        ax.set_xlabel(label)
        ax.set_ylabel("Trades")

    return paint


def _holding_time(pf: Any, f: Frames, ax: Axes) -> None:
    days = f.trips["duration"].dt.total_seconds().to_numpy() / 86_400
    ax.hist(days, bins=min(40, max(8, len(days) // 4)))
    ax.set_xlabel("Holding time in days")
    ax.set_ylabel("Trades")


def _lifetimes(pf: Any, f: Frames, ax: Axes) -> None:
    pf.plotting.plot_round_trip_lifetimes(f.trips, lsize=9, ax=ax)
    ax.xaxis_date("UTC")


def _p(name: str, *arguments: str) -> Paint:
    """The plain case: pyfolio's own function on the named frames."""
    return lambda pf, f, ax: getattr(pf.plotting, name)(*(getattr(f, a) for a in arguments), ax=ax)


R, P, T, RT = "Returns", "Positions", "Transactions", "Round trips"

PANELS: tuple[Panel, ...] = (
    Panel(
        R,
        "Cumulative returns",
        "growth of 1, beside the benchmark where there is one",
        _cumulative,
        [sessions(2), moves],
    ),
    Panel(
        R,
        "Cumulative returns, logarithmic",
        "the same growth on a logarithmic scale",
        _logarithmic,
        [sessions(2), moves, solvent],
    ),
    Panel(
        R,
        "Cumulative returns at the benchmark's volatility",
        "growth of 1 with the strategy scaled to the benchmark's volatility",
        _matched,
        [benchmark, moves],
    ),
    Panel(R, "Daily returns", "each session's return", _p("plot_returns", "returns"), [sessions(3), moves]),
    Panel(
        R,
        "Rolling beta",
        "beta to the benchmark over 6 and 12 months",
        _rolling_beta,
        [benchmark, long_benchmark, moves],
    ),
    Panel(
        R,
        "Rolling volatility",
        "volatility over 6 months, at 252 sessions a year",
        _rolling_volatility,
        [sessions(HALF_YEAR + 1), moves],
    ),
    Panel(
        R,
        "Rolling Sharpe ratio",
        "Sharpe ratio over 6 months, at 252 sessions a year",
        _p("plot_rolling_sharpe", "returns"),
        [sessions(HALF_YEAR + 1), moves],
    ),
    Panel(
        R,
        "Drawdown periods",
        "the ten deepest drawdowns, shaded over cumulative returns",
        _drawdown_periods,
        [sessions(3), moves],
    ),
    Panel(
        R,
        "Underwater",
        "distance from the highest close so far",
        _p("plot_drawdown_underwater", "returns"),
        [sessions(3), moves],
    ),
    Panel(
        R, "Monthly returns", "return of each calendar month in percent", _heatmap, [months(2), moves], TALL
    ),
    Panel(
        R,
        "Annual returns",
        "return of each calendar year in percent, with their mean",
        _p("plot_annual_returns", "returns"),
        [months(2), moves],
        TALL,
    ),
    Panel(
        R,
        "Distribution of monthly returns",
        "how often which monthly return occurred, with the mean",
        _p("plot_monthly_returns_dist", "returns"),
        [months(3), moves],
    ),
    Panel(
        R,
        "Return quantiles",
        "spread of daily, weekly and monthly returns",
        _p("plot_return_quantiles", "returns"),
        [months(3), moves],
    ),
    Panel(
        P,
        "Exposure",
        "long, short and net exposure as a fraction of the account",
        _p("plot_exposures", "returns", "positions"),
        [sessions(2), held, solvent],
    ),
    Panel(
        P,
        "Largest holdings",
        "share of the account in each of the ten largest holdings",
        _top_positions,
        [sessions(3), held, solvent],
        fit=True,
    ),
    Panel(
        P,
        "Concentration",
        "largest and median long and short position",
        _p("plot_max_median_position_concentration", "positions"),
        [sessions(3), held, solvent],
    ),
    Panel(
        P,
        "Number of holdings",
        "holdings a day, their monthly and their overall mean",
        _p("plot_holdings", "returns", "allocation"),
        [sessions(3), held, solvent],
    ),
    Panel(
        P,
        "Long and short holdings",
        "number of long and of short holdings",
        _p("plot_long_short_holdings", "returns", "allocation"),
        [sessions(3), held, solvent],
    ),
    Panel(
        P,
        "Gross leverage",
        "sum of long and short exposure over the account, with the mean",
        _p("plot_gross_leverage", "returns", "positions"),
        [sessions(3), held, solvent],
    ),
    Panel(
        P,
        "Sectors",
        "share of the account in each sector",
        _sector_allocation,
        [sessions(3), held, solvent, named_sectors],
        fit=True,
    ),
    Panel(
        T,
        "Daily turnover",
        "value traded over the account's value, with its monthly mean",
        _turnover,
        [sessions(3), fills, solvent],
    ),
    Panel(
        T,
        "Distribution of daily turnover",
        "how often which turnover occurred, on days with fills",
        _turnover_histogram,
        [sessions(3), fills, solvent],
    ),
    Panel(
        T,
        "Daily trading volume",
        "shares or contracts traded, with the mean of all days",
        _volume,
        [sessions(3), fills],
    ),
    Panel(
        T,
        "Time of day",
        "when fills happened, New York time, by value",
        _p("plot_txn_time_hist", "executions"),
        [fills, york_hours],
    ),
    Panel(
        T,
        "What slippage would cost",
        "growth of 1 if each fill had cost 3 to 50 basis points more",
        _p("plot_slippage_sweep", "returns", "positions", "transactions"),
        [sessions(3), fills, solvent, not_charged],
    ),
    Panel(
        T,
        "Sensitivity to slippage",
        "average annual return against slippage in basis points, at 252 sessions a year",
        _p("plot_slippage_sensitivity", "returns", "positions", "transactions"),
        [sessions(HALF_YEAR), fills, solvent, not_charged],
    ),
    Panel(RT, "Lifetimes", "when trades were open, for up to 16 symbols", _lifetimes, [trips(1)], fit=True),
    Panel(
        RT,
        "Chance of a profitable trade",
        "belief in the share of winners, given the closed trades",
        _p("plot_prob_profit_trade", "trips"),
        [trips(5), winners_and_losers],
    ),
    Panel(RT, "Holding times", "how long trades were open", _holding_time, [trips(5)]),
    Panel(
        RT,
        "Profit and loss per trade",
        "net profit of each closed trade in money",
        _histogram("pnl", "Net profit"),
        [trips(5)],
    ),
    Panel(
        RT,
        "Return per trade",
        "net profit of each closed trade in percent of the account",
        _histogram("returns", "Percent of the account", 100.0),
        [trips(5)],
    ),
)
