"""From raw columns to a `BarFrame`: time frame, what stamps mean, sessions, ends.

The one road for every source. A daily bar ends at its session's close; an intraday bar's stamps
must be said, stated by the header or proven by the data (`bars/proof.py`), never assumed.

Failure contract: `DataError` naming file, row and value for bad data and for stamps that prove
nothing; with ``repair`` the unambiguous is mended first and noted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.examine import examine, order_problems, refuse, snap
from robo_trader.bars.frame import BarFrame
from robo_trader.bars.periods import long_bars
from robo_trader.bars.proof import bounds_of, full_days, what_stamps_mark
from robo_trader.bars.raw import Problem, RawColumns
from robo_trader.bars.repair import mend_order, mend_values
from robo_trader.bars.settings import BarSettings
from robo_trader.bars.timeframes import Timeframe, detect, parse
from robo_trader.calendars import Calendar, get_calendar
from robo_trader.clock import NS_PER_DAY
from robo_trader.errors import DataError
from robo_trader.instruments import Instrument
from robo_trader.zones import to_utc, to_wall

Ints = NDArray[np.int64]
#: Share of bars on dates without a session from which the calendar itself is doubted.
_WRONG_CALENDAR = 0.1


@dataclass(frozen=True, slots=True)
class Staged:
    """Raw columns in time order with what was decided about them.

    `key` orders the rows: days since 1970 for bars of a day or longer, UTC instants below.
    """

    raw: RawColumns
    key: Ints
    length: Timeframe
    settings: BarSettings
    instrument: Instrument
    calendar: Calendar
    problems: tuple[Problem, ...]


def build(
    raw: RawColumns,
    settings: BarSettings | None = None,
    *,
    instrument: Instrument | None = None,
    timeframe: str | None = None,
) -> BarFrame:
    """Return the validated bars that `raw` holds.

    `settings` may carry overrides for the symbol; `instrument` replaces what they would make of
    it; `timeframe` says what the bars are (default: detected).
    """
    staged = stage(raw, settings or BarSettings(), instrument=instrument, timeframe=timeframe)
    refuse(staged.problems)
    return assemble(staged)


def stage(
    raw: RawColumns,
    settings: BarSettings,
    *,
    instrument: Instrument | None = None,
    timeframe: str | None = None,
) -> Staged:
    """Put `raw` in order and find its time frame and its problems; mends first where settings say so."""
    own = settings.for_symbol(raw.symbol)
    thing = instrument or settings.instrument(raw.symbol)
    calendar = get_calendar(thing.calendar)
    if not len(raw):
        refuse(raw.problems)
        raise DataError(f"{raw.name}: no bars", hint="there is a header and nothing below it")
    if own.repair:
        raw = mend_values(raw)
        if not len(raw):
            raise DataError(f"{raw.name}: no bars are left after repair", hint="no row has a price")
    raw = snap(raw)
    problems = examine(raw)
    steps = np.diff(raw.wall)
    if (steps < 0).sum() > (steps > 0).sum():
        raw = raw.take(slice(None, None, -1))
    local = local_stamps(raw, calendar, own.tz)
    said = timeframe or own.timeframe
    length = parse(said) if said else detect(ascending(local), raw.name)
    if not length.is_daily_or_longer:
        key = raw.utc if raw.utc is not None else to_utc(raw.wall, own.tz or calendar.tz)
    elif own.stamps == "end":
        key = ended_days(local, raw, calendar)
    else:
        key = local // NS_PER_DAY
    if own.repair:
        raw, key = mend_order(raw, key)
    problems += order_problems(raw, key)
    problems.sort(key=lambda p: p.row)
    return Staged(raw, key, length, own, thing, calendar, tuple(problems))


def assemble(staged: Staged) -> BarFrame:
    """Return the frame of staged columns without problems."""
    raw = adjust(staged.raw, staged.settings.adjusted)
    if staged.length.is_daily_or_longer:
        return daily(replace(staged, raw=raw))
    return intraday(replace(staged, raw=raw))


def ascending(values: Ints) -> Ints:
    """Return `values` in ascending order; no work where they are."""
    return values if (np.diff(values) > 0).all() else np.unique(values)


def adjust(raw: RawColumns, adjusted: bool) -> RawColumns:
    """Apply an ``Adj Close`` column where adjusted prices are wanted, else say that it is ignored."""
    if raw.adj_close is None:
        return raw
    if not adjusted:
        note = "the Adj Close column is not used (adjusted = true applies it)"
        return replace(raw, notes=(*raw.notes, note))
    bad = ~(np.isfinite(raw.adj_close) & (raw.adj_close > 0))
    if bad.any():
        row = int(raw.rows[int(np.argmax(bad))])
        raise DataError(
            f"{raw.name}, row {row}, column adj close: no price", hint="correct it, or set adjusted = false"
        )
    ratio = raw.adj_close / raw.close
    prices = {n: getattr(raw, n) * ratio for n in ("open", "high", "low")}
    note = "prices scaled by Adj Close / Close"
    return snap(replace(raw, close=raw.adj_close, notes=(*raw.notes, note), **prices))


def local_stamps(raw: RawColumns, calendar: Calendar, tz: str | None) -> Ints:
    """Return stamps as the exchange's clocks show them; midnights as written stay what they are."""
    if raw.dates_only or (raw.wall % NS_PER_DAY == 0).all():
        return raw.wall
    if raw.utc is not None:
        return to_wall(raw.utc, calendar.tz)
    if tz is not None and tz != calendar.tz:
        return to_wall(to_utc(raw.wall, tz), calendar.tz)
    return raw.wall


