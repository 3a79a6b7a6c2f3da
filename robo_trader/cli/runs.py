"""`robo runs`: list, show, compare, open, export, back up and prune what earlier runs left."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robo_trader.cli import keeping, out
from robo_trader.cli.help import RoboCommand, example, group
from robo_trader.cli.options import ConfigFile, Json, Out, run_names
from robo_trader.cli.places import runs_folder
from robo_trader.errors import RunError

if TYPE_CHECKING:
    from robo_trader.runs import Comparison, RunRow

app = group(alone=True)

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="last, the beginning of an id, its last six digits, or a folder.",
        autocompletion=run_names,
    ),
]


@app.callback()
@example("robo runs", "robo runs show last", "robo runs compare 3fa0c1 last")
def runs(
    ctx: typer.Context, folder: Out = None, config_file: ConfigFile = None, as_json: Json = False
) -> None:
    """List, show, compare, open, export, back up and prune finished runs."""
    if ctx.invoked_subcommand is None:
        list_(folder, config_file, 0, as_json)


@app.command("list", cls=RoboCommand)
@example("robo runs list", "robo runs list --limit 10 --json")
def list_(
    folder: Out = None,
    config_file: ConfigFile = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", help="Only the last N (default: all).", min=0)
    ] = 0,
    as_json: Json = False,
) -> None:
    """List the runs, the latest last, with their main numbers.

    Sessions on paper or live, which the journal alone holds, stand in a table of their own; with --out
    that folder alone is listed.
    """
    from robo_trader.cli.listing import SessionRow, rows_of, show_sessions

    rows = rows_of(folder, config_file, limit)
    if as_json:
        out.print_json([row.as_dict() for row in rows])
        return
    folders = [row for row in rows if not isinstance(row, SessionRow)]
    sessions = [row for row in rows if isinstance(row, SessionRow)]
    good = [row for row in folders if not row.problem]
    if good or not sessions:
        out.table(_LIST, [_list_row(row) for row in good], gap=1)
    if good and sessions:
        out.write("")
    show_sessions(sessions)
    for row in folders:
        if row.problem:
            out.note(f"{row.path}: {row.problem}", label="warning")
    if not rows:
        out.note("no runs here yet; 'robo backtest' makes one")


_LIST = [
    out.Column("run"),
    out.Column("strategy", fold=True),
    out.Column("made (UTC)"),
    out.Column("period"),
    out.Column("return", right=True),
    out.Column("Sharpe", right=True),
    out.Column("drawdown", right=True),
    out.Column("trades", right=True),
]


def _list_row(row: RunRow) -> list[str]:
    made = f"{row.started:%y-%m-%d %H:%M}" if row.started else ""
    first, last = (row.first or "")[:4], (row.last or "")[:4]
    found = row.metrics.get
    words = [word for word in (row.mode, row.state) if word not in ("backtest", "finished")]
    return [
        row.id.rpartition("-")[2] if row.started else row.id,
        f"{row.strategy} ({', '.join(words)})" if words else row.strategy,
        made,
        first if first == last else f"{first}–{last}",
        _percent(found("total_return")),
        _number(found("sharpe"), "{:.2f}"),
        _percent(found("max_drawdown")),
        _number(found("trades_closed"), "{:,.0f}"),
    ]


def _percent(value: float | None) -> str:
    return _number(value, "{:+.1%}").replace("%", " %")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


@app.command(cls=RoboCommand)
@example("robo runs show last", "robo runs show 3fa0c1 --json")
def show(
    run: Run = "last", folder: Out = None, config_file: ConfigFile = None, as_json: Json = False
) -> None:
    """Show a run's numbers, its warnings and how to repeat it.

    Of a RUN that only the journal of paper and live sessions holds: what it did, and how long its
    sessions lived.
    """
    from robo_trader.cli import summary
    from robo_trader.cli.found import find_anywhere

    anywhere = find_anywhere(run, folder, config_file)
    if anywhere.run is None:
        from robo_trader.cli.story import facts_of, lines_of, plain_facts

        if as_json:
            out.print_json(plain_facts(facts_of(anywhere, "run")))
        else:
            out.lines("\n".join(lines_of(anywhere, "run")))
        return
    found = anywhere.run
    if as_json:
        out.print_json({**found.document, "run_dir": str(found.run_dir)})
        return
    summary.show(found)
    summary.show_scorecard(found)
    summary.show_warnings(found)
    for problem in found.verify(quick=True):
        out.note(f"{found.run_dir}: {problem}", label="warning")
    if found.document.get("command"):
        out.lines(f"\nrepeat it with\n  {found.document['command']}")


@app.command(cls=RoboCommand)
@example("robo runs compare 3fa0c1 last")
def compare(
    run: Annotated[
        list[str], typer.Argument(metavar="RUN RUN", help="Two runs or more.", autocompletion=run_names)
    ],
    folder: Out = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Put runs side by side: numbers, what was different, whether the files are equal."""
    from robo_trader.runs import compare as compare_runs
    from robo_trader.runs import find_run

    parent = runs_folder(folder, config_file)
    found = compare_runs([find_run(parent, ref) for ref in run])
    if as_json:
        out.print_json(found)
        return
    _draw(found)


