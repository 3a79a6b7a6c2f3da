"""`load_bars`: from whatever a user names to frames that a run can use.

Load, cut to the period, resample, align. A source is a folder or file, the name of a bar source
plugin, ``"bundled"``, a DataFrame, a `BarFrame`, or a dict or list of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robo_trader.bars.align import align
from robo_trader.bars.folder import load_folder, read_csv
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.resample import resample
from robo_trader.bars.settings import BarSettings
from robo_trader.bars.timeframes import parse
from robo_trader.errors import DataError, RoboError, UsageError, did_you_mean

if TYPE_CHECKING:
    from robo_trader.plugins import PluginHost

Day = str | date | np.datetime64 | None
Source = Any  # a path, a name, a DataFrame, a BarFrame, or a dict or list of these


def period(start: Day, end: Day) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Return `start` and `end` as dates; raise `UsageError` where they are none, or the wrong way round."""
    first, last = day(start, "start"), day(end, "end")
    if first is not None and last is not None and first > last:
        raise UsageError(f"start {first} lies after end {last}", hint="exchange --start and --end")
    return first, last


def load_bars(
    source: Source,
    symbols: Sequence[str] | str | None = None,
    settings: BarSettings | None = None,
    *,
    start: Day = None,
    end: Day = None,
    timeframe: str | None = None,
    plugins: PluginHost | None = None,
) -> list[BarFrame]:
    """Return the frames of `source`, one per symbol and time frame, ready for a run.

    `symbols` (a list, or text with commas) picks and orders; None takes all. `start` and `end`
    are session dates, both included. `timeframe` resamples; ``"1h,1d"`` makes two frames per
    symbol. Daily bars of one date are aligned unless settings say ``none`` (for one symbol or all).
    """
    settings = settings or BarSettings()
    wanted = [s.strip() for s in symbols.split(",") if s.strip()] if isinstance(symbols, str) else symbols
    first, last = period(start, end)
    codes = tuple(dict.fromkeys(parse(word).code for word in timeframe.split(","))) if timeframe else ()
    wish = _Wish(settings, first, last, codes, plugins)
    frames = [_dressed(f, f.symbol, settings) for f in _load(source, wanted, wish)]
    if not frames:
        raise UsageError("no bars to load: the list is empty", hint="name at least one symbol or frame")
    frames = _cut_all(frames, first, last, lenient=wanted is None and isinstance(source, str | Path))
    if codes:
        frames = [resample(frame, code) for frame in frames for code in codes]
    _no_doubles(frames)
    return _aligned(frames, settings)


def day(value: Day, what: str) -> np.datetime64 | None:
    """Return a session date; `what` names it in the error."""
    if value is None or value == "":
        return None
    text = str(value.date() if isinstance(value, datetime) else value)
    try:
        return np.datetime64(date.fromisoformat(text), "D")
    except ValueError:
        raise UsageError(f"{what} {text!r} is no date", hint="write it as 2024-12-31") from None


