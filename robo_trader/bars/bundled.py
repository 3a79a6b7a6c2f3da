"""The bundled demonstration data: real daily bars of seven symbols and the Fed's dated decisions.

2,516 sessions from 2011-04-01 to 2021-03-31 and 43 decisions from 2016-01-27 to 2021-03-17; sources and
licences stand in `robo_trader/bundled/NOTICE`. Prices are as traded, without dividends. A name that
is not among them is a `DataError` that suggests the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from robo_trader.bars.folder import load_folder
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.settings import BarSettings
from robo_trader.errors import DataError, did_you_mean

BUNDLED_SYMBOLS = ("SPY", "QQQ", "IWM", "EEM", "BAC", "IBM", "VIX")

_FOLDER = Path(__file__).parent.parent / "bundled"
_LEAN = "QuantConnect Lean sample data, Apache-2.0"
_CBOE = "Cboe VIX, ODC-PDDL"
_UNADJUSTED = "{}: prices as traded; dividends are not part of the returns"
_INDEX = "{}: an index, which cannot be bought or sold"
_SECTORS = {"BAC": "Financials", "IBM": "Information Technology"}


def bundled_bars(
    symbols: Iterable[str] | None = None, *, settings: BarSettings | None = None
) -> list[BarFrame]:
    """Return the bundled daily bars of `symbols` (all of them unless told), in the order asked for.

    `settings` are the reader's; what they say of a symbol wins over what is known here. Raise
    `DataError` for a symbol that is not bundled.
    """
    wanted = BUNDLED_SYMBOLS if symbols is None else tuple(s.upper() for s in symbols)
    for symbol in wanted:
        if symbol not in BUNDLED_SYMBOLS:
            raise DataError(
                f"{symbol} is not among the bundled symbols",
                hint=did_you_mean(symbol, BUNDLED_SYMBOLS) or f"there are {', '.join(BUNDLED_SYMBOLS)}",
            )
    frames = load_folder(_FOLDER / "bars", wanted, _with_sectors(settings or BarSettings()))
    return [_named(frame) for frame in frames]


def bundled_events_path() -> Path:
    """Return the events file of the Fed's decisions (JSON Lines, kind ``fomc``)."""
    return _FOLDER / "events" / "fomc.jsonl"


def _with_sectors(settings: BarSettings) -> BarSettings:
    """Return `settings` with the sectors of the single stocks where they name none."""
    tables = {symbol.upper(): table for symbol, table in settings.symbols.items()}
    for symbol, sector in _SECTORS.items():
        tables[symbol] = {"sector": sector, **tables.get(symbol, {})}
    return replace(settings, symbols=tables)


def _named(frame: BarFrame) -> BarFrame:
    """Return `frame` with its source in words instead of a path of this machine."""
    index = frame.symbol == "VIX"
    source = f"bundled {frame.symbol}.csv ({_CBOE if index else _LEAN})"
    note = (_INDEX if index else _UNADJUSTED).format(frame.symbol)
    return replace(frame, origin=replace(frame.origin, source=source), notes=(*frame.notes, note))