def _draw(found: Comparison) -> None:
    """Draw the metrics that differ or matter, then the differences, then the files."""
    heads = [out.Column(id_.rpartition("-")[2], right=True) for id_ in found.ids]
    rows = []
    for name, metrics in found.metrics.items():
        if any(metric is not None and metric.value is not None for metric in metrics):
            rows.append([name, *("–" if metric is None else metric.text() for metric in metrics)])
    out.table([out.Column("metric"), *heads], rows)
    out.write("")
    differences = [[key, *map(_short, values)] for key, values in found.differences.items()]
    if differences:
        columns = [out.Column(head.title, fold=True) for head in heads]
        out.table([out.Column("what differs", fold=True), *columns], differences)
    else:
        out.lines("Strategy, parameters, data, configuration and versions are the same.")
    equal = [name for name, same in found.same_files.items() if same]
    unequal = [name for name, same in found.same_files.items() if not same]
    said = [
        f"{word}: {', '.join(names)}" for word, names in (("equal", equal), ("different", unequal)) if names
    ]
    out.lines(f"Files {'; '.join(said)}." if said else "")


def _short(value: object) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


@app.command("open", cls=RoboCommand)
@example("robo runs open last")
def open_(
    run: Run = "last",
    path_only: Annotated[
        bool, typer.Option("--path", help="Print where the report is and do not open it.")
    ] = False,
    folder: Out = None,
    config_file: ConfigFile = None,
) -> None:
    """Open a run's report in the browser and print where it is."""
    from robo_trader.runs import find_run

    found = find_run(runs_folder(folder, config_file), run)
    report = found.report_path
    if report is None:
        command = found.document.get("command") or "the backtest"
        raise RunError(f"run {found.id} has no report", hint=f"run '{command}' without --no-report")
    out.write(str(report))
    if not path_only and not webbrowser.open(report.resolve().as_uri()):
        out.note("no browser could be started here; open that file yourself")


@app.command(cls=RoboCommand)
@example("robo runs export last --to results", "robo runs export last --format json --to run.json")
def export(
    run: Run = "last",
    target: Annotated[
        str | None,
        typer.Option("--to", metavar="PATH", help="The new folder or file (default: the run's id here)."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="csv|json|parquet", help="Default: by the ending of --to, else csv."
        ),
    ] = None,
    journal: Annotated[
        bool,
        typer.Option("--journal", help="Every table of the run's journal, from events to halts."),
    ] = False,
    folder: Out = None,
    config_file: ConfigFile = None,
) -> None:
    """Copy a run's tables for other programs and print where they are; never overwrites.

    A RUN that has no folder is looked for in the configured journal of paper and live sessions.
    """
    from robo_trader.cli.found import find_anywhere
    from robo_trader.journal.keeping import tables_of
    from robo_trader.journal.tables import TABLES
    from robo_trader.runs import export as export_run
    from robo_trader.runs import export_tables

    ending = Path(target).suffix.lstrip(".").lower() if target else ""
    chosen = format_ or ("json" if ending == "json" else "csv")
    found = find_anywhere(run, folder, config_file)
    place = target or (f"{found.id}.json" if chosen == "json" else found.id)
    if journal or found.run is None:
        with found.reading() as (reader, number):
            tables = tables_of(reader, number)
        out.write(str(export_tables(tables, {t.name: t.names for t in TABLES}, place, chosen)))
    else:
        out.write(str(export_run(found.run, place, chosen)))


app.command("backup", cls=RoboCommand)(keeping.backup)
app.command("prune", cls=RoboCommand)(keeping.prune)