def _cut(frame: BarFrame, start: np.datetime64 | None, end: np.datetime64 | None) -> BarFrame:
    """Return the bars of session dates from `start` to `end`, both included; none is a `DataError`."""
    if start is None and end is None:
        return frame
    keep = np.ones(len(frame), dtype=bool)
    if start is not None:
        keep &= frame.session >= start
    if end is not None:
        keep &= frame.session <= end
    if not keep.any():
        period = f"{start or 'the beginning'} to {end or 'the end'}"
        raise DataError(
            f"{frame.symbol}: no bars from {period}",
            hint=f"its bars go from {frame.session[0]} to {frame.session[-1]}",
        )
    return frame if keep.all() else frame.where(keep)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked of a source."""

    settings: BarSettings
    start: np.datetime64 | None
    end: np.datetime64 | None
    codes: tuple[str, ...]
    plugins: PluginHost | None


def _cut_all(
    frames: list[BarFrame], start: np.datetime64 | None, end: np.datetime64 | None, *, lenient: bool
) -> list[BarFrame]:
    """Cut each frame. Where nobody named the symbols, those without bars in the period are left out
    with a note, unless none is left."""
    if not lenient:
        return [_cut(frame, start, end) for frame in frames]
    kept: list[BarFrame] = []
    absent: list[BarFrame] = []
    for frame in frames:
        inside = (start is None or frame.session[-1] >= start) and (end is None or frame.session[0] <= end)
        (kept if inside else absent).append(frame)
    if not kept:
        return [_cut(frame, start, end) for frame in frames]
    kept = [_cut(frame, start, end) for frame in kept]
    if absent:
        names = ", ".join(f.symbol for f in absent[:5]) + (", …" if len(absent) > 5 else "")
        note = f"left out, without bars in the period: {names}"
        kept[0] = replace(kept[0], notes=(*kept[0].notes, note))
    return kept


def _load(source: Source, symbols: Sequence[str] | None, wish: _Wish) -> list[BarFrame]:
    if isinstance(source, BarFrame):
        return _pick([source], symbols)
    if isinstance(source, Mapping):
        groups = [
            _named(_load(v, _own(v, k), wish), k, wish) for k, v in source.items() if _asked(k, symbols)
        ]
        return _pick([frame for group in groups for frame in group], symbols, list(source))
    if isinstance(source, list | tuple):
        groups = [_load(item, None, wish) for item in source]
        return _pick([frame for group in groups for frame in group], symbols)
    if hasattr(source, "columns") and hasattr(source, "index"):
        return [_from_pandas(source, symbols, wish.settings)]
    if hasattr(source, "load"):
        return _from_source(source, type(source).__name__, symbols, wish)
    if isinstance(source, str | Path):
        return _from_name(source, symbols, wish)
    raise UsageError(
        f"bars cannot be {type(source).__name__}",
        hint="give a folder, a bar source's name, a DataFrame, a BarFrame, or a dict or list of these",
    )


def _own(source: Source, symbol: str) -> list[str] | None:
    """Return what to ask a dict's value for: a frame has a name already and gets its new one later."""
    return None if isinstance(source, BarFrame) else [symbol]


def _aligned(frames: list[BarFrame], settings: BarSettings) -> list[BarFrame]:
    """Return the frames in their order, those that settings want aligned."""
    mine = [settings.for_symbol(f.symbol).align == "session" for f in frames]
    done = iter(align([f for f, wanted in zip(frames, mine, strict=True) if wanted]))
    return [next(done) if wanted else f for f, wanted in zip(frames, mine, strict=True)]


def _asked(symbol: str, symbols: Sequence[str] | None) -> bool:
    return symbols is None or symbol.upper() in {s.upper() for s in symbols}


def _from_name(source: str | Path, symbols: Sequence[str] | None, wish: _Wish) -> list[BarFrame]:
    names = wish.plugins.names("bars") if wish.plugins is not None else []
    if isinstance(source, str) and source in names and wish.plugins is not None:
        made = wish.plugins.create("bars", source)
        return _not_the_folder(_from_source(made, source, symbols, wish), source)
    if source == "bundled":
        from robo_trader.bars.bundled import bundled_bars

        return _not_the_folder(bundled_bars(symbols, settings=wish.settings), source)
    path = Path(source).expanduser()
    if not path.exists():
        if path.suffix == "" and len(path.parts) == 1:
            near = did_you_mean(str(source), [*names, "bundled"])
            raise DataError(
                f"no folder and no bar source {str(source)!r}",
                hint=near or "check --bars; 'robo plugins' lists the sources",
            )
        raise DataError(f"no folder {path}", hint="check --bars, or leave it out to use the bundled bars")
    if path.is_dir():
        return load_folder(path, symbols, wish.settings)
    if symbols is not None and len(symbols) > 1:
        raise UsageError(
            f"{path} is one file, but {len(symbols)} symbols are asked for", hint="name the folder of files"
        )
    return [read_csv(path, symbol=symbols[0] if symbols else None, settings=wish.settings)]


