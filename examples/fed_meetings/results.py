"""Write docs/results/fed_meetings.md: the five meetings from September 2024 to March 2025.

Run it with ``python examples/fed_meetings/results.py docs/results/fed_meetings.md``. It reads statements
and bars below the folder that ROBO_TEST_DATA names; the page holds results only, no text of a statement. A
model takes part once somebody has recorded its replies: ``--analyst llm`` with ``mode = "replay"`` under
``[intelligence.llm]`` of robo.toml.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from fed_meetings import COSTS, Meeting, study

import robo_trader

MEETINGS = ("2024-09-18", "2024-11-07", "2024-12-18", "2025-01-29", "2025-03-19")
NEW_YORK = ZoneInfo("America/New_York")
COMMAND = "python examples/fed_meetings/results.py docs/results/fed_meetings.md"


def events(data: Path) -> list[robo_trader.Event]:
    """Return the five decisions: figures from the table, the statement as the event's text."""
    with (data / "open/fomc/fomc_decisions_2009_2025.csv").open(encoding="utf-8") as file:
        rows = {row["date"]: row for row in csv.DictReader(file)}
    return [_event(rows[date], data / "open/fomc/statements") for date in MEETINGS]


def _event(row: dict[str, str], statements: Path) -> robo_trader.Event:
    hour = row["release"].rpartition(" ")[0].replace(".", "")
    released = datetime.strptime(f"{row['date']} {hour}", "%Y-%m-%d %I:%M %p").replace(tzinfo=NEW_YORK)
    # The head of the file and the line that gives the release are no part of the statement.
    text = (statements / row["file"]).read_text(encoding="utf-8").split("---", 2)[2]
    body = text.partition("For release")[2].partition("\n")[2].strip()
    change = int(row["change_bp"])
    span = f"{float(row['lower']):.2f}–{float(row['upper']):.2f}"
    what = f"{'cuts' if change < 0 else 'raises'} the target range by {abs(change)} bp to"
    return robo_trader.Event(
        kind="fomc",
        title=f"FOMC {what if change else 'holds the target range at'} {span} %",
        body=body,
        published_at=released,
        url=row["url"],
        data={"change_bp": change, "lower": float(row["lower"]), "upper": float(row["upper"])},
        source="federalreserve.gov",
    )


def hourly(data: Path) -> robo_trader.BarFrame:
    """Return SPY's hourly bars; their stamps mark the start and carry the zone."""
    table = pd.read_csv(data / "restricted/bars_intraday/SPY_60m.csv")
    table.index = pd.to_datetime(table.pop("Datetime"), utc=True).dt.tz_convert("America/New_York")
    table.columns = [name.lower() for name in table.columns]
    return robo_trader.BarFrame.from_pandas(
        table[["open", "high", "low", "close", "volume"]], symbol="SPY", stamps="start"
    )


def daily(data: Path) -> robo_trader.BarFrame:
    """Return SPY's daily bars; prices are adjusted, so that only ratios are right."""
    table = pd.read_csv(data / "restricted/bars_daily/SPY.csv")
    table.columns = [name.lower() for name in table.columns]
    table.index = pd.to_datetime(table.pop(table.columns[0]).astype(str).str[:10])
    return robo_trader.BarFrame.from_pandas(
        table.loc["2024-01-01":, ["open", "high", "low", "close", "volume"]], symbol="SPY", stamps="date"
    )


