"""Options that several commands share, each spelt and explained once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

DATA = "Data"
TIME = "Time of bars"
RUN = "Run"
MONEY = "Money and rules"
OUTPUT = "Output"


def option(panel: str, metavar: str, *names: str, text: str) -> Any:
    """Return an option; a `metavar` such as ``honest|stock`` is also what a shell completes."""
    words = metavar.split("|") if "|" in metavar and metavar.islower() else None
    return typer.Option(
        *names,
        metavar=metavar,
        help=text,
        rich_help_panel=panel,
        autocompletion=(lambda: words) if words else None,
    )


def run_names() -> list[str]:
    """Return the runs that a shell completes, the latest first; nothing where there are none."""
    from robo_trader.cli.places import runs_folder
    from robo_trader.errors import RoboError
    from robo_trader.runs import list_runs

    try:
        return ["last", *reversed([row.id for row in list_runs(runs_folder(None)) if not row.problem])]
    except RoboError:
        return ["last"]


def strategy_names() -> list[str]:
    """Return the strategies that a shell completes."""
    from robo_trader.errors import RoboError
    from robo_trader.plugins import load_host

    try:
        return load_host().names("strategy")
    except RoboError:
        return []


Strategy = Annotated[
    str | None,
    typer.Argument(
        metavar="STRATEGY",
        help="A name from 'robo plugins', file.py, file.py:Class or module:Class.",
        autocompletion=lambda: strategy_names(),
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.", rich_help_panel=OUTPUT)]
Out = Annotated[
    str | None,
    option(OUTPUT, "DIR", "--out", text="The folder that holds the runs (default: [run] out, else runs)."),
]
ConfigFile = Annotated[
    str | None, option(OUTPUT, "FILE", "--config", text="Read this file instead of robo.toml.")
]

Symbols = Annotated[
    str | None, option(DATA, "A,B", "--symbols", text="The symbols to load, in this order (default: all).")
]
Bars = Annotated[
    str | None,
    option(DATA, "DIR|NAME", "--bars", text="A folder of SYMBOL.csv, one csv, a bar source or 'bundled'."),
]
Events = Annotated[
    list[str] | None,
    option(DATA, "FILE|NAME", "--events", text="An events file (JSON Lines) or source; may be repeated."),
]
Analyst = Annotated[
    list[str] | None,
    option(DATA, "NAME", "--analyst", text="Who reads the events (default offline); may be repeated."),
]
Latency = Annotated[
    str | None, option(DATA, "2s", "--latency", text="From an event to the signal that follows from it.")
]
Start = Annotated[str | None, option(DATA, "DATE", "--start", text="First session, included: 2020-01-31.")]
End = Annotated[str | None, option(DATA, "DATE", "--end", text="Last session, included.")]
Timeframe = Annotated[
    str | None,
    option(
        DATA, "1m|5m|1h|1d", "--timeframe", text="Resample to this; '1h,1d' gives both (default: the files')."
    ),
]
AssumeDelay = Annotated[
    str | None,
    option(
        DATA, "60s", "--assume-delay", text="Delay of events whose arrival nobody recorded (default 60s)."
    ),
]

Stamps = Annotated[
    str | None,
    option(TIME, "start|end|date", "--stamps", text="What stamps mark, where the data do not prove it."),
]
Tz = Annotated[
    str | None, option(TIME, "ZONE", "--tz", text="The zone of stamps that carry none, as America/New_York.")
]
Session = Annotated[
    str | None, option(TIME, "regular|all", "--session", text="Regular hours only (default) or all.")
]
Calendar = Annotated[
    str | None, option(TIME, "CODE", "--calendar", text="The exchange's calendar: XNYS, XLON, 24/7 …")
]
Align = Annotated[
    str | None,
    option(
        TIME,
        "session|none",
        "--align",
        text="One session's daily bars together (default) or each at its close.",
    ),
]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Mend what is unambiguous in bar files, and say so.", rich_help_panel=TIME),
]

Params = Annotated[
    list[str] | None,
    option(RUN, "KEY=VALUE", "--param", "-p", text="A parameter of the strategy; may be repeated."),
]
Seed = Annotated[str | None, option(RUN, "N", "--seed", text="Seed of everything random (default 0).")]

Cash = Annotated[str | None, option(MONEY, "AMOUNT", "--cash", text="Starting cash (default 100000).")]
Commission = Annotated[
    str | None,
    option(MONEY, "FRACTION", "--commission", text="Of each fill's value: 0.001 is 0.1 % (default 0)."),
]
Slippage = Annotated[
    str | None, option(MONEY, "FRACTION", "--slippage", text="Of the price, against you (default 0).")
]
Risk = Annotated[
    str | None,
    option(
        MONEY,
        "default|off|FILE",
        "--risk",
        text="The risk guard's limits: the usual ones, none, or a TOML file's.",
    ),
]