def _not_the_folder(frames: list[BarFrame], name: str) -> list[BarFrame]:
    """Return the frames of the source `name`, with a note where a folder here has its name."""
    if not Path(name).exists():
        return frames
    note = f"{name!r} is a bar source; the folder of that name was not read (--bars ./{name} reads it)"
    return [replace(frames[0], notes=(*frames[0].notes, note)), *frames[1:]]


def _from_source(source: Any, name: str, symbols: Sequence[str] | None, wish: _Wish) -> list[BarFrame]:
    """Ask a bar source for each symbol; what it returns must be a `BarFrame`."""
    try:
        asked = list(symbols if symbols is not None else getattr(source, "symbols", tuple)())
    except Exception as error:  # a plugin may raise anything; the run gets one line that names it
        raise _source_failed(name, "its symbols", error) from error
    if not asked:
        raise UsageError(f"bar source {name} needs symbols", hint="say which with --symbols A,B")
    finest = min(wish.codes, key=lambda code: parse(code).ns) if wish.codes else None
    first = None if wish.start is None else wish.start.astype(object)
    last = None if wish.end is None else wish.end.astype(object)
    frames = []
    for symbol in asked:
        try:
            frame = source.load(symbol, first, last, finest)
        except RoboError:
            raise
        except Exception as error:
            raise _source_failed(name, symbol, error) from error
        if not isinstance(frame, BarFrame):
            raise DataError(
                f"bar source {name} returned {type(frame).__name__} for {symbol}, not a BarFrame",
                hint="return BarFrame.from_pandas(frame, symbol=…, stamps=…)",
            )
        if frame.origin.source in ("memory", "DataFrame", f"DataFrame {frame.symbol}"):
            frame = replace(frame, origin=replace(frame.origin, source=f"{name}:{symbol}"))
        frames.append(_dressed(frame, symbol, wish.settings))
    return frames


def _source_failed(name: str, wanted: str, error: Exception) -> DataError:
    return DataError(
        f"bar source {name} failed for {wanted}: {type(error).__name__}: {error}",
        hint="see what it offers with 'robo plugins check'",
    )


def _from_pandas(frame: Any, symbols: Sequence[str] | None, settings: BarSettings) -> BarFrame:
    from robo_trader.bars.build import build
    from robo_trader.bars.dataframe import raw_from_pandas

    if symbols and len(symbols) > 1:
        raise UsageError(
            f"one DataFrame cannot hold {len(symbols)} symbols", hint="pass a dict {symbol: DataFrame}"
        )
    name = symbols[0] if symbols else str(frame.attrs.get("symbol", ""))
    return build(raw_from_pandas(frame, name), settings)


def _named(frames: list[BarFrame], symbol: str, wish: _Wish) -> list[BarFrame]:
    """Return frames under the name that a dict gave them."""
    return [f if f.symbol == symbol else _dressed(f, symbol, wish.settings) for f in frames]


def _dressed(frame: BarFrame, symbol: str, settings: BarSettings) -> BarFrame:
    """Return a ready-made frame under `symbol`, its instrument with what settings say of it."""
    thing = settings.dress(replace(frame.instrument, symbol=symbol))
    if frame.symbol == symbol and thing == frame.instrument:
        return frame
    return replace(frame, symbol=symbol, instrument=thing)


def _pick(
    frames: list[BarFrame], symbols: Sequence[str] | None, known: Sequence[str] | None = None
) -> list[BarFrame]:
    if symbols is None:
        return frames
    have = [f.symbol for f in frames]
    names = list(known) if known is not None else have
    for symbol in symbols:
        if not _asked(symbol, have):
            near = did_you_mean(symbol, names)
            raise DataError(f"no bars for symbol {symbol}", hint=near or f"there are {', '.join(names[:8])}")
    return [f for s in symbols for f in frames if f.symbol.upper() == s.upper()]


def _no_doubles(frames: list[BarFrame]) -> None:
    seen: set[tuple[str, str]] = set()
    for frame in frames:
        key = (frame.symbol, frame.timeframe)
        if key in seen:
            raise DataError(
                f"two sets of {frame.timeframe} bars for {frame.symbol}", hint="give each symbol once"
            )
        seen.add(key)
