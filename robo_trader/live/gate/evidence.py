"""Evidence of paper trading: on how many days this code was rehearsed under these limits.

Evidence is days and not processes: a UTC date counts once, however many sessions it saw, and only with
`LEAST_ONLINE` seconds of heartbeats in which the line to the broker was up. A session counts where it
sent its orders, to a paper account, on a gateway that is not simulated, with the same code and the same
risk configuration. What a clock says is not simply believed: a session whose clock was far from the
gateway's, that lies in the future, or that began before what the journal had written earlier, does not count.

Pure questions to the journal; nothing is written. The journal belongs to the person whom the gate protects,
so this guards against mistakes and self-deception, not against somebody who writes rows by hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from robo_trader.calendars import get_calendar
from robo_trader.errors import UsageError
from robo_trader.journal.standing import reading
from robo_trader.journal.uptime import SessionLife, sessions_of
from robo_trader.journal.values import plain

if TYPE_CHECKING:
    from robo_trader.journal.live import Journal
    from robo_trader.journal.reading import Reader, Row

#: How the ids of Interactive Brokers' paper accounts begin: a person's, and an adviser's.
PAPER_PREFIXES = ("DU", "DF")
#: Seconds of heartbeats, with the line up, without which a day is no session.
LEAST_ONLINE = 1800.0
#: How far a clock may be off before what it stamped is no evidence.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The `dates` that count, in order, and what stands behind them.

    `sessions` are those with a part in it, `orders` and `fills` what they came to on these dates,
    `other_parameters` how many of them ran with other parameters than asked for. `left_out` says why
    other sessions do not count: reason → how many; `too_short` the dates with too few heartbeats.
    """

    dates: tuple[date, ...]
    sessions: int
    orders: int
    fills: int
    other_parameters: int
    left_out: Mapping[str, int]
    too_short: tuple[date, ...]


def is_paper(account: str) -> bool:
    """Tell whether an account's id is that of a paper account."""
    return account.upper().startswith(PAPER_PREFIXES)


def weekday(day: date) -> bool:
    """Tell whether a date is no Saturday and no Sunday."""
    return day.weekday() < 5


def market_days(codes: Iterable[str]) -> Callable[[date], bool]:
    """Return what tells whether one of these exchange calendars has a session on a date."""
    import numpy as np

    calendars = [get_calendar(code) for code in sorted(set(codes))]

    def open_on(day: date) -> bool:
        return any(c.session_bounds(np.array([day], dtype="datetime64[D]"))[2][0] for c in calendars)

    return open_on


def paper_evidence(
    journal: Journal | Reader,
    *,
    code_hash: str,
    risk_hash: str,
    now: datetime,
    is_session: Callable[[date], bool] = weekday,
    params: Mapping[str, Any] | None = None,
) -> Evidence:
    """Return what the journal holds for this code and this risk configuration.

    `now` is aware UTC. `is_session` tells whether markets are open on a date at all (see `market_days`);
    `params` are the parameters to compare with, None for none.
    """
    wanted = None if params is None else plain(dict(params))
    if not code_hash or not risk_hash:
        raise UsageError("evidence needs the hashes of code and risk configuration", hint="see live.codehash")
    left_out: Counter[str] = Counter()
    online: dict[date, float] = {}
    kept: list[tuple[Row, SessionLife]] = []
    with reading(journal) as reader:
        for run, back in _runs(reader, now):
            reasons = {
                row["number"]: _unlike(row, code_hash, risk_hash)
                for row in reader.rows("sessions", "run = :run", run=run["number"])
            }
            if all(reasons.values()):  # nobody needs its heartbeats
                left_out.update(reasons.values())
                continue
            for life, trouble in _judged(run, sessions_of(reader, run["id"]), now, back):
                why = reasons[life.number] or trouble
                if why:
                    left_out[why] += 1
                    continue
                kept.append((run, life))
                for day, seconds in life.online_by_date.items():
                    online[day] = online.get(day, 0.0) + seconds
        open_ = {day: seconds for day, seconds in online.items() if is_session(day)}
        dates = sorted(day for day, seconds in open_.items() if seconds >= LEAST_ONLINE)
        counting = set(dates)
        took_part = [(run, life) for run, life in kept if counting & set(life.online_by_date)]
        runs = {run["number"] for run, _ in took_part}
        return Evidence(
            dates=tuple(dates),
            sessions=len(took_part),
            orders=_on(reader, "orders", runs, counting),
            fills=_on(reader, "fills", runs, counting),
            other_parameters=sum(wanted is not None and run["params"] != wanted for run, _ in took_part),
            left_out=MappingProxyType(dict(left_out)),
            too_short=tuple(sorted(set(open_) - counting)),
        )


def _runs(reader: Reader, now: datetime) -> Iterator[tuple[Row, bool]]:
    """Yield each run, and whether it began before one with a lower number: under a clock set back.

    Runs are numbered as they begin, and sessions within a run: whatever has the higher number came later.
    """
    latest_run: datetime | None = None
    for run in list(reader.rows("runs")):
        late = run["started"] > now + CLOCK_TOLERANCE
        back = not late and latest_run is not None and run["started"] < latest_run - CLOCK_TOLERANCE
        if not late and not back:
            latest_run = run["started"] if latest_run is None else max(latest_run, run["started"])
        yield run, back


def _judged(
    run: Row, lives: Iterable[SessionLife], now: datetime, back: bool
) -> Iterator[tuple[SessionLife, str]]:
    """Yield each session of a run with what is wrong with its clock, or an empty text."""
    latest = run["started"] if run["started"] <= now + CLOCK_TOLERANCE else None
    for life in lives:
        if life.last_seen > now + CLOCK_TOLERANCE:
            yield life, "lie in the future"
            continue
        ran_back = latest is not None and life.start < latest - CLOCK_TOLERANCE
        latest = life.last_seen if latest is None else max(latest, life.last_seen)
        if back or ran_back or not life.in_order:
            yield life, "began before what the journal had written earlier: the clock was set back"
        elif abs(life.row["skew"]) > CLOCK_TOLERANCE.total_seconds():
            yield life, "had a clock that was minutes away from the gateway's"
        else:
            yield life, ""


def _unlike(row: Mapping[str, Any], code_hash: str, risk_hash: str) -> str:
    """Return why a session is no evidence, or an empty text."""
    if row["simulated"]:
        return "ran on a simulated gateway"
    if not row["send"]:
        return "were previews and sent nothing"
    if not is_paper(row["account"]):
        return "were not in a paper account"
    if row["code_hash"] != code_hash:
        return "ran other code"
    if row["risk_hash"] != risk_hash:
        return "ran under other risk limits"
    return ""


def _on(reader: Reader, table: str, runs: Iterable[int], dates: set[date]) -> int:
    """Count the rows of `table` in `runs` whose time lies on one of `dates`."""
    return sum(
        reader.decode(table, row)["at"].date() in dates
        for run in runs
        for row in reader.ask(f"SELECT at FROM {table} WHERE run = :run", run=run)
    )