def ended_days(local: Ints, raw: RawColumns, calendar: Calendar) -> Ints:
    """Return the days of daily stamps that mark ends: midnight ends the day before, around the clock."""
    days = local // NS_PER_DAY
    if calendar.always_open and not raw.dates_only and (local % NS_PER_DAY == 0).all():
        return days - 1
    return days


def daily(staged: Staged) -> BarFrame:
    """Return bars of a day or longer: from their first session's open to their last one's close."""
    raw, calendar = staged.raw, staged.calendar
    dates = staged.key.astype("datetime64[D]")
    notes = list(raw.notes)
    if staged.length.code != "1d":
        bars = long_bars(raw, dates, staged.length, staged.settings.stamps, calendar)
        times = (bars.start, bars.end, bars.session)
        return finish(staged, raw, times, bars.stamps, calendar.tz, notes + bars.notes)
    start, end, known = calendar.session_bounds(dates)
    if not known.all():
        notes.append(_off_session(dates[~known], len(dates), calendar.code))
    return finish(staged, raw, (start, end, dates), "date", calendar.tz, notes)


def _off_session(odd: NDArray[np.datetime64], total: int, code: str) -> str:
    count = f"{len(odd)} bars lie on dates" if len(odd) > 1 else "1 bar lies on a date"
    doubt = "; another calendar may fit, such as '24/7'" if len(odd) > _WRONG_CALENDAR * total else ""
    return f"{count} without a session of {code} (first {odd[0]}), kept with regular hours{doubt}"


def intraday(staged: Staged) -> BarFrame:
    """Return intraday bars: stamps read as said or proven, clipped to and sorted into sessions."""
    raw, own, calendar, utc = staged.raw, staged.settings, staged.calendar, staged.key
    notes = list(raw.notes)
    zone = own.tz or calendar.tz
    if raw.utc is None and own.tz is None:
        notes.append(f"stamps carry no zone and were read as {zone} (tz = … says otherwise)")
    stamps, why = what_stamps_mark(raw, utc, own.stamps, calendar)
    if why:
        notes.append(why)
    ns = staged.length.ns
    # Two bars never overlap: the short last hour of a day ends where it is stamped to.
    if stamps == "start":
        start, end = utc, utc + ns
        end[:-1] = np.minimum(end[:-1], start[1:])
    else:
        start, end = utc - ns, utc
        start[1:] = np.maximum(start[1:], end[:-1])
    session = calendar.sessions_of(start, end)
    keep = np.ones(len(utc), dtype=bool)
    if not calendar.always_open:
        start, end, keep = _into_sessions(start, end, session, calendar)
        outside = int(len(keep) - keep.sum())
        if own.session == "all":
            keep[:] = True
        elif not keep.any():
            raise DataError(
                f"{raw.name}: no bar lies inside the regular session of {calendar.code}",
                hint="are zone (tz) and calendar right? session = 'all' keeps every bar",
            )
        elif outside:
            bars = f"{outside} bars" if outside > 1 else "1 bar"
            notes.append(
                f"{bars} outside the regular session of {calendar.code} dropped (session = 'all' keeps them)"
            )
    kept = raw if keep.all() else raw.take(keep)
    times = (start[keep], end[keep], session[keep])
    return finish(staged, kept, times, stamps, zone if raw.utc is None else "UTC", notes)


def _into_sessions(
    start: Ints, end: Ints, session: NDArray[np.datetime64], calendar: Calendar
) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return bounds clipped to the session, and which bars touch it.

    Where a file has no bars before the open (after the close), a bar across it holds nothing
    from beyond: an hour's bar from 15:30 ends at 16:00. Some sources go on after the close of half
    days only; there, those half days alone keep their bars' ends.
    """
    opens, closes, known = bounds_of(calendar, session)
    before, after = end <= opens, start >= closes
    if not (before & known).any():
        start = np.where((start < opens) & (end > opens) & known, opens, start)
    if not (after & full_days(opens, closes, known)).any():
        across = (start < closes) & (end > closes) & known
        end = np.where(across & ~np.isin(session, session[after]), closes, end)
    return start, end, known & ~before & ~after


def finish(
    staged: Staged,
    raw: RawColumns,
    times: tuple[Ints, Ints, NDArray[np.datetime64]],
    stamps: str,
    tz: str,
    notes: list[str],
) -> BarFrame:
    """Put the columns together."""
    start, end, session = times
    thing = staged.instrument
    return BarFrame(
        symbol=raw.symbol,
        timeframe=staged.length.code,
        start=start,
        end=end,
        session=session,
        open=raw.open,
        high=raw.high,
        low=raw.low,
        close=raw.close,
        volume=raw.volume if raw.volume is not None else np.zeros(len(raw)),
        instrument=thing if thing.symbol == raw.symbol else replace(thing, symbol=raw.symbol),
        adjusted=staged.settings.adjusted,
        origin=replace(raw.origin, stamps=stamps, tz=tz),
        notes=tuple(notes),
    )
