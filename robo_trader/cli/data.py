"""`robo data`: which bars there are, everything that is wrong with them, and bars from a source as files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robo_trader.cli import options, out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.inputs import flags_of
from robo_trader.cli.progress import Progress
from robo_trader.cli.style import width
from robo_trader.errors import RoboError, UsageError, did_you_mean

if TYPE_CHECKING:
    from robo_trader.bars.catalog import CatalogRow
    from robo_trader.bars.check import Problem
    from robo_trader.config import Config

app = group()


@app.callback()
@example(
    "robo data check data", "robo data list", "robo data fetch --bars ib --symbols SPY --start 2020-01-02"
)
def data() -> None:
    """List bar files, find everything wrong with them, and fetch bars into files."""


@app.command(cls=RoboCommand)
@example("robo data check data", "robo data check data/SPY.csv --json")
def check(
    ctx: typer.Context,
    bars: Annotated[
        str | None,
        typer.Argument(metavar="DIR", help="A folder of SYMBOL.csv, or one file (default: [bars] source)."),
    ] = None,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Find everything wrong with a folder of bars, in one table; exit code 1 when there is something."""
    settings = _settings(ctx.params, config_file)
    source = settings.get("bars.source")
    if not Path(source).exists() and source in ("bundled", *_sources(settings)):
        raise UsageError(f"{source!r} is no folder of bar files", hint="write 'robo data check DIR'")
    files, problems = _check(source, settings)
    if as_json:
        out.print_json([asdict(problem) for problem in problems])
    elif problems:
        _draw(problems)
    bad = len({problem.file for problem in problems})
    if problems:
        some = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        out.note(f"{some} in {bad} of {files} {'file' if files == 1 else 'files'}")
        raise typer.Exit(1)
    out.note(f"{files} {'file' if files == 1 else 'files'}, nothing wrong")


_PROBLEMS = [
    out.Column("file"),
    out.Column("row", right=True, fold=True, most=10),
    out.Column("cell", fold=True, most=18),
    out.Column("problem", fold=True),
    out.Column("what to do", fold=True),
]
#: Below this width of a terminal the fix stands under its problem.
_WIDE = 110
#: From so many on, one trouble of a file is said in one line with all its rows.
_MANY = 4


def _draw(problems: list[Problem]) -> None:
    rows = list(_gathered(problems))
    columns = width(sys.stdout)
    if columns is None or columns >= _WIDE:
        out.table(_PROBLEMS, rows)
    else:
        out.table(_PROBLEMS[:-1], [[*row[:-2], f"{row[-2]}\n→ {row[-1]}"] for row in rows])


def _gathered(problems: list[Problem]) -> Iterator[list[str]]:
    """Yield table rows; many times the same trouble in a file is one of them."""
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.file, problem.problem, problem.fix), []).append(problem)
    for (file, text, fix), found in alike.items():
        if len(found) < _MANY:
            for one in found:
                cell = f"{one.column} = {one.value}" if one.value != "" and one.column else one.column
                yield [file, str(one.row or ""), cell, text, fix]
        else:
            columns = dict.fromkeys(one.column for one in found if one.column)
            values = {str(one.value) for one in found}
            cell = ", ".join(columns) + (f" = {values.pop()}" if len(values) == 1 and values != {""} else "")
            yield [file, _ranges([one.row for one in found]), cell, f"{text} ({len(found):,} times)", fix]


def _ranges(rows: list[int]) -> str:
    """Return row numbers as ``2-6, 9``."""
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def _check(source: str, settings: Config) -> tuple[int, list[Problem]]:
    """Return how many files there are, and all their problems."""
    from robo_trader.bars.check import check_file
    from robo_trader.bars.folder import bar_files
    from robo_trader.bars.settings import BarSettings

    where = Path(source)
    files = [where] if where.is_file() else list(bar_files(where).values())
    how = BarSettings.from_table(settings.table("bars"))
    problems: list[Problem] = []
    with Progress("checking") as progress:
        for i, file in enumerate(files):
            progress(f"checking {file.name}", i, len(files))
            problems += check_file(file, how)[0]
    return len(files), problems


@app.command("list", cls=RoboCommand)
@example("robo data list", "robo data list data --json")
def list_(
    ctx: typer.Context,
    bars: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR|NAME", help="A folder, 'bundled' or a bar source (default: [bars] source)."
        ),
    ] = None,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """List the bars of a folder or source: symbol, time frame, period, how stamps are read."""
    settings = _settings(ctx.params, config_file)
    source = settings.get("bars.source")
    rows = _rows(source, settings)
    if as_json:
        out.print_json([row.as_dict() for row in rows])
        return
    columns = [
        out.Column("symbol"),
        out.Column("bars"),
        out.Column("first"),
        out.Column("last"),
        out.Column("number", right=True),
        out.Column("stamps"),
        out.Column("calendar"),
    ]
    good = [row for row in rows if not row.problems]
    out.table(columns, [_list_row(row) for row in good])
    for row in rows:
        if row.problems:
            out.note(f"{row.symbol} cannot be used: {row.trouble}", label="warning")
    if len(good) < len(rows):
        out.note(f"see everything wrong with 'robo data check {source}'")


