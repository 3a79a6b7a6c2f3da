"""Writes `written_events.jsonl`: news, results and rate decisions that never happened.

Every headline is made up for the comparison of a backtest with the live path, and says so in its `source`,
its `url` and its `data`. Its dates lie where there are bars to trade: 2019 for daily bars of several symbols,
five days of October 2013 and 2023-08-03 for minute bars of SPY, two days of November 2017 around the clock.
The same seed writes the same file: ``python tests/audit/write_events.py``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

FILE = Path(__file__).parent / "written_events.jsonl"
#: What every line says of itself.
LABEL = "written for robo audit parity: this never happened"
NEW_YORK = ZoneInfo("America/New_York")
NAMES = {
    "SPY": "S&P 500 companies", "QQQ": "Nasdaq companies", "IWM": "Small caps", "EEM": "Emerging markets",
    "BAC": "Bank of America", "IBM": "IBM", "AAPL": "Apple", "MSFT": "Microsoft", "BTC": "Bitcoin",
}  # fmt: skip
GOOD = (
    "{} raises its guidance for the year", "{} beats estimates by a wide margin",
    "{} wins a large contract", "{} profit rose sharply", "{} announces a buyback", "{} raises its dividend",
)  # fmt: skip
BAD = (
    "{} cuts its guidance for the year", "{} misses estimates and warns of a loss",
    "{} recalls its product", "{} profit fell sharply", "{} cuts its dividend",
    "{} is sued over its accounts",
)  # fmt: skip
PLAIN = ("{} holds its annual meeting", "{} publishes the agenda of its annual meeting")
#: Times of the day (New York) at which something is said: overnight, around the open, inside, at the close.
TIMES = (
    time(2, 13, 7), time(6, 30), time(8, 59, 59), time(9, 29, 30), time(9, 30), time(10, 7, 31), time(12, 0),
    time(14, 0), time(15, 59, 1), time(16, 0), time(16, 5, 12), time(21, 44, 3), time(23, 59, 59),
)  # fmt: skip


def written() -> Iterator[dict[str, Any]]:
    """Yield every event, in no particular order."""
    rng = random.Random(2019)
    yield from _daily(rng)
    yield from _minutes(rng)
    yield from _around_the_clock(rng)


def _daily(rng: random.Random) -> Iterator[dict[str, Any]]:
    day, last, n = date(2019, 1, 2), date(2019, 12, 27), 0
    symbols = ("SPY", "QQQ", "IWM", "EEM", "BAC", "IBM", "AAPL", "MSFT")
    while day <= last:
        at = datetime.combine(day, TIMES[n % len(TIMES)], NEW_YORK)
        symbol = symbols[n % len(symbols)]
        yield _one(rng, symbol, at, kind="earnings" if n % 3 == 0 else "news")
        if n % 5 == 0:
            # Several at one moment, known when a bar ends.
            for other in rng.sample(symbols, 3):
                close = datetime.combine(day, time(13 if (day.month, day.day) in _HALF else 16), NEW_YORK)
                yield _one(rng, other, close, known=close, kind="earnings" if n % 2 else "news")
        day += timedelta(days=rng.choice((1, 1, 2)))
        n += 1
    for month in range(1, 13):
        at = datetime.combine(date(2019, month, 14), time(14), NEW_YORK)
        change = rng.choice((-50, -25, 25, 50))
        data = {"change_bp": change, "expected_bp": 0}
        verb = "lowers" if change < 0 else "raises"
        yield _event("fomc", f"The committee {verb} the target range by {abs(change)} bp", at, (), data)


_HALF = {(7, 3), (11, 29), (12, 24)}


def _minutes(rng: random.Random) -> Iterator[dict[str, Any]]:
    days = [*(date(2013, 10, d) for d in (8, 9, 10, 11)), date(2023, 8, 3)]
    for day in days:
        at = datetime.combine(day, time(8, 45), NEW_YORK)
        close = datetime.combine(day, time(16), NEW_YORK)
        while at < close + timedelta(hours=1):
            kind = rng.choice(("news", "earnings", "earnings"))
            # Some are known exactly when a minute ends, some on a second of their own.
            at = at.replace(second=0) if rng.random() < 0.3 else at
            yield _one(rng, "SPY", at, known=at if rng.random() < 0.5 else None, kind=kind)
            if rng.random() < 0.15:
                yield _one(rng, "SPY", at, known=at, kind="news")
            at += timedelta(seconds=rng.randrange(200, 1500))


def _around_the_clock(rng: random.Random) -> Iterator[dict[str, Any]]:
    at, end = datetime(2017, 11, 6, 0, 3, tzinfo=UTC), datetime(2017, 11, 8, tzinfo=UTC)
    while at < end:
        yield _one(rng, "BTC", at, kind=rng.choice(("news", "earnings")))
        at += timedelta(seconds=rng.randrange(600, 4000))


def _one(
    rng: random.Random, symbol: str, at: datetime, *, known: datetime | None = None, kind: str = "news"
) -> dict[str, Any]:
    mood = rng.choices((GOOD, BAD, PLAIN), (5, 4, 1))[0]
    data: dict[str, Any] = {}
    if kind == "earnings":
        expected = round(rng.uniform(0.5, 3.0), 2)
        surprise = rng.uniform(0.05, 0.6) * (1 if mood is GOOD else -1 if mood is BAD else 0)
        data = {"eps_expected": expected, "eps_actual": round(expected * (1 + surprise), 2)}
    return _event(kind, rng.choice(mood).format(NAMES[symbol]), at, (symbol,), data, known)


def _event(
    kind: str,
    title: str,
    at: datetime,
    symbols: tuple[str, ...],
    data: dict[str, Any],
    known: datetime | None = None,
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "kind": kind, "title": title, "published_at": at.astimezone(UTC).isoformat(), "source": LABEL,
        "url": "https://example.invalid/written", "data": {**data, "written": True},
    }  # fmt: skip
    if symbols:
        event["symbols"] = list(symbols)
    if known is not None:
        event["known_at"] = known.astimezone(UTC).isoformat()
    return event


if __name__ == "__main__":
    FILE.write_text("".join(json.dumps(event) + "\n" for event in written()), encoding="utf-8")
