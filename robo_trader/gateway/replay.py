"""From bars and events to a universe and a market that replays them.

Each symbol becomes one contract; where several time frames are given, the finest is replayed. Contract
ids are a fixed function of the instrument, those of the demo universe where it knows the stock, so
that books survive a restart with more symbols. An option has no place here and is left out with a note;
a future has no expiry.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.timeframes import parse
from robo_trader.calendars import get_calendar
from robo_trader.errors import DataError
from robo_trader.gateway.contracts import Contract, Spec, Universe
from robo_trader.gateway.demo import demo_universe
from robo_trader.instruments import Instrument

_ZONES = {"America/New_York": "US/Eastern", "America/Chicago": "US/Central", "UTC": "UTC"}
_FIRST, _ROOM = 100_000_000, 400_000_000


def replay_universe(frames: Iterable[BarFrame]) -> tuple[Universe, dict[int, BarFrame], list[str]]:
    """Return the universe of `frames`, the frame of each contract id, and notes for the reader."""
    specs: dict[int, Spec] = {}
    chosen: dict[int, BarFrame] = {}
    notes = []
    for frame in frames:
        spec = _spec(frame.instrument)
        if spec is None:
            notes.append(f"{frame.symbol}: {frame.instrument.sec_type} cannot be replayed; left out")
            continue
        before = chosen.get(spec.con_id)
        if before is not None and specs[spec.con_id].symbol != spec.symbol:
            raise DataError(f"{spec.symbol} and {specs[spec.con_id].symbol} get the same contract id")
        if before is None or parse(frame.timeframe).ns < parse(before.timeframe).ns:
            specs[spec.con_id], chosen[spec.con_id] = spec, frame
    if not chosen:
        raise DataError("there are no bars to replay", hint="name some with --bars and --symbols")
    return Universe(specs.values()), chosen, notes


def _spec(thing: Instrument) -> Spec | None:
    if thing.sec_type in ("OPT", "FOP", "BAG"):
        return None
    known = next(
        (
            s
            for s in demo_universe()
            if s.sec_type == thing.sec_type == "STK"
            and (s.symbol, s.contract.currency) == (thing.symbol, thing.currency)
        ),
        None,
    )
    primary = known.contract.primary_exchange if known is not None else _primary(thing)
    contract = Contract(
        con_id=known.con_id if known is not None else _FIRST + zlib.crc32(thing.notation.encode()) % _ROOM,
        symbol=thing.symbol.partition(".")[0] if thing.sec_type == "CASH" else thing.symbol,
        sec_type=thing.sec_type,
        multiplier=f"{thing.multiplier:g}" if thing.multiplier != 1 else "",
        exchange=thing.exchange,
        primary_exchange=primary,
        currency=thing.currency,
        local_symbol=thing.symbol,
        trading_class=thing.symbol,
    )
    exchanges = tuple(dict.fromkeys(name for name in (thing.exchange, "SMART", primary) if name))
    tz = get_calendar(thing.calendar).tz
    return Spec(
        contract,
        long_name=known.long_name if known is not None else thing.symbol,
        min_tick=thing.tick,
        calendar=thing.calendar,
        zone=_ZONES.get(tz, tz),
        exchanges=exchanges,
        stock_type=known.stock_type if known is not None else "COMMON" if thing.sec_type == "STK" else "",
        lot=thing.lot,
        industry=(thing.sector or "", "", ""),
    )


def _primary(thing: Instrument) -> str:
    """Return the listing exchange: nobody said, so the calendar's for New York's stocks."""
    return "NYSE" if thing.sec_type == "STK" and thing.calendar == "XNYS" else ""