def _list_row(row: CatalogRow) -> list[str]:
    zone = f" {row.tz}" if row.tz else ""
    number = f"{row.bars:,}" if row.bars else ""
    return [row.symbol, row.timeframe, row.first, row.last, number, f"{row.stamps}{zone}", row.calendar]


def _rows(source: str, settings: Config) -> list[CatalogRow]:
    """Return the rows of a folder, of the bundled bars, or of a plugin's source."""
    from robo_trader.bars.bundled import bundled_bars
    from robo_trader.bars.catalog import CatalogRow, list_folder, list_frames
    from robo_trader.bars.settings import BarSettings
    from robo_trader.plugins import load_host

    how = BarSettings.from_table(settings.table("bars"))
    host = load_host(settings)
    names = host.names("bars")
    # A plugin's name wins over a folder of that name, as in a run.
    if source not in names:
        with Progress("reading bars"):
            if source == "bundled":
                return list_frames(bundled_bars(settings=how))
            if Path(source).exists():
                return list_folder(source, how)
        known = ["bundled", *names]
        hint = did_you_mean(source, known) or f"give a folder, or one of {', '.join(known)}"
        raise UsageError(f"there is no folder and no bar source {source!r}", hint=hint)
    symbols = list(host.create("bars", source).symbols())
    if not symbols:
        raise UsageError(
            f"the bar source {source!r} cannot list its symbols", hint="name them with --symbols"
        )
    return [CatalogRow(symbol) for symbol in symbols]


@app.command(cls=RoboCommand)
@example(
    "robo data fetch --bars ib --symbols AAPL,SPY --start 2020-01-02",
    "robo data fetch --bars ib --symbols ES-FUT-CME-USD-202612 --timeframe 5m --start 2026-11-02 --to bars",
)
def fetch(
    ctx: typer.Context,
    bars: options.Bars = None,
    symbols: options.Symbols = None,
    start: options.Start = None,
    end: options.End = None,
    timeframe: options.Timeframe = None,
    to: Annotated[
        str, options.option(options.OUTPUT, "DIR", "--to", text="The folder for SYMBOL.csv.")
    ] = "data",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files that are there.", rich_help_panel=options.OUTPUT)
    ] = False,
    stamps: options.Stamps = None,
    tz: options.Tz = None,
    session: options.Session = None,
    calendar: options.Calendar = None,
    config_file: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Write the bars of a source, such as Interactive Brokers, to a folder of SYMBOL.csv."""
    settings = _settings(ctx.params, config_file)
    wanted = settings.get("run.symbols")
    names = [word.strip() for word in wanted.split(",")] if isinstance(wanted, str) else list(wanted or ())
    if not names:
        raise UsageError("no symbols to fetch", hint="name them with --symbols AAPL,SPY")
    if timeframe and "," in timeframe:
        raise UsageError("a file holds one time frame", hint="fetch each with --to another folder")
    files = {name: Path(to) / f"{_file_name(name)}.csv" for name in names}
    there = [str(file) for file in files.values() if file.exists()]
    if there and not replace:
        raise UsageError(f"{there[0]} exists", hint="--replace writes it anew; --to names another folder")
    rows, failed = [], False
    with Progress("fetching") as progress:
        for i, (name, file) in enumerate(files.items()):
            progress(f"fetching {name}", i, len(files))
            try:
                rows.append(_fetch_one(settings, name, file))
            except UsageError:
                raise
            except RoboError as error:
                failed = True
                out.note(str(error), label="warning")
    if as_json:
        out.print_json(rows)
    else:
        columns = [out.Column(c) for c in ("symbol", "bars", "first", "last")]
        out.table([*columns, out.Column("number", right=True), out.Column("file")], [_cells(r) for r in rows])
    if failed:
        raise typer.Exit(1)


def _fetch_one(settings: Config, symbol: str, file: Path) -> dict[str, Any]:
    from robo_trader.bars.csv_write import write_csv
    from robo_trader.bars.select import load_bars
    from robo_trader.bars.settings import BarSettings
    from robo_trader.plugins import load_host

    (frame,) = load_bars(
        settings.get("bars.source"),
        [symbol],
        BarSettings.from_table(settings.table("bars")),
        start=settings.get("run.start"),
        end=settings.get("run.end"),
        timeframe=settings.get("run.timeframe"),
        plugins=load_host(settings),
    )
    write_csv(frame, file)
    return {
        "symbol": symbol,
        "timeframe": frame.timeframe,
        "first": str(frame.session[0]),
        "last": str(frame.session[-1]),
        "bars": len(frame),
        "file": str(file),
        "notes": list(frame.notes),
    }


def _cells(row: dict[str, Any]) -> list[str]:
    return [row["symbol"], row["timeframe"], row["first"], row["last"], f"{row['bars']:,}", row["file"]]


def _file_name(symbol: str) -> str:
    """Return a symbol as a file's name on any system."""
    return "".join("_" if c in '\\/:*?"<>|' else c for c in symbol)


def _settings(given: dict[str, Any], config_file: str | None) -> Config:
    from robo_trader.config import load_config

    return load_config(config_file, flags=flags_of(given))


def _sources(settings: Config) -> list[str]:
    from robo_trader.plugins import load_host

    return load_host(settings).names("bars")
