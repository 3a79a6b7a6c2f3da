"""The host's side of signal packs: score bars, and prove that no number knows a later bar.

`score` calls a pack on some beginnings of the bars, on the whole, and on beginnings that end where the
whole's numbers change; where a number of a beginning differs from the whole's, it depended on what
came later, and that is a `PluginError` that names the pack, the bar and both values. So is an array of
the wrong length, and a number outside of [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.clock import from_ns, iso
from robo_trader.errors import PluginError
from robo_trader.records import Signal
from robo_trader.signals.tape import RoleSignals

Column = NDArray[np.float64]
Make = Callable[[], Any]

#: Where bars are cut off to see whether the numbers before change.
CUTS = (0.31, 0.62, 0.93)
#: How many beginnings more are tried that end where the numbers change.
TURNS = 5
#: What rounding may change in a number that is worked out on fewer bars.
TOLERANCE = 1e-9
_SHORTEST = 30


def score(name: str, make: Make, frame: BarFrame, others: Mapping[str, BarFrame]) -> Column:
    """Return the pack's number for each bar of `frame`, proven on some of its beginnings.

    `make` returns a new instance each time, so that none remembers the whole. `others` are the bars
    of the symbols that the pack's `also` names.
    """
    # The short ones first: what a pack's module remembers from call to call then knows no later bar.
    parts = [numbers_of(name, make(), frame.where(slice(0, cut)), others) for cut in _cuts(len(frame))]
    whole = numbers_of(name, make(), frame, others)
    for part in parts:
        _compare(name, frame, part, whole)
    for cut in _turns(whole):
        _compare(name, frame, numbers_of(name, make(), frame.where(slice(0, cut)), others), whole)
    return whole


def _compare(name: str, frame: BarFrame, part: Column, whole: Column) -> None:
    cut = len(part)
    differs = ~np.isclose(part, whole[:cut], rtol=0.0, atol=TOLERANCE, equal_nan=True)
    if differs.any():
        i = int(np.argmax(differs))
        raise PluginError(
            f"the signal {name!r} depends on later bars: for the bar of {frame.symbol} ending "
            f"{iso(int(frame.end[i]))} it says {part[i]:g} when the bars end at "
            f"{iso(int(frame.end[cut - 1]))}, and {whole[i]:g} when they go on",
            hint="number i may use bars 0 to i only, and no random numbers of its own",
        )


def _cuts(n: int) -> Sequence[int]:
    """Return the lengths of the beginnings to try: some inside, and all but the last bar.

    Very short ones are left out, since an average of twenty bars may not work on three.
    """
    inside = [k for k in (int(n * part) for part in CUTS) if k >= _SHORTEST]
    return sorted({*inside, n - 1} - {0, n})


def _turns(whole: Column) -> Sequence[int]:
    """Return the lengths of beginnings that end with a new number: there a look at the next bar shows.

    A pack that speaks seldom and one bar too early says on nearly every beginning what it says on the
    whole; only where the bar that it saw is missing it does not. The widest steps are tried.
    """
    steps = np.abs(np.diff(np.nan_to_num(whole), prepend=0.0))
    steps[:_SHORTEST] = 0.0
    widest = np.argsort(-steps, kind="stable")[:TURNS]
    return sorted(int(i) + 1 for i in widest if steps[i] > TOLERANCE and i + 1 < len(whole))


def numbers_of(name: str, source: Any, frame: BarFrame, others: Mapping[str, BarFrame]) -> Column:
    """Return the numbers of the pack `source` for `frame`, checked one by one but not for hindsight."""
    also = {symbol: last_closes(others[symbol], frame) for symbol in getattr(source, "also", ())}
    try:
        found = source.score(frame, **also)
        numbers = np.array(found, dtype=np.float64)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"the signal {name!r} failed on {len(frame)} bars of {frame.symbol}: {text}",
            hint="'robo plugins check' tries it on other bars",
        ) from error
    if numbers.shape != (len(frame),):
        raise PluginError(
            f"the signal {name!r} gave an array of shape {numbers.shape} for {len(frame)} bars",
            hint="return one number per bar",
        )
    wrong = ~np.isnan(numbers) & ~(np.abs(numbers) <= 1.0)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise PluginError(
            f"the signal {name!r} says {numbers[i]:g} for the bar of {frame.symbol} ending "
            f"{iso(int(frame.end[i]))}",
            hint="a score lies in [-1, 1]; NaN is silence",
        )
    return numbers


def last_closes(other: BarFrame, frame: BarFrame) -> Column:
    """Return the last close of `other` known at each bar's end of `frame`; NaN before its first."""
    which = np.searchsorted(other.end, frame.end, side="right") - 1
    return np.where(which >= 0, other.close[np.maximum(which, 0)], np.nan)


def role_of(
    name: str, make: Make, frames: Sequence[BarFrame], load: Callable[[str], BarFrame]
) -> RoleSignals:
    """Return what the pack `name` says of `frames`; `load` gives the bars of another symbol."""
    by_symbol = {frame.symbol: frame for frame in reversed(frames)}
    others = {
        symbol: by_symbol[symbol] if symbol in by_symbol else load(symbol)
        for symbol in getattr(make(), "also", ())
    }
    bars = {frame.symbol: (frame.end, score(name, make, frame, others)) for frame in frames}
    said = [signal for frame in frames for signal in _changes(name, frame, bars[frame.symbol][1])]
    return RoleSignals(tuple(sorted(said, key=lambda s: (s.at, s.symbol))), bars=bars)


def _changes(name: str, frame: BarFrame, numbers: Column) -> list[Signal]:
    """Return a signal for each bar at which the number changes, valid until it changes again."""
    same = np.isclose(numbers[1:], numbers[:-1], rtol=0.0, atol=0.0, equal_nan=True)
    firsts = np.flatnonzero(np.concatenate(([True], ~same)))
    ends = [*firsts[1:].tolist(), None]
    return [
        Signal(
            at=from_ns(int(frame.end[i])),
            symbol=frame.symbol,
            name=name,
            value=float(numbers[i]),
            expires_at=None if until is None else from_ns(int(frame.end[until])),
        )
        for i, until in zip(firsts.tolist(), ends, strict=True)
        if not np.isnan(numbers[i])
    ]


def trial_bars(symbol: str = "TRIAL", n: int = 400, seed: int = 0) -> BarFrame:
    """Return made-up daily bars on which a pack can be tried; the same for the same seed."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0002, 0.015, n)))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0.0, 0.004, n))
    table = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * 1.005,
            "low": np.minimum(opened, close) * 0.995,
            "close": close,
            "volume": rng.integers(1_000, 100_000, n).astype(float),
        },
        index=pd.bdate_range("2020-01-01", periods=n, tz="UTC"),
    )
    return BarFrame.from_pandas(table, symbol=symbol, stamps="end", tz="UTC")


def check(name: str, make: Make) -> None:
    """Try a pack on made-up bars; raises `PluginError` with what is wrong with it."""
    symbols = getattr(make(), "also", ())
    score(
        name, make, trial_bars(), {symbol: trial_bars(symbol, seed=k + 1) for k, symbol in enumerate(symbols)}
    )
