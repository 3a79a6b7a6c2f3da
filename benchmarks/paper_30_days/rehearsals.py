"""The three rehearsals: what is traded on which bars, and what the news says meanwhile.

Headlines were written for this; nobody published them, and the companies had other news on those days.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import bars
from faults import NEW_YORK, Faults, schedule

import robo_trader
from robo_trader.calendars import get_calendar
from robo_trader.live.outcome import Outcome, Told
from robo_trader.live.trading import trade

#: 30 sessions of the New York Stock Exchange, the fall of March 2020 and a change of clocks among them.
FIRST, LAST = "2020-02-10", "2020-03-23"
COSTS = {"run.commission": 0.0005, "run.slippage": 0.0002}

_GOOD = "{} beats estimates and raises its outlook for the year"
_BAD = "{} misses estimates and cuts its outlook for the year"
_NAMES = {"BAC": "Bank of America", "IBM": "IBM"}
#: (session, New York time, symbol, headline).
_HEADLINES: tuple[tuple[int, str, str, str], ...] = tuple(
    (number, clock, symbol, (_GOOD if good else _BAD).format(_NAMES[symbol]))
    for number, clock, symbol, good in (
        (1, "08:10", "BAC", True), (1, "12:30", "IBM", True), (3, "10:05", "BAC", True),
        (4, "07:45", "IBM", True), (5, "09:05", "BAC", False), (6, "13:20", "IBM", True),
        (7, "15:10", "BAC", True), (8, "08:00", "BAC", True), (9, "11:00", "IBM", True),
        (10, "08:30", "IBM", False), (10, "14:15", "BAC", True), (12, "08:20", "BAC", True),
        (12, "10:40", "IBM", True), (14, "08:50", "IBM", True), (15, "12:05", "BAC", False),
        (16, "15:30", "BAC", True), (17, "07:30", "IBM", True), (18, "08:15", "BAC", True),
        (19, "09:55", "IBM", True), (20, "08:05", "BAC", True), (21, "12:45", "IBM", True),
        (22, "08:40", "BAC", True), (23, "10:20", "IBM", True), (24, "08:25", "BAC", True),
        (25, "15:30", "IBM", False), (26, "08:35", "BAC", True), (27, "11:15", "IBM", True),
        (28, "08:45", "BAC", True), (29, "13:05", "IBM", True),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Rehearsal:
    """One rehearsal; `bars` makes what is replayed from a seed and all session dates."""

    name: str
    title: str
    about: str
    strategy: str
    bars: Callable[[int, list[str]], Any]
    symbols: Sequence[str]
    history: int
    synthetic: bool = False
    news: bool = False
    params: dict[str, Any] = field(default_factory=dict)


REHEARSALS = (
    Rehearsal(
        "days", "Daily bars, real",
        "SPY, QQQ, IWM, EEM, BAC and IBM from the bundled bars; headlines about BAC and IBM written for this "
        "rehearsal and read by the offline analyst",
        "news_momentum", lambda seed, days: "bundled", ("SPY", "QQQ", "IWM", "EEM", "BAC", "IBM"), 60,
        news=True, params={"entry": 0.1, "most_bars": 1, "weight": 0.12},
    ),
    Rehearsal(
        "hours", "Hourly bars, real", "SPY", "sma_cross", lambda seed, days: {"SPY": bars.hours()}, ("SPY",),
        120, params={"fast": 3, "slow": 8},
    ),
    Rehearsal(
        "minutes", "Minute bars, SYNTHETIC",
        "five symbols that do not exist, made up by a random generator to put load on the machinery: what is "
        "earned here means nothing", "sma_cross", bars.minutes, bars.SYNTHETIC, 100,
        synthetic=True, params={"fast": 20, "slow": 60},
    ),
)  # fmt: skip


def sessions(first: str, last: str) -> list[str]:
    """Return the dates of New York's sessions from `first` to `last`, both included."""
    return [str(day) for day in get_calendar("XNYS").sessions(first, last)]


def headlines(days: Sequence[str]) -> list[robo_trader.Event]:
    """Return the written headlines of a rehearsal of `days`; each is known when it is published."""
    found = []
    for number, clock, symbol, title in _HEADLINES:
        if number <= len(days):
            at = datetime.fromisoformat(f"{days[number - 1]} {clock}").replace(tzinfo=NEW_YORK)
            found.append(
                robo_trader.Event(
                    kind="news",
                    title=title,
                    symbols=(symbol,),
                    published_at=at,
                    known_at=at,
                    source="written",
                )
            )
    return found


def rehearse(
    which: Rehearsal,
    folder: Path,
    *,
    seed: int,
    count: int = 30,
    told: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Outcome:
    """Trade `count` sessions of a rehearsal on the simulated gateway; its journal lies in `folder`."""
    days = sessions(FIRST, LAST)[:count]
    # The sessions before the first are the strategy's history.
    before = sessions("2020-01-02", FIRST)[-4:-1]
    faults = Faults(planned := schedule(days))

    def progress(stage: str, done: int, total: int) -> None:
        faults.happen(stage, done, total)
        told(stage, done, total)

    outcome = trade(
        which.strategy,
        bars=which.bars(seed, [*before, *days]),
        symbols=list(which.symbols),
        events=[*planned, *(headlines(days) if which.news else [])],
        analyst="offline",
        start=days[0],
        end=days[-1],
        speed="max",
        seed=seed,
        params=which.params,
        command=f"python benchmarks/paper_30_days/paper_30_days.py --only {which.name} --seed {seed}",
        flags={
            **COSTS,
            "live.history": which.history,
            "journal.url": f"sqlite:///{folder / which.name}.sqlite",
            "state.url": f"file:{folder / 'state'}",
        },
        told=Told(progress=progress, fill=faults.fill),
        gateway=faults.gateway,
        save=False,
    )
    if faults.done != len(planned):
        raise robo_trader.RunError(f"{which.name}: {faults.done} of {len(planned)} faults happened")
    return outcome
