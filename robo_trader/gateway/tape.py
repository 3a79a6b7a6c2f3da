"""A market that replays bars and events: each bar is walked through four prices, at its own times.

A bar prints its open at its start, its two extremes at a third and two thirds of its length (the one
nearer to the way it went last) and its close at its end. Nothing is told before its time. At equal times
ends come before events and events before starts, as in a backtest.

Time starts when the first client connects and runs at the clock's speed, but a pause in which no bar is in
progress lasts a second of wall time at the most. In lockstep `advance` moves to the next end, event or
start and says what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robo_trader.bars.frame import BarFrame
from robo_trader.bars.resample import resample
from robo_trader.bars.timeframes import parse
from robo_trader.clock import NS_PER_DAY, NS_PER_SECOND, iso
from robo_trader.errors import RoboError, UsageError
from robo_trader.events.tape import EventTape
from robo_trader.gateway.contracts import Spec, Universe
from robo_trader.gateway.market import BarSize, LiveBar, Market, PastBar, Quote, Span, to_tick
from robo_trader.gateway.simclock import SimClock
from robo_trader.matching import Bar

#: The longest pause of wall time while every market is closed, in seconds.
LONGEST_PAUSE = 1.0
MOST_BARS = 50_000
#: The part of a bar's volume that stands at the best price, at each of its four prints.
_AT_BEST = 0.05


class Phase(IntEnum):
    """What a moment is about, in the order of equal times."""

    END = 0
    EVENT = 1
    START = 2
    FIRST = 3
    SECOND = 4


@dataclass(slots=True)
class _Reel:
    """One contract's bars and how far they have been played: `at` is the bar last started, -1 before."""

    spec: Spec
    frame: BarFrame
    at: int = -1
    running: bool = False
    last: float = 0.0
    high: float = 0.0
    low: float = 0.0
    open: float = 0.0
    close: float = 0.0
    volume: float = 0.0

    def live(self) -> LiveBar:
        """Return the bar in progress, or the one that has just ended."""
        f, i = self.frame, self.at
        ends = i + 1 >= len(f) or bool(f.session[i + 1] != f.session[i])
        bar = Bar(float(f.open[i]), float(f.high[i]), float(f.low[i]), float(f.close[i]), ends)
        closed = int(f.end[i] if f.closed is None else f.closed[i])
        return LiveBar(bar, int(f.start[i]), int(f.end[i]), float(f.volume[i]), _day(f, i), closed)

    def print(self, price: float) -> None:
        """Let a price be traded."""
        self.last = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += float(self.frame.volume[self.at]) / 4.0

    def path(self, phase: Phase) -> float:
        """Return the first or second extreme of the bar in progress."""
        f, i = self.frame, self.at
        rising = f.close[i] >= f.open[i]
        low_now = rising if phase is Phase.FIRST else not rising
        return float(f.low[i] if low_now else f.high[i])


def _day(frame: BarFrame, i: int) -> int:
    return int(frame.session[i].astype(np.int64))


