"""Make the bundled demonstration data from the shared figures: a maintainer's script.

    ROBO_TEST_DATA=<the data folder> python robo_trader/bundled/build.py

It writes `bars/SYMBOL.csv` and `events/fomc.jsonl` beside itself, the same bytes each time, and stops with a
sentence when the window is not what NOTICE promises: every session present, no split, OHLC in order.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

FIRST, LAST = "2011-04-01", "2021-03-31"
FIRST_DECISION = "2016-01-01"
SYMBOLS = ("SPY", "QQQ", "IWM", "EEM", "BAC", "IBM")
HERE = Path(__file__).parent
NEW_YORK = ZoneInfo("America/New_York")
SOURCE = "Board of Governors of the Federal Reserve System"

Row = tuple[str, str, str, str, str, str]


def lean_rows(folder: Path, symbol: str) -> list[Row]:
    """Return (date, open, high, low, close, volume) of the window; Lean's prices are x 10,000."""
    rows: list[Row] = []
    for line in (folder / f"{symbol.lower()}.csv").read_text("ascii").split("\n"):
        if not line:
            continue
        stamp, *prices, volume = line.split(",")
        date = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}"
        if FIRST <= date <= LAST:
            first, high, low, last = (decimal(p) for p in prices)
            rows.append((date, first, high, low, last, volume))
    splits = [line.split(",")[:3] for line in (folder / f"{symbol.lower()}_factors.csv").read_text().split()]
    inside = {split for date, _, split in splits if date >= FIRST.replace("-", "")}
    if inside != {"1"}:
        sys.exit(f"{symbol} was split inside of the window: factors {sorted(inside)}")
    return rows


def decimal(price: str) -> str:
    """Return a price x 10,000 as a plain decimal number, exactly."""
    whole, part = divmod(int(price), 10_000)
    return f"{whole}.{part:04d}".rstrip("0").rstrip(".")


def vix_rows(file: Path, sessions: set[str]) -> list[Row]:
    """Return the index's rows on `sessions` with volume 0, prices to the two places it is quoted in."""
    with file.open(encoding="ascii", newline="") as stream:
        read = [
            (r["DATE"], *(f"{float(r[c]):.2f}" for c in ("OPEN", "HIGH", "LOW", "CLOSE")))
            for r in csv.DictReader(stream)
        ]
    return [(d, o, h, low, c, "0") for d, o, h, low, c in read if d in sessions]


def check(symbol: str, rows: list[Row], sessions: set[str]) -> None:
    """Stop when a session is missing or a bar's prices are out of order."""
    if missing := sessions ^ {row[0] for row in rows}:
        sys.exit(f"{symbol}: sessions differ from SPY's: {sorted(missing)[:5]}")
    for date, *prices, _ in rows:
        first, high, low, last = map(float, prices)
        if not 0 < low <= min(first, last) <= max(first, last) <= high:
            sys.exit(f"{symbol}: prices out of order on {date}")


def write_bars(symbol: str, rows: list[Row]) -> None:
    lines = ["date,open,high,low,close,volume", *(",".join(row) for row in rows)]
    (HERE / "bars" / f"{symbol}.csv").write_text("\n".join(lines) + "\n", "ascii", newline="\n")


def decisions(file: Path) -> list[dict[str, object]]:
    """Return the Committee's decisions of the window as events; the sentences are made here."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if FIRST_DECISION <= r["date"] <= LAST]
    return [decision(row) for row in rows]


def decision(row: dict[str, str]) -> dict[str, object]:
    clock = re.fullmatch(r"(\d+):(\d\d) ([ap])\.m\. E[SD]T", row["release"])
    if clock is None:
        sys.exit(f"{row['date']}: no release time in {row['release']!r}")
    hour = int(clock[1]) % 12 + (12 if clock[3] == "p" else 0)
    released = datetime.fromisoformat(f"{row['date']}T{hour:02}:{clock[2]}").replace(tzinfo=NEW_YORK)
    lower, upper, change = float(row["lower"]), float(row["upper"]), int(row["change_bp"])
    target = f"{lower:.2f}–{upper:.2f} %"
    verb = {"hike": "raises", "cut": "cuts"}.get(row["decision"])
    if (verb is None) != (change == 0):
        sys.exit(f"{row['date']}: {row['decision']} and a change of {change} bp contradict each other")
    title = (
        f"FOMC {verb} the target range by {abs(change)} bp to {target}"
        if verb
        else f"FOMC holds the target range at {target}"
    )
    return {
        "kind": "fomc",
        "title": title,
        "published_at": released.isoformat(),
        "url": row["url"],
        "data": {
            "lower": lower,
            "upper": upper,
            "change_bp": change,
            "decision": row["decision"],
            "figures": SOURCE,
        },
    }


def main() -> None:
    """Write all files and print what was written."""
    data = os.environ.get("ROBO_TEST_DATA")
    if not data:
        sys.exit("set ROBO_TEST_DATA to the folder that holds open/bars_daily and open/fomc")
    source = Path(data) / "open"
    lean = source / "bars_daily" / "lean"
    sessions = {row[0] for row in lean_rows(lean, "SPY")}
    (HERE / "bars").mkdir(parents=True, exist_ok=True)
    (HERE / "events").mkdir(exist_ok=True)
    bars = {symbol: lean_rows(lean, symbol) for symbol in SYMBOLS}
    bars["VIX"] = vix_rows(source / "bars_daily" / "vix_daily.csv", sessions)
    for symbol, rows in bars.items():
        check(symbol, rows, sessions)
        write_bars(symbol, rows)
    events = decisions(source / "fomc" / "fomc_decisions_2009_2025.csv")
    text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    (HERE / "events" / "fomc.jsonl").write_text(text, "utf-8", newline="\n")
    sys.stdout.write(f"{len(bars)} symbols of {len(sessions)} sessions, {len(events)} decisions\n")


if __name__ == "__main__":
    main()