def table(meetings: list[Meeting], result: robo_trader.Result) -> list[str]:
    """Return one Markdown table for a run, and a line that sums it up."""
    head = ["decision", "known (UTC)", "view", "signal", "order and its end", "SPY by that close"]
    head += ["two sessions on", "trade", "SPY meanwhile"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for m in meetings:
        earned = "–" if m.traded is None else f"{m.traded:+.2%}"
        order = re.sub(r" at \d+\.\d+", "", m.trade)  # the bars' prices are not ours to print
        cells = [m.title.removeprefix("FOMC "), f"{m.known:%Y-%m-%d %H:%M}", m.view, m.signal, order]
        cells += [f"{m.day:+.2%}", f"{m.after:+.2%}", earned, f"{m.holding:+.2%}"]
        lines.append("| " + " | ".join(cells) + " |")
    bars = result.bars[0]
    whole = bars.close[-1] / bars.close[0] - 1
    account, invested = result.metrics["total_return"], result.metrics["exposure_gross"]
    return [
        *lines,
        "",
        f"Over {bars.session[0]} to {bars.session[-1]} the account made {account:+.2%} with",
        f"{invested:.2%} of it invested on average; holding SPY made {whole:+.2%}.",
    ]


def reasons(meetings: list[Meeting]) -> list[str]:
    """Return why the analyst judged as it did, a line for each; phrases of a statement are counted only."""
    lines = []
    for m in meetings:
        parts = m.because.split("; ") if m.because else ["it abstained"]
        said = [part for part in parts if not part.startswith(("dovish", "hawkish"))]
        for lean in ("dovish", "hawkish"):
            n = sum(part.startswith(lean) for part in parts)
            said += [f"{n} {lean} phrase{'s' if n > 1 else ''} named"] if n else []
        lines.append(f"- {m.known:%Y-%m-%d}: {'; '.join(said)}")
    return lines


PAGE = """\
# Five meetings of the Federal Reserve, September 2024 to March 2025

What a run of `event_driven` on SPY made of them, event by event. This page is written by

<!-- not run: needs the data that ROBO_TEST_DATA names -->
```bash
{command}
```

from the Fed's statements and from bars that are not part of this project; it holds results only. An event
is known a minute after its release, its signal follows two seconds later, and an order is filled at the
first price printed after that: on hourly bars the open of 14:30 in New York, on daily bars the next
session's. Costs are {commission} commission and {slippage} slippage a fill; a trade lasts two sessions.
*SPY by that close* is the move from the last close known before the release to the close of its session;
*trade* and *SPY meanwhile* cover the same time, from fill to fill, or the two sessions in which a trade
would have lived.

Nothing was fitted to these dates. What was expected of a meeting is not in the data, so that the bare
change counts, at a low confidence; one source moves a signal by 0.30 at most.

## The offline analyst, on hourly bars

`analyst=offline`: {measured}.

{hours}

Why it judged so:

{reasons}

## The same on daily bars

An order made during a session cannot be filled before the next one opens; most of the reaction is over by
then. Prices are adjusted for dividends: their ratios are right, their levels are not those of the day.

{days}

## A model

{model}

## What this shows

That the pieces fit: what was known when, what was made of it, which order followed and what it earned.
Five events of one kind prove nothing about an analyst or a strategy.
"""
NOT_RUN = """\
Not run: nobody has recorded a model's replies to these statements. With a key and `mode = "record"` under
`[intelligence.llm]`, later with `mode = "replay"`, this adds its rows:

<!-- not run: needs recorded replies -->
```bash
{command} --analyst llm
```

Its knowledge would reach beyond these meetings, so that its figures would be in-sample, and say so."""


def page(data: Path, model: str | None) -> str:
    """Return the whole page."""
    told = events(data)
    by_hour, hours = study(told, bars_held=14, bars=hourly(data))
    by_day, days = study(told, bars_held=2, bars=daily(data))
    (row,) = hours.info.extra["analysts"]
    modelled = NOT_RUN.format(command=COMMAND)
    if model is not None:
        asked, run = study(told, bars_held=14, bars=hourly(data), analyst=model)
        (own,) = run.info.extra["analysts"]
        said = f"`analyst={model}` ({own.get('model', 'no model')}), on hourly bars."
        modelled = "\n".join([said, "", *table(asked, run)])
    return PAGE.format(
        command=COMMAND,
        commission=f"{COSTS['commission']:.2%}",
        slippage=f"{COSTS['slippage']:.2%}",
        measured=row.get("measured", "not measured"),
        hours="\n".join(table(by_hour, hours)),
        reasons="\n".join(reasons(by_hour)),
        days="\n".join(table(by_day, days)),
        model=modelled,
    )


def main() -> None:
    """Write the page to the file that is named, or print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", help="where to write; without it the page is printed")
    parser.add_argument("--analyst", help="a further analyst whose replies are recorded")
    chosen = parser.parse_args()
    folder = os.environ.get("ROBO_TEST_DATA")
    if not folder:
        sys.exit("set ROBO_TEST_DATA to the folder that holds open/fomc and restricted/bars_daily")
    text = page(Path(folder), chosen.analyst)
    if chosen.file:
        Path(chosen.file).write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