class TapeMarket(Market):
    """A replay of one frame of bars for each contract, and of events."""

    name = "replay of bars"

    def __init__(
        self,
        universe: Universe,
        clock: SimClock,
        frames: dict[int, BarFrame],
        events: EventTape | None = None,
        *,
        start_ns: int | None = None,
        spread: float = 0.0002,
    ) -> None:
        super().__init__(universe, clock)
        self._spread = spread
        self._events = events
        self._reels = {con_id: _Reel(spec, frames[con_id]) for con_id, spec in _specs(universe, frames)}
        self._ids = list(self._reels)
        self._coarse: dict[tuple[int, str], BarFrame] = {}
        self._moments = self._schedule()
        self.over = not len(self._moments)
        begin = min(int(f.start[0]) for f in frames.values()) if start_ns is None else start_ns
        self._next = int(np.searchsorted(self._moments[:, 0], begin))
        while self._next < len(self._moments) and tuple(self._moments[self._next, :2]) == (begin, Phase.END):
            self._next += 1  # what ends as the replay begins is history
        self._rewind(begin)
        clock.set(begin)
        clock.held = True

    # -- the schedule --------------------------------------------------------------------------------

    def _schedule(self) -> NDArray[np.int64]:
        """Return rows of (time, phase, member), sorted; a member is a contract or an event."""
        parts = []
        for k, reel in enumerate(self._reels.values()):
            frame, third = reel.frame, (reel.frame.end - reel.frame.start) // 3
            columns = (
                (Phase.END, frame.end),
                (Phase.START, frame.start),
                (Phase.FIRST, frame.start + third),
                (Phase.SECOND, frame.start + 2 * third),
            )
            parts += [np.column_stack([t, np.full(len(t), p), np.full(len(t), k)]) for p, t in columns]
        if self._events is not None and len(self._events.known_ns):
            known = self._events.known_ns
            parts.append(np.column_stack([known, np.full(len(known), Phase.EVENT), np.arange(len(known))]))
        rows = np.concatenate(parts).astype(np.int64)
        return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]

    def _rewind(self, begin: int) -> None:
        """Bring every reel to where it stood just before `begin`."""
        for reel in self._reels.values():
            done = int(np.searchsorted(reel.frame.start, begin))
            if done:
                frame, reel.at = reel.frame, done - 1
                # A bar that `begin` lies in is played to its end without its earlier prints.
                reel.running = bool(frame.end[reel.at] > begin)
                last = reel.at - 1 if reel.running else reel.at
                price = frame.close[last] if last >= 0 else frame.open[0]
                reel.last = reel.close = reel.open = reel.high = reel.low = float(price)

    # -- time ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play to the end of the data at the clock's speed, from the first client's arrival on.

        In lockstep it waits to be cancelled.
        """
        if self.clock.speed.lockstep:
            await asyncio.Event().wait()
        await self.started.wait()
        self.clock.set(self.clock.now())
        while self._next < len(self._moments):
            await self._wait(int(self._moments[self._next, 0]))
            self._step()
            if self.clock.speed.fastest:
                await self._breathe()
            else:
                await asyncio.sleep(0)  # clients have their turn even where the replay lags behind its clock
        self.over = True

    async def _breathe(self) -> None:
        """Let clients have their turn between two steps, and wait for one that lags."""
        await asyncio.sleep(0)
        while self.congested():
            await asyncio.sleep(0.002)

    async def _wait(self, moment: int) -> None:
        while (seconds := self.clock.wall_seconds_until(moment)) > 0:
            closed = not any(reel.running for reel in self._reels.values())
            if closed and seconds > LONGEST_PAUSE:
                await asyncio.sleep(LONGEST_PAUSE)
                self.clock.set(moment)
                return
            await asyncio.sleep(min(seconds, 0.5))

    def _step(self) -> Phase:
        """Play everything of the next moment and phase."""
        rows, i = self._moments, self._next
        time, phase = int(rows[i, 0]), Phase(int(rows[i, 1]))
        j = i
        while j < len(rows) and rows[j, 0] == time and rows[j, 1] == phase:
            j += 1
        self._next = j
        self.clock.reach(time)
        members = rows[i:j, 2].tolist()
        if phase is Phase.EVENT:
            assert self._events is not None
            for k in members:
                self.listeners.event(self._events.events[k])
        else:
            self._play(phase, [self._ids[k] for k in members])
        # The next moment is not shown before it is played: who asks the time then has heard of it.
        self.clock.ceiling = max(time, int(rows[j, 0]) - 1) if j < len(rows) else time
        return phase

    def _play(self, phase: Phase, con_ids: list[int]) -> None:
        reels = [self._reels[con_id] for con_id in con_ids]
        for reel in reels:
            if phase is Phase.START:
                self._begin(reel)
            elif phase is Phase.END:
                reel.print(float(reel.frame.close[reel.at]))
                reel.running = False
            else:
                reel.print(reel.path(phase))
        live = {reel.spec.con_id: reel.live() for reel in reels}
        if phase is Phase.START:
            self.listeners.bar_start(live)
        elif phase is Phase.END:
            self.listeners.bar_end(live)
        else:
            self.listeners.tick(con_ids)
        self.listeners.five_seconds({r.spec.con_id: self._five(r, phase) for r in reels})

    def _begin(self, reel: _Reel) -> None:
        reel.at += 1
        frame, i = reel.frame, reel.at
        price = float(frame.open[i])
        if i == 0 or frame.session[i] != frame.session[i - 1]:
            reel.close = float(frame.close[i - 1]) if i else price
            reel.open = reel.high = reel.low = price
            reel.volume = 0.0
        reel.running = True
        reel.print(price)

    def _five(self, reel: _Reel, phase: Phase) -> PastBar:
        """Return the five seconds in which the latest price was printed."""
        now = self.clock.now()
        start = now - 5 * NS_PER_SECOND if phase is Phase.END else now
        start -= start % (5 * NS_PER_SECOND)
        volume, price = float(reel.frame.volume[reel.at]) / 4.0, reel.last
        return PastBar(start, start + 5 * NS_PER_SECOND, price, price, price, price, volume)

    async def advance(self, steps: int, until: int | None = None) -> dict[str, Any]:
        """Play to the next end, event or start, `steps` times; prints inside bars are played on the way.

        With `until` (ns UTC) nothing later is played, nor what starts then: the clock stands at that time
        and the phase is None, so that a client can act between two moments.
        """
        if not self.clock.speed.lockstep:
            raise UsageError("time runs by itself here", hint="start the gateway with --speed lockstep")
        phase = None
        for _ in range(steps):
            if phase is not None:
                await self._breathe()
            phase = None
            while self._next < len(self._moments) and phase is None:
                if until is not None and tuple(self._moments[self._next, :2]) >= (until, Phase.START):
                    break
                played = self._step()
                phase = played if played <= Phase.START else None
            if phase is None:
                break
        if phase is None and until is not None and until > self.clock.now():
            self.clock.set(until)
        self.over = self._next >= len(self._moments)
        # What has been sent should be on its way before the answer is.
        await asyncio.sleep(0)
        what = None if phase is None else phase.name.lower()
        return {"time": iso(self.clock.now()), "ns": self.clock.now(), "phase": what, "over": self.over}

    # -- what the gateway asks -----------------------------------------------------------------------

    def quote(self, spec: Spec) -> Quote | None:
        reel = self._reels.get(spec.con_id)
        if reel is None or reel.at < 0:
            return None
        tick, last = spec.min_tick, reel.last
        half = max(last * self._spread / 2.0, tick / 2.0)
        bid = max(tick, to_tick(np.floor((last - half) / tick + 1e-6) * tick, tick))
        ask = to_tick(max(np.ceil((last + half) / tick - 1e-6) * tick, bid + tick), tick)
        volume = float(reel.frame.volume[reel.at])
        size = max(spec.lot, float(int(volume * _AT_BEST))) if volume else 1e6
        return Quote(
            bid=bid,
            ask=ask,
            bid_size=size,
            ask_size=size,
            last=last,
            last_size=max(spec.lot, float(int(volume / 100.0))),
            open=reel.open,
            high=reel.high,
            low=reel.low,
            close=reel.close,
            volume=reel.volume,
            time=self.clock.now(),
        )

    def history(self, spec: Spec, size: BarSize, end: int, wanted: Span) -> list[PastBar]:
        reel = self._reels.get(spec.con_id)
        if reel is None:
            return []
        frame = self._frame(reel, size)
        if frame is None:
            return []
        stop = int(np.searchsorted(frame.end, min(end, self.clock.now()), side="right"))
        growing = self._growing(reel, frame, stop) if end > self.clock.now() else None
        # The session of the bar in progress is one of the days that were asked for.
        bars = self._cut(frame, stop, size, wanted, frame.session[: stop + (growing is not None)])
        if growing is not None:
            bars = [*bars, growing]
            if wanted.unit == "S" and len(bars) > -(-wanted.ns // size.ns):
                bars = bars[1:]
        return bars

    def _frame(self, reel: _Reel, size: BarSize) -> BarFrame | None:
        """Return the reel's bars at a size; None where they cannot be made."""
        key = (reel.spec.con_id, size.code)
        if key not in self._coarse:
            if parse(size.code).ns < parse(reel.frame.timeframe).ns:
                return None
            try:
                self._coarse[key] = resample(reel.frame, size.code)
            except RoboError:
                return None
        return self._coarse[key]

    def _cut(
        self, frame: BarFrame, stop: int, size: BarSize, wanted: Span, sessions: NDArray[np.datetime64]
    ) -> list[PastBar]:
        """Return the bars of a duration before bar `stop`; days count back from the last of `sessions`."""
        if wanted.unit == "S":
            first = stop - -(-wanted.ns // size.ns)
        else:
            if not len(sessions):
                return []
            if wanted.unit == "D":
                days = np.unique(sessions[-MOST_BARS:])
                earliest = days[max(0, len(days) - wanted.count)]
            else:
                earliest = (
                    sessions[-1] - np.timedelta64(wanted.ns // NS_PER_DAY, "D") + np.timedelta64(1, "D")
                )
            first = int(np.searchsorted(sessions, earliest))
        daily = size.daily
        return [_past(frame, i, daily) for i in range(max(0, first, stop - MOST_BARS), stop)]

    def _growing(self, reel: _Reel, frame: BarFrame, i: int) -> PastBar | None:
        """Return the bar of `frame` in progress as far as it has been printed."""
        now = self.clock.now()
        if (
            i >= len(frame)
            or frame.start[i] > now
            or reel.at < 0
            or (not reel.running and frame is reel.frame)
        ):
            return None
        first = int(np.searchsorted(reel.frame.start, frame.start[i]))
        if reel.at < first:
            return None
        base, before = reel.frame, slice(first, reel.at)
        if reel.running:
            prints = self._prints(reel)
        else:
            at = reel.at
            prints = [float(p[at]) for p in (base.open, base.high, base.low, base.close)]
        high, low = max([*prints, *base.high[before]]), min([*prints, *base.low[before]])
        close = prints[-1]
        part = len(prints) / 4.0
        volume = float(base.volume[before].sum() + base.volume[reel.at] * part)
        day = int(frame.session[i].astype(np.int64)) if parse(frame.timeframe).is_daily_or_longer else None
        start, end = int(frame.start[i]), int(frame.end[i])
        return PastBar(
            start, end, float(base.open[first]), float(high), float(low), float(close), volume, day
        )

    def _prints(self, reel: _Reel) -> list[float]:
        """Return the prices that the bar in progress has printed so far."""
        f, i, now = reel.frame, reel.at, self.clock.now()
        third = (int(f.end[i]) - int(f.start[i])) // 3
        prints = [float(f.open[i])]
        if now >= int(f.start[i]) + third:
            prints.append(reel.path(Phase.FIRST))
        if now >= int(f.start[i]) + 2 * third:
            prints.append(reel.path(Phase.SECOND))
        return prints

    def first_time(self, spec: Spec) -> int | None:
        reel = self._reels.get(spec.con_id)
        return None if reel is None else int(reel.frame.start[0])

    def is_open(self, spec: Spec) -> bool:
        reel = self._reels.get(spec.con_id)
        return reel is not None and reel.running

    def next_open(self, spec: Spec) -> int | None:
        reel = self._reels.get(spec.con_id)
        if reel is None or reel.at + 1 >= len(reel.frame):
            return None
        return int(reel.frame.start[reel.at + 1])

    def bar_end(self, spec: Spec) -> int:
        reel = self._reels.get(spec.con_id)
        if reel is None or not reel.running:
            return self.clock.now()
        return int(reel.frame.end[reel.at])


def _past(frame: BarFrame, i: int, daily: bool) -> PastBar:
    return PastBar(
        int(frame.start[i]),
        int(frame.end[i]),
        float(frame.open[i]),
        float(frame.high[i]),
        float(frame.low[i]),
        float(frame.close[i]),
        float(frame.volume[i]),
        _day(frame, i) if daily else None,
    )


def _specs(universe: Universe, frames: dict[int, BarFrame]) -> Sequence[tuple[int, Spec]]:
    return [(spec.con_id, spec) for spec in universe if spec.con_id in frames]
